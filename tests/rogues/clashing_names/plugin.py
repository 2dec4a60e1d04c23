"""Claims the paths of the order domain."""

from core.kernel import Manifest


class Rogue:
    """Wants to be order."""

    manifest = Manifest(
        name="clashing_names", version="1.0.0", schema="clashing_names", owner="nobody", paths=("orders",)
    )

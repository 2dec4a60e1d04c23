"""Declares nothing: each hook raises."""

from typing import Any

from core.hookspecs import hookimpl
from core.kernel import Kernel, Manifest


class Rogue:
    """Raises when asked."""

    manifest = Manifest(name="raises_in_hooks", version="1.0.0", schema="raises_in_hooks", owner="nobody")

    @hookimpl
    def provides(self, kernel: Kernel) -> list[Any]:
        """Asked first, it gives no word of what is to come."""
        return []

    @hookimpl
    def extends(self) -> list[Any]:
        """As all the others."""
        raise RuntimeError("extends")

    @hookimpl
    def routes(self) -> list[Any]:
        """As all the others."""
        raise RuntimeError("routes")

    @hookimpl
    def subscriptions(self) -> list[Any]:
        """As all the others."""
        raise RuntimeError("subscriptions")

    @hookimpl
    def jobs(self) -> list[Any]:
        """As all the others."""
        raise RuntimeError("jobs")

    @hookimpl
    def lifespan(self) -> Any:
        """As all the others."""
        raise RuntimeError("lifespan")

    @hookimpl
    def commands(self) -> list[Any]:
        """As all the others."""
        raise RuntimeError("commands")

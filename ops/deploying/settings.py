"""The file that says what is deployed where, and by which measures: TOML, read once, unknown keys refused."""

import tomllib
from pathlib import Path

import attrs
import cattrs

from ops.deploying.kubernetes import KubernetesPlace
from ops.deploying.local import LocalPlace
from ops.deploying.model import DeployError
from ops.deploying.smoke import SmokeSettings
from ops.deploying.watching import Limits


@attrs.frozen(kw_only=True)
class DeployFile:
    """One of `local` and `kubernetes`, and what may be left out."""

    local: LocalPlace | None = None
    kubernetes: KubernetesPlace | None = None
    watch: Limits = attrs.field(factory=Limits)
    smoke: SmokeSettings = attrs.field(factory=SmokeSettings)
    start_seconds: float = 120.0
    """For all replicas of a colour to be ready."""


def read(path: Path) -> DeployFile:
    """Raises DeployError."""
    converter = cattrs.Converter(forbid_extra_keys=True)
    converter.register_structure_hook(Path, lambda text, _: Path(text))
    try:
        found = converter.structure(tomllib.loads(path.read_text("utf-8")), DeployFile)
    except (OSError, ValueError) as error:
        raise DeployError(f"{path} cannot be read: {error}") from None
    except cattrs.BaseValidationError as error:
        raise DeployError(f"{path}: {'; '.join(cattrs.transform_error(error))}") from None
    if (found.local is None) == (found.kubernetes is None):
        raise DeployError(f"{path} needs either [local] or [kubernetes]")
    return found

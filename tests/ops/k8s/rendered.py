"""The folders of ops/k8s as kubectl renders them."""

import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]  # it ships no types

ROOT = Path(__file__).parents[3]
K8S = ROOT / "ops/k8s"
KUBECTL = shutil.which("kubectl")
FOLDERS = (
    "overlays/production",
    "overlays/blue",
    "overlays/green",
    "overlays/staging",
    "migration/expand",
    "migration/plan",
    "route",
)
Object = dict[str, Any]


@cache
def text(folder: str) -> str:
    """As YAML."""
    assert KUBECTL is not None, "kubectl is not installed"
    ended = subprocess.run([KUBECTL, "kustomize", K8S / folder], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def objects(folder: str) -> list[Object]:
    """All of it."""
    return list(yaml.safe_load_all(text(folder)))


def of(folder: str, kind: str, name: str = "") -> Object:
    """The one of a kind, or of a kind and name."""
    (found,) = [one for one in objects(folder) if one["kind"] == kind and one["metadata"]["name"].startswith(name)]
    return found


def container(folder: str, kind: str = "Deployment") -> Object:
    """The only one of a workload."""
    (one,) = of(folder, kind)["spec"]["template"]["spec"]["containers"]
    return dict(one)


def labels(folder: str, kind: str = "Deployment") -> Object:
    """Of a workload's pods."""
    return dict(of(folder, kind)["spec"]["template"]["metadata"]["labels"])


def takes(selector: Object, labels: Object) -> bool:
    """Whether a selector of labels takes in what carries these."""
    return selector.items() <= labels.items()

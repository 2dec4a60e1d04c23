"""The public names: they exist, and what is built with them uses nothing else."""

import importlib

import pytest

from core.api import OWN_RANGE, PUBLIC, is_public
from core.kernel import Manifest
from tests.architecture.code import files, imports


@pytest.mark.parametrize("module", PUBLIC)
def test_every_public_name_exists_and_says_what_it_is_for(module: str) -> None:
    loaded = importlib.import_module(module)
    assert {name: why for name, why in PUBLIC[module].items() if not hasattr(loaded, name) or not why} == {}


def test_the_built_in_plugins_use_public_names_only() -> None:
    private = [
        f"{path}:{line} {name}"
        for path in files("plugins")
        for line, name in imports(path)
        if name.startswith("core.") and name.rpartition(".")[0] != "core" and name not in PUBLIC
        if not is_public(*name.rpartition(".")[::2])
    ]
    assert private == []


def test_what_is_public() -> None:
    assert is_public("core.errors", "Problem")
    assert is_public("core.audit", "")
    assert is_public("core", "audit")
    assert is_public("core.testing.client", "TestApp")
    assert not is_public("core.errors", "_nothing")
    assert not is_public("core.app", "App")
    assert not is_public("core", "app")
    assert not is_public("core.app", "")
    assert not is_public("core.testings", "x")


def test_the_range_that_manifests_have_by_default_is_the_kernels_own() -> None:
    assert Manifest(name="a", version="1", schema="a").api == OWN_RANGE

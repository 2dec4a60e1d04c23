"""Which plugins the settings name: lists of the files, the environment, and what production refuses."""

from pathlib import Path

import attrs
import pytest

from core import configuration
from core.configuration import Source
from core.settings import BadSettings


def read(tmp_path: Path, base: str, own: str = "", **env: str) -> Source:
    environment = env.setdefault("VURKSHA_ENV", "test")
    (tmp_path / "base.toml").write_text(base)
    (tmp_path / f"{environment}.toml").write_text(own)
    return configuration.read({"VURKSHA_CONFIG_DIR": str(tmp_path), "DATA_DIR": str(tmp_path), **env})


def test_an_environments_file_may_replace_the_list_or_add_to_it(tmp_path: Path) -> None:
    base = 'plugins = ["a", "b"]\nrequired_plugins = ["a"]\n'
    assert read(tmp_path, base).plugins == ("a", "b")
    assert read(tmp_path, base, 'plugins = ["c"]').plugins == ("c",)
    more = read(tmp_path, base, 'more_plugins = ["*"]')
    assert (more.plugins, more.required) == (("a", "b", "*"), ("a",))
    assert read(tmp_path, base, 'more_plugins = ["*"]', VURKSHA_PLUGINS="a,d").plugins == ("a", "d")


def test_production_loads_nothing_that_nobody_named(tmp_path: Path) -> None:
    for base, env in (('plugins = ["a", "*"]', {}), ('plugins = ["a"]', {"VURKSHA_PLUGINS": "*"})):
        with pytest.raises(BadSettings, match="in production name each"):
            read(tmp_path, base, VURKSHA_ENV="production", **env)
    assert read(tmp_path, 'plugins = ["a"]', VURKSHA_ENV="production").plugins == ("a",)


def test_sections_of_plugins_that_are_installed_and_not_loaded_are_no_mistake(tmp_path: Path) -> None:
    @attrs.frozen(kw_only=True)
    class Shop:
        fee: int = 1

    source = read(tmp_path, "[shop]\nfee = 3\n[gift]\ncard = 5\n")
    built = configuration.build(source, {"shop": Shop}, absent={"gift"})
    assert built.sections == {"shop": Shop(fee=3)}
    with pytest.raises(BadSettings, match=r"\[gift\] is no section"):
        configuration.build(source, {"shop": Shop})

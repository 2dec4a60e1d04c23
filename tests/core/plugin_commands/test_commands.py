"""Commands that plugins bring beside those that are there."""

from typing import Any

import click
import pytest

from core.hookspecs import hookimpl
from core.kernel import Manifest
from core.plugin_commands import add_commands
from core.plugins import PluginError, Plugins


def loaded(name: str, *, required: bool, command: object = None) -> Plugins:
    class Bringer:
        manifest = Manifest(name="bringer", version="1", schema="bringers", required=required)

        @hookimpl
        def commands(self) -> list[Any]:
            return [command or click.Command(name), click.Command("bring")]

    return Plugins([Bringer()])


def test_commands_of_plugins_are_added() -> None:
    program = click.Group(commands={"serve": click.Command("serve")})
    add_commands(program, loaded("take", required=False))
    assert sorted(program.commands) == ["bring", "serve", "take"]


def test_none_replaces_one_that_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    serve = click.Command("serve")
    program = click.Group(commands={"serve": serve})
    add_commands(program, loaded("serve", required=False))
    assert (program.commands["serve"], "bring" in program.commands) == (serve, True)
    assert "plugin bringer: there is a command serve already" in capsys.readouterr().err
    with pytest.raises(PluginError, match="bringer: there is a command serve already"):
        add_commands(program, loaded("serve", required=True))


@pytest.mark.parametrize("wrong", ["shout", click.Command(None)])
def test_what_is_no_command_is_told_and_the_others_are_added(wrong: object, capsys: pytest.CaptureFixture[str]) -> None:
    program = click.Group()
    add_commands(program, loaded("", required=False, command=wrong))
    assert sorted(program.commands) == ["bring"]
    assert "plugin bringer: its hook `commands` answers " in capsys.readouterr().err
    with pytest.raises(PluginError, match="bringer: its hook `commands` answers "):
        add_commands(program, loaded("", required=True, command=wrong))

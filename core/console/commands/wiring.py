"""`flags`: what is switched on, and by what."""

import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import attrs
import click

from core import configuration
from core.commands.shared import table
from core.console.desk import Desk
from core.settings import KERNEL_SECTIONS, BadSettings, Secret

if TYPE_CHECKING:
    from core.app import App

TITLES = ("SWITCH", "IS", "FROM")
CODE, MADE = "its default", "made at start"


def flags_command(desk: Desk) -> click.Command:
    """`flags`."""

    @click.command("flags", epilog="Example: flags --all")
    @click.option("--all", "everything", is_flag=True, help="Also what is off.")
    def flags(*, everything: bool) -> None:
        """What is switched on, and by what.

        Settings that are off until somebody sets them, optional plugins, and what plugins contribute to each other.
        """
        try:
            came = configuration.origins(os.environ, desk.app.settings.environment)
        except BadSettings as error:
            raise click.ClickException(str(error)) from None
        rows = [*_settings(desk.app, came), *desk.see(lambda app: [*_plugins(app), *_points(app)])]
        click.echo(table(TITLES, [row for row in rows if everything or row[1] != "off"]))

    return flags


def _settings(app: "App", came: Mapping[tuple[str, str], str]) -> Iterator[tuple[object, ...]]:
    """Those that are off until somebody sets them, and yes or no."""
    yield "environment", app.settings.environment, "VURKSHA_ENV" if "VURKSHA_ENV" in os.environ else CODE
    for name in (*KERNEL_SECTIONS, *app.settings.sections):
        section: Any = app.settings.sections.get(name) or getattr(app.settings, name)
        for field in attrs.fields(type(section)):
            value = getattr(section, field.name)
            if _is_switch(field, value):
                yield (
                    f"{name}.{field.name}",
                    _told(value),
                    came.get((name, field.name), MADE if value and not field.default else CODE),
                )


def _is_switch(field: "attrs.Attribute[Any]", value: object) -> bool:
    return isinstance(value, bool | list) or field.default is None or field.default == ""


def _told(value: Any) -> str:
    if not value:
        return "off"
    if isinstance(value, Secret):
        return "set"
    if isinstance(value, list):
        return f"{len(value)} set" if isinstance(value[0], Secret) else ", ".join(map(str, value))
    return "on" if value is True else str(value)


def _plugins(app: "App") -> Iterator[tuple[object, ...]]:
    guards, by = app.kernel.guards, configuration.PLUGINS if configuration.PLUGINS in os.environ else "config/*.toml"
    for name in sorted(guards.optional):
        aside = guards.aside.get(name)
        yield f"plugin {name}", aside.state if aside else "on", aside.by if aside else by


def _points(app: "App") -> Iterator[tuple[object, ...]]:
    for point in sorted(app.kernel.extensions.points, key=lambda one: one.name):
        there = [one.plugin for one in app.kernel.extensions.of(point)]
        gone = {one.plugin for one in app.kernel.extensions.all[point]} - {*there}
        told = [f"{name} ({there.count(name)})" for name in dict.fromkeys(there)]
        yield point.name, ", ".join(told) or "off", f"plugins; aside: {', '.join(sorted(gone))}" if gone else "plugins"

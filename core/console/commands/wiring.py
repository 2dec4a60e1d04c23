"""`flags`: what is switched on, and by what."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import attrs
import click

from core.commands.shared import table
from core.console.desk import Desk
from core.settings import KERNEL_SECTIONS, Secret

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
        rows = desk.see(lambda app: [*_settings(app), *_plugins(app), *_points(app)])
        click.echo(table(TITLES, [row for row in rows if everything or row[1] != "off"]))

    return flags


def _settings(app: "App") -> Iterator[tuple[object, ...]]:
    """Those that are off until somebody sets them, and yes or no."""
    came = app.settings.origins
    yield "environment", app.settings.environment, came.get("environment", CODE)
    for name in (*KERNEL_SECTIONS, *app.settings.sections):
        section: Any = app.settings.sections.get(name) or getattr(app.settings, name)
        for field in attrs.fields(type(section)):
            value = getattr(section, field.name)
            if _is_switch(field, value):
                otherwise = MADE if value and not field.default else CODE
                yield f"{name}.{field.name}", _told(value), came.get(f"{name}.{field.name}", otherwise)


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
    guards, by = app.kernel.guards, app.settings.origins.get("plugins", CODE)
    for name in sorted(guards.optional):
        aside = guards.aside.get(name)
        yield f"plugin {name}", aside.state if aside else "on", aside.by if aside else by


def _points(app: "App") -> Iterator[tuple[object, ...]]:
    for point in sorted(app.kernel.extensions.points, key=lambda one: one.name):
        there = [one.plugin for one in app.kernel.extensions.of(point)]
        gone = {one.plugin for one in app.kernel.extensions.all[point]} - {*there}
        told = [f"{name} ({there.count(name)})" for name in dict.fromkeys(there)]
        yield point.name, ", ".join(told) or "off", f"plugins; aside: {', '.join(sorted(gone))}" if gone else "plugins"

"""`vurksha plugins disable|enable|uninstall`: each says what it would do, and does it with --yes, audited."""

import textwrap
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from core.audit import operator
from core.commands.shared import WIDTH
from core.isolation import states
from core.isolation.model import cascaded
from core.plugin_commands.facts import Facts, several

if TYPE_CHECKING:
    from core.app import App
    from core.store.db import Tx

WRAP: Any = {"subsequent_indent": " " * 37, "break_long_words": False, "break_on_hyphens": False}
# inbox_due, of the few consumers of one plugin.
WAITING = "SELECT count(*) FROM kernel.inbox WHERE state = 'waiting' AND consumer = ANY($1::text[])"
# The whole table, which has a row per subscription of an optional plugin.
REMEMBERED = "SELECT DISTINCT consumer FROM kernel.plugin_consumers WHERE plugin = $1"
FORGET = "DELETE FROM kernel.plugin_consumers WHERE plugin = $1"


class Switch:
    """One plugin of an app that is not started, with its database open."""

    def __init__(self, app: "App", name: str) -> None:
        self._app, self._name, self._facts = app, name, Facts(app)

    async def disable(self, reason: str, *, yes: bool) -> None:
        """All that require it go with it. Raises ClickException for who is required or not known."""
        names = [self._name, *self._facts.dependents(self._optional())]
        if not yes:
            for name in names:
                click.echo("\n".join(self._losses(name)))
            click.echo("Nothing was changed. With --yes every replica does this within 2 s.")
            return
        async with self._app.db.transaction() as tx:
            if not await states.disable(tx, self._name, reason or "disabled", operator()):
                click.echo(f"{self._name} is disabled already")
        click.echo(f"disabled on every replica within 2 s: {several(names)}")

    async def quarantine(self, reason: str, *, yes: bool) -> None:
        """What the kernel does to one that misbehaves; all that require it go with it. Also while the database is away.

        Only of an app that serves: here it holds at once. Raises ClickException for who is required or not known.
        """
        names = [self._name, *self._facts.dependents(self._optional())]
        guards = self._app.kernel.guards
        if not yes:
            for name in names:
                click.echo("\n".join(self._losses(name)))
            click.echo("Nothing was changed: add --yes")
            return
        if not guards.available(self._name):
            click.echo(f"{self._name} is put aside already")
        guards.quarantine(self._name, reason, operator())
        click.echo(f"quarantined here, and on every replica within 2 s: {several(names)}")

    async def enable(self, *, yes: bool) -> None:
        """Ends what `disable` or a quarantine began. Who went with it comes back with it."""
        requires, own = self._app.kernel.guards.requires, await states.listed(self._app.db)
        known = cascaded(own, requires)
        if (state := known.get(self._name)) is None:
            self._optional()
            if not self._app.kernel.guards.available(self._name):
                raise click.ClickException(f"{self._name} is put aside here, which is not written down yet: try again")
            raise click.ClickException(f"{self._name} is neither disabled nor quarantined")
        click.echo(f"{self._name} is {state.state} since {state.since:%Y-%m-%dT%H:%M:%SZ}: {state.reason} ({state.by})")
        manifest = self._facts.manifest(self._name)
        if missing := [one for one in (manifest.requires if manifest else ()) if one in known]:
            raise click.ClickException(f"enable what it requires first: {several(missing)}")
        if why := self._facts.plugins.left_out.get(self._name):
            click.echo(f"It cannot be loaded here: {why}")
        left = cascaded({name: one for name, one in own.items() if name != self._name}, requires)
        for name in self._facts.dependents(self._name):
            click.echo(f"{name} stays put aside: {left[name].reason}" if name in left else f"{name} comes back with it")
        waiting = await self._app.db.fetchval(WAITING, await self._consumers())
        if not yes:
            click.echo(f"{waiting} events wait for it. Nothing was changed; with --yes every replica uses it again.")
            return
        async with self._app.db.transaction() as tx:
            await self._admit(tx)
        click.echo(f"{self._name} is used again on every replica within 2 s; {waiting} events waited for it")

    async def _admit(self, tx: "Tx") -> None:
        if not await states.enable(tx, self._name, operator()):
            await states.readmit(tx, self._name, operator())

    async def uninstall(self, *, yes: bool) -> None:
        """Only of who is disabled: until then events are still handled."""
        state = (await states.listed(self._app.db)).get(self._name)
        if self._facts.manifest(self._name) is not None:
            self._optional()
        if state is None:
            raise click.ClickException(f"disable it first: vurksha plugins disable {self._name}")
        hears = await self._consumers()
        waiting = await self._app.db.fetchval(WAITING, hears)
        click.echo(f"{waiting} events that wait for it stay in the inbox; those to come will not wait.")
        if hears and self._app.settings.rabbitmq.url is not None:
            click.echo(f"Delete its queues on the broker: {several(hears)}")
        if not yes:
            click.echo("Nothing was changed.")
            return
        async with self._app.db.transaction() as tx:
            await tx.execute(FORGET, self._name)
        click.echo(f"Now take {self._name} out of `plugins` in the settings, restart, and uninstall its package.")
        click.echo("Its schema and its rows stay, and so does what others keep of it. Without its code nobody is")
        click.echo("erased from them any more: drop the schema when nothing obliges you to keep it.")

    async def _consumers(self) -> list[str]:
        """Its own, also where its code cannot be loaded."""
        remembered = {row["consumer"] for row in await self._app.db.fetch(REMEMBERED, self._name)}
        return sorted(remembered | self._facts.hears(self._name).keys())

    def _optional(self) -> str:
        """Its name; ClickException where it must not be taken out."""
        manifest = self._facts.manifest(self._name)
        if manifest is None and self._name not in self._facts.plugins.left_out:
            raise click.ClickException(f"there is no plugin {self._name}: {several(self._facts.names)}")
        if manifest is not None and manifest.required:
            raise click.ClickException(f"{self._name} is required: without it nothing is served")
        return self._name

    def _losses(self, name: str) -> Iterator[str]:
        facts, manifest = self._facts, self._facts.manifest(name)
        because = "" if name == self._name else f", which requires {self._name}"
        yield f"Without {name}{because}:"
        if manifest is None:
            yield f"  it is left out already: {facts.plugins.left_out[name]}"
            return
        for title, listed in self._lost(name):
            yield textwrap.fill(several(listed), WIDTH, initial_indent=f"  {title:34} ", **WRAP)
        yield f"  {'stays as it is, and readable':34} the schema {manifest.schema}, and what other domains keep"

    def _lost(self, name: str) -> Iterator[tuple[str, Sequence[str]]]:
        facts = self._facts
        told = [f"{event} ({several(who)})" for event in facts.events(name) if (who := facts.listeners(event))]
        yield "routes that answer 503", facts.routes(name)
        yield "ports that others use", facts.provides(name)
        yield "events that wait for it", sorted({event for events in facts.hears(name).values() for event in events})
        yield "events that nobody emits any more", told
        yield "jobs that stop", [one.name for one in facts.asked(name, "jobs")]
        yield "contributions that are left out", [f"{point} ({n})" for point, n in facts.contributes(name).items()]
        yield "plugins that go with it", facts.dependents(name)

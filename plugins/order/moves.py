"""The state machine of this process: the moves that plugins contribute, merged once and proved at start."""

import logging
from collections.abc import Iterator, Sequence
from itertools import groupby

import attrs

from core.extensions import Extension, Extensions
from core.isolation.guards import Guards
from core.plugins import PluginError
from plugins.order.contributions import Guard, Transition
from plugins.order.ports import ORDER_TRANSITIONS
from plugins.order.standing import State
from plugins.order.transitions import Machine, Unproved

log = logging.getLogger(__name__)


class Moves:
    """Merges the moves of the plugins that are available now; asked again, it answers from memory while they stay."""

    def __init__(self, extensions: Extensions, guards: Guards) -> None:
        self._extensions, self._guards = extensions, guards
        self._of: Sequence[Extension[Transition]] = ()
        self._machine = Machine()

    def prove(self) -> None:
        """Once, at start: raises PluginError for a required plugin's moves, and puts aside an optional plugin."""
        accepted: list[Transition] = []
        for plugin, group in groupby(self._extensions.of(ORDER_TRANSITIONS), key=lambda one: one.plugin):
            more = [one.item for one in group]
            try:
                Machine([*accepted, *more])
            except Unproved as error:
                line = f"{plugin} contributes moves of orders that cannot be used: {error}"
                if plugin not in self._guards.optional:
                    raise PluginError(line) from None
                self._guards.quarantine(plugin, line)
            else:
                accepted += more

    def machine(self) -> Machine:
        """Of what is available now. Fewer plugins than were proved leave a machine that is as sound."""
        now = self._extensions.of(ORDER_TRANSITIONS)
        if now != self._of:
            self._of, self._machine = now, Machine(self._guarded(now))
        return self._machine

    def _guarded(self, moves: Sequence[Extension[Transition]]) -> Iterator[Transition]:
        """An optional plugin's own guard that fails says no, and is counted."""
        for one in moves:
            if one.plugin not in self._guards.optional:
                yield one.item
            else:
                yield attrs.evolve(one.item, guard=self._watched(one.plugin, one.item.guard))

    def _watched(self, plugin: str, guard: Guard) -> Guard:
        def allows(state: State) -> bool:
            try:
                return self._guards.pure(plugin, f"guard {guard.name}", guard.allows, state) is True
            except Exception:  # noqa: BLE001  counted by `pure`; whatever it was, it did not say yes
                return False

        return Guard(guard.name, allows)

"""What all replicas told of themselves lately, added up: the last ten minutes, in slots of two seconds."""

import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import attrs

from core.agreement import disagreement
from core.observe.meter import quantile
from core.operations.page.pulse import EVERY, Asked, Pulse

SLOTS = 300
"""Ten minutes."""
SILENT = 7.0
"""Seconds after which a replica that says nothing is gone."""
SHARES = (0.5, 0.95, 0.99)


@attrs.define
class Slot:
    """What happened in two seconds."""

    number: int
    asked: Asked = attrs.field(factory=Asked)
    routes: dict[str, Asked] = attrs.field(factory=dict)
    counts: Counter[str] = attrs.field(factory=Counter)

    def add(self, pulse: Pulse) -> None:
        """One replica's part."""
        self.asked = self.asked.plus(pulse.asked)
        for name, asked in pulse.routes.items():
            self.routes[name] = self.routes.get(name, Asked()).plus(asked)
        self.counts.update(pulse.counts)


class Fleet:
    """Every replica that this one hears of, itself among them."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._heard: dict[str, tuple[float, Pulse]] = {}
        self._slots: deque[Slot] = deque()
        self._routes: dict[str, Asked] = {}
        """Of all slots together, kept up to date slot by slot: adding all of them up takes too long."""

    def hear(self, pulse: Pulse) -> None:
        """A replica's pulse counts for the moment it arrives: clocks differ."""
        now = self._clock()
        self._heard[pulse.peer["id"]] = (now, pulse)
        slot = self._slot(int(now / EVERY))
        slot.add(pulse)
        for name, asked in pulse.routes.items():
            self._routes[name] = self._routes.get(name, Asked()).plus(asked)

    def _slot(self, number: int) -> Slot:
        self._forget(number)
        if not self._slots or self._slots[-1].number < number:
            self._slots.append(Slot(number))
        return self._slots[-1]

    def _forget(self, number: int) -> None:
        while self._slots and self._slots[0].number <= number - SLOTS:
            for name, asked in self._slots.popleft().routes.items():
                left = self._routes[name].plus(asked, -1)
                if left.requests:
                    self._routes[name] = left
                else:
                    del self._routes[name]

    @property
    def pulses(self) -> list[Pulse]:
        """The last of each replica that lives, the oldest replica first."""
        oldest = self._clock() - SILENT
        self._heard = {key: one for key, one in self._heard.items() if one[0] > oldest}
        return sorted((pulse for _, pulse in self._heard.values()), key=lambda pulse: pulse.peer["started"])

    def agreement(self) -> str:
        """In what replicas do not agree, for people; empty if they do."""
        peers = [pulse.who() for pulse in self.pulses]
        return disagreement(peers[-1], peers[:-1]) if peers else ""

    def series(self) -> Mapping[str, Any]:
        """The lines of the plots, oldest first; None where nothing was heard in a slot. Per second, seconds, counts."""
        end = int(self._clock() / EVERY)
        self._forget(end)
        slots = {slot.number: slot for slot in self._slots}
        row = [slots.get(number) for number in range(end - SLOTS, end)]
        return {
            "every": EVERY,
            "requests": [None if one is None else one.asked.requests / EVERY for one in row],
            "failed": [None if one is None else one.asked.failed / EVERY for one in row],
            **{
                f"p{share * 100:.0f}": [
                    quantile(one.asked.buckets, share) if one is not None and one.asked.requests else None
                    for one in row
                ]
                for share in SHARES
            },
            "counts": dict(self._counted(row)),
        }

    @staticmethod
    def _counted(row: "list[Slot | None]") -> Iterator[tuple[str, list[int | None]]]:
        names = sorted({name for one in row if one is not None for name in one.counts})
        for name in names:
            yield name, [None if one is None else one.counts[name] for one in row]

    def routes(self) -> list[dict[str, Any]]:
        """Those that were asked for within ten minutes, the ones with failures first."""
        return sorted(
            (
                {
                    "route": name,
                    "requests": asked.requests,
                    "refused": asked.refused,
                    "failed": asked.failed,
                    **{f"p{share * 100:.0f}": quantile(asked.buckets, share) for share in SHARES},
                }
                for name, asked in self._routes.items()
            ),
            key=lambda row: (-row["failed"], -row["requests"]),
        )

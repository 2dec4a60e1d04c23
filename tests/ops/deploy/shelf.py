"""A place to deploy to that is only remembered, and a book that is."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import attrs

from ops.deploying.model import Refused, Release, State, Totals
from ops.deploying.target import Standing


@attrs.define
class Shelf:
    """Two colours, on paper. `does` is all that was done, in order."""

    state: State = attrs.field(factory=State)
    files: Sequence[str] = ()
    does: list[str] = attrs.field(factory=list)
    ready: dict[str, int] = attrs.field(factory=dict)
    wanted: dict[str, int] = attrs.field(factory=dict)
    """Two where nobody asked for more."""
    room: dict[str, int] = attrs.field(factory=dict)
    """How many of a colour get ready when they are started; all where none is given."""
    loaded: dict[str, Standing] = attrs.field(factory=dict)
    """What becomes of a colour as soon as it has traffic."""
    fixed: set[str] = attrs.field(factory=set)
    """Colours that may not shrink."""
    shares: dict[str, int] = attrs.field(factory=dict)
    answers: dict[str, Totals] = attrs.field(factory=dict)
    """What a colour's totals grow by each time that somebody looks."""
    seen: dict[str, Totals] = attrs.field(factory=dict)
    dies: str = ""
    """How the act begins in which the tool is killed, when what it does is done."""

    @property
    def book(self) -> "Shelf":
        return self

    @contextmanager
    def held(self) -> Iterator[None]:
        yield

    def load(self) -> State:
        return self.state

    def save(self, state: State) -> None:
        self.state = state

    def pending(self, release: Release) -> Sequence[str]:
        if "contracts" in release.artefact:
            raise Refused("not expand-only")
        return self.files

    def migrate(self, release: Release) -> Sequence[str]:
        self._does("migrate")
        return self.pending(release)

    def start(self, color: str, release: Release) -> None:
        self.wanted.setdefault(color, 2)
        self.reinforce(color)
        self._does(f"start {color} {release.name}")

    def reinforce(self, color: str) -> None:
        """Not among what it does, as neither are the two below: of these only the effect counts."""
        self.hold(color)
        self.wanted[color] = max(self.wanted.values())
        self.ready[color] = min(self.wanted[color], self.room.get(color, self.wanted[color]))

    def hold(self, color: str) -> None:
        self.fixed.add(color)

    def relax(self, color: str) -> None:
        self.fixed.discard(color)

    def standing(self, color: str) -> Standing:
        self._dies_in("standing")
        if color in self.loaded and self.shares.get(color):
            return self.loaded[color]
        ready = self.ready.get(color, 0)
        return Standing(ready=ready, wanted=self.wanted.get(color, 2), why="" if ready else "does not run")

    @contextmanager
    def reached(self, color: str) -> Iterator[Sequence[str]]:
        yield [f"http://{color}"]

    def shift(self, shares: Mapping[str, int]) -> None:
        for color, share in shares.items():
            assert self.ready[color] or share <= self.shares.get(color, 0), f"nobody of {color} is ready"
        self.shares.update(shares)
        self._does(f"shift {dict(sorted(shares.items()))}")

    def totals(self, color: str) -> Totals:
        old, more = self.seen.get(color, Totals()), self.answers.get(color, Totals())
        bounds = {*old.buckets, *more.buckets}
        self.seen[color] = Totals(
            requests=old.requests + more.requests,
            errors=old.errors + more.errors,
            buckets={bound: old.buckets.get(bound, 0) + more.buckets.get(bound, 0) for bound in bounds},
        )
        return self.seen[color]

    def stop(self, color: str) -> None:
        self.ready[color] = 0
        self._does(f"stop {color}")

    def _does(self, act: str) -> None:
        self.does.append(act)
        self._dies_in(act)

    def _dies_in(self, act: str) -> None:
        if self.dies and act.startswith(self.dies):
            raise KeyboardInterrupt

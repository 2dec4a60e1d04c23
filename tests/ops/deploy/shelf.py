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
    shares: dict[str, int] = attrs.field(factory=dict)
    answers: dict[str, Totals] = attrs.field(factory=dict)
    """What a colour's totals grow by each time that somebody looks."""
    seen: dict[str, Totals] = attrs.field(factory=dict)
    sickly: bool = False
    """Nothing that is started is ever ready."""
    dies: bool = False
    """The tool is killed while it waits."""

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
        self.does.append("migrate")
        return self.pending(release)

    def start(self, color: str, release: Release) -> None:
        self.does.append(f"start {color} {release.name}")
        self.ready[color] = 0 if self.sickly else 2

    def standing(self, color: str) -> Standing:
        if self.dies:
            raise KeyboardInterrupt
        return Standing(ready=self.ready.get(color, 0), wanted=2, why="" if self.ready.get(color) else "does not run")

    @contextmanager
    def reached(self, color: str) -> Iterator[Sequence[str]]:
        yield [f"http://{color}"]

    def shift(self, shares: Mapping[str, int]) -> None:
        self.does.append(f"shift {dict(sorted(shares.items()))}")
        self.shares.update(shares)

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
        self.does.append(f"stop {color}")
        self.ready[color] = 0

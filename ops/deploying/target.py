"""What the tool asks of the place that it deploys to."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

import attrs

from ops.deploying.model import Release, State, Totals


class Busy(Exception):
    """Somebody else deploys right now."""


@attrs.frozen(kw_only=True)
class Standing:
    """How many replicas of a colour are ready, and what keeps the others."""

    ready: int
    wanted: int
    why: str = ""

    @property
    def all_ready(self) -> bool:
        """Every one, and there are some."""
        return self.ready >= self.wanted > 0

    def __str__(self) -> str:
        return f"{self.ready} of {self.wanted} replicas are ready{': ' if self.why else ''}{self.why}"


class Book(Protocol):
    """Keeps the state and lets one run at a time near it."""

    def held(self) -> AbstractContextManager[None]:
        """Nobody else deploys inside the block. Raises Busy. A run that was killed holds nothing for long."""
        ...

    def load(self) -> State:
        """As last saved."""
        ...

    def save(self, state: State) -> None:
        """All of it or, when the tool is killed meanwhile, nothing."""
        ...


class Target(Protocol):
    """Two colours of replicas behind a balancer. Everything may be asked twice: a run may have been killed half way."""

    @property
    def book(self) -> Book:
        """Where the state is kept."""
        ...

    def pending(self, release: Release) -> Sequence[str]:
        """Migrations that the release brings. Raises Refused for one that does more than expand."""
        ...

    def migrate(self, release: Release) -> Sequence[str]:
        """Apply them. Raises Refused likewise."""
        ...

    def start(self, color: str, release: Release) -> None:
        """Have the colour's replicas run this release; those that do already are left alone."""
        ...

    def reinforce(self, color: str) -> None:
        """Have it grow to as many replicas as the larger colour has, and hold it there. Waits for none."""
        ...

    def hold(self, color: str) -> None:
        """Let it grow but not shrink, however little it is asked, until `relax`."""
        ...

    def relax(self, color: str) -> None:
        """Let it shrink again."""
        ...

    def standing(self, color: str) -> Standing:
        """Of its replicas."""
        ...

    def reached(self, color: str) -> AbstractContextManager[Sequence[str]]:
        """Base URLs that lead to this colour only, whatever the balancer does."""
        ...

    def shift(self, shares: Mapping[str, int]) -> None:
        """Per cent of the requests for each colour."""
        ...

    def totals(self, color: str) -> Totals:
        """What its customers got since it started."""
        ...

    def stop(self, color: str) -> None:
        """End its replicas in their stages: nothing under way is lost (RELIABILITY 4.10)."""
        ...

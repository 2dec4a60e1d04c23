"""What a deploy is and how far it has come, as it is kept between two runs of the tool."""

from collections.abc import Mapping
from types import MappingProxyType

import attrs

BLUE, GREEN = COLORS = ("blue", "green")
NONE: Mapping[float, float] = MappingProxyType({})
KEPT_LINES = 80
"""Of the log, in the state."""
EVERYTHING = 100
"""Per cent of the requests."""


class DeployError(Exception):
    """Something that a person can mend, in one line."""


class Refused(DeployError):
    """The new release must not get traffic. It got none, or has none any more."""


@attrs.frozen(kw_only=True)
class Release:
    """What is rolled out: an image's reference, or a folder with the code, under a name that replicas know it by."""

    artefact: str
    name: str


@attrs.frozen(kw_only=True)
class Totals:
    """Counters of one colour since it started."""

    requests: int = 0
    errors: int = 0
    """5xx, and requests that broke off."""
    buckets: Mapping[float, float] = NONE
    """Requests answered within so many seconds, cumulative, infinity included."""


@attrs.frozen(kw_only=True)
class Figures:
    """What customers of one colour got for some time."""

    requests: int = 0
    errors: int = 0
    p99: float = 0.0
    """Seconds."""

    @property
    def share(self) -> float:
        """Of requests that failed."""
        return self.errors / self.requests if self.requests else 0.0

    def __str__(self) -> str:
        return f"{self.requests} requests, {self.errors} failed, p99 {self.p99 * 1000:.0f} ms"


@attrs.frozen(kw_only=True)
class Rollout:
    """The deploy under way, or the last one."""

    release: Release
    color: str
    """Which gets the new release."""
    before: str
    """Which had the traffic; empty at the very first deploy."""
    began: str
    done: tuple[str, ...] = ()
    """Steps that need not be done again."""
    share: int = 0
    """Per cent of the requests that the new colour gets, or was about to get when the tool stopped."""
    baseline: Figures | None = None
    """Of the colour before, while it had all the traffic."""
    outcome: str = ""
    """`live`, `retired` (the colour before was stopped), `refused` or `rolled back`; empty while under way."""
    why: str = ""

    @property
    def ended(self) -> bool:
        """Whether nothing is left to be watched."""
        return bool(self.outcome)

    def shares(self, share: int) -> dict[str, int]:
        """Per cent of the requests by colour: the one before, where there is one, has what the new one has not."""
        return {self.color: share, **({self.before: EVERYTHING - share} if self.before else {})}

    def undone(self, why: str) -> "Rollout":
        """Without traffic, and with every step to do again: what is saved before its colour is stopped."""
        return attrs.evolve(self, done=(), share=0, baseline=None, outcome="", why=why)


@attrs.frozen(kw_only=True)
class State:
    """All that the next run of the tool needs to know."""

    live: str = ""
    """The colour with the traffic; empty before the first deploy."""
    releases: Mapping[str, Release] = attrs.field(factory=dict)
    """What each colour runs or ran last."""
    rollout: Rollout | None = None
    log: tuple[str, ...] = ()

    @property
    def idle(self) -> str:
        """The colour that a new release goes to."""
        return GREEN if self.live == BLUE else BLUE

    def noted(self, line: str) -> "State":
        """With one line more in its log."""
        return attrs.evolve(self, log=(*self.log, line)[-KEPT_LINES:])

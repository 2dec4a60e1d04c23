"""The deploy itself: migrate, start, wait, smoke, move the traffic in parts, watch, go back when it is worse.

Each step is written down before and after, and may be done twice: a run that was killed is simply run again.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

import attrs

from ops.deploying.model import EVERYTHING, DeployError, Figures, Refused, Release, Rollout, State
from ops.deploying.target import Target
from ops.deploying.watching import Limits, since, worse

STEPS = ("migrate", "start", "ready", "smoke")
Smoke = Callable[[Sequence[str], Release, Callable[[str], None]], None]
"""Asks the given addresses as a customer would. Raises Refused."""


@attrs.define
class Deploy:
    """One run of the tool. The book is held by whoever calls."""

    target: Target
    limits: Limits
    smoke: Smoke
    tell: Callable[[str], None]
    start_seconds: float = 120.0
    state: State = attrs.field(factory=State)

    def __attrs_post_init__(self) -> None:
        self.state = self.target.book.load()

    # -- what is known

    @property
    def under_way(self) -> Rollout:
        """Raises DeployError where there is none."""
        rollout = self.state.rollout
        if rollout is None or rollout.ended:
            raise DeployError("no deploy is under way: begin one with `ops/deploy apply`")
        return rollout

    def _say(self, line: str) -> None:
        stamped = f"{datetime.now(UTC):%H:%M:%S} {line}"
        self.state = self.state.noted(stamped)
        self.tell(stamped)

    def _save(self, rollout: Rollout, **more: object) -> Rollout:
        self.state = attrs.evolve(self.state, rollout=rollout, **more)  # type: ignore[arg-type]  # by name
        self.target.book.save(self.state)
        return rollout

    # -- plan

    def plan(self, release: Release) -> list[str]:
        """What `apply` and `switch` would do, in order. Changes nothing."""
        state, color = self.state, self.state.idle
        rollout = state.rollout
        lines = []
        if rollout is not None and not rollout.ended:
            self._same(rollout, release)
            color = rollout.color
            lines.append(f"goes on with the deploy of {rollout.began}; done: {', '.join(rollout.done) or 'nothing'}")
        live = f"{state.live} ({state.releases[state.live].name})" if state.live else "nobody"
        files = self.target.pending(release)
        lines += [f"traffic is with {live}; {release.name} goes to {color}"]
        lines += [f"migrate: {file}" for file in files] or ["migrate: nothing to do"]
        lines += [f"start: {color} with {release.artefact}", f"ready: wait up to {self.start_seconds:.0f} s", "smoke"]
        for share in self.limits.shares:
            lines.append(f"switch: {share} % to {color}, watched for {self.limits.seconds:.0f} s")
        return [*lines, f"retire: {state.live} is stopped" if state.live else "retire: nobody to stop"]

    @staticmethod
    def _same(rollout: Rollout, release: Release) -> None:
        if rollout.release != release:
            raise DeployError(
                f"the deploy of {rollout.release.name} is not over: apply it again, switch, or `ops/deploy rollback`"
            )

    # -- apply

    def apply(self, release: Release) -> None:
        """Everything up to a smoked colour without traffic. What fails is stopped again. Raises Refused."""
        rollout = self.state.rollout
        if rollout is None or rollout.ended:
            rollout = self._begin(release)
        else:
            self._same(rollout, release)
            self._say(f"{release.name}: going on after {', '.join(rollout.done) or 'the start'}")
        if rollout.share:
            raise DeployError(f"{release.name} has {rollout.share} % of the traffic already: go on with switch")
        for number, step in enumerate(STEPS, 1):
            if step in rollout.done:
                continue
            self._say(f"[{number}/{len(STEPS)}] {step}: {rollout.color}, {release.name}")
            try:
                getattr(self, f"_{step}")(rollout)
            except Refused as refused:
                self._give_up(rollout, f"{step}: {refused}")
            rollout = self._save(attrs.evolve(rollout, done=(*rollout.done, step)))
        self._say(f"{rollout.color} is well and has no traffic yet: ops/deploy switch")

    def _begin(self, release: Release) -> Rollout:
        live, color = self.state.live, self.state.idle
        if live and self.state.releases[live] == release:
            raise DeployError(f"{release.name} is live already, as {live}")
        began = datetime.now(UTC).isoformat(timespec="seconds")
        releases = {**self.state.releases, color: release}
        return self._save(Rollout(release=release, color=color, before=live, began=began), releases=releases)

    def _give_up(self, rollout: Rollout, why: str) -> None:
        self._say(f"refused, {why}")
        self._save(rollout.undone(why))
        if "start" in rollout.done or why.startswith("start"):
            self.target.stop(rollout.color)
        self._save(attrs.evolve(rollout, outcome="refused", why=why))
        raise Refused(f"{rollout.release.name} gets no traffic: {why}")

    def _migrate(self, rollout: Rollout) -> None:
        for file in self.target.migrate(rollout.release) or ["the schema is up to date"]:
            self._say(f"    {file}")

    def _start(self, rollout: Rollout) -> None:
        self.target.start(rollout.color, rollout.release)

    def _ready(self, rollout: Rollout) -> None:
        took = self._wait(lambda: self._unready(rollout.color))
        self._say(f"    all replicas of {rollout.color} were ready after {took:.1f} s")

    def _unready(self, color: str) -> str:
        standing = self.target.standing(color)
        return "" if standing.all_ready else str(standing)

    def _wait(self, lacking: Callable[[], str], meanwhile: Callable[[], object] = lambda: time.sleep(0.2)) -> float:
        """Until nothing is lacking any more; the seconds that took. Raises Refused."""
        began, told = time.monotonic(), ""
        while lacks := lacking():
            if lacks != told:
                self._say(f"    {(told := lacks)}")
            if time.monotonic() - began > self.start_seconds:
                raise Refused(f"{lacks} after {self.start_seconds:.0f} s")
            meanwhile()
        return time.monotonic() - began

    def _smoke(self, rollout: Rollout) -> None:
        with self.target.reached(rollout.color) as urls:
            self.smoke(urls, rollout.release, lambda line: self._say(f"    {line}"))

    def smoke_now(self, color: str = "") -> None:
        """Smoke a colour, by itself: the one under way, else the one with the traffic. Changes no state."""
        rollout = self.state.rollout
        color = color or (rollout.color if rollout and not rollout.ended else self.state.live)
        if color not in self.state.releases:
            raise DeployError("nothing runs yet: begin with `ops/deploy apply`")
        with self.target.reached(color) as urls:
            self.smoke(urls, self.state.releases[color], self._say)

    # -- switch

    def switch(self, shares: Sequence[int] = ()) -> None:
        """Move the traffic in parts and watch after each; back when it is worse. Raises Refused."""
        rollout = self.under_way
        if not rollout.share:
            self._admit(rollout)
        wanted = (*(shares or self.limits.shares), EVERYTHING) if rollout.before else (EVERYTHING,)
        steps = [share for share in wanted if share >= rollout.share]
        if rollout.before and rollout.baseline is None:
            rollout = self._save(attrs.evolve(rollout, baseline=self._baseline(rollout.before)))
        for share in dict.fromkeys(steps):
            rollout = self._save(attrs.evolve(rollout, share=share))
            self._say(f"switch: {share} % to {rollout.color}")
            try:
                self._watch(rollout, share)
            except Refused as why:
                self._say(f"worse: {why}")
                took = self._back(rollout, str(why))
                raise Refused(f"{rollout.release.name} was rolled back in {took:.1f} s: {why}") from None
        self._save(attrs.evolve(rollout, outcome="live"), live=rollout.color)
        self._say(f"{rollout.release.name} is live on {rollout.color}")
        if rollout.before:
            self._say(f"{rollout.before} still runs, for a rollback: ops/deploy retire")
        else:
            self._if_possible(self.target.relax, rollout.color)

    def _admit(self, rollout: Rollout) -> None:
        """What must hold before the first share. Raises DeployError."""
        if "smoke" not in rollout.done:
            raise DeployError("not smoked yet, or half rolled back: ops/deploy apply")
        if not (standing := self.target.standing(rollout.color)).ready:
            raise DeployError(f"{rollout.color} gets no traffic: {standing}")
        self._if_possible(self.target.hold, rollout.before)  # until `retire` it may have to take all of it back
        self._wait(lambda: self._weaker(rollout))

    def _weaker(self, rollout: Rollout) -> str:
        """What the new colour lacks to carry as much as the one before can; it is asked to be as many."""
        self._if_possible(self.target.reinforce, rollout.color)
        new = self.target.standing(rollout.color)
        enough = self.target.standing(rollout.before).ready if rollout.before else new.wanted
        return "" if new.ready >= min(new.wanted, enough) else f"{rollout.color} is weaker than {rollout.before}: {new}"

    def _if_possible(self, act: Callable[[str], None], color: str) -> None:
        """What no release is held up by. Does nothing for nobody."""
        try:
            if color:
                act(color)
        except DeployError as error:
            self._say(f"    {color}: {error}")

    def _baseline(self, color: str) -> Figures:
        before = self.target.totals(color)
        time.sleep(3 * self.limits.look)
        figures = since(before, self.target.totals(color))
        self._say(f"{color} before the switch: {figures}")
        return figures

    def _watch(self, rollout: Rollout, share: int) -> None:
        """Until its time is over and the colour is strong enough for more. Raises Refused: why to go back."""
        had = self.target.standing(rollout.color)
        if not had.ready:
            raise Refused(str(had))
        shares = rollout.shares(share)
        start = {color: self.target.totals(color) for color in shares}
        self.target.shift(shares)
        began, new = time.monotonic(), Figures()

        def look() -> Figures:
            time.sleep(self.limits.look)
            now = {color: since(start[color], self.target.totals(color)) for color in shares}
            if why := worse(now[rollout.color], self._beside(rollout, now), self.limits):
                raise Refused(f"{why}, {time.monotonic() - began:.1f} s after {share} % came")
            standing = self.target.standing(rollout.color)
            if standing.ready < max(1, min(had.ready, standing.wanted)):  # those an autoscaler adds come in their time
                raise Refused(str(standing))
            return now[rollout.color]

        while time.monotonic() - began < self.limits.seconds:
            new = look()
        few = "" if new.requests >= self.limits.fewest else ", too few to judge by"
        self._say(f"    {rollout.color} at {share} %: {new}{few}")
        if share < EVERYTHING:
            self._wait(lambda: self._weaker(rollout), look)

    def _beside(self, rollout: Rollout, now: Mapping[str, Figures]) -> Figures | None:
        """The colour before at the same time; as it was before the switch, when it is asked too little by now."""
        beside = now.get(rollout.before)
        return beside if beside and beside.requests >= self.limits.fewest else rollout.baseline

    # -- back, and over

    def rollback(self) -> float:
        """All traffic to the colour before, which is started again if it was stopped. Seconds until it had it all."""
        rollout = self.state.rollout
        if rollout is None or rollout.outcome in {"refused", "rolled back"}:
            raise DeployError("nothing to roll back")
        return self._back(rollout, "asked for")

    def _back(self, rollout: Rollout, why: str) -> float:
        began, before = time.monotonic(), rollout.before
        if before:
            if not self.target.standing(before).ready:
                self._start_again(before)
            self.target.shift({before: EVERYTHING, rollout.color: 0})
        elif rollout.outcome == "live":
            raise DeployError("there was no release before this one")
        took = time.monotonic() - began
        rollout = self._save(rollout.undone(why), live=before)
        self._say(f"all traffic is back with {before or 'nobody'} after {took:.1f} s")
        self._if_possible(self.target.reinforce, before)
        self.target.stop(rollout.color)
        self._if_possible(self.target.relax, before)
        self._save(attrs.evolve(rollout, outcome="rolled back"))
        self._say(f"{rollout.color} is stopped: {why}")
        return took

    def _start_again(self, color: str) -> None:
        """Waits for all replicas, but not for ever: a few of the release before are better than the new one."""
        self.target.start(color, self.state.releases[color])
        try:
            self._wait(lambda: self._unready(color))
        except Refused as late:
            if not self.target.standing(color).ready:
                raise DeployError(f"{color} cannot take the traffic back: {late}") from None

    def retire(self) -> None:
        """Stop the colour before. A rollback has to start it again from now on."""
        rollout = self.state.rollout
        if rollout is None or rollout.outcome not in {"live", "retired"}:
            raise DeployError("nothing to retire: no new release is live")
        if rollout.before:
            self._say(f"retire: {rollout.before}")
            self.target.shift(rollout.shares(EVERYTHING))  # a rollback may have been killed after it moved them
            self.target.stop(rollout.before)
            self._if_possible(self.target.relax, rollout.color)
        self._save(attrs.evolve(rollout, outcome="retired"))
        self._say(f"{rollout.before or 'nobody'} is stopped")

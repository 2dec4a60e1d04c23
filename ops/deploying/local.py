"""Both colours as processes of one machine, behind an HAProxy of one's own."""

import os
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import attrs

from ops.deploying.haproxy import LARGEST, Balancer
from ops.deploying.keeping import FileBook
from ops.deploying.model import COLORS, EVERYTHING, DeployError, Refused, Release, Totals
from ops.deploying.places import GONE, LEAVING, ROOT, Place, program
from ops.deploying.scraping import buckets
from ops.deploying.target import Standing
from ops.deploying.web import ask

MIGRATE_LIMIT = 3600.0
APPLIED = ("applied ", "would apply ", "later, ")


@attrs.frozen(kw_only=True)
class LocalPlace:
    """The section [local]. An artefact is a folder with `core`, `plugins` and `config`."""

    folder: Path
    """State, locks and logs."""
    environment: Path
    """Lines of NAME=value for every replica."""
    socket: Path
    """HAProxy's."""
    replicas: int = 3
    """Of each colour."""
    ports: Mapping[str, int] = attrs.field(factory=lambda: {"blue": 8101, "green": 8201})
    """The first of each colour; the others follow."""
    operations_ports: Mapping[str, int] = attrs.field(factory=lambda: {"blue": 9101, "green": 9201})
    backend: str = "replicas"


class LocalTarget:
    """Starts and stops replicas here; moves traffic by weights."""

    def __init__(self, place: LocalPlace) -> None:
        self._place = place
        self.book = FileBook(place.folder)
        self.balancer = Balancer(socket=place.socket, state=place.folder / "haproxy.state", backend=place.backend)

    def places(self, color: str) -> list[Place]:
        """Of a colour's replicas."""
        first, operations = self._place.ports[color], self._place.operations_ports[color]
        return [
            Place(name=f"{color}{n}", port=first + n, operations=operations + n, folder=self._place.folder)
            for n in range(self._place.replicas)
        ]

    def balanced(self, bind: str) -> str:
        """HAProxy's configuration for these places; whoever is live has the traffic."""
        live = self.book.load().live
        servers = {p.name: (f"127.0.0.1:{p.port}", LARGEST) for color in COLORS for p in self.places(color)}
        return self.balancer.config(bind, servers, [place.name for place in self.places(live)] if live else [])

    def _environment(self) -> dict[str, str]:
        try:
            text = self._place.environment.read_text("utf-8")
        except OSError as error:
            raise DeployError(f"{self._place.environment} cannot be read: {error.strerror}") from None
        lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
        return {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", **dict(line.split("=", 1) for line in lines)}

    # -- migrations

    def pending(self, release: Release) -> Sequence[str]:
        """Asked of the release itself."""
        return self._migrations(release, "--plan")

    def migrate(self, release: Release) -> Sequence[str]:
        """By the release itself."""
        return self._migrations(release)

    def _migrations(self, release: Release, *words: str) -> list[str]:
        env = {**self._environment(), "PYTHONPATH": release.artefact, "VURKSHA_DEPLOY__RELEASE": release.name}
        try:
            ended = subprocess.run(
                [*program(release), "migrate", "--expand", *words], env=env, cwd=release.artefact,
                capture_output=True, text=True, check=False, timeout=MIGRATE_LIMIT,
            )  # fmt: skip
        except OSError as error:
            raise DeployError(f"{release.artefact} cannot be run: {error}") from None
        if ended.returncode:
            raise Refused((ended.stderr or ended.stdout).strip().rpartition("\n")[2])
        return [line for line in ended.stdout.splitlines() if line.startswith(APPLIED)]

    # -- replicas

    def start(self, color: str, release: Release) -> None:
        """Those of another release, and those that were asked to stop, end first. Raises DeployError."""
        others = [place for place in self.places(color) if place.runs() not in ("", release.name)]
        self._end(others)
        env = self._environment()
        for place in self.places(color):
            try:
                if not place.runs():
                    place.start(release, env)
            except (OSError, subprocess.SubprocessError) as error:
                raise DeployError(f"{place.name} cannot be started: {error}") from None

    def reinforce(self, color: str) -> None:
        """Their number is fixed; one whose keeper died is started."""
        self.start(color, self.book.load().releases[color])

    def hold(self, color: str) -> None:
        """Nothing here ever shrinks."""

    def relax(self, color: str) -> None:
        """Likewise."""

    def standing(self, color: str) -> Standing:
        """By asking each."""
        answers = [
            place.ready() if place.runs() not in ("", LEAVING) else (False, f"{place.name}: does not run")
            for place in self.places(color)
        ]
        return Standing(
            ready=sum(ready for ready, _ in answers),
            wanted=len(answers),
            why="; ".join(dict.fromkeys(why for _, why in answers if why)),
        )

    @contextmanager
    def reached(self, color: str) -> Iterator[Sequence[str]]:
        """Directly."""
        yield [place.url for place in self.places(color)]

    def stop(self, color: str) -> None:
        """No new requests for it, then SIGTERM; out within 25 seconds, by force a little later."""
        self.balancer.weigh({place.name: 0 for place in self.places(color)})
        self._end(self.places(color))

    @staticmethod
    def _end(places: Sequence[Place]) -> None:
        for place in places:
            place.ask_to_stop()
        until = time.monotonic() + GONE
        for place in places:
            place.wait_gone(until)

    # -- traffic

    def shift(self, shares: Mapping[str, int]) -> None:
        """By the weights of all servers, in one go."""
        weights = {
            place.name: round(LARGEST * share / EVERYTHING)
            for color, share in shares.items()
            for place in self.places(color)
        }
        self.balancer.weigh(weights)

    def totals(self, color: str) -> Totals:
        """Answers as HAProxy counted them; times as the replicas measured them."""
        places, rows = self.places(color), self.balancer.rows()
        timed: dict[float, float] = {}
        requests = errors = 0
        for place in places:
            row = rows[place.name]
            requests += sum(int(row[name] or 0) for name in row if name.startswith("hrsp_"))
            errors += int(row["hrsp_5xx"] or 0) + int(row["eresp"] or 0)
            for bound, count in self._timed(place).items():
                timed[bound] = timed.get(bound, 0.0) + count
        return Totals(requests=requests, errors=errors, buckets=timed)

    def _timed(self, place: Place) -> Mapping[float, float]:
        token = self._environment().get("OPERATIONS_TOKEN", "")
        got = ask(
            "GET",
            f"http://127.0.0.1:{place.operations}/metrics",
            headers={"Authorization": f"Bearer {token}"},
            limit=2.0,
        )
        return buckets(got.raw.decode()) if got.status == 200 else {}  # noqa: PLR2004  OK


__all__ = ["ROOT", "LocalPlace", "LocalTarget"]

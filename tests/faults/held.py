"""What one replica holds: looked at from outside, and whether it grew once the replica was warm."""

import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import linear_regression, median
from urllib.request import Request, urlopen

import attrs

WARM = 15 * 60.0
"""Seconds until what is kept for a time has had its time: sign-ins and ended sessions are remembered for 15 minutes,
the status page's lines for 10."""
PART = 5 * 60.0
"""Seconds at either end of what follows: their medians are compared."""
FLAT, SPARE = 0.05, 2.0
"""A replica is flat when it ends with at most this share, and so many more, than it had when it was warm, or not above
what it had at some time before: pools open connections when they are needed, up to their size, and keep them."""
TASKS = re.compile(r'^vurksha_tasks\{plugin="[^"]+"\} (\S+)', re.MULTILINE)
BLOCKS = re.compile(r"^vurksha_memory_blocks (\S+)", re.MULTILINE)


@attrs.frozen(kw_only=True)
class Sample:
    """Memory is resident, in MB; connections are established TCP ones; blocks of memory are Python's, in thousands.

    Tasks and blocks are unknown while a replica hangs.
    """

    at: float
    pid: int
    memory: float
    descriptors: float
    threads: float
    connections: float
    tasks: float | None
    blocks: float | None


HELD: Mapping[str, str] = {
    "memory": "memory, MB",
    "blocks": "Python's blocks of it, thousands",
    "descriptors": "file descriptors",
    "threads": "threads",
    "connections": "TCP connections",
    "tasks": "asyncio tasks",
}


def look(pid: int, operations: int, token: str) -> Sample | None:
    """At the process and at its operators' port, with their token; None when it is just gone."""
    place = Path(f"/proc/{pid}")
    try:
        status = dict(line.split(":\t", 1) for line in (place / "status").read_text().splitlines() if ":\t" in line)
        opened = [_target(link) for link in (place / "fd").iterdir()]
        rows = [line.split() for line in (place / "net/tcp").read_text().splitlines()[1:]]
    except OSError:
        return None
    sockets = set(opened)
    return Sample(
        at=time.time(),
        pid=pid,
        memory=int(status["VmRSS"].split()[0]) / 1024,
        descriptors=len(opened),
        threads=int(status["Threads"]),
        connections=sum(f"socket:[{row[9]}]" in sockets for row in rows if row[3] == "01"),
        **_told(operations, token),
    )


def _target(link: Path) -> str:
    """A descriptor may be closed by the time that it is read."""
    try:
        return str(link.readlink())
    except FileNotFoundError:
        return ""


def _told(port: int, token: str) -> dict[str, float | None]:
    asked = Request(f"http://127.0.0.1:{port}/metrics", headers={"Authorization": f"Bearer {token}"})
    try:
        with urlopen(asked, timeout=1) as told:  # noqa: S310  a replica of ours
            text = told.read().decode()
    except OSError:
        return {"tasks": None, "blocks": None}
    return {"tasks": sum(map(float, TASKS.findall(text))), "blocks": sum(map(float, BLOCKS.findall(text))) / 1000}


@attrs.frozen
class Growth:
    """From when it was warm to the end; `slope` is per hour, by least squares, `before` the most while warming up."""

    first: float
    last: float
    slope: float
    before: float

    @property
    def flat(self) -> bool:
        """Within what a replica may sway."""
        return self.last <= max(self.first * (1 + FLAT) + SPARE, self.before)

    def __str__(self) -> str:
        return f"{self.first:.1f} to {self.last:.1f}, {self.slope:+.2f} an hour{'' if self.flat else ', GROWS'}"


def growth(samples: Sequence[Sample], name: str) -> Growth | None:
    """In the longest life among these; None when that was too short to tell."""
    pids = [one.pid for one in samples]
    longest = max(set(pids), key=pids.count)
    life = [
        (one.at, float(getattr(one, name))) for one in samples if one.pid == longest and getattr(one, name) is not None
    ]
    warm = [(at, value) for at, value in life if at >= life[0][0] + WARM]
    if not warm or warm[-1][0] - warm[0][0] < 2 * PART:
        return None
    first = median(value for at, value in warm if at <= warm[0][0] + PART)
    last = median(value for at, value in warm if at >= warm[-1][0] - PART)
    before = max(value for at, value in life if at < life[0][0] + WARM)
    return Growth(first, last, 3600 * linear_regression(*zip(*warm, strict=True)).slope, before)

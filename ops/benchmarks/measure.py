"""One slice: load for some seconds, and what it cost."""

import json
import os
import re
import resource
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import attrs

SERVER_CPU, LOAD_CPU = 0, 1
TICK = os.sysconf("SC_CLK_TCK")
WRK_FOLDER = Path(__file__).parent / "wrk"
SETTLE = 0.3
"""Seconds between slices: what the last one left in flight is not the next one's."""


class LoadFailed(Exception):
    """A load generator did not do its work; the message is what it said."""


@attrs.frozen(kw_only=True)
class Slice:
    """One measured slice. Latencies are in milliseconds, processor time in microseconds a request."""

    requests: int
    per_second: float
    cpu_us: float
    p50: float
    p99: float
    failed: int


def pinned(cpu: int, command: Sequence[str]) -> list[str]:
    """The command on one processor."""
    return ["taskset", "-c", str(cpu), *command]


def cpu_seconds(pid: int) -> float:
    """Processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def resident_mb(pid: int) -> float:
    """Memory that a process has resident."""
    found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) / 1024 if found else 0.0


def wrk(pid: int, url: str, script: str, *, secs: int, connections: int, env: Mapping[str, str]) -> Slice:
    """Load a server and read its processor time before and after."""
    command = [os.environ["BENCH_WRK"], "-t1", f"-c{connections}", f"-d{secs}s", "--timeout", "10s", "-s", script, url]
    time.sleep(SETTLE)
    before = cpu_seconds(pid)
    done = _run(pinned(LOAD_CPU, command), secs, cwd=WRK_FOLDER, env={**os.environ, **env})
    spent = cpu_seconds(pid) - before
    found = re.search(r"WRKJSON (\{.*\})", done)
    if found is None:
        raise LoadFailed(done[-400:])
    said = json.loads(found[1])
    return Slice(
        requests=said["requests"],
        per_second=said["requests"] / said["secs"],
        cpu_us=spent / max(1, said["requests"]) * 1e6,
        p50=said["p50"],
        p99=said["p99"],
        failed=said["status"] + said["sock"],
    )


def pgbench(url: str, script: str, *, secs: int, connections: int) -> Slice:
    """Run a statement as fast as the database takes it, from where the server would stand."""
    with tempfile.TemporaryDirectory(prefix="bench") as folder:
        logs, source = Path(folder) / "log", Path(folder) / "script.sql"
        source.write_text(script)
        command = [os.environ["BENCH_PGBENCH"], "-n", "-M", "prepared", "-j1", f"-c{connections}", f"-T{secs}"]
        command += ["--log", "--log-prefix", str(logs), "-f", str(source), url]
        time.sleep(SETTLE)
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = _run(pinned(SERVER_CPU, command), secs)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        took = sorted(
            int(line.split()[2]) for log in Path(folder).glob("log*") for line in log.read_text().splitlines()
        )
    found = re.search(r"tps = ([\d.]+)", done)
    if found is None or not took:
        raise LoadFailed(done[:600])
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    missed = re.search(r"number of failed transactions: (\d+)", done)
    return Slice(
        requests=len(took),
        per_second=float(found[1]),
        cpu_us=spent / len(took) * 1e6,
        p50=took[len(took) // 2] / 1000,
        p99=took[len(took) * 99 // 100] / 1000,
        failed=int(missed[1]) if missed else 0,
    )


def _run(command: Sequence[str], secs: int, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> str:
    done = subprocess.run(  # noqa: S603  our own programs
        command, cwd=cwd, env=env, capture_output=True, text=True, timeout=secs + 60, check=False
    )
    return done.stdout + done.stderr

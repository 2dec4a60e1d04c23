"""What each rogue costs the customers of the others: `python -m tests.rogues [--seconds 60] [ROGUE ...]`.

For each rogue two servers run at once, one without it, under the same load; the 99th percentiles are compared.
"""

import argparse
import asyncio
import shutil
import tempfile
from pathlib import Path

from core import configuration
from core.store.embedded import Embedded
from tests.rogues.measuring import Result, load, reason, server
from tests.rogues.running import ROGUES, installed

ALLOWED = 1.5
"""Times the 99th percentile without the rogue."""
SHOWN = 90
KINDS = ("reads", "purchases")
HEAD = f"{'rogue':18} {'asked':>6} {'5xx':>4} {'p99 of reads, ms':>24} {'p99 of purchases, ms':>24}  named by"


async def compared(rogue: str, seconds: float, folder: Path, embedded: Embedded) -> tuple[Result, Result]:
    """Without and with it."""
    servers = await embedded.start(folder / "servers")
    names = configuration.read({"VURKSHA_ENV": "test"}).plugins
    with installed(folder / "site"):
        path = str(folder / "site")
        async with (
            server(names, servers, folder / f"{rogue}-without", path) as plain,
            server([*names, rogue], servers, folder / f"{rogue}-with", path) as beside,
        ):
            without, with_ = await asyncio.gather(load(plain, seconds), load(beside, seconds))
            with_.reason = await reason(beside.database, rogue)
            return without, with_


def ratio(without: Result, with_: Result, kind: str) -> float:
    """Of the two 99th percentiles."""
    return with_.p99(kind) / without.p99(kind)


def line(rogue: str, without: Result, with_: Result) -> str:
    """One row of the table."""
    told = [f"{without.p99(k):.1f} -> {with_.p99(k):.1f} ({ratio(without, with_, k):.2f})" for k in KINDS]
    asked = len(with_.reads) + len(with_.purchases)
    columns = " ".join(f"{text:>24}" for text in told)
    return f"{rogue:18} {asked:6} {with_.failures:4} {columns}  {with_.reason[:SHOWN] or 'doctor'}"


async def main() -> int:
    """Print the table; 1 when a ratio is over what is allowed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rogues", nargs="*", metavar="ROGUE", default=ROGUES)
    parser.add_argument("--seconds", type=float, default=60.0)
    chosen = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="rogues-", dir="/tmp"))  # short, for the servers' sockets
    folder.chmod(0o711)
    embedded, slow = Embedded(durable=False), 0
    print(HEAD, flush=True)  # noqa: T201  a program for people
    try:
        for rogue in chosen.rogues:
            without, with_ = await compared(rogue, chosen.seconds, folder, embedded)
            slow += any(ratio(without, with_, kind) > ALLOWED for kind in KINDS)
            print(line(rogue, without, with_), flush=True)  # noqa: T201  as above
    finally:
        await embedded.stop()
        shutil.rmtree(folder, ignore_errors=True)
    return int(slow > 0)


if __name__ == "__main__":
    raise SystemExit(asyncio.run(main()))

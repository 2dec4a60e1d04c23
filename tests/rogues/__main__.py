"""What each rogue costs the customers of the others: `python -m tests.rogues [--seconds 20] [ROGUE ...]`.

For each rogue two servers run at once, one without it, under the same load; the 99th percentiles are compared.
"""

import argparse
import asyncio
import shutil
import tempfile
from pathlib import Path

import attrs

from core import configuration
from core.store.embedded import Embedded
from tests.rogues.measuring import Result, load, reason, server
from tests.rogues.running import ROGUES, installed

ALLOWED = 1.5
"""Times the 99th percentile without the rogue."""
SHOWN = 90
HEAD = f"{'rogue':18} {'requests':>8} {'5xx':>4} {'p50 ms':>14} {'p99 ms':>14} {'ratio':>6}  named by"


async def compared(rogue: str, seconds: float, folder: Path, embedded: Embedded) -> tuple[Result, Result]:
    """Without and with it."""
    servers = await embedded.start(folder / "servers")
    names = configuration.read({"VURKSHA_ENV": "test"}).plugins
    with installed(folder / "site"):
        path = str(folder / "site")
        async with (
            server(names, servers, folder / f"{rogue}-without", path) as (plain, _),
            server([*names, rogue], servers, folder / f"{rogue}-with", path) as (url, database),
        ):
            without, with_ = await asyncio.gather(load(plain, seconds), load(url, seconds))
            return without, attrs.evolve(with_, reason=await reason(database, rogue))


def line(rogue: str, without: Result, with_: Result) -> str:
    """One row of the table."""
    p50, p99 = (f"{without.percentile(n):.1f} -> {with_.percentile(n):.1f}" for n in (50, 99))
    ratio = with_.percentile(99) / without.percentile(99)
    return (
        f"{rogue:18} {len(with_.times):8} {with_.failures:4} {p50:>14} {p99:>14} {ratio:6.2f}  "
        f"{with_.reason[:SHOWN] or 'doctor'}"
    )


async def main() -> int:
    """Print the table; 1 when a ratio is over what is allowed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rogues", nargs="*", metavar="ROGUE", default=ROGUES)
    parser.add_argument("--seconds", type=float, default=20.0)
    chosen = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="rogues-", dir="/tmp"))  # short, for the servers' sockets
    folder.chmod(0o711)
    embedded, slow = Embedded(durable=False), 0
    print(HEAD, flush=True)  # noqa: T201  a program for people
    try:
        for rogue in chosen.rogues:
            without, with_ = await compared(rogue, chosen.seconds, folder, embedded)
            slow += with_.percentile(99) > ALLOWED * without.percentile(99)
            print(line(rogue, without, with_), flush=True)  # noqa: T201  as above
    finally:
        await embedded.stop()
        shutil.rmtree(folder, ignore_errors=True)
    return int(slow > 0)


if __name__ == "__main__":
    raise SystemExit(asyncio.run(main()))

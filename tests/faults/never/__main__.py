"""Judge a database by hand: `python -m tests.faults.never postgresql://... [RECORDS]`."""

import asyncio
import sys
from pathlib import Path

import asyncpg
import click

from tests.faults.never.book import judge, pairs
from tests.faults.never.rules import Evidence, read_records


async def main(url: str, *records: str) -> int:
    """Print each violation; how many rules were broken."""
    db = await asyncpg.connect(url)
    lines = [line for path in records for line in read_records(Path(path))]
    found = await judge(Evidence(db=db, records=lines, pairs=pairs()))
    for name, wrong in found.items():
        click.echo("\n  ".join([f"{name}: {len(wrong)}", *wrong[:10]]))
    return len(found)


if __name__ == "__main__":
    sys.exit(asyncio.run(main(*sys.argv[1:])))

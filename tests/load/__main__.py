"""Load, for real: `python -m tests.load run [--users 40] [--seconds 30] [SCENARIO ...]` starts a shop and runs Locust.

With `--url` and `--journal` against a shop that runs already. Exits with 1 when a request failed: how long they took is
told, not judged, for that is the machine's doing as well. For the k6 scripts customers sign in beforehand:
`python -m tests.load customers --url URL --journal FILE --out customers.json`.
"""

import argparse
import asyncio
import csv
import json
import secrets
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import aiohttp
import attrs

from plugins.order.demo import newest_code
from tests.core.program import Program
from tests.load.page import ALL, written

HERE, ROOT = Path(__file__).parent, Path(__file__).parents[2]
LOCUST = ROOT / ".venv/ops/bin/locust"
SCENARIOS = ("Browse", "OrderRush", "LoginStorm", "ResumeBurst")
LENIENT = {
    "VURKSHA_ENV": "development",
    "VURKSHA_PLUGINS": "user,product,cart,order,notification,payment",
    "VURKSHA_HTTP__TRUSTED_PROXIES": "127.0.0.0/8",
    "VURKSHA_LOG__REQUESTS": "false",
    "VURKSHA_OPERATIONS__HOST": "",
    **{
        f"VURKSHA_USER__{limit}": "1000000"
        for limit in (
            "SENDS_PER_SECOND",
            "SENDS_PER_DAY",
            "SENDS_PER_PREFIX_HOUR",
            "SENDS_PER_ADDRESS_HOUR",
            "STRICT_SENDS",
        )
    },
}
"""One machine is the whole town: its customers say by X-Forwarded-For where they are, and may all want codes."""


@attrs.frozen(kw_only=True)
class Row:
    """What came of the requests of one name, times in milliseconds."""

    scenario: str
    name: str
    requests: int
    failures: int
    rate: float
    p50: float
    p95: float
    p99: float


@contextmanager
def shop(folder: Path) -> Iterator[tuple[str, Path]]:
    """A shop of two replicas with servers of its own; its URL and its journal."""
    program = Program(folder, **LENIENT, VURKSHA_CONFIG_DIR=str(ROOT / "config"), VURKSHA_OPERATIONS__PORT="0")
    with program.started("serve", "--replicas", "2") as started:
        started.wait_ready()
        yield started.url, program.data / "messages.jsonl"


async def load(scenario: str, url: str, journal: Path, asked: argparse.Namespace) -> list[Row]:
    """Run one scenario; Locust's own report lies in the folder, as a page and as tables."""
    out = asked.out / scenario
    words: list[object] = [
        LOCUST, "-f", HERE / "scenarios.py", scenario, "--headless", "--only-summary", "--host", url,
        "-u", asked.users, "-r", max(asked.users / 5, 1), "-t", f"{asked.seconds}s", "--exit-code-on-error", 0,
        "--html", f"{out}.html", "--csv", out, "--csv-full-history",
    ]  # fmt: skip
    env = {"PATH": "/usr/bin:/bin", "JOURNAL": str(journal)}
    log = Path(f"{out}.log")
    with log.open("wb") as said:
        process = await asyncio.create_subprocess_exec(*map(str, words), env=env, stdout=said, stderr=said)
        if await process.wait():
            raise SystemExit(log.read_text()[-2000:])
    with Path(f"{out}_stats.csv").open() as file:
        return [_row(scenario, line) for line in csv.DictReader(file)]


def _row(scenario: str, line: dict[str, str]) -> Row:
    def number(name: str) -> float:
        return float(line[name]) if line[name] not in {"", "N/A"} else 0.0

    return Row(
        scenario=scenario,
        name=line["Name"],
        requests=int(line["Request Count"]),
        failures=int(line["Failure Count"]),
        rate=number("Requests/s"),
        p50=number("50%"),
        p95=number("95%"),
        p99=number("99%"),
    )


async def loads(url: str, journal: Path, asked: argparse.Namespace) -> int:
    """All scenarios that were asked for, one after the other."""
    rows: list[Row] = []
    for scenario in asked.scenarios:
        print(f"{scenario}: {asked.users} customers for {asked.seconds} s ...", flush=True)
        rows += await load(scenario, url, journal, asked)
        whole = rows[-1]
        print(
            f"    {whole.requests} requests, {whole.failures} failed, {whole.rate:.0f}/s, "
            f"p50 {whole.p50:.0f} ms, p95 {whole.p95:.0f} ms, p99 {whole.p99:.0f} ms",
            flush=True,
        )
    page = asked.out / "index.html"
    page.write_text(written(rows), "utf-8")
    ends = [row for row in rows if row.name == ALL]
    failed = sum(row.failures for row in ends)
    print(f"{page}\nfigures: {sum(row.requests for row in ends)} requests, {failed} failed; "
          + ", ".join(f"{row.scenario} p99 {row.p99:.0f} ms" for row in ends))  # fmt: skip
    return int(failed > 0 or not all(row.requests for row in ends))


async def customers(asked: argparse.Namespace) -> None:
    """Sign new customers in, for scripts that cannot read codes."""
    base, tokens = f"{asked.url}/api/v1", []
    async with aiohttp.ClientSession() as session:
        for number in range(asked.users):
            phone, where = (
                f"9{secrets.randbelow(10**9):09d}",
                {"X-Forwarded-For": f"10.9.{number // 250}.{number % 250}"},
            )
            async with session.post(f"{base}/auth/send-otp", json={"phone": phone}, headers=where) as sent:
                sent.raise_for_status()
            while not (code := newest_code(asked.journal.read_bytes().splitlines(), f"+91{phone}")):
                await asyncio.sleep(0.1)
            body = {"phone": phone, "otp": code}
            async with session.post(f"{base}/auth/verify-otp", json=body, headers=where) as got:
                got.raise_for_status()
                tokens.append({"accessToken": (await got.json())["data"]["accessToken"]})
    asked.out.write_text(json.dumps(tokens))
    asked.out.chmod(0o600)
    print(f"{len(tokens)} customers in {asked.out}; their tokens last 15 minutes")


def main() -> int:
    """Read the words, do it."""
    parser = argparse.ArgumentParser(prog="python -m tests.load", description=__doc__)
    parser.add_argument("act", nargs="?", choices=("run", "customers"), default="run")
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", default=SCENARIOS, help=", ".join(SCENARIOS))
    parser.add_argument("--users", type=int, default=40)
    parser.add_argument("--seconds", type=int, default=30)
    parser.add_argument("--url")
    parser.add_argument("--journal", type=Path, help="DATA_DIR/messages.jsonl of that shop")
    parser.add_argument("--out", type=Path, help="a folder for the report, or the file of customers")
    asked = parser.parse_intermixed_args()
    folder = Path(tempfile.mkdtemp(prefix="load-", dir="/tmp"))  # short, for the servers' sockets
    folder.chmod(0o711)  # PostgreSQL runs as somebody else where we are root
    asked.out = asked.out or folder
    if asked.act == "customers":
        asyncio.run(customers(asked))
        return 0
    asked.out.mkdir(parents=True, exist_ok=True)
    if not LOCUST.exists():
        raise SystemExit("Locust is not there: ops/tools python")
    if asked.url:
        return asyncio.run(loads(asked.url, asked.journal or Path("/dev/null"), asked))
    with shop(folder) as (url, journal):
        return asyncio.run(loads(url, journal, asked))


if __name__ == "__main__":
    sys.exit(main())

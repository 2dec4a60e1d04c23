"""The load, in a process of its own: `python -m tests.faults.load URL CODES OUT --rate 60`. SIGTERM ends it.

SIGUSR1 goes on to the next of the rates.
"""

import argparse
import asyncio
import random
import signal
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import IO, Any

import aiohttp
import orjson
import uvloop

from tests.faults.load.client import TIMEOUT, Client
from tests.faults.load.codes import Inbox
from tests.faults.load.customer import Customer, Shop

KINDS = ("browser", "visitor", "buyer", "buyer", "buyer", "buyer")
"""How customers are dealt out: those who meet an outage wait in their repeats and must not keep others from asking."""
FINISH = 20.0
"""Seconds for what is under way at the end."""


class Load:
    """Customers of all kinds at a steady pace."""

    def __init__(
        self, url: str, codes: Path, out: IO[bytes], *, customers: int, rates: Sequence[float], seed: int
    ) -> None:
        self._url, self._codes, self._out = f"{url}/api/v1", codes, out
        self._count, self._seed = customers, seed
        self._pauses = [customers / rate for rate in rates]
        self._stop = asyncio.Event()

    def record(self, kind: str, **fields: Any) -> None:
        """One line, complete at once."""
        self._out.write(orjson.dumps({"kind": kind, "at": time.time(), **fields}, option=orjson.OPT_APPEND_NEWLINE))

    def next_rate(self) -> None:
        """The next one; the last one stays."""
        self._pauses = self._pauses[1:] or self._pauses

    def stop(self) -> None:
        """Begin nothing more."""
        self._stop.set()

    async def run(self) -> None:
        """Until stopped; then what is under way comes to its end."""
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=30)
        async with aiohttp.ClientSession(connector=connector, timeout=TIMEOUT) as session:
            shop = Shop(products=await self._products(session), inbox=Inbox(self._codes), record=self.record)
            tasks = [asyncio.create_task(self._live(number, session, shop)) for number in range(self._count)]
            stopped = asyncio.create_task(self._stop.wait())
            await asyncio.wait([stopped, *tasks], return_when=asyncio.FIRST_EXCEPTION)
            stopped.cancel()
            _, late = await asyncio.wait(tasks, timeout=FINISH)
            for task in late:
                task.cancel()
            for result in await asyncio.gather(*tasks, return_exceptions=True):
                if isinstance(result, Exception):
                    raise result

    async def _products(self, session: aiohttp.ClientSession) -> list[str]:
        """What there is to buy; a shop that is busy at its start is asked again, as the app does."""
        while True:
            async with session.get(f"{self._url}/products?page=1&limit=100") as got:
                answer = await got.json()
            if got.ok:
                return [product["id"] for product in answer["data"]["products"] if product["stock"] > 0]
            await asyncio.sleep(1)

    async def _live(self, number: int, session: aiohttp.ClientSession, shop: Shop) -> None:
        chance = random.Random(f"{self._seed}-{number}")
        kind = KINDS[number % len(KINDS)]
        await asyncio.sleep(chance.random() * self._pauses[0])
        who = self._customer(number, session, shop, chance)
        while not self._stop.is_set():
            began = time.monotonic()
            if kind != "browser" and not who.signed_in:
                who = self._customer(number, session, shop, chance)
                await who.sign_in()
            else:
                await self._choice(kind, who, chance)()
            spare = self._pauses[0] * (0.5 + chance.random()) - (time.monotonic() - began)
            await asyncio.sleep(max(0.0, spare))

    def _customer(self, number: int, session: aiohttp.ClientSession, shop: Shop, chance: random.Random) -> Customer:
        return Customer(number, Client(self._url, session, self.record), shop, chance)

    @staticmethod
    def _choice(kind: str, who: Customer, chance: random.Random) -> Callable[[], Awaitable[object]]:
        if kind == "browser":
            return who.browse
        if kind == "visitor":
            return chance.choices((who.renew, who.look, who.leave), (6, 2, 3))[0]
        deeds = (who.fill, who.read_cart, who.look, who.order, who.cancel, who.browse)
        return chance.choices(deeds, (22, 12, 12, 12, 6, 8))[0]


async def main() -> None:
    """Read the command line, run."""
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("codes", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--customers", type=int, default=36)
    parser.add_argument("--rate", type=float, nargs="+", default=[60.0])
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    with given.out.open("ab", buffering=0) as out:
        load = Load(given.url, given.codes, out, customers=given.customers, rates=given.rate, seed=given.seed)
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, load.next_rate)
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, load.stop)
        await load.run()


if __name__ == "__main__":
    uvloop.run(main())

"""Prometheus and Alertmanager as the project configures them, at a brisk pace, and a listener for what is told."""

import asyncio
import shutil
import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import attrs
from aiohttp import web

from ops.prometheus.__main__ import files
from ops.prometheus.model import BRISK
from tests.faults.processes import Child, answers
from tests.ops.watching.tools import ROOT, dump, load
from tests.ports import free_port

UP = 30.0
SCRAPE = "1s"
RATE = "10s"
"""What `$__rate_interval` is here."""
OURS = "vurksha"


@attrs.frozen(kw_only=True)
class Told:
    """One notification that arrived."""

    at: float
    receiver: str
    alert: str
    labels: Mapping[str, str]
    firing: bool


class Watch:
    """What watches a world. `targets` may grow while it runs."""

    def __init__(self, folder: Path, token: str) -> None:
        self._folder = folder / "watch"
        self._folder.mkdir()
        self._prometheus, self._alertmanager = free_port(), free_port()
        self._targets: list[str] = []
        self.told: list[Told] = []
        (self._folder / "token").write_text(token)

    @property
    def url(self) -> str:
        """Of Prometheus."""
        return f"http://127.0.0.1:{self._prometheus}"

    def watch(self, ports: Iterable[int]) -> None:
        """Ask the operations listeners at these ports, and no others."""
        self._targets = [f"127.0.0.1:{port}" for port in ports]
        dump([{"targets": self._targets}], self._folder / "targets.yml")

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Watch"]:
        """Until the end of the block."""
        app = web.Application()
        app.add_routes([web.post("/{receiver}", self._hear)])
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        alertmanager, self._child = self._alertmanaging(runner.addresses[0][1]), self._watching()
        async with aiohttp.ClientSession() as self._session:
            try:
                alertmanager.start()
                await alertmanager.ready(lambda: answers(self._alertmanager), UP)
                await self._started()
                yield self
            finally:
                self._child.kill()
                alertmanager.kill()
                await runner.cleanup()

    async def forget(self) -> None:
        """Prometheus anew, without what it saw: the memory of an earlier fault is long, also at this pace."""
        self._child.kill()
        shutil.rmtree(self._folder / "prometheus")
        await self._started()

    async def _started(self) -> None:
        self._child.start()
        await self._child.ready(lambda: answers(self._prometheus), UP)

    def _watching(self) -> Child:
        rules = self._folder / "rules"
        rules.mkdir()
        for name, text in files(BRISK).items():
            (rules / name).write_text(text)
        config = load(ROOT / "ops/prometheus/prometheus.yml")
        config["global"] = {"scrape_interval": SCRAPE, "scrape_timeout": SCRAPE, "evaluation_interval": SCRAPE}
        config["alerting"] = {"alertmanagers": [{"static_configs": [{"targets": [f"127.0.0.1:{self._alertmanager}"]}]}]}
        (scraped,) = (one for one in config["scrape_configs"] if one["job_name"] == OURS)
        scraped["authorization"]["credentials_file"] = str(self._folder / "token")
        del scraped["static_configs"]
        scraped["file_sd_configs"] = [{"files": [str(self._folder / "targets.yml")], "refresh_interval": "1s"}]
        config["scrape_configs"] = [scraped]
        file = dump(config, self._folder / "prometheus.yml")
        listen = f"--web.listen-address=127.0.0.1:{self._prometheus}"
        return Child(
            "prometheus", ["prometheus", f"--config.file={file}", listen, *self._kept("prometheus")], file.parent
        )

    def _alertmanaging(self, port: int) -> Child:
        config = load(ROOT / "ops/alertmanager/alertmanager.yml")
        for route in (config["route"], *config["route"]["routes"]):
            route |= {"group_wait": "100ms", "group_interval": "1s", "repeat_interval": "1h"}
        for receiver in config["receivers"]:
            name = receiver["name"]
            receiver.clear()
            hook = {"url": f"http://127.0.0.1:{port}/{name}", "send_resolved": True}
            receiver |= {"name": name, "webhook_configs": [hook]}
        file = dump(config, self._folder / "alertmanager.yml")
        listen = f"--web.listen-address=127.0.0.1:{self._alertmanager}"
        alone = [listen, "--cluster.listen-address=", f"--storage.path={self._folder / 'alertmanager'}"]
        return Child("alertmanager", ["prometheus-alertmanager", f"--config.file={file}", *alone], file.parent)

    def _kept(self, name: str) -> Sequence[str]:
        return (f"--storage.tsdb.path={self._folder / name}", "--log.level=warn", "--rules.alert.resend-delay=2s")

    async def _hear(self, request: web.Request) -> web.Response:
        for one in (await request.json())["alerts"]:
            labels = one["labels"]
            told = Told(
                at=time.time(),
                receiver=request.match_info["receiver"],
                alert=labels["alertname"],
                labels=labels,
                firing=one["status"] == "firing",
            )
            self.told.append(told)
        return web.Response()

    # -- asking Prometheus and Alertmanager

    async def asked(self, expr: str) -> list[dict[str, Any]]:
        """The samples of now."""
        expr = expr.replace("$__rate_interval", RATE)
        async with self._session.post(f"{self.url}/api/v1/query", data={"query": expr}) as got:
            body = await got.json()
        assert body["status"] == "success", (expr, body)
        result: list[dict[str, Any]] = body["data"]["result"]
        return result

    async def firing(self) -> set[str]:
        """The names of the alerts that fire now."""
        return {one["metric"]["alertname"] for one in await self.asked('ALERTS{alertstate="firing"}')}

    async def held_back(self) -> set[str]:
        """The names of those that fire and are not told, because a graver one is."""
        async with self._session.get(f"http://127.0.0.1:{self._alertmanager}/api/v2/alerts?active=true") as got:
            return {one["labels"]["alertname"] for one in await got.json() if one["status"]["inhibitedBy"]}

    async def until_firing(self, names: Iterable[str], limit: float) -> dict[str, float]:
        """Seconds from now until each of these fires. Those that do not within the limit are left out."""
        began, found = time.monotonic(), dict[str, float]()
        missing = set(names)
        while missing and time.monotonic() - began < limit:
            for name in missing & await self.firing():
                found[name] = time.monotonic() - began
            missing -= found.keys()
            await asyncio.sleep(0.2)
        return found

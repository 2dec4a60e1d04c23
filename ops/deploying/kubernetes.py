"""Both colours as Deployments of one namespace, behind a weighted HTTPRoute."""

import json
import math
import os
import re
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import attrs

from ops.deploying.cluster_book import ClusterBook
from ops.deploying.kubectl import Kubectl, weights_patch
from ops.deploying.model import COLORS, DeployError, Refused, Release, Totals
from ops.deploying.scraping import HISTOGRAM
from ops.deploying.target import Standing
from ops.deploying.web import ask

APP = "vurksha"
JOB_LIMIT, GONE, SEEN = 3600.0, 90.0, 5.0
"""Seconds: for a Job, for pods to end, and for a Deployment's controller to see a change."""
TOLD = ("applied ", "would apply ", "later, ", "vurksha: ")
FORWARDED = re.compile(r"Forwarding from (127\.0\.0\.1:\d+)")


@attrs.frozen(kw_only=True)
class KubernetesPlace:
    """The section [kubernetes]."""

    namespace: str = APP
    context: str = ""
    """Of kubectl's; the current one where none is named."""
    folder: Path = Path("ops/k8s")
    """With `overlays` and `migration`."""
    prometheus: str = "http://127.0.0.1:9090"
    """Where the figures are read; a port-forward will do."""
    fewest: int = 3
    """Replicas to start a colour with, when the live one has no more."""


class KubernetesTarget:
    """By kubectl."""

    def __init__(self, place: KubernetesPlace) -> None:
        self._place = place
        self._kubectl = Kubectl(namespace=place.namespace, context=place.context)
        self.book = ClusterBook(self._kubectl)

    def rendered(self, part: str, release: Release, suffix: str = "") -> str:
        """One of the folders, with this release's image and name."""
        with tempfile.TemporaryDirectory() as folder:
            image, _, tag = release.artefact.rpartition(":")
            wanted = {
                "resources": [os.path.relpath(self._place.folder / part, folder)],
                "images": [{"name": APP, "newName": image, "newTag": tag}],
                "labels": [{"pairs": {"app.kubernetes.io/version": release.name}, "includeTemplates": True}],
                "nameSuffix": suffix,
            }
            Path(folder, "kustomization.yaml").write_text(json.dumps(wanted), "utf-8")
            return self._kubectl.run("kustomize", folder)

    # -- migrations

    def pending(self, release: Release) -> Sequence[str]:
        """A Job of the new image that only looks."""
        return self._job("plan", release)

    def migrate(self, release: Release) -> Sequence[str]:
        """A Job of the new image."""
        return self._job("expand", release)

    def _job(self, kind: str, release: Release) -> list[str]:
        suffix = "-" + re.sub(r"[^a-z0-9-]+", "-", release.name.lower()).strip("-")
        name = f"{APP}-{kind}{suffix}"
        if kind == "plan" or self._ended(name):  # a Job cannot be changed, and its settings may have been since
            self._kubectl.run("delete", "job", name, "--ignore-not-found", "--wait=true")
        self._kubectl.apply(self.rendered(f"migration/{kind}", release, suffix))
        until = time.monotonic() + JOB_LIMIT
        while not (ended := self._ended(name)):
            if time.monotonic() > until:
                raise DeployError(f"job {name} is not done after {JOB_LIMIT:.0f} s")
            time.sleep(1.0)
        said = [line for line in self._kubectl.run("logs", f"job/{name}").splitlines() if line.startswith(TOLD)]
        if ended == "Failed":
            raise Refused(said[-1] if said else f"job {name} failed: kubectl logs job/{name}")
        return said

    def _ended(self, name: str) -> str:
        job = self._kubectl.find("job", name)
        return next((kind for kind in ("Complete", "Failed") if _condition(job, kind)), "")

    # -- replicas

    def start(self, color: str, release: Release) -> None:
        """As many as the live colour has: it must carry all of the traffic."""
        self._kubectl.apply(self.rendered(f"overlays/{color}", release))
        self.reinforce(color)

    def reinforce(self, color: str) -> None:
        """By count."""
        counts = {one: self._replicas(one) for one in COLORS}
        if counts[color] < (most := max(self._place.fewest, *counts.values())):
            self._scale(color, most)
        self.hold(color)

    def hold(self, color: str) -> None:
        """Its autoscaler may only add: it would take an idle colour down to its minimum."""
        self._shrinks(color, "Disabled")

    def relax(self, color: str) -> None:
        """Its autoscaler may take away again."""
        self._shrinks(color, "Max")

    def _shrinks(self, color: str, policy: str) -> None:
        patch = {"spec": {"behavior": {"scaleDown": {"selectPolicy": policy}}}}
        self._kubectl.run("patch", "horizontalpodautoscaler", f"{APP}-{color}", "--type=merge", "-p", json.dumps(patch))

    def _replicas(self, color: str) -> int:
        found = self._kubectl.find("deployment", f"{APP}-{color}")
        return int(found["spec"].get("replicas", 1)) if found else 0

    def _scale(self, color: str, count: int) -> None:
        self._kubectl.run("scale", f"deployment/{APP}-{color}", f"--replicas={count}")

    def standing(self, color: str) -> Standing:
        """As the Deployment's status says, once it is of the present spec: each change of the count is another."""
        until = time.monotonic() + SEEN
        while not _seen(found := self._kubectl.find("deployment", f"{APP}-{color}")) and time.monotonic() < until:
            time.sleep(0.2)
        return standing_of(found)

    @contextmanager
    def reached(self, color: str) -> Iterator[Sequence[str]]:
        """By a forwarded port: no way from outside leads to a colour that is not accepted yet."""
        command = self._kubectl.command("port-forward", f"service/{APP}-{color}", ":80")
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as forward:
            try:
                found = FORWARDED.match(forward.stdout.readline() if forward.stdout else "")
                if found is None:
                    raise DeployError(f"{APP}-{color} cannot be reached by kubectl port-forward")
                yield [f"http://{found[1]}"]
            finally:
                forward.terminate()

    def stop(self, color: str) -> None:
        """To no replicas, which also rests its autoscaler. Pods end in their stages."""
        if self._kubectl.find("deployment", f"{APP}-{color}"):
            self._scale(color, 0)
            selector = f"app.kubernetes.io/name={APP},color={color}"
            until = time.monotonic() + GONE
            while self._kubectl.run("get", "pods", "-l", selector, "-o", "name").strip():
                if time.monotonic() > until:
                    raise DeployError(f"pods of {color} still run after {GONE:.0f} s")
                time.sleep(1.0)

    # -- traffic

    def shift(self, shares: Mapping[str, int]) -> None:
        """The weights of the HTTPRoute, those of all its rules in one write."""
        if not (route := self._kubectl.find("httproute", APP)):
            self._kubectl.apply(self._kubectl.run("kustomize", str(self._place.folder / "route")))
            route = self._kubectl.find("httproute", APP)
        patch = weights_patch(route, [(f"{APP}-{color}", shares.get(color, 0)) for color in COLORS])
        self._kubectl.run("patch", "httproute", APP, "--type=json", "-p", patch)

    def totals(self, color: str) -> Totals:
        """What Prometheus last scraped."""
        chosen = f'color="{color}"'
        return Totals(
            requests=round(sum(self._asked(f"sum(vurksha_requests_total{{{chosen}}})").values())),
            errors=round(sum(self._asked(f'sum(vurksha_requests_total{{{chosen},status="5xx"}})').values())),
            buckets=self._asked(f"sum by (le) ({HISTOGRAM}_bucket{{{chosen}}})"),
        )

    def _asked(self, query: str) -> dict[float, float]:
        got = ask("GET", f"{self._place.prometheus}/api/v1/query?query={quote(query)}")
        if got.status != 200:  # noqa: PLR2004  OK
            raise DeployError(f"Prometheus at {self._place.prometheus} answers {got.status or got.said}")
        return {float(row["metric"].get("le", math.inf)): float(row["value"][1]) for row in got.data["result"]}


def _condition(thing: Mapping[str, Any], kind: str) -> bool:
    conditions = thing.get("status", {}).get("conditions", [])
    return any(one["type"] == kind and one["status"] == "True" for one in conditions)


def _seen(deployment: Mapping[str, Any]) -> bool:
    """Whether its status is of its present spec."""
    seen = deployment.get("status", {}).get("observedGeneration", 0)
    return bool(seen >= deployment.get("metadata", {}).get("generation", 0))


def standing_of(deployment: Mapping[str, Any]) -> Standing:
    """Of a Deployment as the API gives it; of an older spec nothing counts."""
    if not deployment:
        return Standing(ready=0, wanted=0, why="there is none")
    spec, status = deployment["spec"], deployment.get("status", {})
    wanted = int(spec.get("replicas", 1))  # pods that are about to end still count as ready
    ready = min(wanted, status.get("readyReplicas", 0), status.get("updatedReplicas", 0)) if _seen(deployment) else 0
    why = "; ".join(one.get("message", "") for one in status.get("conditions", []) if one["status"] != "True")
    return Standing(ready=ready, wanted=wanted, why=why)


__all__ = ["KubernetesPlace", "KubernetesTarget", "standing_of"]

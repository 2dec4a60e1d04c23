"""The state and the lock inside a cluster: a ConfigMap, and a Lease that a killed run stops renewing."""

import json
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from ops.deploying.keeping import understood, written
from ops.deploying.kubectl import Conflict, Kubectl
from ops.deploying.model import DeployError, State
from ops.deploying.target import Busy

NAME = "vurksha-deploy"
LASTS, RENEW = 30, 10
"""Seconds: a lease that is not renewed ends, and how often it is."""


class ClusterBook:
    """Of one namespace."""

    def __init__(self, kubectl: Kubectl) -> None:
        self._kubectl = kubectl
        self._me = f"{socket.gethostname()} {os.getpid()}"
        self._lease: dict[str, Any] = {}
        self._lost = threading.Event()
        self._over = threading.Event()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Raises Busy."""
        self._take()
        self._over.clear()
        renewing = threading.Thread(target=self._renew, daemon=True)
        renewing.start()
        try:
            yield
        finally:
            self._over.set()
            renewing.join()
            if not self._lost.is_set():
                self._write("replace", holder="")

    def _take(self) -> None:
        self._lease = self._kubectl.find("lease", NAME)
        spec = self._lease.get("spec", {})
        holder = spec.get("holderIdentity", "")
        if holder and _moment(spec["renewTime"]) + timedelta(seconds=LASTS) > datetime.now(UTC):
            raise Busy(f"{holder} deploys right now, or was killed less than {LASTS} s ago")
        try:
            self._write("replace" if self._lease else "create", holder=self._me)
        except Conflict:
            raise Busy("somebody else was faster") from None

    def _write(self, verb: str, *, holder: str) -> None:
        """With the version that we know: whoever wrote meanwhile makes this fail."""
        now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"
        version = self._lease.get("metadata", {}).get("resourceVersion")
        self._lease = self._kubectl.write(verb, {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": NAME, **({"resourceVersion": version} if version else {})},
            "spec": {"holderIdentity": holder, "leaseDurationSeconds": LASTS, "renewTime": now},
        })  # fmt: skip

    def _renew(self) -> None:
        while not self._over.wait(RENEW):
            try:
                self._write("replace", holder=self._me)
            except Conflict:
                self._lost.set()
                return
            except DeployError:  # the next try may get through before the lease ends
                continue

    def load(self) -> State:
        """Nothing yet, the first time."""
        found = self._kubectl.find("configmap", NAME)
        return understood(found["data"]["state"]) if found else State()

    def save(self, state: State) -> None:
        """Raises DeployError when somebody else took the lease."""
        if self._lost.is_set():
            raise DeployError("another deploy took over: stopped before doing more")
        self._kubectl.apply(written_map(state))


def written_map(state: State) -> str:
    """The ConfigMap, as JSON, which is YAML."""
    metadata = {"name": NAME, "labels": {"app.kubernetes.io/part-of": "vurksha"}}
    return json.dumps(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"state": written(state)}}
    )


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)

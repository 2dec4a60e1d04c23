"""As much of a Kubernetes API server as the real kubectl needs to deploy with: objects, versions, conflicts."""

import copy
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import attrs
import yaml  # type: ignore[import-untyped]  # it ships no types

GROUPS = {
    "v1": {"configmaps": "ConfigMap", "services": "Service", "pods": "Pod"},
    "apps/v1": {"deployments": "Deployment"},
    "batch/v1": {"jobs": "Job"},
    "policy/v1": {"poddisruptionbudgets": "PodDisruptionBudget"},
    "autoscaling/v2": {"horizontalpodautoscalers": "HorizontalPodAutoscaler"},
    "coordination.k8s.io/v1": {"leases": "Lease"},
    "gateway.networking.k8s.io/v1": {"httproutes": "HTTPRoute"},
}
POLICIES = {"Max", "Min", "Disabled"}
VERBS = ["create", "delete", "get", "list", "patch", "update"]
Object = dict[str, Any]


@attrs.define
class Cluster:
    """What it holds, by resource and name; `said` is what its jobs print, unless they are to fail."""

    objects: dict[tuple[str, str], Object] = attrs.field(factory=dict)
    said: str = "applied cart 0009_more\n"
    jobs_fail: bool = False
    figures: dict[str, float] = attrs.field(factory=dict)
    """Answers to queries, by a word in them: it stands in for Prometheus too."""
    needs: dict[str, int] = attrs.field(factory=dict)
    """Replicas that a Deployment's load asks for: its autoscaler goes by it, and does nothing where none is given."""
    room: dict[str, int] = attrs.field(factory=dict)
    """For how many replicas of a Deployment there are nodes; for all where none is given."""
    slow: bool = False
    """One more replica is ready each time that somebody looks; otherwise all are at once."""
    version: int = 1

    def put(self, resource: str, name: str, one: Object) -> Object:
        """Store it, as controllers would leave it."""
        self.version += 1
        kept = self.objects.get((resource, name), {})
        meta = one.setdefault("metadata", {})
        meta.setdefault("namespace", "vurksha")
        meta |= {"name": name, "resourceVersion": str(self.version), "uid": name}
        if resource == "deployments":
            one["spec"].setdefault("replicas", 1)
            one["status"] = dict(kept.get("status", {"readyReplicas": 0}))
            if one["spec"]["template"] != kept.get("spec", {}).get("template"):
                one["status"]["updatedReplicas"] = 0
        meta["generation"] = kept.get("metadata", {}).get("generation", 0) + (one.get("spec") != kept.get("spec"))
        if resource == "jobs":
            kind = "Failed" if self.jobs_fail else "Complete"
            one["status"] = {"conditions": [{"type": kind, "status": "True"}]}
            one["spec"]["selector"] = {"matchLabels": {"job-name": name}}
        self.objects[resource, name] = one
        return one

    def objection(self, resource: str, name: str, one: Object) -> str:
        """Why it cannot become this."""
        kept = self.objects.get((resource, name))
        if resource == "jobs" and kept and kept["spec"]["template"] != one["spec"]["template"]:
            return f"{name}: spec.template: field is immutable"
        if resource == "horizontalpodautoscalers" and policy(one) not in POLICIES:
            return f"{name}: selectPolicy: Unsupported value"
        return ""

    def time_passes(self, name: str) -> None:
        """What controllers do between two looks at a Deployment: they see its spec, then its autoscaler changes it."""
        one = self.objects["deployments", name]
        count, status, generation = one["spec"]["replicas"], one["status"], one["metadata"]["generation"]
        ready = min(count, self.room.get(name, count))
        if self.slow:
            ready = min(ready, status["readyReplicas"] + 1)
        status |= {"readyReplicas": ready, "updatedReplicas": ready, "observedGeneration": generation}
        one["spec"]["replicas"] = self._autoscaled(name, count)
        one["metadata"]["generation"] += one["spec"]["replicas"] != count

    def _autoscaled(self, name: str, count: int) -> int:
        scaler = self.objects.get(("horizontalpodautoscalers", name))
        if scaler is None or name not in self.needs or not count:  # none rests it
            return count
        wanted = min(max(self.needs[name], int(scaler["spec"]["minReplicas"])), int(scaler["spec"]["maxReplicas"]))
        return max(wanted, count) if policy(scaler) == "Disabled" else wanted


class Handler(BaseHTTPRequestHandler):
    """One request."""

    cluster: Cluster

    def log_message(self, *_: object) -> None:
        """Nothing on the screen."""

    def _answer(self, status: int, body: object) -> None:
        raw = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain" if isinstance(body, str) else "application/json")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def _refuse(self, status: int, reason: str, message: str = "") -> None:
        self._answer(status, {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason,
                              "message": message or reason, "code": status})  # fmt: skip

    def _body(self) -> Any:
        return yaml.safe_load(self.rfile.read(int(self.headers["Content-Length"])) or b"{}")

    def _place(self) -> tuple[str, str, str]:
        """Resource, name, subresource."""
        _, _, rest = urlsplit(self.path).path.partition("/namespaces/vurksha/")
        resource, name, sub = [*rest.split("/"), "", ""][:3]
        return resource, name, sub

    def do_GET(self) -> None:
        path, found = urlsplit(self.path).path, discovery(urlsplit(self.path).path)
        resource, name, sub = self._place()
        if path == "/api/v1/query":
            self._answer(200, self._asked())
        elif found is not None:
            self._answer(200, found)
        elif sub == "log":
            self._answer(200, self.cluster.said)
        elif resource == "pods":
            self._pods(name)
        elif (one := self.cluster.objects.get((resource, name))) is None:
            self._refuse(404, "NotFound")
        else:
            now = copy.deepcopy(one)
            if resource == "deployments":
                self.cluster.time_passes(name)
            self._answer(200, scale(now) if sub == "scale" else now)

    def _asked(self) -> Object:
        value = next((v for word, v in self.cluster.figures.items() if word in self.path), 0.0)
        le = {"le": "+Inf"} if "bucket" in self.path else {}
        return {"status": "success", "data": {"result": [{"metric": le, "value": [0, str(value)]}]}}

    def _pods(self, name: str) -> None:
        """One for each job; those of Deployments are at once there and gone."""
        job = self.path.partition("job-name%3D")[2].partition("&")[0]
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": f"{job}-1", "namespace": "vurksha"},
               "spec": {"containers": [{"name": "migrate"}]}, "status": {"phase": "Succeeded"}}  # fmt: skip
        self._answer(200, pod if name else {"kind": "PodList", "apiVersion": "v1", "items": [pod] if job else []})

    def do_POST(self) -> None:
        resource, _, _ = self._place()
        one = self._body()
        if (resource, one["metadata"]["name"]) in self.cluster.objects:
            self._refuse(409, "AlreadyExists")
        else:
            self._answer(201, self.cluster.put(resource, one["metadata"]["name"], one))

    def do_PUT(self) -> None:
        resource, name, sub = self._place()
        one, kept = self._body(), self.cluster.objects[self._place()[:2]]
        if sub == "scale":
            self._answer(200, scale(self.cluster.put(resource, name, merged(kept, {"spec": one["spec"]}))))
        elif one["metadata"].get("resourceVersion", "") != kept["metadata"]["resourceVersion"]:
            self._refuse(409, "Conflict")
        else:
            self._answer(200, self.cluster.put(resource, name, one))

    def do_PATCH(self) -> None:
        resource, name, sub = self._place()
        patch, kept = self._body(), self.cluster.objects.get((resource, name))
        kind = self.headers["Content-Type"]
        if kept is None and not kind.startswith("application/apply-patch"):
            self._refuse(404, "NotFound")
        elif kind.startswith("application/json-patch"):
            one = copy.deepcopy(kept or {})
            good = changed(one, patch)
            self._answer(200, self.cluster.put(resource, name, one)) if good else self._refuse(422, "Invalid")
        elif why := self.cluster.objection(resource, name, one := merged(kept or {}, patch)):
            self._refuse(422, "Invalid", why)
        else:
            one = self.cluster.put(resource, name, one)
            self._answer(200, scale(one) if sub == "scale" else one)

    def do_DELETE(self) -> None:
        self.cluster.objects.pop(self._place()[:2], None)
        self._answer(200, {"kind": "Status", "apiVersion": "v1", "status": "Success"})


def merged(one: Object, more: Object) -> Object:
    """RFC 7396 without removing; server-side apply likewise keeps what others own."""
    both = {name: merged(one[name], more[name]) for name in one.keys() & more.keys() if isinstance(one[name], dict)}
    return copy.deepcopy({**one, **more, **both})


def policy(scaler: Object) -> str:
    """How an autoscaler takes replicas away."""
    return str(scaler["spec"].get("behavior", {}).get("scaleDown", {}).get("selectPolicy", "Max"))


def changed(one: Object, patch: list[Object]) -> bool:
    """RFC 6902, as far as replace and test go."""
    for step in patch:
        *way, last = [int(part) if part.isdigit() else part for part in step["path"].strip("/").split("/")]
        at: Any = one
        for part in way:
            at = at[part]
        if step["op"] == "test" and at[last] != step["value"]:
            return False
        if step["op"] == "replace":
            at[last] = step["value"]
    return True


def scale(one: Object) -> Object:
    """The subresource."""
    spec, status = {"replicas": one["spec"]["replicas"]}, {"replicas": one["spec"]["replicas"]}
    return {
        "apiVersion": "autoscaling/v1",
        "kind": "Scale",
        "metadata": one["metadata"],
        "spec": spec,
        "status": status,
    }


def discovery(path: str) -> Object | None:
    """What kubectl asks first; None for anything else."""
    if path == "/api":
        return {"kind": "APIVersions", "versions": ["v1"]}
    if path == "/apis":
        versions = [{"groupVersion": group, "version": group.partition("/")[2]} for group in GROUPS if "/" in group]
        groups = [
            {"name": one["groupVersion"].partition("/")[0], "versions": [one], "preferredVersion": one}
            for one in versions
        ]
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}
    if path.startswith("/openapi/v3"):
        return openapi(path.removeprefix("/openapi/v3").strip("/"))
    group = path.removeprefix("/apis/").removeprefix("/api/")
    if group not in GROUPS:
        return None
    kinds = [
        {"name": name, "singularName": kind.lower(), "kind": kind, "namespaced": True, "verbs": VERBS}
        for name, kind in GROUPS[group].items()
    ]
    if group == "apps/v1":
        kinds.append({"name": "deployments/scale", "kind": "Scale", "group": "autoscaling", "version": "v1",
                      "namespaced": True, "verbs": VERBS})  # fmt: skip
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group, "resources": kinds}


def openapi(place: str) -> Object:
    """That it checks fields itself, so that kubectl does not."""
    if not place:
        places = [f"api{'s' if '/' in group else ''}/{group}" for group in GROUPS]
        return {"paths": {one: {"serverRelativeURL": f"/openapi/v3/{one}"} for one in places}}
    group, _, version = place.removeprefix("apis/").removeprefix("api/").rpartition("/")
    kinds = [*GROUPS[place.removeprefix("apis/").removeprefix("api/")].values(), *(["Namespace"] if not group else [])]
    told = {"name": "fieldValidation", "in": "query", "schema": {"type": "string"}}
    paths = {
        f"/{place}/{kind}": {
            "patch": {
                "x-kubernetes-group-version-kind": {"group": group, "version": version, "kind": kind},
                "parameters": [told],
                "responses": {},
            }
        }
        for kind in kinds
    }
    return {"openapi": "3.0.0", "info": {"title": "stand-in", "version": "1"}, "paths": paths}


@contextmanager
def running() -> Iterator[tuple[Cluster, str]]:
    """It and its address."""
    cluster = Cluster()
    handler = type("Bound", (Handler,), {"cluster": cluster})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield cluster, f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()

"""What other programs say of the rendered objects: schemas, policies, Gateway API."""

import subprocess
from pathlib import Path

import orjson
import pytest

from tests.ops.k8s.rendered import FOLDERS, ROOT, objects, text

pytestmark = [pytest.mark.ops, pytest.mark.timeout(300)]
TOOLS = ROOT / ".venv/ops/bin"
VERSION = "1.32.0"
CUSTOM = {"ExternalSecret", "HTTPRoute", "KongPlugin", "PodMonitor", "PrometheusRule"}
"""Kinds of which Kubernetes itself has no schema."""
VALIDATE = """
const {HTTPRoute} = require("@kubernetes-models/gateway-api/gateway.networking.k8s.io/v1/HTTPRoute");
new HTTPRoute(JSON.parse(process.argv[1])).validate();
"""


def run(*words: str | Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(words, capture_output=True, text=True, check=False, cwd=ROOT)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every rendered folder as a file."""
    made = tmp_path_factory.mktemp("k8s")
    for name in FOLDERS:
        (made / f"{name.replace('/', '-')}.yaml").write_text(text(name))
    return made


def test_every_object_fits_its_schema(tmp_path: Path) -> None:
    known = [one for name in FOLDERS for one in objects(name) if one["kind"] not in CUSTOM]
    broken = {**known[0], "dataa": {}}
    for documents, good in ((known, True), ([broken], False)):
        file = tmp_path / "them.yaml"
        file.write_text("---\n".join(orjson.dumps(one).decode() + "\n" for one in documents))
        ended = run(TOOLS / "kubernetes-validate", "--strict", "-k", VERSION, file)
        assert (ended.returncode == 0) is good, ended.stdout + ended.stderr
    print(f"figures: {len(known)} objects of Kubernetes {VERSION}, strictly; an unknown field was refused")  # noqa: T201  read by the proofs


def test_no_policy_is_broken(folder: Path) -> None:
    ended = run(
        TOOLS / "checkov", "-d", folder, "--framework", "kubernetes", "--compact", "--skip-download", "-o", "json"
    )
    summary = orjson.loads(ended.stdout)["summary"]
    assert (ended.returncode, summary["failed"]) == (0, 0), ended.stdout
    print(f"figures: {summary['passed']} checks passed, {summary['skipped']} skipped with a reason beside them")  # noqa: T201  likewise


def test_the_weighted_route_fits_the_gateway_api() -> None:
    good = next(one for one in objects("route") if one["kind"] == "HTTPRoute")
    bad = orjson.loads(orjson.dumps(good))
    bad["spec"]["rules"][0]["backendRefs"][0]["weight"] = -1
    answers = [
        subprocess.run(
            ["node", "-e", VALIDATE, orjson.dumps(one).decode()],
            capture_output=True, text=True, check=False, cwd=ROOT / ".venv/node",
        )
        for one in (good, next(one for one in objects("overlays/staging") if one["kind"] == "HTTPRoute"), bad)
    ]  # fmt: skip
    assert [answer.returncode == 0 for answer in answers] == [True, True, False], answers[0].stderr
    print("figures: two routes taken, a negative weight refused")  # noqa: T201  likewise

import json
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import pytest

from ops.deploying.haproxy import Balancer
from ops.deploying.kubectl import Kubectl, weights_patch
from ops.deploying.kubernetes import standing_of
from ops.deploying.model import DeployError
from ops.deploying.target import Standing
from tests.ports import free_port

KUBECTL = shutil.which("kubectl")
HAPROXY = shutil.which("haproxy", path="/usr/sbin:/usr/local/sbin:/usr/bin")
ROUTE = {
    "apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": {"name": "vurksha"},
    "spec": {"rules": [{"backendRefs": [
        {"name": "vurksha-blue", "port": 80, "weight": 100}, {"name": "vurksha-green", "port": 80, "weight": 0},
    ]}] * 2},
}  # fmt: skip


@pytest.mark.skipif(HAPROXY is None, reason="haproxy is not installed")
def test_the_configuration_is_one_that_haproxy_takes(tmp_path: Path) -> None:
    balancer = Balancer(socket=tmp_path / "socket", state=tmp_path / "state")
    servers = {"blue0": ("127.0.0.1:1", 256), "green0": ("127.0.0.1:2", 256)}
    text = balancer.config("127.0.0.1:8000", servers, ["blue0"])
    assert "server blue0 127.0.0.1:1 weight 256\n" in text
    assert "server green0 127.0.0.1:2 weight 0\n" in text
    (tmp_path / "it.cfg").write_text(text)
    ended = subprocess.run([str(HAPROXY), "-c", "-f", tmp_path / "it.cfg"], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr


@pytest.mark.skipif(HAPROXY is None, reason="haproxy is not installed")
def test_weights_outlive_a_restart() -> None:
    folder = Path(tempfile.mkdtemp(prefix="vk-", dir="/tmp"))  # short, for a socket
    balancer = Balancer(socket=folder / "s", state=folder / "state")
    servers = {"blue0": ("127.0.0.1:1", 256), "green0": ("127.0.0.1:2", 256)}
    (folder / "it.cfg").write_text(balancer.config(f"127.0.0.1:{free_port()}", servers, ["blue0"]))
    for wanted in ({"blue0": "256", "green0": "0"}, {"blue0": "0", "green0": "256"}):
        with subprocess.Popen([str(HAPROXY), "-db", "-f", folder / "it.cfg"], stderr=subprocess.DEVNULL) as process:
            try:
                until = time.monotonic() + 20
                while not (folder / "s").exists() or time.monotonic() > until:
                    time.sleep(0.02)
                assert {name: row["weight"] for name, row in balancer.rows().items()} == wanted
                balancer.weigh({"blue0": 0, "green0": 256})
            finally:
                process.kill()
        (folder / "s").unlink()
    shutil.rmtree(folder)


def test_weights_grow_before_they_shrink_and_are_kept(tmp_path: Path) -> None:
    asked = []
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s"))
        server.listen()

        def answer() -> None:
            for said in ("", "", "1\nstate"):
                client, _ = server.accept()
                with client:
                    asked.append(client.recv(1000).decode().strip())
                    client.sendall(said.encode())

        thread = threading.Thread(target=answer)
        thread.start()
        Balancer(socket=tmp_path / "s", state=tmp_path / "kept").weigh({"blue0": 0, "green0": 256})
        thread.join()
    assert asked == ["set weight replicas/green0 256", "set weight replicas/blue0 0", "show servers state"]
    assert (tmp_path / "kept").read_text() == "1\nstate\n"


def test_a_balancer_that_is_away_is_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(DeployError, match="HAProxy does not answer"):
        Balancer(socket=tmp_path / "none", state=tmp_path / "kept").rows()


@pytest.mark.skipif(KUBECTL is None, reason="kubectl is not installed")
def test_the_patch_of_a_switch_as_kubectl_applies_it(tmp_path: Path) -> None:
    file = tmp_path / "route.json"
    file.write_text(json.dumps(ROUTE))

    def patched(*backends: tuple[str, int]) -> subprocess.CompletedProcess[str]:
        patch = weights_patch(ROUTE, backends)
        return subprocess.run(
            [str(KUBECTL), "patch", "--local", "-f", file, "--type=json", "-p", patch, "-o", "json"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip

    done = patched(("vurksha-blue", 90), ("vurksha-green", 10))
    assert done.returncode == 0, done.stderr
    for rule in json.loads(done.stdout)["spec"]["rules"]:
        weights = [(ref["name"], ref["weight"]) for ref in rule["backendRefs"]]
        assert weights == [("vurksha-blue", 90), ("vurksha-green", 10)]
    assert patched(("vurksha-green", 10), ("vurksha-blue", 90)).returncode != 0, "the order of the backends counts"


def test_a_program_that_is_not_there_is_told_in_one_line() -> None:
    with pytest.raises(DeployError, match="cannot be run"):
        Kubectl(namespace="x", program="/nowhere/kubectl").run("get", "pods")


def test_only_replicas_of_the_latest_spec_count() -> None:
    status = {"observedGeneration": 2, "readyReplicas": 3, "updatedReplicas": 2}
    deployment = {"metadata": {"generation": 2}, "spec": {"replicas": 3}, "status": status}
    assert standing_of(deployment) == Standing(ready=2, wanted=3)
    assert standing_of({**deployment, "metadata": {"generation": 3}}).ready == 0
    assert standing_of({}) == Standing(ready=0, wanted=0, why="there is none")
    waiting = {"status": "False", "message": "not enough"}
    assert standing_of({**deployment, "status": {**status, "conditions": [waiting]}}).why == "not enough"
    assert not standing_of({**deployment, "spec": {"replicas": 0}}).all_ready

"""kubectl, asked from a program."""

import json
import subprocess
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import attrs

from ops.deploying.model import DeployError

LIMIT = 60.0
"""Seconds for one command; the server gets half of them."""


class Conflict(DeployError):
    """Somebody else wrote the object meanwhile, or made it first."""


@attrs.frozen(kw_only=True)
class Kubectl:
    """Of one namespace."""

    namespace: str
    context: str = ""
    program: str = "kubectl"

    def command(self, *words: str) -> list[str]:
        """The whole command line."""
        where = ["--context", self.context] if self.context else []
        return [self.program, *where, "--namespace", self.namespace, *words]

    def run(self, *words: str, stdin: str = "") -> str:
        """What it printed. Raises Conflict and DeployError."""
        command = self.command(f"--request-timeout={LIMIT / 2:.0f}s", *words)
        try:
            ended = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=LIMIT, check=False)
        except OSError as error:
            raise DeployError(f"{self.program} cannot be run: {error}") from None
        except subprocess.TimeoutExpired:
            raise DeployError(f"kubectl {words[0]} was not done within {LIMIT:.0f} s") from None
        if ended.returncode:
            said = ended.stderr.strip().rpartition("\n")[2]
            kind = Conflict if "(Conflict)" in said or "(AlreadyExists)" in said else DeployError
            raise kind(f"kubectl {' '.join(words[:3])}: {said}")
        return ended.stdout

    def find(self, kind: str, name: str) -> dict[str, Any]:
        """The object; empty where there is none."""
        said = self.run("get", kind, name, "--ignore-not-found", "-o", "json")
        found: dict[str, Any] = json.loads(said) if said.strip() else {}
        return found

    def apply(self, documents: str) -> None:
        """As the owner of what the documents say. Doing it twice changes nothing."""
        self.run(
            "apply", "--server-side", "--force-conflicts", "--field-manager=ops-deploy", "-f", "-", stdin=documents
        )

    def write(self, verb: str, document: Mapping[str, object]) -> dict[str, Any]:
        """`create` or `replace` it, as it is then. Raises Conflict where somebody was faster."""
        written: dict[str, Any] = json.loads(self.run(verb, "-f", "-", "-o", "json", stdin=json.dumps(document)))
        return written


def weights_patch(route: Mapping[str, Any], backends: Sequence[tuple[str, int]]) -> str:
    """A JSON patch of all rules of an HTTPRoute, which fails where the backends are others or in another order."""
    patch: list[dict[str, object]] = []
    for rule, (place, (name, weight)) in product(range(len(route["spec"]["rules"])), enumerate(backends)):
        at = f"/spec/rules/{rule}/backendRefs/{place}"
        patch.append({"op": "test", "path": f"{at}/name", "value": name})
        patch.append({"op": "replace", "path": f"{at}/weight", "value": weight})
    return json.dumps(patch)

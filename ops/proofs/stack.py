"""The image, the composed stack, the gateway, and what looks for weak spots in them."""

from ops.proofs.model import Proof

PYTEST = ("python", "-m", "pytest", "-q", "-n", "0", "-s", "-m", "ops")
SCHEMA = "../shared/kong/kong_json_schema.json"
"""Kong's own, of deck's library; it is not part of this project."""

PROOFS = [
    Proof(
        artefact="image",
        claim="builds; sells on real stores, locked down, without a shell; ends at SIGTERM; lists its parts",
        tool="buildah, podman, cyclonedx-bom",
        command=(*PYTEST, "tests/ops/image"),
        cannot="where no registry answers, Debian's Python stands in for the base: size and flaws are not its own; no "
        "data on flaws of packages",
        needs=("buildah", "podman", "runc", "mmdebstrap"),
        tools=("containers",),
        seconds=1500,
    ),
    Proof(
        artefact="compose",
        claim="three replicas on their stores sell, locked down, also when one of them dies",
        tool="podman-compose, netavark",
        command=(*PYTEST, "tests/ops/compose/test_running.py"),
        cannot="stores are Debian's, HAProxy is in Kong's place; Kong, Grafana, Jaeger, Loki, Alloy cannot be had; "
        "this engine waits for no health and has no names in a network without a way out",
        needs=("podman", "runc", "curl"),
        tools=("python", "containers"),
        seconds=1500,
    ),
    Proof(
        artefact="compose",
        claim="compose.yaml is what the Compose specification allows",
        tool="check-jsonschema",
        command=("check-jsonschema", "--builtin-schema", "vendor.compose-spec", "ops/compose.yaml"),
        cannot="merges and variables are not resolved; tests/ops/compose holds what we promise of it",
        parsed=True,
        tools=("python",),
    ),
    Proof(
        artefact="kong",
        claim="kong.yml is what Kong's entities allow",
        tool="check-jsonschema with deck's schema",
        command=("check-jsonschema", "--schemafile", SCHEMA, "ops/kong/kong.yml"),
        cannot="Kong itself; settings of plugins are free there: tests/ops/gateway checks them and the routes",
        parsed=True,
        needs=(SCHEMA,),
        tools=("python",),
    ),
    Proof(
        artefact="kong",
        claim="its Lua counts the token's user, and gives refusals the shop's form",
        tool="LuaJIT with a stand-in of Kong's functions",
        command=(*PYTEST, "tests/ops/gateway/test_lua.py"),
        cannot="Kong itself: that its functions are as documented, and when it calls them",
        needs=("luajit",),
        tools=("balancer",),
    ),
    Proof(
        artefact="gateway",
        claim="refuses what is forged, too much or too large; new keys and a dead replica go unnoticed",
        tool="HAProxy before two replicas",
        command=(*PYTEST, "tests/ops/gateway/test_haproxy.py"),
        cannot="it is not Kong: what is shown is the shop behind such a gateway",
        needs=("haproxy",),
        tools=("balancer",),
    ),
    Proof(
        artefact="Procfile",
        claim="its processes start and serve",
        tool="honcho",
        command=(*PYTEST, "tests/ops/test_procfile.py"),
        tools=("python",),
    ),
    Proof(
        artefact="weak spots",
        claim="code, image and every file are clean of what these look for; each exception has its reason",
        tool="bandit, detect-secrets, hadolint, checkov",
        command=("ops/scan",),
        cannot="flaws that are known of packages: no such data can be had here",
        tools=("python",),
    ),
]

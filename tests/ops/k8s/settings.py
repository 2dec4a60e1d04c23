"""Whether the app itself takes the environment that a manifest gives it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from core import configuration
from core.app import plugin_sections
from core.configuration import GIVEN_NAMES, PLUGINS
from core.plugin_finding import Found, search
from core.settings import Settings
from tests.ops.k8s.rendered import of

PLAIN = {"VURKSHA_ENV", "VURKSHA_CONFIG_DIR", "DATA_DIR", PLUGINS, "PGSSLMODE", "PGSSLROOTCERT", *GIVEN_NAMES}
"""Names that stand for no section and key by their own form; what begins with PG is read by the database's driver."""


def environment(folder: str, kind: str = "Deployment") -> dict[str, str]:
    """All that the container is told: its ConfigMap's, then its own; what comes from the pod's fields by a value."""
    (box,) = of(folder, kind)["spec"]["template"]["spec"]["containers"]
    given: dict[str, str] = {}
    for source in box["envFrom"]:
        given |= of(folder, "ConfigMap", source["configMapRef"]["name"])["data"]
    return given | {one["name"]: one.get("value", "from-a-field") for one in box["env"]}


def unknown(env: Mapping[str, str]) -> set[str]:
    """Names that the app would not even look at. Those of a section it looks at, and refuses by itself."""
    return {
        name
        for name in env
        if name.removesuffix("_FILE") not in PLAIN and not (name.startswith("VURKSHA_") and "__" in name)
    }


def secret_file(name: str) -> str:
    """Something of the right form for a secret's file."""
    if name.endswith("-url"):
        return f"{'amqps' if 'rabbit' in name else 'rediss' if 'redis' in name else 'postgresql'}://u:p@127.0.0.1:1/d"
    if name != "fcm-service-account":
        return "a secret of enough characters for production"
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    account: dict[str, Any] = {
        "type": "service_account", "project_id": "shop", "private_key_id": "1", "client_email": "a@b.c",
        "token_uri": "https://oauth2.googleapis.com/token",
        "private_key": key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
    }  # fmt: skip
    return orjson.dumps(account).decode()


def with_files(env: Mapping[str, str], folder: Path) -> dict[str, str]:
    """The same, with a file here for each that it names."""
    here = dict(env)
    for name, path in env.items():
        if name.endswith("_FILE"):
            file = folder / Path(path).name
            file.write_text(secret_file(Path(path).name))
            here[name] = str(file)
    return here


def built(env: Mapping[str, str], folder: Path) -> tuple[Settings, Found]:
    """As the program builds them at start. Raises BadSettings."""
    source = configuration.read(with_files(env, folder))
    found = search(source.plugins, source.required)
    return configuration.build(source, plugin_sections(found.classes)), found

"""kong.yml as Kong would read it: which route takes a request, and which plugins with what settings then run."""

import re
from typing import Any

import attrs
import yaml  # type: ignore[import-untyped]  # it ships no types

from tests.architecture.code import ROOT

KONG = ROOT / "ops/kong/kong.yml"
SETTINGS: dict[str, dict[str, object]] = {
    "rate-limiting": {
        "second": int,
        "limit_by": {"consumer", "credential", "ip", "service", "header", "path"},
        "header_name": str,
        "policy": {"local", "redis"},
    },
    "jwt": {
        "key_claim_name": str,
        "secret_is_base64": bool,
        "claims_to_verify": {"exp", "nbf"},
        "run_on_preflight": bool,
        "uri_param_names": str,
        "cookie_names": str,
        "header_names": str,
    },
    "cors": {
        "origins": str,
        "methods": {"GET", "HEAD", "PUT", "PATCH", "POST", "DELETE", "OPTIONS", "TRACE", "CONNECT"},
        "headers": str,
        "exposed_headers": str,
        "credentials": bool,
        "max_age": int,
        "preflight_continue": bool,
    },
    "correlation-id": {"header_name": str, "generator": {"uuid", "uuid#counter", "tracker"}, "echo_downstream": bool},
    "request-size-limiting": {
        "allowed_payload_size": int,
        "size_unit": {"bytes", "kilobytes", "megabytes"},
        "require_content_length": bool,
    },
    "request-transformer": {"remove": dict},
    "request-termination": {"status_code": int, "message": str},
    "pre-function": {"access": str},
    "post-function": {"header_filter": str, "body_filter": str},
}
"""What each plugin of Kong 3 may be set to here: a type or the words; lists hold such things."""


def document() -> dict[str, Any]:
    """All of it."""
    read: dict[str, Any] = yaml.safe_load(KONG.read_text("utf-8"))
    return read


@attrs.frozen
class Gate:
    """A route, with the plugins that hold for it by name: its own before those for all."""

    name: str
    paths: tuple[str, ...]
    methods: frozenset[str]
    plugins: dict[str, dict[str, Any]]
    proxied: bool

    def weight(self, method: str, path: str) -> tuple[int, int] | None:
        """How well it fits; None when it does not. Regular expressions come first, then the longest prefix."""
        if self.methods and method not in self.methods:
            return None
        fits = [
            (1, 0) if one.startswith("~") else (0, len(one))
            for one in self.paths
            if (re.match(one[1:], path) if one.startswith("~") else path.startswith(one))
        ]
        return max(fits, default=None)


def gates() -> list[Gate]:
    """Every route of the file."""
    read = document()
    everywhere = {plugin["name"]: plugin["config"] for plugin in read["plugins"]}
    found = []
    for routes, proxied in [(service["routes"], True) for service in read["services"]] + [(read["routes"], False)]:
        for route in routes:
            own = {plugin["name"]: plugin["config"] for plugin in route.get("plugins", ())}
            methods = frozenset(route.get("methods", ()))
            found.append(Gate(route["name"], tuple(route["paths"]), methods, everywhere | own, proxied))
    return found


def gate(method: str, path: str) -> Gate:
    """The one that takes a request."""
    return max(
        (one for one in gates() if one.weight(method, path)), key=lambda one: one.weight(method, path) or (-1, 0)
    )


def known(name: str, config: dict[str, Any]) -> None:
    """Fails for a setting that the plugin does not know, or not as such a value."""
    for key, value in config.items():
        allowed = SETTINGS[name][key]
        for each in value if isinstance(value, list) else [value]:
            fits = isinstance(each, allowed) if isinstance(allowed, type) else each in allowed  # type: ignore[operator]  # words
            assert fits, (name, key, each)
            assert isinstance(each, bool) is (allowed is bool), (name, key, each)

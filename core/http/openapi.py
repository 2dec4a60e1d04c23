"""The OpenAPI 3.1 document, derived from the same `Route`s that are served: it cannot say anything else.

Parts that many operations share (headers, error answers) are components; an error answer is one per status and set of
codes. Not said per operation, since it holds for every address: 404, 405 with Allow, 414, 431 and 500, in the envelope.
"""

import inspect
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from http import HTTPStatus

import attrs

from core import errors
from core.auth import Role
from core.convert import camel
from core.errors import Code
from core.http.envelope_schema import ENVELOPE, HEADERS, PARAMETERS, failure, success
from core.http.fields import Schema
from core.http.routing import Handler, Repeat, Route
from core.http.schema import Schemas

PREFIX = "/api/v1"
JSON = "application/json"
VALUE = re.compile(r"\{(\w+)(?::(\w+))?\}")
ABOUT = (
    "Every answer is a JSON object with `success`, `requestId` and either `data` or `error`. Money is rupees, times "
    "are UTC. Any request may also be refused with 404, 405 (`Allow` names the methods), 414, 431 or 500 in the same "
    "envelope, and a body with 400 that is nested deeper than 20, or has more than 1,000 keys, lists of more than 200, "
    "texts of more than 10,000 characters or numbers beyond 2^53. With `Accept: application/problem+json` "
    "errors follow RFC 9457."
)


def document(
    routes: Sequence[Route], *, title: str, version: str, paths: Mapping[str, Mapping[str, object]] | None = None
) -> dict[str, object]:
    """The whole document. `paths` are path items that are no routes: the health addresses, without the envelope."""
    return _Document(routes).build({"title": title, "version": version, "description": ABOUT}, paths or {})


@attrs.frozen
class _Origin:
    """Where a handler comes from: its plugin's package and name, the handler's own name, and what its docstring says.

    Without the first line, which the route's summary says already.
    """

    package: str
    tag: str
    name: str
    about: str

    @classmethod
    def of(cls, handler: Handler) -> "_Origin":
        inner: Callable[..., object] = handler.func if isinstance(handler, partial) else handler
        kind = inner if hasattr(inner, "__name__") else type(inner)
        parts = kind.__module__.split(".")
        package = parts[:2] if parts[0] == "plugins" else parts[:1]
        room = parts[-1].removesuffix("routes").strip("_") if len(parts) > len(package) else ""  # `address_routes`
        name = f"{room}_{kind.__name__}".strip("_")
        _, _, about = inspect.cleandoc(kind.__doc__ or "").partition("\n\n")
        return cls(".".join(package), package[-1], name, about)


class _Document:
    def __init__(self, routes: Sequence[Route]) -> None:
        self._routes = routes
        self._schemas = Schemas(ENVELOPE)
        self._responses: dict[str, object] = {}
        self._first: dict[str, Route] = {}
        """By operation id: the route that has the plain one, of which the others with the same handler are aliases."""

    def build(self, info: Mapping[str, str], extra: Mapping[str, Mapping[str, object]]) -> dict[str, object]:
        for route in self._routes:
            self._schemas.answer(route.answer)  # answers first: the plain component names are theirs
        paths: dict[str, dict[str, object]] = {path: dict(item) for path, item in extra.items()}
        tags: dict[str, object] = {}
        for route in self._routes:
            origin = _Origin.of(route.handler)
            item = paths.setdefault(_path(route), {})
            item[route.method.lower()] = self._operation(route, origin)
            tags.setdefault(origin.tag, _tag(origin))
        return {
            "openapi": "3.1.0",
            "info": dict(info),
            "servers": [{"url": "/"}],
            "tags": list(tags.values()),
            "paths": paths,
            "components": {
                "securitySchemes": {"bearerAuth": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
                "parameters": PARAMETERS,
                "headers": HEADERS,
                "responses": self._responses,
                "schemas": self._schemas.components,
            },
        }

    def _operation(self, route: Route, origin: _Origin) -> dict[str, object]:
        identity, original = self._identity(route, origin)
        about = [origin.about] if origin.about else []
        if original is not route:
            about.append(f"The same as `{original.method} {_path(original)}`.")
        out: dict[str, object] = {
            "operationId": identity,
            "tags": [origin.tag],
            "summary": route.summary.rstrip("."),
            "security": [] if route.policy.roles is None else [{"bearerAuth": []}],
        }
        if about:
            out["description"] = "\n\n".join(about)
        if route.policy.roles is not None and _restricted(route):
            out["x-roles"] = sorted(route.policy.roles)
        if route.policy.permission is not None:
            out["x-permission"] = route.policy.permission.name
        if parameters := [*self._parameters(route)]:
            out["parameters"] = parameters
        if route.body is not None:
            out["requestBody"] = self._body(route.body)
        elif route.raw is not None:
            out["requestBody"] = {"required": True, "content": {JSON: {"schema": {"type": "object"}}}}
        out["responses"] = {str(route.status): self._success(route), **self._others(route)}
        return out

    def _identity(self, route: Route, origin: _Origin) -> tuple[str, Route]:
        """An id that no other route has, and the route that this one is an alias of (mostly itself)."""
        identity = camel(f"{origin.tag}_{origin.name}".replace("-", "_"))
        first = self._first.setdefault(identity, route)
        if first is route:
            return identity, route
        words = re.findall(r"[a-zA-Z0-9]+", VALUE.sub(r"by_\1", route.path))
        longer = identity + "At" + "".join(word.capitalize() for word in [route.method.lower(), *words])
        if self._first.setdefault(longer, route) is not route:
            raise TypeError(f"{route.method} {route.path}: another operation is called {longer}")
        return longer, first if first.handler == route.handler else route

    def _parameters(self, route: Route) -> Iterator[object]:
        for name, kind in VALUE.findall(route.path):
            schema = {"type": "string", **({"format": "uuid"} if kind == "uuid" else {"minLength": 1})}
            yield {"name": name, "in": "path", "required": True, "schema": schema}
        for name, (schema, required) in self._schemas.fields(route.query).items() if route.query else ():
            where = {"in": "query", "required": required, "allowEmptyValue": True}  # blank is not given
            yield {"name": name, **where, "schema": _given(schema)}
        if _keyed(route):
            yield {"$ref": "#/components/parameters/IdempotencyKey"}
        if errors.PRECONDITION_FAILED in route.errors:
            yield {"$ref": "#/components/parameters/IfMatch"}
        if route.cache:
            yield {"$ref": "#/components/parameters/IfNoneMatch"}

    def _body(self, cls: type) -> dict[str, object]:
        required = any(needed for _, needed in self._schemas.fields(cls).values())
        return {"required": required, "content": {JSON: {"schema": self._schemas.input(cls)}}}

    def _success(self, route: Route) -> dict[str, object]:
        names = ["X-Request-Id", "Cache-Control"] if route.private or route.cache else ["X-Request-Id"]
        if route.cache or errors.PRECONDITION_FAILED in route.errors:
            names.append("ETag")
        if _keyed(route):
            names.append("X-Idempotent-Replayed")
        return {
            "description": HTTPStatus(route.status).phrase,
            "headers": _headers(names),
            "content": {JSON: {"schema": success(self._schemas.answer(route.answer), paged=route.paged)}},
        }

    def _others(self, route: Route) -> dict[str, object]:
        """304 and the errors, by status."""
        out: dict[str, object] = {}
        if route.cache:
            out["304"] = {"description": "Not Modified", "headers": _headers(["X-Request-Id", "Cache-Control", "ETag"])}
        by_status: dict[int, dict[str, Code]] = {}
        for code in [*_kernel_codes(route), *route.errors]:
            by_status.setdefault(code.status, {})[code.name] = code
        for status, codes in sorted(by_status.items()):
            out[str(status)] = self._failure(status, [codes[name] for name in sorted(codes)])
        return out

    def _failure(self, status: int, codes: Sequence[Code]) -> dict[str, object]:
        name = ".".join([str(status), *(code.name for code in codes)])
        if name not in self._responses:
            names = ["X-Request-Id", "Retry-After"] if any(code.retryable for code in codes) else ["X-Request-Id"]
            self._responses[name] = {
                "description": HTTPStatus(status).phrase,
                "headers": _headers(names),
                "content": {JSON: failure(codes)},
            }
        return {"$ref": f"#/components/responses/{name}"}


def _path(route: Route) -> str:
    return PREFIX + VALUE.sub(r"{\1}", route.path)


def _keyed(route: Route) -> bool:
    return route.repeat in (Repeat.KEYED, Repeat.COMMAND)


def _restricted(route: Route) -> bool:
    return route.policy.roles is not None and route.policy.roles != frozenset(Role)


def _kernel_codes(route: Route) -> Iterator[Code]:
    """What the steps around the handler may answer."""
    yield from (errors.VALIDATION, errors.INVALID_INPUT, errors.INVALID_FORMAT)
    yield from (errors.RATE_LIMITED, errors.UNAVAILABLE, errors.TIMEOUT)
    if route.policy.roles is not None:
        yield from (errors.UNAUTHORIZED, errors.TOKEN_EXPIRED, errors.TOKEN_INVALID, errors.SESSION_EXPIRED)
    if _restricted(route):
        yield errors.FORBIDDEN
    if route.policy.permission and route.policy.permission.fresh:
        yield errors.STEP_UP
    if "{" in route.path:
        yield errors.NOT_FOUND
    if _keyed(route):
        yield from (errors.KEY_REUSED, errors.IN_PROGRESS)
    if route.body is not None:
        yield from (errors.PAYLOAD_TOO_LARGE, errors.UNSUPPORTED_MEDIA)
    elif route.raw is not None:
        yield errors.PAYLOAD_TOO_LARGE


def _headers(names: Sequence[str]) -> dict[str, object]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _given(schema: Schema) -> Schema:
    """A query's value is there or not; it is never null."""
    kinds = schema.get("type")
    if isinstance(kinds, list):
        return {**schema, "type": next(kind for kind in kinds if kind != "null")}
    some = schema.get("anyOf")
    if isinstance(some, list):
        left = [kind for kind in some if kind != {"type": "null"}]
        return left[0] if len(left) == 1 else {"anyOf": left}
    return schema


def _tag(origin: _Origin) -> dict[str, str]:
    """The plugin's name and the first line of its package's docstring."""
    first = (getattr(sys.modules.get(origin.package), "__doc__", None) or "").strip().partition("\n")[0]
    return {"name": origin.tag, "description": first} if first else {"name": origin.tag}

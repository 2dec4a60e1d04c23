"""What the loader holds declarations to: each name that a plugin gives says whose it is."""

import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import attrs

from core.convert import Unreadable, wire
from core.events.model import Event
from core.events.subscription import Subscription
from core.extensions import Extends, Point
from core.http.health import HealthCheck
from core.http.openapi import document
from core.http.routing import Files, Policy, Route
from core.http.table import Table
from core.jobs import Job
from core.kernel import Manifest
from core.observe.catalogue import METRICS
from core.observe.counts import Count
from core.plugin_rules import ADMIN, events_of, paths_of
from core.plugin_sql import strays
from core.privacy.model import PersonalData
from core.services import Port, Provided
from core.store.schema import Migration

METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})
KERNEL_CHECKS = frozenset({"postgres", "redis"})
METRIC_NAME = re.compile(r"[a-z][a-z0-9_]*_total")
KERNEL_PORTS = "kernel"
"""Ports that the kernel asks for; only required plugins may provide them."""


@attrs.frozen(kw_only=True)
class Declared:
    """One plugin's answers to the hooks, as far as rules ask about them."""

    manifest: Manifest
    package: str
    """Where its modules lie: `plugins.order`."""
    answers: Mapping[str, Any]
    """By hook."""
    migrations: Sequence[Migration] = ()

    def all(self, hook: str) -> Sequence[Any]:
        """What a hook that answers a sequence answered."""
        answer: Sequence[Any] = self.answers.get(hook, ())
        return answer


def package_of(plugin: object) -> str:
    """The package that a plugin's class lies in; its module, where that is all there is."""
    module = type(plugin).__module__
    return module.rpartition(".")[0] or module


@attrs.define
class Accepted:
    """What plugins declare that were found good already: some things must be right of all of them together."""

    routes: list[Route] = attrs.field(factory=list)
    consumers: dict[str, str] = attrs.field(factory=dict)
    """Whose each is."""

    def add(self, declared: Declared) -> None:
        """Another one is good."""
        self.routes += _plain_routes(declared)
        self.consumers |= {one.consumer: declared.manifest.name for one in declared.all("subscriptions")}


def mistakes(declared: Declared, schemas: Mapping[str, str], accepted: Accepted) -> list[str]:
    """All of them. `schemas` are those of the loaded plugins, by plugin."""
    wrong = list(_kinds(declared))
    if wrong:
        return wrong  # what is not of its kind cannot be asked further
    found = [*_ports(declared), *_routes(declared), *_described(declared, accepted), *_events(declared)]
    found += [*_consumers(declared, accepted), *_jobs(declared), *_checks(declared)]
    found += [*_permissions(declared), *_metrics(declared, schemas), *_personal(declared)]
    return [*found, *_migrations(declared, schemas)]


def _plain_routes(declared: Declared) -> list[Route]:
    return [one for one in declared.all("routes") if isinstance(one, Route)]


KINDS: Mapping[str, tuple[type, ...]] = {
    "provides": (Provided,),
    "extends": (Extends,),
    "routes": (Route, Files),
    "subscriptions": (Subscription,),
    "jobs": (Job,),
    "health_checks": (HealthCheck,),
    "metrics": (Count,),
}


def _kinds(declared: Declared) -> Iterator[str]:
    for hook, kinds in KINDS.items():
        for one in declared.all(hook):
            if not isinstance(one, kinds):
                yield f"its hook `{hook}` answers {type(one).__name__} where {kinds[0].__name__} belongs"
    personal = declared.answers.get("personal_data")
    if personal is not None and not isinstance(personal, PersonalData):
        yield f"its hook `personal_data` answers {type(personal).__name__}"
    for route in _plain_routes(declared):
        if not isinstance(route.policy, Policy):
            yield f"{route.method} {route.path} has no policy"


def _permissions(declared: Declared) -> Iterator[str]:
    own = f"{declared.manifest.name}."
    routes = _plain_routes(declared)
    asked = {one.policy.permission for one in routes if one.policy.permission is not None}
    named = Counter(permission.name for permission in asked)
    yield from (f"the permission {name} must begin with {own}" for name in named if not name.startswith(own))
    yield from (f"has two permissions named {name}" for name, times in named.items() if times > 1)


def _doors(declared: Declared) -> Iterable[Any]:
    """What the module `ports`, or the one module of a small plugin, defines."""
    for name in (f"{declared.package}.ports", declared.package):
        if (module := sys.modules.get(name)) is not None:
            return list(vars(module).values())
    return ()


def _ports(declared: Declared) -> Iterator[str]:
    manifest = declared.manifest
    own = {manifest.name, *manifest.requires, *((KERNEL_PORTS,) if manifest.required else ())}
    given = [one.port for one in declared.all("provides")]
    named = {id(one): one for one in (*given, *_doors(declared)) if isinstance(one, Port | Point)}
    for one in named.values():
        if one.name.partition(".")[0] not in own and one.name.partition(".")[0] != KERNEL_PORTS:
            kind = "port" if isinstance(one, Port) else "point"
            yield f"its {kind} {one.name} must begin with {manifest.name!r}"
    for one in given:
        if one.name.startswith(f"{KERNEL_PORTS}.") and not manifest.required:
            yield f"provides {one.name}, which only a required plugin may"


def _routes(declared: Declared) -> Iterator[str]:
    table: Table[None] = Table()
    own = paths_of(declared.manifest)
    for one in declared.all("routes"):
        method, path = ("GET", one.prefix) if isinstance(one, Files) else (one.method, one.path)
        first, _, rest = path.lstrip("/").partition("/")
        place = rest.partition("/")[0] if first == ADMIN else first
        if not path.startswith("/") or place not in own or method not in METHODS:
            yield f"{method} {path} must lie below {', '.join(f'/{path}' for path in own)}"
        elif isinstance(one, Route):
            try:
                table.add(method, path, None)
            except Exception as error:  # noqa: BLE001  whatever it is, this route cannot be served
                yield f"{method} {path} cannot be served: {error}"


def _described(declared: Declared, accepted: Accepted) -> Iterator[str]:
    """Whether there is a document of its routes: together with those of others, since names in it are for all."""
    own = _plain_routes(declared)
    if declared.manifest.required or (why := _undocumented([*accepted.routes, *own])) is None:
        return  # a required one's fails a little later, with the whole
    alone = [(one, _undocumented([one])) for one in own]
    if told := [f"{one.method} {one.path} cannot be served: {reason}" for one, reason in alone if reason is not None]:
        yield from told
    else:
        yield f"its routes cannot be described beside each other: {why}"


def _undocumented(routes: Sequence[Route]) -> str | None:
    try:
        document(routes, title="", version="")
    except Exception as error:  # noqa: BLE001  whatever it is, these routes cannot be served
        return " ".join([str(error), *getattr(error, "__notes__", ())])
    return None


def _events(declared: Declared) -> Iterator[str]:
    prefixes = events_of(declared.manifest)
    types: Counter[str] = Counter()
    for cls in _event_classes(declared):
        types[cls.event_type] += 1
        if cls.event_type.partition(".")[0] not in prefixes:
            yield f"the event type {cls.event_type} must begin with {' or '.join(prefixes)}"
    yield from (f"declares the event type {name} twice" for name, times in types.items() if times > 1)


def _consumers(declared: Declared, accepted: Accepted) -> Iterator[str]:
    own = declared.manifest.name
    pairs = Counter((one.consumer, one.event.event_type) for one in declared.all("subscriptions"))
    yield from (f"{consumer} subscribes twice to {event}" for (consumer, event), times in pairs.items() if times > 1)
    for consumer in sorted({consumer for consumer, _ in pairs}):
        first, _, rest = consumer.partition(".")
        if first != own and not (first in declared.manifest.requires and rest.startswith(own)):
            yield f"the consumer {consumer} must begin with {own}., or a required plugin's name and {own}"
        elif (owner := accepted.consumers.get(consumer, own)) != own:
            yield f"the consumer {consumer} belongs to {owner}"
    for event in dict.fromkeys(one.event for one in declared.all("subscriptions")):
        try:
            wire.prepare(event)
        except Unreadable as error:
            yield f"the event type {event.event_type} cannot be read: {error}"


def _event_classes(declared: Declared) -> Iterator[type[Event]]:
    for one in _doors(declared):
        is_event = isinstance(one, type) and issubclass(one, Event) and hasattr(one, "event_type")
        if is_event and f"{one.__module__}.".startswith(f"{declared.package}."):
            yield one


def _jobs(declared: Declared) -> Iterator[str]:
    own = f"{declared.manifest.name}."
    names = Counter(one.name for one in declared.all("jobs"))
    yield from (f"the job {name} must begin with {own}" for name in names if not name.startswith(own))
    yield from (f"has two jobs named {name}" for name, times in names.items() if times > 1)
    yield from (f"the job {one.name} needs a time between its runs" for one in declared.all("jobs") if one.every <= 0)


def _checks(declared: Declared) -> Iterator[str]:
    for one in declared.all("health_checks"):
        if one.name in KERNEL_CHECKS:
            yield f"the health check {one.name} is the kernel's"
        if one.vital and not declared.manifest.required:
            yield f"the health check {one.name} cannot be vital: the plugin is not required"


def _metrics(declared: Declared, plugins: Iterable[str]) -> Iterator[str]:
    own, kernels = f"{declared.manifest.name}_", {metric.name for metric in METRICS}
    longer = tuple(f"{name}_" for name in plugins if name.startswith(own))
    names = Counter(one.metric.name for one in declared.all("metrics"))
    for name, times in names.items():
        if not name.startswith(own) or name.startswith(longer) or name in kernels:
            yield f"the metric {name} must begin with {own}, and be nobody else's"
        elif not METRIC_NAME.fullmatch(name):
            yield f"the metric {name} must be made of small letters and _, and end with _total"
        if times > 1:
            yield f"has two metrics named {name}"


def _personal(declared: Declared) -> Iterator[str]:
    personal: PersonalData | None = declared.answers.get("personal_data")
    if personal is None:
        return
    own = f"{declared.manifest.schema}."
    for one in personal.holdings:
        if not one.table.startswith(own):
            yield f"holds personal data in {one.table}, which is not its own"
    payloads: Mapping[str, object] = personal.payloads
    for event, keys in payloads.items():  # the kernel empties them for all: one mistake would stop it
        if not isinstance(keys, tuple | list) or not all(isinstance(key, str) for key in keys):
            yield f"its personal data names the keys of {event} by {keys!r}, which is no tuple of texts"


def _migrations(declared: Declared, schemas: Mapping[str, str]) -> Iterator[str]:
    manifest = declared.manifest
    callable_ = {"kernel", *(schemas[name] for name in manifest.requires if name in schemas)}
    others = {"public", *schemas.values()} - {manifest.schema}
    for one in declared.migrations:
        for text in dict.fromkeys(strays(one.sql, manifest.schema, callable_, others)):
            yield f"{one.name}.sql {text}"

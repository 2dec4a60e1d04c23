"""Each name that a plugin gives says whose it is."""

import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar
from uuid import UUID

import attrs
import pytest

from core.auth import Role
from core.events.model import Event
from core.events.subscription import Subscription
from core.extensions import Extends, Point
from core.http.health import HealthCheck
from core.http.routing import PUBLIC, Cache, Files, Permission, Repeat, Route, aliases
from core.jobs import Job
from core.kernel import Manifest
from core.observe.counts import Count
from core.permissions import needs
from core.plugin_declared import Accepted, Declared, mistakes, package_of
from core.privacy.model import Fate, Holding, PersonalData
from core.services import Port, Provided
from core.store.schema import Migration
from tests.core.events.samples import ParcelArrived, ParcelMoved
from tests.core.http.probe import ProbePlugin
from tests.core.http.probe_raw import Said

CARDS: Port[str] = Port("gift.cards")
WRAPS: Point[str] = Point("gift.wraps")


@attrs.frozen(kw_only=True)
class GiftGiven(Event):
    """An event of this module, which stands in for a plugin's."""

    event_type: ClassVar[str] = "gift.given"
    aggregate_type: ClassVar[str] = "gift"
    aggregate_key: ClassVar[str] = "gift_id"

    gift_id: UUID


async def work(*_: Any) -> Any:
    """Whatever runs."""


def route(path: str, method: str = "GET", **more: Any) -> Route:
    return Route(method=method, path=path, handler=work, policy=PUBLIC, answer=Said, summary="x", **more)


def told(
    *,
    migrations: Sequence[str] = (),
    manifest: dict[str, Any] | None = None,
    accepted: Accepted | None = None,
    package: str = __name__,
    **answers: Any,
) -> list[str]:
    given: dict[str, Any] = {
        "name": "gift",
        "version": "1",
        "schema": "gifts",
        "requires": ("user",),
        **(manifest or {}),
    }
    files = [Migration("gift", number, f"000{number}_x", "pre", "whole", sql) for number, sql in enumerate(migrations)]
    declared = Declared(manifest=Manifest(**given), package=package, answers=answers, migrations=files)
    plugins = {"gift": "gifts", "user": "users", "order": "orders", "gift_card": "cards"}
    return mistakes(declared, plugins, accepted or Accepted())


def test_declarations_that_keep_to_their_plugin_have_no_mistakes() -> None:
    assert told(
        provides=[Provided(CARDS, "x"), Provided(Port("user.greeter"), "x")],
        extends=[Extends(Point("order.adjusters"), "x")],
        routes=[route("/gift"), route("/gift/{id:uuid}"), route("/admin/gift"), Files("/gift/images", Path())],
        subscriptions=[Subscription("gift.ears", ParcelArrived, work), Subscription("user.gifts", ParcelMoved, work)],
        jobs=[Job(name="gift.wrap", every=1, run=work)],
        health_checks=[HealthCheck(name="wrapping", check=work)],
        metrics=[Count("gift_wraps_total", "Gifts wrapped")],
        personal_data=PersonalData(holdings=(Holding("gifts.cards", Fate.DELETED),), export=work, erase=work),
        migrations=["CREATE TABLE gifts.cards (id uuid)"],
    ) == []  # fmt: skip


@pytest.mark.parametrize("hook", ["provides", "extends", "routes", "subscriptions", "jobs", "health_checks", "metrics"])
def test_an_answer_of_another_kind_is_told(hook: str) -> None:
    answers: dict[str, Any] = {hook: [3]}
    (line,) = told(**answers)
    assert line.startswith(f"its hook `{hook}` answers int where ")


def test_personal_data_and_policies_have_their_kinds_too() -> None:
    assert told(personal_data=[]) == ["its hook `personal_data` answers list"]
    nothing: Any = None
    assert told(routes=[attrs.evolve(route("/gift"), policy=nothing)]) == ["GET /gift has no policy"]


@pytest.mark.parametrize(
    ("path", "method"),
    [
        ("/cards", "GET"),
        ("gift", "GET"),
        ("/admin/cards", "GET"),
        ("/admin", "GET"),
        ("/{x}", "GET"),
        ("/gift", "TRACE"),
    ],
)
def test_a_route_lies_below_its_plugins_paths(path: str, method: str) -> None:
    assert told(routes=[route(path, method)]) == [f"{method} {path} must lie below /gift"]


def test_paths_of_the_manifest_replace_the_name() -> None:
    lies = told(manifest={"paths": ("cards", "wraps")}, routes=[route("/cards/new"), route("/gift")])
    assert lies == ["GET /gift must lie below /cards, /wraps"]


@pytest.mark.parametrize(
    ("routes", "why"),
    [
        ([route("/gift"), route("/gift")], "GET /gift cannot be served: GET /gift is declared twice"),
        ([route("/gift/{a}"), route("/gift/{b:uuid}")], "clashes with"),
        ([route("/gift", body=complex, repeat=Repeat.NATURAL, method="POST")], "POST /gift cannot be served: "),
    ],
)
def test_routes_that_cannot_be_served_are_told(routes: list[Route], why: str) -> None:
    (line,) = told(routes=routes)
    assert why in line


def test_routes_are_described_together_with_those_of_others() -> None:
    twins = aliases(route("/gift"), "/gift/card-list", "/gift/card_list")
    (line,) = told(routes=twins)
    assert line.startswith("its routes cannot be described beside each other: GET /gift/card_list: another operation")
    assert told(routes=twins, manifest={"required": True}) == []
    (line,) = told(routes=[twins[2]], accepted=Accepted(list(twins[:2])))
    assert "another operation" in line


def test_a_cache_is_no_mistake_of_the_names() -> None:
    assert told(routes=[route("/gift", cache=Cache(max_age=1))]) == []


def test_ports_points_and_events_begin_with_the_name() -> None:
    lines = told(manifest={"name": "other"})
    assert lines == [
        "its port gift.cards must begin with 'other'",
        "its point gift.wraps must begin with 'other'",
        "the event type gift.given must begin with other",
    ]
    assert told(provides=[Provided(Port("order.orders"), "x")]) == ["its port order.orders must begin with 'gift'"]


def test_only_a_required_plugin_provides_ports_of_the_kernel() -> None:
    sessions = [Provided(Port("kernel.sessions"), "x")]
    assert told(provides=sessions) == ["provides kernel.sessions, which only a required plugin may"]
    assert told(manifest={"required": True}, provides=sessions) == []


def test_a_consumer_says_whose_it_is() -> None:
    def hears(*consumers: str) -> list[str]:
        return told(subscriptions=[Subscription(one, ParcelArrived, work) for one in consumers])

    line = "the consumer {} must begin with gift., or a required plugin's name and gift"
    assert hears("order.gifts", "parcels", "user.cards") == [
        line.format(one) for one in ("order.gifts", "parcels", "user.cards")
    ]
    assert hears("gift.ears", "gift.ears") == ["gift.ears subscribes twice to parcel.arrived"]


def test_a_consumer_has_one_owner() -> None:
    """`pay` and `payment` both fit into `order.payments`."""
    hears = [Subscription("user.gifts", ParcelArrived, work)]
    accepted = Accepted(consumers={"user.gifts": "gifts"})
    assert told(subscriptions=hears, accepted=accepted) == ["the consumer user.gifts belongs to gifts"]
    other = Declared(
        manifest=Manifest(name="g", version="1", schema="g"), package="g", answers={"subscriptions": hears}
    )
    accepted = Accepted()
    accepted.add(other)
    assert told(subscriptions=hears, accepted=accepted) == ["the consumer user.gifts belongs to g"]


def test_an_event_that_no_json_can_become_is_told() -> None:
    @attrs.frozen(kw_only=True)
    class Undated(ParcelArrived):
        """With a field that cannot be read."""

        day: date

    (line,) = told(subscriptions=[Subscription("gift.ears", Undated, work)])
    assert line.startswith("the event type parcel.arrived cannot be read: Undated.day: <class 'datetime.date'> is ")


def test_events_of_a_package_with_a_longer_name_are_not_its_own() -> None:
    """`vurksha_note` hears an event of `vurksha_notes`."""
    shorter = __name__.removesuffix("d")
    assert __name__.startswith(shorter)
    door = ModuleType(f"{shorter}.ports")
    vars(door)["GiftGiven"] = GiftGiven
    sys.modules[door.__name__] = door
    try:
        assert told(package=shorter, manifest={"name": "other"}) == []
    finally:
        del sys.modules[door.__name__]


def test_a_job_has_its_own_name_and_a_time() -> None:
    jobs = [
        Job(name="wrap", every=1, run=work),
        Job(name="gift.a", every=0, run=work),
        Job(name="gift.a", every=1, run=work),
    ]
    assert told(jobs=jobs) == [
        "the job wrap must begin with gift.",
        "has two jobs named gift.a",
        "the job gift.a needs a time between its runs",
    ]


def test_a_health_check_is_not_the_kernels_and_not_vital() -> None:
    checks = [HealthCheck(name="redis", check=work), HealthCheck(name="wraps", check=work, vital=True)]
    assert told(health_checks=checks) == [
        "the health check redis is the kernel's",
        "the health check wraps cannot be vital: the plugin is not required",
    ]


def test_a_metric_has_its_plugins_name_and_nobody_elses() -> None:
    names = (
        "gift_wraps_total",
        "gift_wraps_total",
        "wraps_total",
        "gift_wraps",
        "gift_Wraps_total",
        "gift_card_x_total",
    )
    assert told(metrics=[Count(name, "x") for name in names]) == [
        "has two metrics named gift_wraps_total",
        "the metric wraps_total must begin with gift_, and be nobody else's",
        "the metric gift_wraps must be made of small letters and _, and end with _total",
        "the metric gift_Wraps_total must be made of small letters and _, and end with _total",
        "the metric gift_card_x_total must begin with gift_, and be nobody else's",
    ]


def test_a_permission_has_its_plugins_name_and_one_meaning() -> None:
    asked = [Permission(name, meaning, frozenset({Role.ADMIN})) for name, meaning in (
        ("gift.wrap", "wrap"), ("gift.wrap", "unwrap"), ("order.move", "move"))]  # fmt: skip
    routes = [attrs.evolve(route(f"/gift/{number}"), policy=needs(one)) for number, one in enumerate(asked)]
    assert told(routes=routes) == [
        "the permission order.move must begin with gift.",
        "has two permissions named gift.wrap",
    ]


def test_personal_data_lies_in_the_plugins_own_schema() -> None:
    data = PersonalData(holdings=(Holding("users.accounts", Fate.DELETED),), export=work, erase=work)
    assert told(personal_data=data) == ["holds personal data in users.accounts, which is not its own"]


@pytest.mark.parametrize("keys", ["note", {"note"}, (1,)])
def test_personal_data_names_keys_of_events_that_the_kernel_can_empty(keys: Any) -> None:
    """One that it cannot would stop every erasure."""
    data = PersonalData(holdings=(), export=work, erase=work, payloads={"gift.given": keys, "gift.kept": ("note",)})
    assert told(personal_data=data) == [
        f"its personal data names the keys of gift.given by {keys!r}, which is no tuple of texts"
    ]


def test_migrations_name_only_their_own_schema_and_functions_of_those_required() -> None:
    assert told(migrations=["SELECT users.f(1)", "SELECT orders.f(1); SELECT orders.f(2)"]) == [
        "0001_x.sql names the schema orders"
    ]


def test_a_plugins_package_is_where_its_class_lies() -> None:
    assert package_of(ProbePlugin()) == "tests.core.http"
    assert package_of(type("Lone", (), {"__module__": "lone"})()) == "lone"

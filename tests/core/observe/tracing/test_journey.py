"""One order, one trace: from the request on one replica to the push that another one sends."""

import shutil
import tempfile
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import click
import pytest

from core.store.embedded import Servers
from tests.conftest import NewDatabase
from tests.core.observe.tracing.receiver import Seen, tree
from tests.core.observe.tracing.shop import Shop, shop

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
CHAIN = ("POST fcm", "deliver push", "process order.created", "publish order.created", "POST /api/v1/orders")


@pytest.fixture(scope="module")
async def traced(new_database: NewDatabase, servers: Servers, rabbit_url: str) -> AsyncIterator[Shop]:
    """The shop."""
    folder = Path(tempfile.mkdtemp(prefix="vk-", dir="/tmp"))
    async with shop(folder, await new_database(), servers.redis_url, rabbit_url) as started:
        yield started
    shutil.rmtree(folder)


async def test_an_order_is_one_trace_to_the_push_on_the_other_replica(traced: Shop) -> None:
    headers = await traced.sign_in()
    spans = await traced.order(headers)
    click.echo(
        f"\n{tree(spans)}\nfigures: one trace of {len(spans)} spans on {len({one.replica for one in spans})} replicas"
    )
    assert {span.trace for span in spans} == {spans[0].trace}
    known = {span.id: span for span in spans}
    pushes = [span for span in spans if span.name == "POST fcm" and span.attributes["http.response.status_code"] == 200]
    chains = [_chain(push, known) for push in pushes]
    push, _, consumer, producer, server = next(chain for chain in chains if tuple(one.name for one in chain) == CHAIN)
    assert (server.kind, producer.kind, consumer.kind, push.kind) == ("SERVER", "PRODUCER", "CONSUMER", "CLIENT")
    assert (server.plugin, consumer.plugin, push.plugin) == ("order", "notification", "notification")
    assert server.replica != consumer.replica
    assert {span.failed for span in spans} == {False}
    statements = [one for one in spans if one.attributes.get("db.system.name") == "postgresql"]
    assert {"order", "notification"} <= {one.plugin for one in statements}
    assert all(span.parent in known for span in spans if span is not server)
    _says_what_was_asked(server, consumer, statements)


def _chain(span: Seen, known: Mapping[str, Seen]) -> list[Seen]:
    """A span and those above it, up to the first of all."""
    return [span, *_chain(known[span.parent], known)] if span.parent else [span]


def _says_what_was_asked(server: Seen, consumer: Seen, statements: list[Seen]) -> None:
    assert server.attributes["http.route"] == "/api/v1/orders"
    assert server.attributes["http.response.status_code"] == 201
    assert consumer.attributes["messaging.consumer.group.name"] == "order.notifications"
    assert consumer.attributes["vurksha.attempt"] == 1
    inserted = next(one for one in statements if one.name == "INSERT notifications.deliveries")
    assert "$1" in str(inserted.attributes["db.query.text"])


async def test_nothing_of_a_person_is_in_any_span(traced: Shop) -> None:
    headers = await traced.sign_in()
    await traced.order(headers)
    for path in ("/users/profile", "/orders?page=1&limit=5", "/notifications?page=1&limit=5", "/cart"):
        await traced.ask("GET", path, headers={**headers, "X-Request-ID": "9876501234"})
    await traced.collector.until(lambda spans: any(span.name == "GET /api/v1/cart" for span in spans), "the last")
    sent = b"\n".join(traced.collector.bodies)
    assert len(traced.collector.spans) > 50
    assert [word for word in traced.private if word.encode() in sent] == []


async def test_a_stranger_cannot_have_a_request_traced_under_an_id_of_theirs(traced: Shop) -> None:
    theirs = "4bf92f3577b34da6a3ce929d0e0e4736"
    before = len(traced.collector.named("GET /api/v1/banners"))
    await traced.ask("GET", "/banners", headers={"traceparent": f"00-{theirs}-00f067aa0ba902b7-01"})
    spans = await traced.collector.until(
        lambda _: len(traced.collector.named("GET /api/v1/banners")) > before, "the request"
    )
    assert theirs not in {span.trace for span in spans}


async def test_the_log_names_the_trace(traced: Shop) -> None:
    await traced.ask("GET", "/categories", headers={"X-Request-ID": "find-me"})
    spans = await traced.collector.until(
        lambda spans: [span for span in spans if span.attributes.get("vurksha.request_id") == "find-me"], "the request"
    )
    trace = next(span.trace for span in spans if span.attributes.get("vurksha.request_id") == "find-me")
    line = next(line for line in traced.front.said.splitlines() if '"find-me"' in line)
    assert f'"trace_id":"{trace}"' in line

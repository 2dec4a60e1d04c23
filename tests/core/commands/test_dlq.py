"""`vurksha dlq`: dead deliveries and unread messages, seen together, and brought back or given up."""

from uuid import UUID, uuid4

import orjson

from core.types import uuid7
from tests.core.commands.conftest import CONSUMER, TYPE, Desk

ROW = "SELECT state, attempts, last_error FROM kernel.inbox WHERE event_id = $1"
TWIN = """
INSERT INTO kernel.inbox
SELECT (jsonb_populate_record(i, '{"consumer": "probe.eyes"}')).* FROM kernel.inbox i
"""
LETTER = "SELECT state FROM kernel.dead_letters WHERE id = $1"


def message(event_id: UUID, **more: object) -> bytes:
    payload = {"parcelId": str(event_id), "phoneNumber": "9876543210"}
    envelope = {
        "eventId": str(event_id),
        "eventType": TYPE,
        "aggregateId": "a",
        "aggregateType": "parcel",
        "timestamp": "2026-01-01T00:00:00Z",
        "payload": payload,
    }
    return orjson.dumps(envelope | more)


async def test_list_shows_both_kinds_within_100_columns(desk: Desk) -> None:
    assert desk.says("dlq", "list") == "no dead letters\n"
    event, unread = await desk.delivery(hours=2), await desk.letter(b"\xff", None)
    lines = desk.says("dlq", "list").splitlines()
    assert lines[0].split() == ["ID", "CONSUMER", "TYPE", "DEAD", "FOR", "ERROR"]
    assert lines[1].split() == [str(event), CONSUMER, TYPE, "2h", "ConnectionError"]
    assert lines[2].split() == [str(unread), CONSUMER, "-", "0s", "rejected"]
    assert max(map(len, lines)) <= 100


async def test_list_filters(desk: Desk) -> None:
    old, new = await desk.delivery(hours=3), await desk.delivery(event_type="order.created")
    other = await desk.delivery("probe.eyes")
    unread = await desk.letter(b"{}", uuid4())

    def ids(*options: str) -> list[str]:
        found = map(orjson.loads, desk.says("dlq", "list", "--json", *options).splitlines())
        return [str(one.get("id") or one["event_id"]) for one in found]

    assert ids() == [str(one) for one in (old, new, other, unread)]
    assert ids("--type", "order") == [str(new)]
    assert ids("--consumer", CONSUMER, "--since", "1h") == [str(new), str(unread)]
    assert ids("--limit", "1") == [str(old)]
    assert "1 of 4: --limit" in desk.program.call("dlq", "list", "--limit", "1").stderr


async def test_show_masks_payload_body_and_headers(desk: Desk) -> None:
    event = await desk.delivery(payload={"phoneNumber": "+919876543210", "orderId": str(uuid4())})
    await desk.connection.execute(TWIN)
    told = desk.says("dlq", "show", str(event))
    assert told.count(str(event)) == 2, "once per consumer"
    assert '"phoneNumber": "*** (13 characters)"' in told
    letter, binary = await desk.letter(message(uuid4()), uuid4()), await desk.letter(b"\xffAsha")
    assert '"phoneNumber": "*** (10 characters)"' in desk.says("dlq", "show", str(letter))
    assert "*** (5 bytes that are no JSON)" in desk.says("dlq", "show", str(binary))
    for shown in (told, desk.says("dlq", "show", str(letter)), desk.says("dlq", "show", str(binary))):
        assert "9876543210" not in shown
        assert "Asha" not in shown
    assert "there is no dead letter 99: `vurksha dlq list`" in desk.complains("dlq", "show", "99")


async def test_a_replayed_delivery_waits_as_if_never_tried(desk: Desk) -> None:
    event, other = await desk.delivery(), await desk.delivery("probe.eyes")
    assert desk.says("dlq", "replay", "--consumer", CONSUMER) == (
        "1 dead letter would be delivered again. Nothing was done: add --yes\n"
    )
    assert desk.says("dlq", "replay", "--consumer", CONSUMER, "--yes") == "1 dead letter will be delivered again\n"
    assert tuple(await desk.connection.fetchrow(ROW, event))[:2] == ("waiting", 0)
    assert (await desk.connection.fetchrow(ROW, other))["state"] == "dead"
    said = {"count": 1, "events": [{"consumer": CONSUMER, "event": str(event)}]}
    assert await desk.noted() == [("dlq.replay", "dlq", said)]
    assert "no dead letter has that id" in desk.complains("dlq", "replay", str(event), "--yes")


async def test_a_discarded_delivery_stays_as_proof_that_it_is_over(desk: Desk) -> None:
    event = await desk.delivery()
    assert desk.says("dlq", "discard", str(event)).startswith("1 dead letter would be given up for good")
    assert desk.says("dlq", "discard", str(event), "--yes") == "1 dead letter given up for good\n"
    assert tuple(await desk.connection.fetchrow(ROW, event)) == ("done", 6, "discarded after ConnectionError")
    assert [act for act, *_ in await desk.noted()] == ["dlq.discard"]


async def test_messages_become_deliveries_from_the_outbox_or_from_their_body(desk: Desk) -> None:
    kept, gone = await desk.published(), uuid7()
    letters = [await desk.letter(b"spoilt", kept), await desk.letter(message(gone), gone)]
    assert desk.says("dlq", "replay", "--all", "--yes") == "2 dead letters will be delivered again\n"
    for event in (kept, gone):
        assert (await desk.connection.fetchrow(ROW, event))["state"] == "waiting"
    assert [await desk.one(LETTER, letter) for letter in letters] == ["replayed", "replayed"]
    assert [(act, subject) for act, subject, _ in await desk.noted()] == [
        ("dlq.replay", f"letter:{letter}") for letter in letters
    ]
    assert desk.says("dlq", "list") == "no dead letters\n"


async def test_a_message_whose_event_took_effect_meanwhile_has_no_second_effect(desk: Desk) -> None:
    event = await desk.delivery()
    assert desk.says("dlq", "discard", str(event), "--yes")
    letter = await desk.letter(message(event), event)
    assert desk.says("dlq", "replay", str(letter), "--yes") == "1 dead letter will be delivered again\n"
    assert (await desk.connection.fetchrow(ROW, event))["state"] == "done"


async def test_what_cannot_be_read_is_named_and_stays_and_the_rest_goes_on(desk: Desk) -> None:
    spoilt = [
        await desk.letter(b"no json", None),
        await desk.letter(message(uuid4())[:20], None, size=200),
        await desk.letter(message(uuid4(), payload={"a": "\0"}), None),
    ]
    good = uuid7()
    await desk.letter(message(good))
    done = desk.program.call("dlq", "replay", "--all", "--yes")
    assert (done.returncode, done.stdout) == (1, "1 dead letter will be delivered again\n")
    assert f"{spoilt[0]} cannot be replayed: is no JSON" in done.stderr
    assert f"{spoilt[1]} cannot be replayed: only 20 of its 200 bytes were kept" in done.stderr
    assert f"{spoilt[2]} cannot be replayed: " in done.stderr
    assert done.stderr.splitlines()[-1] == "Error: 3 dead letters cannot be replayed: discard them"
    assert (await desk.connection.fetchrow(ROW, good))["state"] == "waiting"
    assert desk.says("dlq", "discard", *map(str, spoilt), "--yes") == "3 dead letters given up for good\n"
    assert [await desk.one(LETTER, letter) for letter in spoilt] == ["discarded"] * 3


async def test_the_program_itself_lists(desk: Desk) -> None:
    event = await desk.delivery()
    done = desk.program.run("dlq", "list")
    assert (done.returncode, done.stderr) == (0, "")
    assert str(event) in done.stdout

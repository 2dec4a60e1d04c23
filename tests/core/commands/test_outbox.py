"""`vurksha outbox`: what it shows hides people's data; what it does is asked for twice, audited, and lost by nobody."""

import os
import signal
import subprocess
import sys
import time
from uuid import UUID, uuid4

import orjson
import pytest

from tests.core.commands.conftest import CONSUMER, Desk
from tests.core.program import LONG, ROOT

STATE = "SELECT state FROM kernel.inbox WHERE consumer = $1 AND event_id = $2"
HANDLED = """
INSERT INTO kernel.inbox (consumer, event_id, seq, event_type, version, aggregate_type, aggregate_id, payload, metadata,
    occurred_at, state, attempts, finished_at, last_error)
SELECT $1, event_id, seq, event_type, version, aggregate_type, aggregate_id, payload, metadata, occurred_at, $3, 2,
    now(), 'x'
FROM kernel.outbox WHERE event_id = $2
"""
SEQ = (
    "SELECT seq FROM kernel.outbox WHERE event_id = $1 UNION ALL SELECT seq FROM kernel.outbox_dead WHERE event_id = $1"
)


async def handled(desk: Desk, event_id: UUID, state: str = "done") -> None:
    await desk.connection.execute(HANDLED, CONSUMER, event_id, state)


async def test_list_shows_what_is_stuck_within_100_columns(desk: Desk) -> None:
    dead, waiting = await desk.dead(hours=3), await desk.waiting()
    await desk.published()
    lines = desk.says("outbox", "list").splitlines()
    assert lines[0].split() == ["NUMBER", "TYPE", "AGGREGATE", "STATE", "AGE", "REFUSED", "ERROR"]
    assert [line.split()[4:] for line in lines[1:]] == [["dead", "3h", "5", "NoRoute"], ["waiting", "0s", "0", "-"]]
    assert [int(line.split()[0]) for line in lines[1:]] == [await desk.one(SEQ, dead), await desk.one(SEQ, waiting)]
    assert max(map(len, lines)) <= 100


async def test_list_filters_by_state_type_cursor_and_time(desk: Desk) -> None:
    old, new = await desk.dead(hours=5), await desk.dead(event_type="order.created")
    published = await desk.published()

    def ids(*options: str) -> list[UUID]:
        lines = desk.says("outbox", "list", "--json", *options).splitlines()
        return [UUID(orjson.loads(line)["event_id"]) for line in lines]

    assert ids() == [old, new]
    assert ids("--state", "published") == [published]
    assert ids("--type", "parcel") == ids("--type", "parcel.arrived") == ids("--limit", "1") == [old]
    assert ids("--since", str(await desk.one(SEQ, old))) == ids("--since", "2h") == [new]
    assert desk.says("outbox", "list", "--type", "nothing") == "no such events\n"
    assert "there may be more: --since" in desk.program.call("outbox", "list", "--limit", "1").stderr


async def test_show_tells_all_but_what_may_be_personal(desk: Desk) -> None:
    payload = {"userId": str(uuid4()), "phoneNumber": "+919876543210", "reason": "call Asha Rao", "status": "PAID"}
    event = await desk.published(payload=payload)
    await handled(desk, event)
    by_id, by_number = (
        desk.says("outbox", "show", str(event)),
        desk.says("outbox", "show", str(await desk.one(SEQ, event))),
    )
    assert by_id == by_number
    for told in (str(event), payload["userId"], "PAID", "*** (13 characters)", f"{CONSUMER}  done"):
        assert told in by_id
    for hidden in ("9876543210", "Asha", "Rao"):
        assert hidden not in by_id
    assert "the outbox has no event 999999999" in desk.complains("outbox", "show", "999999999")
    assert "neither an event's id nor a number" in desk.complains("outbox", "show", "x", code=2)


async def test_stats_counts(desk: Desk) -> None:
    assert (
        desk.says("outbox", "stats") == "waiting          0\ndead             0\npublished        0 in the last hour\n"
    )
    await desk.dead()
    await desk.waiting(hours=50)
    await desk.published()
    await desk.delivery()
    lines = desk.says("outbox", "stats").splitlines()
    assert [line.split()[1:] for line in lines[:2]] == [["1,", "the", "oldest", "for", "2d"], ["1"]]
    assert lines[2] == "published        1 in the last hour"
    assert lines[-1].split() == [CONSUMER, "0", "0", "1"]


async def test_replay_says_what_it_would_do_and_does_it_when_told(desk: Desk) -> None:
    first, second = await desk.dead(), await desk.dead(event_type="order.created")
    number = await desk.one(SEQ, first)
    said = "1 dead event would go back into the outbox. Nothing was done: add --yes\n"
    assert desk.says("outbox", "replay", str(first)) == desk.says("outbox", "replay", "--type", "parcel") == said
    assert desk.says("outbox", "replay", "--type", "parcel", "--dry-run") == said
    assert await desk.noted() == []
    assert desk.says("outbox", "replay", str(first), "--yes") == "1 dead event went back into the outbox\n"
    row = await desk.connection.fetchrow("SELECT * FROM kernel.outbox WHERE event_id = $1", first)
    assert (row["seq"], row["attempts"], row["published_at"], row["last_error"]) == (number, 0, None, None)
    assert await desk.one("SELECT event_id FROM kernel.outbox_dead") == second
    assert await desk.noted() == [("outbox.replay", "outbox", {"count": 1, "events": [str(first)]})]
    assert desk.says("outbox", "replay", "--all", "--yes") == "1 dead event went back into the outbox\n"
    assert desk.says("outbox", "replay", "--all", "--yes") == "0 dead events went back into the outbox\n"
    assert "no dead event has that number or id" in desk.complains("outbox", "replay", str(first), "--yes")


async def test_discard_deletes_dead_events_only(desk: Desk) -> None:
    dead, waiting = await desk.dead(), await desk.waiting()
    assert desk.says("outbox", "discard", "--all").startswith("1 dead event would be deleted for good")
    assert "no dead event" in desk.complains("outbox", "discard", str(waiting), "--yes")
    assert desk.says("outbox", "discard", str(dead), str(waiting), "--yes") == "1 dead event deleted for good\n"
    assert await desk.one("SELECT count(*) FROM kernel.outbox_dead") == 0
    assert await desk.one("SELECT count(*) FROM kernel.outbox") == 1
    assert await desk.noted() == [("outbox.discard", "outbox", {"count": 1, "events": [str(dead)]})]


@pytest.mark.parametrize(
    "command", [["outbox", "replay"], ["outbox", "discard"], ["dlq", "replay"], ["dlq", "discard"]]
)
def test_nothing_is_changed_without_saying_what(desk: Desk, command: list[str]) -> None:
    assert "say which: ids, --since" in desk.complains(*command, "--yes", code=2)
    assert "--all goes with nothing else" in desk.complains(*command, "1", "--all", "--yes", code=2)
    assert "is no rate such as 50/s" in desk.complains(*command, "--all", "--rate", "0/s", code=2)
    assert "--since" in desk.complains(*command, "--since", "yesterday", code=2)


async def test_a_subscriber_gets_what_it_never_had_since_a_cursor(desk: Desk) -> None:
    before, done, new = [await desk.published() for _ in range(3)]
    other, waits = await desk.published(event_type="order.created"), await desk.waiting()
    await handled(desk, done)
    cursor = str(await desk.one(SEQ, before))
    args = ["outbox", "replay", "--since", cursor, "--consumer", CONSUMER]
    told = desk.says(*args).splitlines()
    assert told[0] == f"{CONSUMER} hears 1 event types; 2 such events were published:"
    assert [line.split()[0] for line in told[1:4]] == ["1", "1", "0"]
    assert told[4] == "1 would be delivered. Nothing was done: add --yes"
    assert await desk.one("SELECT count(*) FROM kernel.inbox") == 1
    last = await desk.one(SEQ, waits)
    assert desk.says(*args, "--yes").splitlines()[-1] == f"1 delivered; the next cursor is {last}"
    assert await desk.one(STATE, CONSUMER, new) == "waiting"
    assert await desk.one(STATE, CONSUMER, done) == "done"
    assert [await desk.one(STATE, CONSUMER, one) for one in (before, other, waits)] == [None, None, None]
    [(action, subject, details)] = await desk.noted()
    assert (action, subject, details["count"], details["again"]) == ("outbox.redeliver", f"consumer:{CONSUMER}", 1, 0)
    assert desk.says(*args, "--yes").splitlines()[-1].startswith("0 delivered")
    assert await desk.noted() == [], "what changes nothing is no act"


async def test_again_makes_an_event_take_effect_twice_and_says_so(desk: Desk) -> None:
    done, dead, waits = [await desk.published() for _ in range(3)]
    for event, state in ((done, "done"), (dead, "dead"), (waits, "waiting")):
        await handled(desk, event, state)
    args = ["outbox", "replay", "--since", "1h", "--consumer", CONSUMER, "--again"]
    look = desk.program.call(*args)
    assert "WARNING: --again: 2 of these take effect a second time" in look.stderr
    assert "2 would be delivered" in look.stdout
    assert desk.says(*args, "--yes").splitlines()[-1].startswith("2 delivered")
    for event in (done, dead):
        row = await desk.connection.fetchrow("SELECT * FROM kernel.inbox WHERE event_id = $1", event)
        assert (row["state"], row["attempts"], row["finished_at"], row["last_error"]) == ("waiting", 0, None, None)
    assert await desk.one("SELECT attempts FROM kernel.inbox WHERE event_id = $1", waits) == 2
    assert (await desk.noted())[0][2]["again"] == 2
    assert "--again goes with --consumer" in desk.complains("outbox", "replay", "--all", "--again", code=2)


async def test_single_events_are_redelivered_by_id(desk: Desk) -> None:
    first, second = [await desk.published() for _ in range(2)]
    assert desk.says("outbox", "replay", str(second), "--consumer", CONSUMER, "--yes").splitlines()[-1][0] == "1"
    assert [await desk.one(STATE, CONSUMER, one) for one in (first, second)] == [None, "waiting"]


async def test_what_is_no_longer_kept_is_told(desk: Desk) -> None:
    await desk.published()
    for since in ("8d", "0"):
        told = desk.program.call("outbox", "replay", "--since", since, "--consumer", CONSUMER).stderr
        assert "published events are kept for 7 days; the oldest has number" in told
    assert "there is no consumer probe.eyes: probe.ears" in desk.complains(
        "outbox", "replay", "--since", "1h", "--consumer", "probe.eyes"
    )


async def test_a_rate_is_kept(desk: Desk) -> None:
    for _ in range(6):
        await desk.dead()
    began = time.monotonic()
    assert desk.says("outbox", "replay", "--all", "--rate", "4/s", "--yes").startswith("6 dead events")
    assert time.monotonic() - began >= 1
    assert [details["count"] for *_, details in await desk.noted()] == [4, 2]


async def test_ctrl_c_between_batches_loses_nothing(desk: Desk) -> None:
    """The program itself, in a process of its own."""
    events = [await desk.dead() for _ in range(60)]
    process = subprocess.Popen(
        [sys.executable, "-m", "core", "outbox", "replay", "--all", "--rate", "1/s", "--yes"],
        env=desk.program.env, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    end = time.monotonic() + LONG
    while not await desk.one("SELECT count(*) FROM kernel.outbox"):
        assert time.monotonic() < end
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=LONG)
    assert process.returncode == 1
    assert "Traceback" not in said
    back = await desk.one("SELECT count(*) FROM kernel.outbox")
    assert f"stopped after {back} of {len(events)}: what is done stays done" in said
    assert back + await desk.one("SELECT count(*) FROM kernel.outbox_dead") == len(events)
    assert sum(details["count"] for *_, details in await desk.noted()) == back
    assert desk.says("outbox", "replay", "--all", "--yes").startswith(f"{len(events) - back} dead events")

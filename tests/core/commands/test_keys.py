"""`vurksha keys`: a rotation in one command or step by step, and one clear line for what the rules do not allow."""

import re

import pytest

from core import keys_book
from core.commands import keys
from tests.core.commands.conftest import Desk

OLDER = "UPDATE kernel.signing_keys SET created_at = created_at - interval '20 s'"


def listed(desk: Desk) -> list[list[str]]:
    titles, *lines = desk.says("keys", "list").splitlines()
    assert titles.split() == ["KID", "ALGORITHM", "STATE", "SINCE", "VERIFIES", "UNTIL"]
    assert max(map(len, lines)) <= 100
    return [line.split() for line in lines]


async def test_a_rotation_step_by_step(desk: Desk) -> None:
    [[root, *rest]] = listed(desk)
    assert rest == ["HS256", "active", "-", "-", "made", "of", "JWT_SECRET"]
    kid = desk.says("keys", "add", "--algorithm", "HS512").split()[0]
    assert [row[:3] for row in listed(desk)] == [[root, "HS256", "active"], [kid, "HS512", "next"]]
    assert "a replica may not know it yet: wait" in desk.complains("keys", "activate", kid)
    await desk.connection.execute(OLDER)
    told = desk.says("keys", "activate", kid)
    assert re.fullmatch(rf"{kid} signs now; {root} verifies until \S+Z\n", told)
    assert desk.says("keys", "revoke", root) == f"{root} is revoked; within 10 s no replica takes its tokens\n"
    assert [row[2] for row in listed(desk)] == ["revoked", "active"]
    spare = desk.says("keys", "add").split()[0]
    assert desk.says("keys", "retire", spare).startswith(f"{spare} verifies until ")
    assert [act for act, *_ in await desk.noted()] == [
        "key.add", "key.activate", "key.revoke", "key.add", "key.retire"
    ]  # fmt: skip


def test_what_the_rules_do_not_allow_is_one_line(desk: Desk) -> None:
    [[root, *_]] = listed(desk)
    assert desk.complains("keys", "revoke", root) == (
        f"Error: {root} is the one that signs: activate another key first, then revoke this one\n"
    )
    assert desk.complains("keys", "activate", "x") == "Error: there is no key x: `vurksha keys list` shows them\n"
    assert "'none' is not one of" in desk.complains("keys", "add", "--algorithm", "none", code=2)


async def test_rotate_does_it_all_and_goes_on_where_it_was_stopped(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (keys, keys_book):
        monkeypatch.setattr(module, "SETTLE", 1.0)
    told = desk.says("keys", "rotate").splitlines()
    kid = told[0].split()[0]
    assert told[0] == f"{kid} is next; waiting until every replica knows it"
    assert told[1].startswith(f"{kid} signs now; ")
    waiting = desk.says("keys", "add").split()[0]
    told = desk.says("keys", "rotate", "--revoke").splitlines()
    assert told[0].split()[0] == waiting, "the one that was next already"
    assert told[2] == f"{kid} is revoked; within 1 s no replica takes its tokens"
    assert [row[2] for row in listed(desk)] == ["retired", "revoked", "active"]


async def test_a_ring_of_another_jwt_secret_is_shown_as_such(desk: Desk) -> None:
    desk.says("keys", "add")
    done = desk.program.call("keys", "list", env={"JWT_SECRET": "o" * 40})
    assert done.stdout.count("made under another JWT_SECRET") == 2


async def test_the_program_itself_lists_and_forces(desk: Desk) -> None:
    kid = desk.says("keys", "add").split()[0]
    done = desk.program.run("keys", "activate", kid, "--force")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"{kid} signs now")
    assert (await desk.noted())[-1][2]["forced"] is True

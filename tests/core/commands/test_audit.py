"""`vurksha audit`: the newest acts first, nothing wider than a terminal, and a broken chain named."""

import re
from urllib.parse import urlsplit, urlunsplit

import orjson
import pytest

from tests.core.commands.conftest import Desk

RECORD = "SELECT kernel.record_audit($1, $2, $3, $4)"
WHO = "user:0196b1a4-5f0e-7c3a-9d2e-4b8f6a1c2d3e session:0196b1a4-5f0e-7c3a-9d2e-4b8f6a1c2d3f"


async def act(desk: Desk, action: str = "role.grant", actor: str = WHO, subject: str = "account:1") -> int:
    found: int = await desk.one(RECORD, actor, action, subject, '{"role": "ADMIN", "events": [1, 2, 3]}')
    return found


async def test_list_shows_the_newest_first_within_100_columns(desk: Desk) -> None:
    first, second = await act(desk), await act(desk, "key.add", "cli:asha@desk", "key:" + "k" * 40)
    done = desk.program.call("audit", "list", "--limit", "2")
    titles, *lines = done.stdout.splitlines()
    assert titles.split() == ["NUMBER", "AT", "ACTOR", "ACTION", "SUBJECT", "DETAILS"]
    assert [int(line.split()[0]) for line in lines] == [second, first]
    assert max(map(len, lines)) <= 100
    assert done.stderr == f"older ones: --before {first}\n"
    assert "role=ADMIN" in lines[0]
    assert all(re.fullmatch(r"[\d-]{10}T[\d:]{8}Z", line.split()[1]) for line in lines), "never cut"


async def test_list_filters(desk: Desk) -> None:
    mine = await act(desk, "order.move", "cli:ravi@desk", "order:77")
    last = await act(desk)

    def numbers(*options: str) -> list[int]:
        return [orjson.loads(line)["number"] for line in desk.says("audit", "list", "--json", *options).splitlines()]

    for options in (["--actor", "ravi"], ["--action", "order"], ["--action", "order.move"], ["--subject", ":77"]):
        assert numbers(*options) == [mine]
    assert numbers("--since", "1h", "--before", str(last), "--limit", "1") == [mine]
    assert desk.says("audit", "list", "--action", "ord") == "no such acts\n"
    assert "'soon' is no time" in desk.complains("audit", "list", "--since", "soon", code=2)


@pytest.mark.parametrize("head", ["12", "12:ab", "x"])
def test_a_head_that_is_none_is_refused(desk: Desk, head: str) -> None:
    assert "must be a head as `vurksha audit verify` prints it" in desk.complains(
        "audit", "verify", "--expect-head", head, code=2
    )


async def test_verify_prints_a_head_that_it_takes_again_and_names_the_first_broken_row(desk: Desk) -> None:
    number = await act(desk)
    told = re.fullmatch(r"the chain is whole: (\d+) acts\nhead (\d+:[0-9a-f]{64})\n", desk.says("audit", "verify"))
    assert told is not None
    assert int(told[1]) == number
    await act(desk)
    assert desk.says("audit", "verify", "--expect-head", told[2]).startswith(f"the chain is whole: {number + 1} acts")
    other = f"{number}:{'0' * 64}"
    assert f"row {number} was replaced" in desk.complains("audit", "verify", "--expect-head", other)
    try:
        await desk.connection.execute("SET session_replication_role = replica")
        await desk.connection.execute("UPDATE kernel.audit SET actor = actor || '!' WHERE number = $1", number)
        said = desk.complains("audit", "verify")
        assert said == (
            f"Error: the audit log was tampered with: row {number} is not as it was written, or the one before it was "
            "replaced\n"
        )
    finally:
        await desk.connection.execute("UPDATE kernel.audit SET actor = rtrim(actor, '!')")
        await desk.connection.execute("SET session_replication_role = origin")
    done = desk.program.run("audit", "verify")
    assert (done.returncode, done.stderr) == (0, "")


def test_a_database_of_an_older_release_is_told_in_one_line(desk: Desk) -> None:
    url = urlunsplit(urlsplit(desk.program.env["DATABASE_URL"])._replace(path="/postgres"))
    done = desk.program.call("audit", "list", env={"DATABASE_URL": url})
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "vurksha: the database lacks kernel 0001_kernel: run `vurksha migrate`\n"

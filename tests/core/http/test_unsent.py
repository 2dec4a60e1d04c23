"""What goes wrong around an optional plugin's handler counts against the plugin too."""

from typing import Any

import attrs
import pytest

from core.http.cached import Kept, Memory
from core.http.compile import Endpoint
from core.http.envelope import Clockwork
from core.http.routing import PUBLIC, Policy, Repeat, Route
from core.observe.meter import Tally
from core.permissions import needs
from tests.core.gifts.shop import shop
from tests.core.gifts.unsent import Unsent
from tests.core.harness import NewSettings, Probe
from tests.core.http.probe import RULE


@pytest.mark.parametrize(
    ("method", "path", "error"),
    [
        ("GET", "sets", "TypeError"),
        ("GET", "etags", "AttributeError"),
        ("POST", "keyed", "TypeError"),
        ("POST", "live", "TypeError"),
    ],
)
async def test_an_answer_that_cannot_be_sent_is_a_failure_of_its_plugin(
    new_settings: NewSettings, method: str, path: str, error: str
) -> None:
    async with shop(new_settings, Unsent(), failures=3) as app:
        person = app.person()

        async def ask() -> int:
            return (await app.request(method, f"/gifts/{path}", as_=person)).status

        assert [await ask() for _ in range(4)] == [500, 500, 500, 503]
        guards, what = app.app.kernel.guards, f"{method} /api/v1/gifts/{path}"
        assert guards.aside["gift"].reason == f"{what}: {error}, 3 failures in a row"
        assert guards.failures["gift", what] == 3, "each is counted once"


async def test_an_answer_that_is_sent_ends_the_row_of_failures(new_settings: NewSettings) -> None:
    async with shop(new_settings, Unsent(), failures=2) as app:
        for _ in range(3):
            assert (await app.get("/gifts/sets")).status == 500
            assert (await app.get("/gifts")).status == 200
        assert app.app.kernel.guards.available("gift")


@pytest.mark.parametrize(
    ("repeat", "policy"),
    [
        (Repeat.KEYED, PUBLIC),
        (Repeat.COMMAND, PUBLIC),
        (Repeat.NATURAL, Policy(live=True)),
        (Repeat.SAFE, Policy(live=True)),
    ],
)
def test_a_public_route_has_neither_key_nor_session(probe: Probe, repeat: Repeat, policy: Policy) -> None:
    route = attrs.evolve(added(probe), repeat=repeat, policy=policy)
    with pytest.raises(ValueError, match="x: a key is somebody's, and so is a session: a public route has neither"):
        Endpoint(route, probe.app._pieces(), "x")


def added(probe: Probe) -> Route:
    return next(one for one in probe.app.routes if one.path == "/probe/add")


def test_no_command_asks_for_a_fresh_sign_in(probe: Probe) -> None:
    route = attrs.evolve(added(probe), repeat=Repeat.COMMAND, policy=needs(RULE))
    with pytest.raises(ValueError, match="x: its SQL function asks for the session, and not for a fresh sign-in"):
        Endpoint(route, probe.app._pieces(), "x")


@pytest.mark.parametrize("part", ["body", "query"])
def test_a_route_whose_input_cannot_be_read_is_no_route(probe: Probe, part: str) -> None:
    kind: Any = str | int
    cls = attrs.make_class("Sent", {"kind": attrs.field(type=kind)})
    route = attrs.evolve(added(probe), **{part: cls})  # type: ignore[arg-type]  # one of two names
    with pytest.raises(ValueError, match=r"^x: Sent.kind: str | int is nothing that JSON can become$"):
        Endpoint(route, probe.app._pieces(), "x")


def test_a_kept_answer_of_which_nobody_knows_whether_it_stands_goes(caplog: pytest.LogCaptureFixture) -> None:
    """It is asked before there is any route or task: what it raises would end the connection."""
    memory = Memory(Clockwork())
    memory.keep("/x", Kept(Tally("kernel", "GET /x"), "", b"", b"", b"", b"", lambda: bool(1 / 0)))
    assert memory.find("/x") is None
    assert len(memory) == 0
    assert "GET /x: whether its kept answer may be sent is not known" in caplog.text

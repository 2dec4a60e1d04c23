"""Rights that plugins name: who has them by the code, and by the settings."""

from typing import Any

import attrs
import pytest

from core.app import App
from core.auth import FRESH, Role
from core.http.routing import PUBLIC, Permission
from core.permissions import Granted, needs
from core.settings import BadSettings
from tests.core.harness import NewSettings, running
from tests.core.http.probe import RULE, ProbePlugin
from tests.core.http.probe_raw import RAW

WRAP = Permission("probe.wrap", "wrap presents", frozenset({Role.ADMIN}))
ROUTE = attrs.evolve(RAW, policy=needs(WRAP))


def test_the_code_says_who_has_a_right_and_the_settings_may_say_otherwise() -> None:
    assert Granted({}).applied(ROUTE) is ROUTE
    given = Granted({"probe.wrap": ["SUPPORT", "ADMIN"]}).applied(ROUTE).policy
    assert (given.roles, given.live, given.permission) == (frozenset({Role.ADMIN, Role.SUPPORT}), True, WRAP)
    public = attrs.evolve(ROUTE, policy=PUBLIC)
    assert Granted({"probe.wrap": ["SUPPORT"]}).applied(public) is public


@pytest.mark.parametrize("roles", [[], ["CUSTOMER"], ["ADMIN", "CUSTOMER"], ["BOSS"]])
def test_a_right_is_for_staff_and_never_for_nobody(roles: list[str]) -> None:
    with pytest.raises(BadSettings, match=r"permissions\.roles\.probe\.wrap: some of ADMIN, DELIVERY_PARTNER, SUPPORT"):
        Granted({"probe.wrap": roles})


def test_a_misspelt_right_is_told_and_one_of_a_plugin_that_is_away_is_not() -> None:
    with pytest.raises(BadSettings, match=r"permissions\.roles\.probe\.warp: there is probe\.wrap"):
        Granted({"probe.warp": ["ADMIN"]}).check([ROUTE], ["probe"])
    Granted({"gift.warp": ["ADMIN"]}).check([ROUTE], ["probe"])
    with pytest.raises(BadSettings, match="there is none"):
        Granted({"probe.warp": ["ADMIN"]}).check([], ["probe"])


@pytest.mark.parametrize(
    ("given", "may"), [({}, {Role.ADMIN}), ({"probe.rule": ["SUPPORT"]}, {Role.SUPPORT})], ids=["code", "settings"]
)
async def test_whoever_has_the_right_now_is_let_in(
    new_settings: NewSettings, given: dict[str, list[str]], may: set[Role]
) -> None:
    plugin = ProbePlugin()
    async with running(App(await new_settings(permissions={"roles": given}), [plugin]), plugin) as app:
        paths: Any = app.app.document()["paths"]
        operation = paths["/api/v1/probe/admin"]["get"]
        assert (operation["x-permission"], operation["x-roles"]) == (RULE.name, sorted(may))
        for role in Role:
            plugin.gate.role = role
            assert (await app.get("/probe/admin", as_=app.person(role))).status == (200 if role in may else 403)


async def test_some_rights_ask_for_a_fresh_sign_in(new_settings: NewSettings) -> None:
    plugin = ProbePlugin()
    async with running(App(await new_settings(), [plugin]), plugin) as app:
        paths: Any = app.app.document()["paths"]
        assert "STEP_UP_REQUIRED" in str(paths["/api/v1/probe/admin"]["get"]["responses"]["403"])
        plugin.gate.age = FRESH + 1
        for role, code in ((Role.ADMIN, "STEP_UP_REQUIRED"), (Role.SUPPORT, "FORBIDDEN")):
            plugin.gate.role = role
            answer = await app.get("/probe/admin", as_=app.person(role))
            assert (answer.status, answer.code) == (403, code)
        plugin.gate.role, plugin.gate.age = Role.ADMIN, FRESH - 1
        assert (await app.get("/probe/admin", as_=app.person(Role.ADMIN))).status == 200


async def test_a_shop_whose_settings_misspell_a_right_does_not_start(new_settings: NewSettings) -> None:
    with pytest.raises(BadSettings, match=r"permissions\.roles\.probe\.rul: there is probe\.rule"):
        App(await new_settings(permissions={"roles": {"probe.rul": ["ADMIN"]}}), [ProbePlugin()])

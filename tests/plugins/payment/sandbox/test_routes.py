"""The sandbox's page and what it asks: a strict policy, nothing from elsewhere, and a decision that only signs."""

import re
from typing import Any

import pytest

from core.errors import NOT_FOUND, Problem
from core.http.routing import Call, Files, Route
from core.types import Paise, uuid7
from plugins.payment.ports import AttemptState, Intent
from plugins.payment.sandbox.provider import SandboxProvider
from plugins.payment.sandbox.routes import BillQuery, DecisionBody, routes

HOOK = "/api/v1/payments/webhooks/sandbox"
PROVIDER = SandboxProvider("s" * 32)
DECLARED = routes(PROVIDER, HOOK)
INTENT = Intent(
    payment_id=uuid7(), order_id=uuid7(), order_number="VRK-1", amount=Paise(1_050), currency="INR", method="UPI"
)


def call(body: object = None, query: object = None) -> Call[Any, Any]:
    return Call(body=body, query=query, path={}, request_id="r", client="", user_agent="", if_match=None)


def handler(path: str) -> Any:
    return next(one.handler for one in DECLARED if isinstance(one, Route) and one.path.endswith(path))


@pytest.fixture
def page() -> dict[str, str]:
    (files,) = [one for one in DECLARED if isinstance(one, Files)]
    return {path.name: path.read_text() for path in files.folder.iterdir()}


@pytest.fixture
async def token() -> str:
    return ((await PROVIDER.create(INTENT)).page or "").partition("#")[2]


async def test_the_page_learns_amount_and_order(token: str) -> None:
    bill = await handler("/bill")(call(query=BillQuery(token=token)))
    assert (bill.order_number, bill.amount, bill.currency, bill.method) == ("VRK-1", 10.5, "INR", "UPI")


async def test_a_decision_comes_back_signed_for_the_webhook(token: str) -> None:
    notice = await handler("/decisions")(call(DecisionBody(token=token, approve=True)))
    assert notice.url == HOOK
    read = PROVIDER.verify(notice.body.encode(), {notice.header: notice.signature})
    assert read.attempt is not None
    assert read.attempt.state is AttemptState.CAPTURED


async def test_an_address_of_somebody_elses_is_not_found() -> None:
    for path, asked in (
        ("/bill", call(query=BillQuery(token="x"))),
        ("/decisions", call(DecisionBody(token="x", approve=True))),
    ):
        with pytest.raises(Problem) as problem:
            await handler(path)(asked)
        assert problem.value.code is NOT_FOUND


def test_the_page_runs_nothing_inline_and_loads_nothing_from_elsewhere(page: dict[str, str]) -> None:
    (files,) = [one for one in DECLARED if isinstance(one, Files)]
    assert files.policy is not None
    assert "default-src 'none'" in files.policy
    assert "unsafe" not in files.policy
    assert not re.search(r"<script>|<style>|\son\w+=|\sstyle=", page["pay.html"])
    assert not any(re.search(r"https?://|@import|url\(", text) for text in page.values())
    assert set(re.findall(r'(?:src|href)="([^"]+)"', page["pay.html"])) == {"data:,", "pay.css", "pay.js"}


def test_every_part_that_the_script_uses_is_in_the_page(page: dict[str, str]) -> None:
    used = set(re.findall(r'part\("(\w+)"\)', page["pay.js"]))
    assert used <= set(re.findall(r'id="(\w+)"', page["pay.html"]))
    assert '<html lang="en">' in page["pay.html"]
    assert 'role="status"' in page["pay.html"]

"""The running app against its own OpenAPI document: whatever is sent, the document foretells the answer.

Each operation gets the boundary cases of its schemas, then generated ones, right and wrong. Right ones that name a
thing mostly name one that is there. A failing example is printed with its curl line and the seed: VURKSHA_TEST_SEED
repeats a run, VURKSHA_TEST_EXAMPLES asks for more than are tried by default.
"""

import asyncio
import os
import random
from collections.abc import AsyncIterator, Iterator
from typing import Any

import hypothesis
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase
from hypothesis import strategies as st
from openapi_spec_validator import validate
from schemathesis import Case, CheckContext, GenerationMode, Response
from schemathesis.checks import (
    content_type_conformance,
    negative_data_rejection,
    not_a_server_error,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from schemathesis.core import NotSet

from core.testing import TestApp
from tests.contracts.conftest import NewWorld, offline, operations
from tests.contracts.world import World
from tests.people import Customer

SEED = int(os.environ.get("VURKSHA_TEST_SEED", "1" if os.environ.get("CI") else random.randrange(10**9)))
EXAMPLES = int(os.environ.get("VURKSHA_TEST_EXAMPLES", "40"))
APIOperation = schemathesis.APIOperation[Any, Any, Any, Any]
UNSAID = {"scheduledDeliveryDate", "token", "cardNumber", "cardType", "upiId", "bankName", "walletType", "methodId"}
"""Must lie near today, or be there when another field says so: no schema of ours can say that. The last is a uuid or
nothing, for which the tool takes an empty text too."""
BADLY_FORMED = {"VAL_001", "VAL_003", "VAL_004"}
"""Not VAL_002, which also says that more is asked for than a rule of the shop allows, or than any body may hold."""

# Hypothesis watches the process's one random generator, and the app beside it draws its jitter from that.
pytestmark = pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies")


def is_right(case: Case[Any]) -> bool:
    """Whether it was made to be accepted."""
    return case.meta is not None and case.meta.generation.mode.is_positive


def accepts_what_it_describes(_: CheckContext, response: Response, case: Case[Any]) -> None:
    """What the document calls right is never refused as badly formed, but for what depends on the day."""
    if is_right(case) and response.status_code == 400 and response.json()["error"]["code"] in BADLY_FORMED:
        mistakes = response.json()["error"].get("details", {}).get("validationErrors", [])
        assert mistakes
        assert {mistake["field"] for mistake in mistakes} <= UNSAID


def refuses_what_it_forbids(context: CheckContext, response: Response, case: Case[Any]) -> None:
    """What the document calls wrong is refused. A body that is left out and need not be there is not wrong."""
    if isinstance(case.body, NotSet) and case.operation.body and not any(b.is_required for b in case.operation.body):
        return
    negative_data_rejection(context, response, case)


CHECKS = [
    not_a_server_error, status_code_conformance, content_type_conformance, response_headers_conformance,
    response_schema_conformance, accepts_what_it_describes, refuses_what_it_forbids,
]  # fmt: skip


def whole(value: Any) -> Any:
    """Without 2.0 where 2 is meant: a schema calls both an integer, CONTRACT A.5 does not."""
    if isinstance(value, dict):
        return {key: whole(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [whole(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


class Caller:
    """Sends cases from a thread of its own, as somebody who signs in anew whenever a case has ended the session."""

    def __init__(self, url: str, world: World, new_world: NewWorld) -> None:
        self._url, self._world, self._new_world = url, world, new_world
        self._loop, self._session = asyncio.get_running_loop(), requests.Session()

    def send(self, case: Case[Any]) -> None:
        """One case, its answer checked."""
        who = self._who(case)
        response = case.call(self._url, self._session, {"Authorization": f"Bearer {who.token}"})
        case.validate_response(response, CHECKS)
        if response.status_code == 401 and who is self._world.customer:
            self._world = asyncio.run_coroutine_threadsafe(self._new_world(), self._loop).result()

    def _who(self, case: Case[Any]) -> Customer:
        roles = case.operation.definition.raw.get("x-roles", ["CUSTOMER"])
        return self._world.customer if "CUSTOMER" in roles else self._world.admin

    def aim(self, case: Case[Any]) -> None:
        """Let it name what is there."""
        case.path_parameters = self._world.aim(case.path_parameters)
        case.body = self._world.aim_body(case.body)

    def close(self) -> None:
        """Its connections."""
        self._session.close()


@pytest.fixture(scope="session")
async def schema(app: TestApp) -> schemathesis.BaseSchema:
    """The document as clients get it. Who may call is another test's matter."""
    document = (await app.get("/openapi.json")).json
    validate(document)
    config = schemathesis.Config()
    config.projects.default.generation.with_security_parameters = False
    return schemathesis.openapi.from_dict(document, config=config)


@pytest.fixture
def way() -> str:
    """An order that can be paid for."""
    return "UPI"


@pytest.fixture
async def caller(app: TestApp, world: World, new_world: NewWorld) -> AsyncIterator[Caller]:
    """Somebody of the test's own."""
    made = Caller(app.url, world, new_world)
    yield made
    made.close()


def boundaries(operation: APIOperation) -> Iterator[Case[Any]]:
    """Each keyword of each schema, at and beside its bounds; also methods that are not there."""
    config = operation.schema.config.generation_for(operation=operation, phase="coverage")
    yield from operation.schema.iter_coverage_cases(
        operation, generation_modes=list(GenerationMode), generation_config=config
    )


def try_many(operation: APIOperation, caller: Caller) -> None:
    """Generated cases, as many wrong as right where there is anything to be wrong."""
    cases = right = operation.as_strategy(generation_mode=GenerationMode.POSITIVE)
    if any(operation.iter_parameters()) or operation.body:
        cases = right | operation.as_strategy(generation_mode=GenerationMode.NEGATIVE)

    @hypothesis.seed(SEED)
    @hypothesis.settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.generate, Phase.shrink),
    )
    @hypothesis.given(cases, st.integers(0, 3))
    def one(case: Case[Any], luck: int) -> None:
        if is_right(case):
            case.body = whole(case.body)
            if luck:
                caller.aim(case)
        caller.send(case)

    one()


async def test_the_document_foretells_every_answer(
    operation: tuple[str, str], schema: schemathesis.BaseSchema, caller: Caller
) -> None:
    print(f"VURKSHA_TEST_SEED={SEED}")  # noqa: T201  shown when this fails
    method, path = operation
    described = schema[path][method]
    for case in await asyncio.to_thread(list, boundaries(described)):
        await asyncio.to_thread(caller.send, case)
    await asyncio.to_thread(try_many, described, caller)


async def test_every_operation_of_the_document_is_tried(app: TestApp) -> None:
    assert operations((await app.get("/openapi.json")).json) == operations(offline().document())

"""The running app against its own OpenAPI document: whatever is sent, the document foretells the answer.

Each operation gets the boundary cases of its schemas, then generated ones, right and wrong. Half of those that name a
thing name one that is there. A failing example is printed with a curl line and the seed; VURKSHA_TEST_SEED repeats a run,
VURKSHA_TEST_EXAMPLES asks for more.
"""

import asyncio
import os
import random

import hypothesis
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase
from hypothesis import strategies as st
from openapi_spec_validator import validate
from schemathesis import Case, GenerationMode, Response
from schemathesis.checks import CHECKS, load_all_checks

from core.testing import TestApp
from tests.contracts.conftest import NewWorld
from tests.contracts.world import World

SEED = int(os.environ.get("VURKSHA_TEST_SEED", 1 if os.environ.get("CI") else random.randrange(10**9)))
EXAMPLES = int(os.environ.get("VURKSHA_TEST_EXAMPLES", "30"))
load_all_checks()
CHECKED = [CHECKS.get_one(name) for name in (
    "not_a_server_error", "status_code_conformance", "content_type_conformance", "response_headers_conformance",
    "response_schema_conformance", "positive_data_acceptance", "negative_data_rejection",
)]  # fmt: skip


@pytest.fixture(scope="session")
async def schema(app: TestApp) -> schemathesis.BaseSchema:
    """The document as clients get it."""
    document = (await app.get("/openapi.json")).json
    validate(document)
    made = schemathesis.openapi.from_dict(document)
    made.config.checks.positive_data_acceptance.expected_statuses += ["422"]
    return made


class Client:
    """Sends cases from a thread, as somebody who is signed in anew whenever a case has ended the session."""

    def __init__(self, app: TestApp, new_world: NewWorld, world: World, *, is_admin: bool) -> None:
        self._app, self._new_world, self.world, self._is_admin = app, new_world, world, is_admin
        self._loop = asyncio.get_running_loop()
        self._session = requests.Session()

    def close(self) -> None:
        self._session.close()

    def __call__(self, case: Case) -> Response:
        who = self.world.admin if self._is_admin else self.world.customer
        response = case.call(self._app.url, self._session, {"Authorization": f"Bearer {who.token}"})
        case.validate_response(response, CHECKED)
        if response.status_code == 401 and not self._is_admin:
            self.world = asyncio.run_coroutine_threadsafe(self._new_world(), self._loop).result()
        return response


async def test_the_document_holds(
    operation: tuple[str, str], app: TestApp, schema: schemathesis.BaseSchema, new_world: NewWorld, world: World
) -> None:
    print(f"VURKSHA_TEST_SEED={SEED}")
    method, path = operation
    declared = schema[path][method]
    roles = declared.definition.raw.get("x-roles", ["CUSTOMER"])
    client = Client(app, new_world, world, is_admin="CUSTOMER" not in roles)

    import time
    counts = {}
    def boundary():
        a=time.time()
        n=0
        config = schema.config.generation_for(operation=declared, phase="coverage")
        for case in schema.iter_coverage_cases(declared, generation_modes=list(GenerationMode), generation_config=config):
            r = client(case)
            counts[r.status_code] = counts.get(r.status_code, 0)+1
            n+=1
        print("coverage", n, time.time()-a)

    def generated():
        a=time.time()
        wrong = declared.as_strategy(generation_mode=GenerationMode.NEGATIVE)
        right = declared.as_strategy(generation_mode=GenerationMode.POSITIVE)
        cases = right
        if declared.path_parameters or declared.query or declared.body or declared.headers: cases = right | wrong

        @hypothesis.seed(SEED)
        @hypothesis.settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck), phases=(Phase.generate, Phase.shrink))
        @hypothesis.given(cases, st.booleans())
        def one(case: Case, aimed: bool) -> None:
            if aimed:
                case.path_parameters = client.world.aim(case.path_parameters)
                if isinstance(case.body, dict):
                    case.body = client.world.aim_body(case.body)
            r = client(case)
            counts[r.status_code] = counts.get(r.status_code, 0)+1
        one()
        print("generated", time.time()-a)

    try:
        await asyncio.to_thread(boundary)
        await asyncio.to_thread(generated)
    finally:
        client.close()
        print(counts)

"""The document says what the routes declare, and is a valid OpenAPI 3.1 document."""

from functools import partial
from typing import Annotated, Any
from uuid import UUID

import attrs
import orjson
import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

from core import errors
from core.errors import Code, Invalid, Problem
from core.http.envelope import Clockwork, pagination_json
from core.http.fields import OneOf, Text, Whole
from core.http.openapi import PREFIX, document
from core.http.routing import ADMIN, LIVE_USER, PUBLIC, Cache, Call, Pagination, Repeat, Route, aliases
from core.testing import TestApp

SOLD_OUT = Code("BIZ_001", 422, "Not enough in stock.")


@attrs.frozen(kw_only=True)
class Query:
    word: Annotated[str, Text(1, 50)]
    page: Annotated[int, Whole(1)] = 1
    is_organic: bool | None = None
    sort_by: Annotated[str, OneOf(("name", "price"))] | None = None


@attrs.frozen(kw_only=True)
class Place:
    product_id: UUID
    quantity: Annotated[int, Whole(1, 99)] = 1


@attrs.frozen(kw_only=True)
class Reason:
    reason: str | None = None


@attrs.frozen(kw_only=True)
class Placed:
    id: UUID
    total: float


async def browse(call: Call[None, Query]) -> object:
    """Look around.

    Newest first.

    Unless sorted.
    """


async def place(call: Call[Place, None]) -> object: ...


async def cancel(call: Call[Reason, None]) -> object: ...


for handler, module in ((browse, "plugins.product.routes"), (place, "plugins.order.routes"), (cancel, "extra.routes")):
    handler.__module__ = module

BROWSE = Route(
    method="GET", path="/products", policy=PUBLIC, handler=browse, answer=Placed, query=Query, summary="Browse.",
    cache=Cache(60), private=False, paged=True,
)  # fmt: skip
PLACE = Route(
    method="POST", path="/orders", policy=LIVE_USER, handler=place, answer=Placed, body=Place, status=201,
    summary="Place an order", repeat=Repeat.COMMAND, errors=(SOLD_OUT, errors.NOT_FOUND),
)  # fmt: skip
CANCEL = Route(
    method="POST", path="/orders/{order_id:uuid}/notes/{name}", policy=ADMIN, handler=partial(cancel), answer=Placed,
    body=Reason, summary="Cancel", repeat=Repeat.NATURAL, errors=(errors.PRECONDITION_FAILED,),
)  # fmt: skip
HEALTH = {"/health": {"get": {"operationId": "health", "responses": {"200": {"description": "OK"}}}}}


def build(*routes: Route) -> dict[str, Any]:
    """As a client reads it."""
    made: dict[str, Any] = orjson.loads(orjson.dumps(document(routes, title="Shop", version="1.2.3", paths=HEALTH)))
    return made


@pytest.fixture(scope="module")
def whole() -> dict[str, Any]:
    """The document of all sample routes."""
    return build(*aliases(BROWSE, "/goods"), PLACE, CANCEL)


def parameters(operation: dict[str, Any], whole: dict[str, Any]) -> dict[str, Any]:
    """By name, references followed."""
    known = whole["components"]["parameters"]
    found = [known[p["$ref"].rpartition("/")[2]] if "$ref" in p else p for p in operation.get("parameters", ())]
    return {p["name"]: p for p in found}


def codes(operation: dict[str, Any], whole: dict[str, Any]) -> dict[str, list[str]]:
    """The error codes by status."""
    return {
        status: [
            *whole["components"]["responses"][ref["$ref"].rpartition("/")[2]]["content"]["application/json"]["examples"]
        ]
        for status, ref in operation["responses"].items()
        if "$ref" in ref
    }


def test_the_document_is_valid(whole: dict[str, Any]) -> None:
    validate(whole)
    assert whole["info"]["title"] == "Shop"
    assert [*whole["paths"]] == [
        "/health", "/api/v1/products", "/api/v1/goods", "/api/v1/orders", "/api/v1/orders/{order_id}/notes/{name}",
    ]  # fmt: skip


def test_an_operation_is_named_by_its_plugin_and_handler(whole: dict[str, Any]) -> None:
    operations = [op for item in whole["paths"].values() for op in item.values()]
    assert [op["operationId"] for op in operations] == [
        "health", "productBrowse", "productBrowseAtGetGoods", "orderPlace", "extraCancel",
    ]  # fmt: skip
    assert [op["tags"] for op in operations[1:]] == [["product"], ["product"], ["order"], ["extra"]]
    assert operations[1]["summary"] == "Browse"
    assert operations[1]["description"] == "Newest first.\n\nUnless sorted."
    assert operations[2]["description"] == "Newest first.\n\nUnless sorted.\n\nThe same as `GET /api/v1/products`."
    assert "description" not in operations[3]


def test_a_module_of_further_routes_is_part_of_the_name() -> None:
    async def place(call: Call[None, None]) -> object: ...

    place.__module__ = "plugins.order.return_routes"
    operation = build(attrs.evolve(PLACE, handler=place))["paths"]["/api/v1/orders"]["post"]
    assert (operation["operationId"], operation["tags"]) == ("orderReturnPlace", ["order"])


def test_a_plugins_docstring_describes_its_tag() -> None:
    import plugins.order  # noqa: PLC0415  only this test needs it loaded

    [tag] = build(PLACE)["tags"]
    assert tag == {"name": "order", "description": (plugins.order.__doc__ or "").strip().splitlines()[0]}


def test_only_policies_ask_for_a_token(whole: dict[str, Any]) -> None:
    paths = whole["paths"]
    assert paths["/api/v1/products"]["get"]["security"] == []
    assert paths["/api/v1/orders"]["post"]["security"] == [{"bearerAuth": []}]
    assert "x-roles" not in paths["/api/v1/orders"]["post"]
    assert paths["/api/v1/orders/{order_id}/notes/{name}"]["post"]["x-roles"] == ["ADMIN"]


def test_a_query_becomes_parameters(whole: dict[str, Any]) -> None:
    found = parameters(whole["paths"]["/api/v1/products"]["get"], whole)
    assert [*found] == ["word", "page", "isOrganic", "sortBy", "If-None-Match"]
    assert [p["required"] for p in found.values()] == [True, False, False, False, False]
    assert found["page"]["schema"] == {"type": "integer", "minimum": 1, "maximum": 2**53, "default": 1}
    assert found["isOrganic"]["schema"] == {"type": "boolean"}
    assert found["sortBy"]["schema"] == {"type": "string", "enum": ["name", "price"]}


def test_path_values_and_preconditions_are_parameters(whole: dict[str, Any]) -> None:
    found = parameters(whole["paths"]["/api/v1/orders/{order_id}/notes/{name}"]["post"], whole)
    assert [*found] == ["order_id", "name", "If-Match"]
    assert found["order_id"]["schema"] == {"type": "string", "format": "uuid"}
    assert found["name"]["required"]


def test_an_idempotency_key_is_visible_ascii(whole: dict[str, Any]) -> None:
    key = parameters(whole["paths"]["/api/v1/orders"]["post"], whole)["X-Idempotency-Key"]
    valid = Draft202012Validator(key["schema"]).is_valid
    assert not key["required"]
    assert [valid(text) for text in ("1767000000000", "!~", "", "a b", "ä", "x" * 256)] == [True, True, *[False] * 4]


def test_a_body_is_required_when_one_of_its_fields_is(whole: dict[str, Any]) -> None:
    assert whole["paths"]["/api/v1/orders"]["post"]["requestBody"] == {
        "required": True, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Place"}}},
    }  # fmt: skip
    assert not whole["paths"]["/api/v1/orders/{order_id}/notes/{name}"]["post"]["requestBody"]["required"]


def test_every_step_around_a_handler_adds_its_codes(whole: dict[str, Any]) -> None:
    every = {"400": ["VAL_001", "VAL_002", "VAL_004"], "429": ["RATE_001"], "503": ["SYS_002"], "504": ["SYS_003"]}
    signed_in = {"401": ["AUTH_001", "AUTH_002", "AUTH_003", "AUTH_004"]}
    body = {"413": ["PAYLOAD_TOO_LARGE"], "415": ["UNSUPPORTED_MEDIA_TYPE"]}
    paths = whole["paths"]
    assert codes(paths["/api/v1/products"]["get"], whole) == every
    assert codes(paths["/api/v1/orders"]["post"], whole) == {
        **every, **signed_in, **body, "404": ["RES_001"], "409": ["OPERATION_IN_PROGRESS"],
        "422": ["BIZ_001", "IDEMPOTENCY_KEY_REUSED"],
    }  # fmt: skip
    assert codes(paths["/api/v1/orders/{order_id}/notes/{name}"]["post"], whole) == {
        **every, **signed_in, **body, "403": ["FORBIDDEN"], "404": ["RES_001"], "412": ["PRECONDITION_FAILED"],
    }  # fmt: skip


def test_a_cached_read_may_answer_304(whole: dict[str, Any]) -> None:
    responses = whole["paths"]["/api/v1/products"]["get"]["responses"]
    assert {"ETag", "Cache-Control"} <= {*responses["304"]["headers"]}
    assert {"ETag", "Cache-Control"} <= {*responses["200"]["headers"]}
    assert "304" not in whole["paths"]["/api/v1/orders"]["post"]["responses"]


def test_the_success_that_is_sent_fits_its_schema(whole: dict[str, Any]) -> None:
    media = whole["paths"]["/api/v1/products"]["get"]["responses"]["200"]["content"]["application/json"]
    data = b'{"id":"0198c6f0-3b1e-7c4a-9d52-6f1f0a7be2c4","total":5.0}'
    page = pagination_json(Pagination(page=1, limit=20, total=0))
    valid = Draft202012Validator({**media["schema"], "components": whole["components"]})
    valid.validate(orjson.loads(Clockwork().success(b"id", data, page)))
    assert not valid.is_valid(orjson.loads(Clockwork().success(b"id", data)))


@pytest.mark.parametrize(
    "problem",
    [
        Problem(errors.IN_PROGRESS),
        Invalid([errors.FieldError("a", "is required")]),
        Problem(SOLD_OUT, details={"x": 1}),
    ],
)
def test_the_error_that_is_sent_fits_its_schema(problem: Problem, whole: dict[str, Any]) -> None:
    operation = whole["paths"]["/api/v1/orders"]["post"]
    response = whole["components"]["responses"][
        operation["responses"][str(problem.code.status)]["$ref"].rpartition("/")[2]
    ]
    schema = {**response["content"]["application/json"]["schema"], "components": whole["components"]}
    Draft202012Validator(schema).validate(orjson.loads(Clockwork().failure(b"id", problem)))
    assert not Draft202012Validator(schema).is_valid(orjson.loads(Clockwork().failure(b"id", Problem(errors.GONE))))


def test_every_example_fits_its_schema(whole: dict[str, Any]) -> None:
    for response in whole["components"]["responses"].values():
        media = response["content"]["application/json"]
        for example in media["examples"].values():
            Draft202012Validator({**media["schema"], "components": whole["components"]}).validate(example["value"])


def test_two_handlers_of_one_name_get_ids_of_their_own_and_are_no_aliases() -> None:
    async def place(call: Call[None, None]) -> object: ...

    place.__module__ = "plugins.order.routes"
    other = attrs.evolve(PLACE, handler=place, method="PUT")
    operation = build(PLACE, other)["paths"]["/api/v1/orders"]["put"]
    assert operation["operationId"] == "orderPlaceAtPutOrders"
    assert "description" not in operation


def test_a_route_declared_twice_is_an_error() -> None:
    with pytest.raises(TypeError, match="another operation is called"):
        build(PLACE, attrs.evolve(PLACE), attrs.evolve(PLACE))


def test_a_handler_may_be_an_object() -> None:
    class Handler:
        async def __call__(self, call: Call[Any, Any]) -> object: ...

    assert (
        "order" not in build(attrs.evolve(PLACE, handler=Handler()))["paths"]["/api/v1/orders"]["post"]["operationId"]
    )


async def test_the_apps_own_document_is_valid_and_names_every_operation(app: TestApp) -> None:
    answer = await app.get("/openapi.json")
    validate(answer.json)
    ids = [
        op["operationId"]
        for path, item in answer.json["paths"].items()
        if path.startswith(PREFIX)
        for op in item.values()
    ]
    assert len(ids) == len({*ids})
    for kind in answer.json["components"]["schemas"].values():
        Draft202012Validator.check_schema(kind)

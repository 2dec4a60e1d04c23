"""Paths: fixed words before values, 404 and 405 told apart, clashes found at start."""

from contextlib import suppress
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import NOT_FOUND, Problem
from core.http.table import MethodNotAllowed, Table


@pytest.fixture(scope="module")
def table() -> Table[str]:
    made: Table[str] = Table()
    for method, path in (
        ("GET", "/products"),
        ("POST", "/products"),
        ("GET", "/products/featured"),
        ("GET", "/products/{slug}"),
        ("GET", "/orders/{order_id:uuid}"),
        ("POST", "/orders/{order_id:uuid}/cancel"),
        ("PUT", "/orders/{order_id:uuid}/lines/{line}"),
    ):
        made.add(method, path, f"{method} {path}")
    return made


def test_words_and_values_are_found(table: Table[str]) -> None:
    order = uuid4()
    assert table.find("GET", "/products") == ("GET /products", {})
    assert table.find("GET", "/products/featured") == ("GET /products/featured", {})
    assert table.find("GET", "/products/a%20b") == ("GET /products/{slug}", {"slug": "a b"})
    assert table.find("POST", f"/orders/{order}/cancel")[1] == {"order_id": order}
    assert table.find("PUT", f"/orders/{order}/lines/x")[1] == {"order_id": order, "line": "x"}


def test_what_answers_get_answers_head(table: Table[str]) -> None:
    assert table.find("HEAD", "/products")[0] == "GET /products"


@pytest.mark.parametrize(
    "path",
    [
        "", "/", "/product", "/products/", "//products", "/products/a/b", "/orders", "/orders/7", "/products/%ff",
        "/products/a%00b", "/products/\udcff", "/orders/00000000-0000-0000-0000-00000000000g",
        "/orders/{order_id:uuid}",
        f"/orders/{UUID(int=1)}/cancel/", f"/orders/{UUID(int=1)}/lines", f"/orders/{UUID(int=1).hex}",
    ],
)  # fmt: skip
def test_what_is_not_there_is_not_found(table: Table[str], path: str) -> None:
    with pytest.raises(Problem) as caught:
        table.find("GET", path)
    assert caught.value.code is NOT_FOUND


def test_a_known_path_with_another_method_says_which_it_takes(table: Table[str]) -> None:
    with pytest.raises(MethodNotAllowed) as caught:
        table.find("DELETE", "/products")
    assert caught.value.allow == "GET, HEAD, OPTIONS, POST"
    with pytest.raises(MethodNotAllowed) as caught:
        table.find("GET", f"/orders/{uuid4()}/cancel")
    assert caught.value.allow == "OPTIONS, POST"


@given(st.text(st.characters(codec=None), max_size=40) | st.text("/%a0fproductsorders", max_size=40))
def test_any_path_is_found_or_a_problem(path: str) -> None:
    made: Table[str] = Table()
    made.add("GET", "/{word}", "word")
    made.add("GET", "/{word}/x/{thing_id:uuid}", "thing")
    with suppress(Problem):
        _, values = made.find("GET", f"/{path}")
        assert "\0" not in str(values["word"])
        str(values["word"]).encode()


def test_the_same_route_twice_does_not_start() -> None:
    made: Table[str] = Table()
    made.add("GET", "/a/{b}", "one")
    with pytest.raises(ValueError, match="declared twice"):
        made.add("GET", "/a/{b}", "two")
    with pytest.raises(ValueError, match="clashes"):
        made.add("GET", "/a/{c:uuid}", "three")

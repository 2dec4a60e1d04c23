"""Names that nobody shares, and versions that go together."""

from typing import Any

import pytest

from core.api import API_VERSION
from core.kernel import Manifest
from core.plugin_rules import Mistake, of_manifests, suits


def made(name: str, **more: Any) -> Manifest:
    return Manifest(**{"name": name, "version": "1.0.0", "schema": f"{name}s", **more})


def told(*manifests: Manifest, absent: dict[str, str] | None = None) -> list[str]:
    return [str(one) for one in of_manifests(manifests, absent or {})]


def test_manifests_that_agree_have_no_mistakes() -> None:
    assert told(made("a"), made("b", requires=("a",), paths=("bees",), events=("bee",))) == []


@pytest.mark.parametrize(
    ("specifier", "fits"),
    [
        (">=1,<2", True),
        ("~=1.0", True),
        ("~=1.1", True),
        (">=1.99", False),
        ("==1.*", True),
        (">=2", False),
        ("", True),
    ],
)
def test_a_range_of_versions_is_as_in_pep_440(specifier: str, fits: bool) -> None:
    assert suits(specifier) is fits


def test_a_range_that_does_not_hold_this_kernel_or_cannot_be_read_is_told() -> None:
    assert told(made("a", api=">=2"), made("b", api="new ones")) == [
        f"a: works with API versions >=2, and this kernel has {API_VERSION}",
        "b: its range of API versions, 'new ones', cannot be read",
    ]


@pytest.mark.parametrize("name", ["Order", "my-plugin", "http", "kernel", "privacy", "postgres", "", "1a"])
def test_a_name_is_lower_case_and_not_the_kernels(name: str) -> None:
    (line,) = told(made(name, schema="a"))
    assert "is no name for a plugin" in line


@pytest.mark.parametrize("schema", ["public", "kernel", "pg_things", "My", "a b"])
def test_a_schema_is_lower_case_and_not_the_databases(schema: str) -> None:
    (line,) = told(made("a", schema=schema))
    assert "is no name for its schema" in line


def test_paths_of_the_kernel_are_its_own() -> None:
    assert told(made("a", paths=("health", "admin"))) == ["a: the path 'health' is the kernel's",
                                                          "a: the path 'admin' is the kernel's"]  # fmt: skip


def test_who_came_later_is_to_blame_for_what_two_claim() -> None:
    first = made("a", schema="s", paths=("p",), events=("e",))
    assert told(first, made("b", schema="s", paths=("p",), events=("e",))) == [
        "b: the schema 's' belongs to a",
        "b: the path 'p' belongs to a",
        "b: the event prefix 'e' belongs to a",
    ]


def test_who_is_optional_is_to_blame_before_who_is_required() -> None:
    assert told(made("a", schema="s"), made("b", schema="s", required=True)) == ["a: the schema 's' belongs to b"]
    assert of_manifests([made("a"), made("a")], {})[0] == Mistake("a", "the name 'a' belongs to a", shared=True)


def test_plugins_that_do_not_go_together_are_told_once() -> None:
    one, two = made("a", conflicts=("b", "nobody")), made("b", conflicts=("a",))
    assert told(one, two) == ["b: does not go together with a, by the manifest of a"]
    assert told(made("a"), made("b", conflicts=("a",), required=True)) == [
        "a: does not go together with b, by the manifest of b"
    ]


def test_what_is_required_cannot_lean_on_what_is_optional() -> None:
    assert told(made("a"), made("b", required=True, requires=("a",))) == [
        "b: is required itself, but requires a, which is optional"
    ]


def test_requirements_that_were_left_out_are_told_from_those_that_nobody_asked_for() -> None:
    assert told(made("b", requires=("a", "c")), absent={"a": "broken"}) == [
        "b: requires a, which was left out",
        "b: requires c, which is not loaded",
    ]

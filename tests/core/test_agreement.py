"""Which replicas may serve side by side."""

import itertools
from pathlib import Path
from uuid import UUID

import attrs
import pytest

from core.agreement import Code, Peer, code_of, disagreement, unaware
from core.store.schema import Migration
from tests.core.harness import settings_of
from tests.core.http.probe import ProbePlugin

USUAL = Code(version="1.0.0", plugins={"shop": "1.0.0"}, migrations={"shop": 3}, settings={"shop": "aa"})
OTHER = attrs.evolve(USUAL, settings={"shop": "bb"})
NEXT = attrs.evolve(USUAL, version="1.1.0", migrations={"shop": 4})
numbers = itertools.count(1)


def peer(code: Code = USUAL, *, ready: bool = True, started: float | None = None) -> Peer:
    number = next(numbers)
    at = number if started is None else started
    return Peer(id=UUID(int=number), host="here", pid=number, code=code, ready=ready, started=at)


def file(version: int, phase: str) -> Migration:
    return Migration("shop", version, f"{version:04}_x", phase, "whole", "SELECT 1")


def test_whoever_is_alone_may_serve() -> None:
    assert disagreement(peer(), []) == ""


def test_whoever_is_like_those_that_serve_may_serve() -> None:
    assert disagreement(peer(), [peer(), peer(), peer(OTHER, ready=False)]) == ""


def test_whoever_is_unlike_those_that_serve_may_not() -> None:
    assert disagreement(peer(OTHER), [peer(), peer()]) == "unlike 2 of release 1.0.0 in settings (shop)"


def test_many_that_wait_do_not_outvote_one_that_serves() -> None:
    waiting = [peer(OTHER, ready=False, started=0) for _ in range(3)]
    assert disagreement(peer(OTHER), [*waiting, peer()]) != ""
    assert disagreement(peer(), [*waiting, peer()]) == ""


def test_another_release_is_a_rolling_deploy() -> None:
    assert disagreement(peer(NEXT), [peer(), peer()]) == ""
    assert disagreement(peer(), [peer(NEXT), peer(NEXT)]) == ""
    named = attrs.evolve(OTHER, release="second")
    assert disagreement(peer(named), [peer(), peer()]) == ""
    assert disagreement(peer(OTHER), [peer(named)]) == ""


def test_of_those_that_start_together_most_are_right_and_else_the_first() -> None:
    first, second, third = (peer(code, ready=False) for code in (USUAL, OTHER, OTHER))
    for me, others in ((first, [second, third]), (second, [third, first]), (third, [first, second])):
        assert bool(disagreement(me, others)) == (me is first)
    assert disagreement(first, [second]) == ""
    assert disagreement(second, [first]) == "unlike 1 of release 1.0.0 in settings (shop)"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"plugins": {}}, "plugins (shop)"),
        ({"plugins": {"shop": "1.0.1"}, "settings": {}}, "plugins (shop), settings (shop)"),
        ({"migrations": {"shop": 4, "cart": 1}}, "migrations (cart, shop)"),
        ({}, ""),
    ],
    ids=["plugin", "two", "migrations", "none"],
)
def test_people_are_told_what_differs(change: dict[str, object], said: str) -> None:
    assert USUAL.differences(attrs.evolve(USUAL, **change)) == said  # type: ignore[arg-type]  # one of its fields each


def test_a_code_is_told_from_another_by_its_digest() -> None:
    assert USUAL.digest == attrs.evolve(USUAL).digest != OTHER.digest
    assert len(USUAL.digest) == 6


def test_what_another_version_wrote_can_be_read() -> None:
    assert Code.read({"version": "2", "more": [1], "plugins": {"a": "1"}}) == Code(version="2", plugins={"a": "1"})


def test_what_counts_of_the_settings_is_what_gives_meaning(tmp_path: Path) -> None:
    def code(**sections: dict[str, object]) -> Code:
        given: dict[str, dict[str, object]] = {"auth": {"secret": "s" * 40}, "redis": {"prefix": "a:"}, **sections}
        settings = settings_of("postgresql://one/db", "redis://one", tmp_path, **given)
        return code_of(settings, [ProbePlugin.manifest], [file(2, "pre"), file(1, "pre")], "1.0.0")

    usual = code()
    assert usual.plugins == {"probe": "1.0.0"}
    assert usual.migrations == {"shop": 2}
    assert sorted(usual.settings) == ["auth", "prefixes", "probe"]
    assert usual == code(
        http={"port": 9}, log={"level": "DEBUG"}, postgres={"pool_size": 3, "url": "postgresql://two/db"}
    )
    assert usual.differences(code(auth={"secret": "t" * 40})) == "settings (auth)"
    assert usual.differences(code(redis={"prefix": "b:"})) == "settings (prefixes)"
    assert usual.differences(code(probe={"word": "hi"})) == "settings (probe)"
    assert code(deploy={"release": "blue"}).name == "1.0.0 blue"
    assert "s" * 40 not in repr(usual)


def test_nothing_is_taken_from_code_that_still_runs() -> None:
    old, new = peer(), peer(NEXT)
    drop = file(4, "post")
    assert unaware([new], [drop]) == ""
    assert unaware([new, old], [file(4, "pre")]) == ""
    assert unaware([new, old], [drop]) == f"here ({old.pid}) serves release 1.0.0, which does not know shop 0004_x"

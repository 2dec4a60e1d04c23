"""The registry of what plugins contribute to each other."""

import pytest

from core.extensions import Extends, Extension, Extensions, Point

GREETINGS: Point[str] = Point("test.greetings")
FAREWELLS: Point[str] = Point("test.farewells")


def test_contributions_come_in_the_order_of_their_plugins_and_with_their_names() -> None:
    extensions = Extensions()
    for plugin, text in (("one", "hello"), ("two", "namaste"), ("one", "hi")):
        extensions.add(plugin, Extends(GREETINGS, text))
    extensions.seal()
    assert extensions.of(GREETINGS) == [Extension("one", "hello"), Extension("two", "namaste"), Extension("one", "hi")]
    assert extensions.of(FAREWELLS) == []
    assert extensions.points == [GREETINGS]


def test_what_a_plugin_contributes_is_left_out_while_it_is_not_available() -> None:
    away = {"two"}
    extensions = Extensions(lambda plugin: plugin not in away)
    for plugin in ("one", "two"):
        extensions.add(plugin, Extends(GREETINGS, plugin))
    extensions.seal()
    assert [one.plugin for one in extensions.of(GREETINGS)] == ["one"]
    away.clear()
    assert [one.plugin for one in extensions.of(GREETINGS)] == ["one", "two"]


def test_nothing_is_answered_before_all_were_asked_and_nothing_added_after() -> None:
    extensions = Extensions()
    with pytest.raises(RuntimeError, match=r"test\.greetings: ask when"):
        extensions.of(GREETINGS)
    extensions.seal()
    with pytest.raises(RuntimeError, match="hook `extends`"):
        extensions.add("one", Extends(GREETINGS, "late"))

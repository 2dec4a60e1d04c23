"""Hooks and events: documented, tested, named alike."""

import importlib
import inspect
import re

import attrs
import pytest

from core import hookspecs
from core.events.model import Event
from tests.architecture.code import DOMAINS, ROOT, files

HOOKS = [name for name, value in vars(hookspecs).items() if hasattr(value, f"{hookspecs.PROJECT}_spec")]
EVENT_TYPE = re.compile(r"[a-z]+\.[a-z]+(_[a-z]+)*")


def event_types() -> list[type[Event]]:
    """Every event class in a domain's ports."""
    ports = [importlib.import_module(f"plugins.{domain}.ports") for domain in DOMAINS]
    classes = [value for module in ports for value in vars(module).values() if inspect.isclass(value)]
    return sorted(
        {cls for cls in classes if issubclass(cls, Event) and hasattr(cls, "event_type")},
        key=lambda cls: cls.event_type,
    )


def test_there_are_hooks_and_events() -> None:
    assert len(HOOKS) >= 9
    assert event_types()


@pytest.mark.parametrize("hook", HOOKS)
def test_a_hook_says_what_it_is_for(hook: str) -> None:
    assert len((getattr(hookspecs, hook).__doc__ or "").split()) >= 5


@pytest.mark.parametrize("hook", HOOKS)
def test_a_hook_has_a_test(hook: str) -> None:
    """Named for it: `def test_hook_routes_...`."""
    assert any(f"def test_hook_{hook}_" in (ROOT / path).read_text("utf-8") for path in files("tests/core"))


def test_event_types_are_unique_lower_case_pairs() -> None:
    names = [cls.event_type for cls in event_types()]
    assert [name for name in names if not EVENT_TYPE.fullmatch(name)] == []
    assert len(names) == len(set(names))


def test_an_event_is_a_frozen_whole_that_knows_its_aggregate() -> None:
    for cls in event_types():
        fields = attrs.fields_dict(cls)  # type: ignore[arg-type]  # every event is an attrs class
        assert cls.aggregate_key in fields, cls
        assert all(field.kw_only for field in fields.values()), cls
        assert cls.__setattr__ is not object.__setattr__, f"{cls} is not frozen"
        assert cls.version >= 1

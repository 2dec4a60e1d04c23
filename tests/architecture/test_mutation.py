"""What the mutation tests lean on: files that are there, and pardons for code that is there."""

import tomllib
from pathlib import Path

import pytest

from tests.architecture.code import ROOT

RULES = tomllib.loads((ROOT / "ops/mutation/rules.toml").read_text("utf-8"))


def one_line(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize("file", RULES["tests"])
def test_a_file_of_rules_and_its_tests_exist(file: str) -> None:
    assert [path for path in (file, *RULES["tests"][file]) if not (ROOT / path).is_file()] == []


@pytest.mark.parametrize("entry", RULES["forgiven"], ids=lambda entry: entry["function"])
def test_what_is_forgiven_is_there_and_has_a_reason(entry: dict[str, str]) -> None:
    assert entry["file"] in RULES["tests"]
    assert one_line(entry["was"]) in one_line(Path(ROOT / entry["file"]).read_text("utf-8"))
    assert entry["reason"]

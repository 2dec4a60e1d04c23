import re

from tests.architecture.code import ROOT

FRAGMENTS = sorted((ROOT / "ops" / "changelog.d").iterdir())
NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*\.(added|changed|fixed|removed|security)\.md")


def test_fragments_are_named_by_what_they_are() -> None:
    assert [path.name for path in FRAGMENTS if not NAME.fullmatch(path.name)] == []


def test_a_fragment_is_a_short_paragraph() -> None:
    texts = {path.name: path.read_text("utf-8") for path in FRAGMENTS}
    assert [name for name, text in texts.items() if not re.fullmatch(r"[A-Z`][^\n]{20,300}\.\n", text)] == []

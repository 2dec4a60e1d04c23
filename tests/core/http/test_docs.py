"""The page is self-contained, and its policy allows exactly what is in it."""

import base64
import hashlib
import re
from html.parser import HTMLParser

import pytest

from core.http import docs


class Elements(HTMLParser):
    """The tags with their attributes, and what is inside style and script."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.inside: dict[str, str] = {"style": "", "script": ""}
        self._open = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._open = tag

    def handle_endtag(self, tag: str) -> None:
        self._open = ""

    def handle_data(self, data: str) -> None:
        if self._open in self.inside:
            self.inside[self._open] += data

    def ids(self) -> list[str]:
        return [found for _, attributes in self.tags if (found := attributes.get("id"))]


@pytest.fixture(scope="module")
def page() -> Elements:
    return Elements(docs.page()[0].decode())


def test_the_policy_allows_the_pages_own_style_and_script_and_nothing_else(page: Elements) -> None:
    _, policy = docs.page()
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    for kind in ("style", "script"):
        digest = base64.b64encode(hashlib.sha256(page.inside[kind].encode()).digest()).decode()
        assert rules[f"{kind}-src"] == f"'sha256-{digest}'"
    assert rules["default-src"] == "'none'"
    assert rules["connect-src"] == "'self'"
    assert "unsafe" not in policy


def test_the_page_loads_nothing(page: Elements) -> None:
    for tag, attributes in page.tags:
        assert "src" not in attributes
        assert not (tag == "link" and attributes["href"] != "data:,")
    assert "url(" not in page.inside["style"]
    assert "@import" not in page.inside["style"]


def test_nothing_needs_what_the_policy_forbids(page: Elements) -> None:
    for _, attributes in page.tags:
        assert not [name for name in attributes if name == "style" or name.startswith("on")]
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacent|document\.write|\beval\(|new Function", page.inside["script"]
    )


def test_every_element_that_the_script_looks_for_is_there_once(page: Elements) -> None:
    wanted = {*re.findall(r"""(?:\$|onSubmit)\("([\w-]+)\"""", page.inside["script"])}
    assert wanted
    assert wanted <= {*page.ids()}
    assert len(page.ids()) == len({*page.ids()})


def test_every_input_has_a_label(page: Elements) -> None:
    labelled = {attributes["for"] for tag, attributes in page.tags if tag == "label"}
    assert {attributes["id"] for tag, attributes in page.tags if tag == "input"} <= labelled


def test_the_token_is_never_stored(page: Elements) -> None:
    assert not re.search(r"localStorage|sessionStorage|document\.cookie|indexedDB", page.inside["script"])


def test_the_document_may_lie_elsewhere() -> None:
    text = docs.page('/api"/document.json')[0].decode()
    assert 'data-document="/api&quot;/document.json"' in text
    assert docs.DEFAULT_URL not in text
    assert docs.page()[1] == docs.page("/other.json")[1]

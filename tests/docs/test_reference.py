"""The pages for authors of plugins: what is made from the code says what the code says, and no link leads nowhere."""

from pathlib import Path

import pytest

from core import api
from tests.docs.pages import PAGES, links
from tests.docs.reference import REFERENCE, REFRESH, document, used

NAMES = [(module, name) for module, names in api.PUBLIC.items() for name in names]


def test_the_reference_says_what_the_code_says() -> None:
    assert REFERENCE.read_text("utf-8") == document(), f"{REFRESH} writes it anew"


def test_every_public_name_is_used_by_something_that_tests_run() -> None:
    assert [f"{module}.{name}" for module, name in NAMES if not used(module, name)] == []


@pytest.mark.parametrize("page", sorted(PAGES.glob("*.md")), ids=lambda path: path.name)
def test_links_lead_somewhere(page: Path) -> None:
    assert [link for link in links(page) if not (page.parent / link).exists()] == []


def test_nobody_is_sent_to_a_page_that_nothing_leads_to() -> None:
    led_to = {link for page in PAGES.glob("*.md") for link in links(page)}
    assert {page.name for page in PAGES.glob("*.md")} - led_to <= {"tutorial.md"}

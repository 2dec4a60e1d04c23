"""Each step of a disaster's page says what tried it, or why nothing could."""

import re
from pathlib import Path

import asyncpg
import pytest

from tests.architecture.code import ROOT
from tests.faults.scenarios.book import SCENARIOS

PAGES = sorted((ROOT / "ops/runbooks").glob("disaster-*.md"))
WANTED = {
    "bad-deploy", "bad-migration", "broker-lost", "database-lost", "disk-full", "key-leaked", "provider-away",
    "redis-lost", "region-lost", "replica-wedged",
}  # fmt: skip
STEP = re.compile(r"^\d+\. ", re.MULTILINE)
TRIED = re.compile(r"— tried: `([^`]+)`$")
NOT_TRIED = re.compile(r"— not tried: \S.{5,}$")
LINK = re.compile(r"\]\(([^)#]+\.md)\)")
SECTIONS = ("## First look", "## What to do", "## Whom to wake")


def steps(page: Path) -> list[str]:
    """Its numbered lines."""
    return [line for line in page.read_text("utf-8").splitlines() if STEP.match(line)]


def exists(reference: str) -> bool:
    """A file or folder of the project, and what is named within it: a test, a function or a scenario."""
    name, _, within = reference.partition("::")
    path = ROOT / name
    if not within:
        return path.exists()
    return within in SCENARIOS if path.name == "book.py" else f"def {within}(" in path.read_text("utf-8")


def test_every_scenario_has_its_page() -> None:
    assert {page.stem.removeprefix("disaster-") for page in PAGES} == WANTED


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_each_step_is_marked_and_its_trial_exists(page: Path) -> None:
    found = steps(page)
    assert found
    unmarked = [line for line in found if not (TRIED.search(line) or NOT_TRIED.search(line))]
    assert unmarked == []
    references = [match.group(1) for line in found if (match := TRIED.search(line))]
    assert [one for one in references if not exists(one)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_each_page_has_its_sections_and_leads_somewhere(page: Path) -> None:
    text = page.read_text("utf-8")
    assert [head for head in SECTIONS if head not in text] == []
    assert [link for link in LINK.findall(text) if not (page.parent / link).exists()] == []


def test_most_steps_were_tried() -> None:
    lines = [line for page in PAGES for line in steps(page)]
    tried = [line for line in lines if TRIED.search(line)]
    assert len(tried) / len(lines) > 0.6


QUERY = re.compile(r"`(SELECT [^`]+)`")
LEFT_OUT = {"pg_drop_replication_slot"}
"""What acts. `prepare` has PostgreSQL read the rest, names and types included."""


async def test_queries_on_pages_are_understood(database_url: str) -> None:
    queries = {query for page in PAGES for query in QUERY.findall(page.read_text("utf-8"))}
    connection = await asyncpg.connect(database_url)
    try:
        for query in queries:
            if not any(word in query for word in LEFT_OUT):
                await connection.prepare(query)
    finally:
        await connection.close()
    assert len(queries) >= 5

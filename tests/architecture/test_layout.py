"""Where things lie and how large they are."""

import ast
import re
from pathlib import Path

import pytest

from tests.architecture.code import DOMAINS, ROOT, files, tree

TOP = {"core", "plugins", "config", "ops", "tests", "setup.py", "Procfile", "README.md"}
MADE_HERE = {"build", "vurksha.egg-info"}
"""What installing leaves behind; git ignores it."""
LOCAL = {".git", ".venv", ".env", ".coverage", ".hypothesis", "__pycache__"}
MAX_LINES = 300
ROOMS = ["plugin.py", "ports.py", "models.py", "queries.py", "routes.py", "migrations"]
UNFINISHED = re.compile(r"\b(TO[D]O|FIXM[E]|XX[X])\b")
"""Written so that it does not find itself, as below."""
STRANGERS = re.compile(
    r"/wor[k]/|[.]librar[y]|subagen[t]|pypi[.]or[g]|registry[.]npmj[s]|--(extra-)?index-ur[l]|--find-link[s]",
    re.IGNORECASE,
)
TEXT = {".py", ".sql", ".toml", ".md", ".txt", ".in", ".yaml", ".yml", ".json", ".html", ".ini", ""}


def every_text() -> list[Path]:
    """Whatever a person reads here: the fixed folders, the files beside them, and the settings of tools."""
    tops = [ROOT / name for name in TOP if (ROOT / name).exists()]
    tops += [path for path in ROOT.glob(".*") if path.name not in LOCAL and "cache" not in path.name]
    found = [file for top in tops for file in ([top] if top.is_file() else top.rglob("*")) if file.is_file()]
    return [path for path in found if path.suffix in TEXT and LOCAL.isdisjoint(path.parts)]


def test_only_the_fixed_names_stand_at_the_top() -> None:
    there = {path.name for path in ROOT.iterdir() if not path.name.startswith(".")}
    assert there <= TOP | MADE_HERE


def test_no_file_is_too_long_to_read() -> None:
    lengths = {
        path: len((ROOT / path).read_text("utf-8").splitlines()) for path in files("core", "plugins", "tests", "ops")
    }
    assert {str(path): lines for path, lines in lengths.items() if lines > MAX_LINES} == {}


def test_nothing_is_left_unfinished() -> None:
    found = [str(path.relative_to(ROOT)) for path in every_text() if UNFINISHED.search(path.read_text("utf-8"))]
    assert found == []


def test_the_project_speaks_of_itself_alone() -> None:
    found = [str(path.relative_to(ROOT)) for path in every_text() if STRANGERS.search(path.read_text("utf-8"))]
    assert found == []


def test_the_project_has_its_five_domains() -> None:
    assert {"cart", "notification", "order", "product", "user"} <= set(DOMAINS)


@pytest.mark.parametrize("domain", DOMAINS)
def test_a_domain_has_its_rooms(domain: str) -> None:
    missing = [room for room in ROOMS if not (ROOT / "plugins" / domain / room).exists()]
    assert missing == []
    assert list((ROOT / "plugins" / domain / "migrations").glob("[0-9][0-9][0-9][0-9]_*.sql"))


@pytest.mark.parametrize("domain", DOMAINS)
def test_a_domains_first_page_is_its_words_and_its_invariant(domain: str) -> None:
    page = tree(Path("plugins") / domain / "__init__.py")
    assert "nvariant" in (ast.get_docstring(page) or "")
    assert len(page.body) == 1, "a glossary, no code"

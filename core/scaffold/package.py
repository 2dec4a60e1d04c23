"""Writing the package: which names will do, which files there are."""

import keyword
import re
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from string import Template

from core.kernel import Manifest
from core.plugin_finding import installed, manifest_of, search
from core.plugin_rules import KERNEL_NAMES, KERNEL_PATHS, of_manifests

NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
LONGEST = 20
"""Characters of a name: what is written has to stay within its lines."""
RESERVED = """
all analyse analyze and any array as asc asymmetric authorization binary both case cast check collate collation
column concurrently constraint create cross current_date current_role current_time current_timestamp current_user
default deferrable desc distinct do else end except false fetch for foreign freeze from full grant group having
ilike in initially inner intersect into is isnull join lateral leading left like limit localtime localtimestamp
natural not notnull null offset on only or order outer overlaps placing primary references returning right select
session_user similar some symmetric system_user table tablesample then to trailing true union unique user using
variadic verbose when where window with
"""
WORDS_OF_SQL = frozenset(RESERVED.split())
"""Reserved by PostgreSQL: no schema is called so without quotes."""
OTHERS_SCHEMAS = frozenset({"public", "information_schema"})
TEMPLATES = Path(__file__).parent / "templates"
FILES: Mapping[str, str] = {
    "pyproject.toml": "pyproject.toml",
    "README.md": "README.md",
    ".gitignore": "gitignore",
    ".github/workflows/ci.yml": "ci.yml",
    "{package}/__init__.py": "init.py",
    "{package}/py.typed": "",
    **{
        f"{{package}}/{room}.py": f"{room}.py"
        for room in ("models", "personal", "plugin", "ports", "queries", "routes", "service", "settings", "subscribers")
    },
    "{package}/migrations/0001_create_{name}.sql": "0001_create.sql",
    **{f"tests/{test}.py": f"{test}.py" for test in ("conftest", "test_contract", "test_routes", "test_service")},
}
"""Templates by the file that is made of each."""


class NoPackage(Exception):
    """Why nothing was written, in one line."""


def check(name: str) -> None:
    """Whether a plugin may be called so; raises NoPackage with what is wrong."""
    if not NAME.fullmatch(name) or len(name) > LONGEST:
        raise NoPackage(f"{name!r} is no name: lower case letters, digits and single _, {LONGEST} characters at most")
    if name in installed() or find_spec(f"vurksha_{name}"):
        raise NoPackage(f"a plugin {name!r} is installed already")
    if name in KERNEL_NAMES | KERNEL_PATHS:
        raise NoPackage(f"{name!r} is the kernel's own")
    if name in WORDS_OF_SQL | OTHERS_SCHEMAS or name.startswith("pg_") or keyword.iskeyword(name):
        raise NoPackage(f"{name!r} is a word of SQL or Python: the schema and the package could not be called so")
    manifest = Manifest(name=name, version="0", schema=name)
    others = [manifest_of(cls) for cls in search(installed()).classes]
    if claimed := [one.text for one in of_manifests([*others, manifest], {}) if one.plugin == name]:
        raise NoPackage(f"{name!r} will not do: {'; '.join(claimed)}")


def write(name: str, parent: Path) -> Path:
    """The new folder. Raises NoPackage for a name that will not do, or where something stands in the way."""
    check(name)
    folder = parent / f"vurksha-{name.replace('_', '-')}"
    words = {
        "name": name,
        "NAME": name.upper(),
        "Name": "".join(part.capitalize() for part in name.split("_")),
        "title": name.replace("_", " ").capitalize(),
        "dashed": name.replace("_", "-"),
        "package": f"vurksha_{name}",
    }
    try:
        folder.mkdir(parents=True)
        for path, template in FILES.items():
            _write(folder / path.format_map(words), _filled(template, words))
    except FileExistsError:
        raise NoPackage(f"{folder} is there already") from None
    except OSError as error:
        raise NoPackage(f"cannot write {error.filename}: {error.strerror}") from error
    return folder


def _filled(template: str, words: Mapping[str, str]) -> str:
    if not template:
        return ""
    return Template((TEMPLATES / f"{template}.tmpl").read_text("utf-8")).substitute(words)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")

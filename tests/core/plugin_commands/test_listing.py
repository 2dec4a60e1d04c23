"""What `vurksha plugins list|graph|doctor` say of an app that is not started."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest

from core.api import API_VERSION
from core.app import App
from core.isolation.model import PluginState
from core.plugin_commands.doctor import Report, examined
from core.plugin_commands.graph import drawn
from core.plugin_commands.imports import reads, sources, trespasses
from core.plugin_commands.listing import shown
from tests.core.gifts.plugin import GiftPlugin
from tests.core.harness import settings_of
from tests.core.http.probe import ProbePlugin
from tests.docs.tables import built

ASIDE: Mapping[str, PluginState] = {
    "gift": PluginState(plugin="gift", state="quarantined", reason="too slow", by="kernel", since=datetime.now(UTC)),
    "ghost": PluginState(plugin="ghost", state="disabled", reason="gone", by="cli:tester"),
}

GRAPH = """
REQUIRES
├─ probe
│  └─ gift
└─ broken

PORTS
├─ probe
│  └─ kernel.sessions
└─ gift
   └─ gift.cards

POINTS
├─ gift.wraps
│  └─ gift (1)
└─ party.guests
   └─ gift (1)

EVENTS
└─ gift.given
"""


@pytest.fixture
def app(tmp_path: Path) -> App:
    """Never opened."""
    settings = settings_of("postgresql:///none", "redis://none", tmp_path)
    return App(settings, [ProbePlugin(), GiftPlugin()], {"broken": "cannot be imported"})


def lines(report: Report) -> list[str]:
    return [str(one) for one in report.findings]


def test_list_tells_state_and_reason_of_each(app: App) -> None:
    assert shown(app, ASIDE, [], as_json=False).splitlines() == [
        "NAME    VERSION  OWNER      KIND      STATE        WHY",
        "probe   1.0.0    -          required  loaded",
        "gift    2.1.0    gift team  optional  quarantined  too slow (kernel)",
        "broken  -        -          -         left out     cannot be imported",
    ]


def test_list_as_json_has_everything_that_is_declared(app: App) -> None:
    told = orjson.loads(shown(app, None, [], as_json=True))
    assert told["api"] == API_VERSION
    _, gift, broken = told["plugins"]
    assert broken == {"name": "broken", "state": "left out", "why": "cannot be imported"}
    assert (gift["name"], gift["state"], gift["requires"], gift["schema"]) == ("gift", "loaded", ["probe"], "gifts")
    assert gift["routes"][-2:] == ["GET /admin/gifts", "GET /gifts/files/..."]
    assert (gift["ports"], gift["points"], gift["events"]) == (["gift.cards"], ["gift.wraps"], ["gift.given"])
    assert gift["contributes"] == {"gift.wraps": 1, "party.guests": 1}
    assert (gift["hears"], gift["jobs"]) == ({"gift.ears": ["parcel.arrived"]}, ["gift.wrap"])
    assert gift["migrations"] == ["0001_create_gifts"]


def test_graph_draws_who_leans_on_whom(app: App) -> None:
    assert drawn(app) == GRAPH.strip()


def test_doctor_finds_loose_ends(app: App) -> None:
    report = examined(app, ASIDE, ["gift/0001_create_gifts"])
    assert "tests.core.gifts.shop.shop: another domain is entered by its ports" in report.as_text()
    assert [one for one in lines(report) if " imports " not in one and " uses " not in one] == [
        "error  broken: left out: cannot be imported",
        "note   probe: its manifest names no owner",
        "note   gift: nobody listens to gift.given",
        "error  gift: nobody reads its point gift.wraps",
        "error  gift: contributes to party.guests, and nobody is loaded who reads it",
        "error  gift: the database lacks gift/0001_create_gifts: run `vurksha migrate`",
        "note   ghost: disabled, and is not loaded here: gone (cli:tester)",
        "note   gift: quarantined: too slow (kernel)",
    ]
    private = [one for one in lines(report) if "private" in one]
    assert any("probe: imports core.events.relay, which is private to the kernel (" in one for one in private)


def test_doctor_prints_what_each_declares_and_counts(app: App) -> None:
    report = examined(app, ASIDE, [])
    text = report.as_text()
    assert "gift 2.1.0  optional, quarantined: too slow (kernel)\n  owner        gift team\n" in text
    assert "  hears        parcel.arrived as gift.ears\n" in text
    assert re.search(r"and\s+\d+\s+more", text)
    assert text.splitlines()[-1] == f"{report.errors} errors, 4 notes; API {API_VERSION}"
    assert max(map(len, text.splitlines()[:20])) <= 100
    told = orjson.loads(report.as_json())
    assert told["findings"][0] == {"level": "error", "plugin": "broken", "text": "left out: cannot be imported"}


FILE = """
import core.app
import plugins.cart.ports
from core import audit, errors
from core.errors import Problem, nothing
from plugins.product.ports import CATALOG
from plugins.user.service import UserService
from plugins.mine.models import Thing
import asyncio
print(kernel.extensions.of(ports.POINT), other.of(3))
"""
ROUND_ABOUT = """
import core.errors as wrong
from core.store import db
from core import convert
from core import tasks
from stranger import queries
from stranger import ports
from stranger.ports import EGGS
from stray import THINGS
import stranger.queries as strange

db.Pool.size = wrong.Problem(db.Db, wrong.Hidden)
db.WRITES += 1


def work(convert, tx):
    tasks = tx
    return convert.anything, tasks.LONGEST_PAUSE
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A small one, in a folder where Python finds it."""
    (tmp_path / "trespasser").mkdir()
    (tmp_path / "trespasser" / "__init__.py").write_text(FILE)
    (tmp_path / "lone_plugin.py").write_text("import core.cli")
    (tmp_path / "stray.py").write_text("")
    (tmp_path / "stranger").mkdir()
    (tmp_path / "stranger" / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    return "trespasser"


def test_imports_of_what_is_private_are_named_with_their_place(package: str) -> None:
    assert list(trespasses(package, ["product"], {})) == [
        "imports core.app, which is private to the kernel (trespasser/__init__.py:2)",
        "imports plugins.cart.ports, and its manifest does not require cart (trespasser/__init__.py:3)",
        "imports core.errors.nothing, which is private to the kernel (trespasser/__init__.py:5)",
        "imports plugins.user.service.UserService: another domain is entered by its ports (trespasser/__init__.py:7)",
        "imports plugins.mine.models.Thing: another domain is entered by its ports (trespasser/__init__.py:8)",
    ]


def test_what_is_private_is_found_behind_doors_and_in_others_packages(package: str, tmp_path: Path) -> None:
    """Of a name that is bound twice nothing is said: it may be a variable by then."""
    (tmp_path / "trespasser" / "__init__.py").write_text(ROUND_ABOUT)
    others = {"stranger": "strange", "stray": "stray"}
    assert [one.partition(" (")[0] for one in trespasses(package, ["stray"], others)] == [
        "imports stranger.queries: another domain is entered by its ports",
        "imports stranger.ports, and its manifest does not require strange",
        "imports stranger.ports.EGGS, and its manifest does not require strange",
        "imports stranger.queries: another domain is entered by its ports",
        "uses core.store.db.WRITES, which is private to the kernel",
        "uses core.store.db.Pool, which is private to the kernel",
        "uses core.errors.Hidden, which is private to the kernel",
    ]


def test_a_point_that_is_read_is_told_from_one_that_is_not(package: str) -> None:
    assert reads(package, "POINT")
    assert not reads(package, "OTHER")


def test_the_files_of_a_package_or_of_a_lone_module_are_found(package: str) -> None:
    assert [path.name for path in sources(package)] == ["__init__.py"]
    assert [path.name for path in sources("lone_plugin")] == ["lone_plugin.py"]
    assert sources("nowhere_to_be_found") == []


def test_the_built_in_plugins_have_no_errors() -> None:
    assert [one for one in lines(examined(built(), {}, [])) if one.startswith("error")] == []

import os
import re
from pathlib import Path

from core.configuration import default_data_dir
from tests.architecture.code import DOMAINS, ROOT, readme_table
from tests.docs.readme import JOURNEY, blocks, steps
from tests.docs.tables import README, event_types

TEXT = README.read_text("utf-8")
BY_HAND = {"./ops/run", "./ops/test", "./ops/check", "./ops/check --static", "./ops/check --ops", "./ops/bench",
           "./ops/mutate", "./ops/faults"}  # fmt: skip
"""Commands of bash blocks that no test runs from here: they run the tests, or do not end by themselves."""
MADE_LATER = {"ops/benchmarks/results/", "tests/faults/results/"}
PATH = re.compile(r"(?<![\w/.:-])(?:\./)?((?:core|plugins|config|ops|tests|\.ci)/[\w./*-]*)(?!<)")
OTHER_FILES = re.compile(r"`(setup\.py|Procfile|\.[a-z]+(?:\.[a-z]+)?)`")


def test_every_path_exists() -> None:
    named = {path.rstrip(".") for path in PATH.findall(TEXT)} | set(OTHER_FILES.findall(TEXT))
    assert len(named) > 30
    missing = [path for path in named - MADE_LATER if not (ROOT / path).exists()]
    assert sorted(missing) == []


def test_every_link_to_a_file_leads_somewhere() -> None:
    links = [link for link in re.findall(r"\]\(([^)]+)\)", TEXT) if not link.startswith(("http", "#"))]
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_every_script_can_be_run() -> None:
    scripts = set(re.findall(r"(?<![\w/])(?:\./)?(ops/(?:run|test|check|bench)|\.ci/run)\b", TEXT))
    assert len(scripts) == 5
    assert [script for script in scripts if not os.access(ROOT / script, os.X_OK)] == []


def test_every_command_of_the_program_exists() -> None:
    known = {name.split()[1] for name in readme_table("Commands")}
    named = {word for word in re.findall(r"\bvurksha ([a-z-]+)\b", TEXT) if not word.startswith("-")}
    assert named - known == set()


def test_every_bash_block_is_run_or_listed() -> None:
    lines = [
        line.partition("#")[0].strip()
        for block in blocks()
        if block.language == "bash" and block.chapter != JOURNEY
        for line in block.text.splitlines()
    ]
    assert set(lines) == BY_HAND


def test_there_is_a_journey() -> None:
    assert len(list(steps())) > 8


def test_data_lives_where_it_says() -> None:
    home = {"HOME": "/home/asha"}
    assert f"`{default_data_dir({}, root=True)}`" in TEXT
    assert f"`{default_data_dir(home, root=False)}`".replace("/home/asha", "~") in TEXT
    assert default_data_dir({**home, "XDG_DATA_HOME": "/x"}, root=False) == Path("/x/vurksha")
    assert "`$XDG_DATA_HOME/vurksha`" in TEXT


def test_the_names_that_stand_beside_the_settings_are_named() -> None:
    code = (ROOT / "core" / "configuration.py").read_text("utf-8")
    read = set(re.findall(r"""env(?:\.get\(|\[)["'](\w+)""", code)) - {"HOME"}
    assert read >= {"VURKSHA_ENV", "DATA_DIR"}
    assert [name for name in read if name not in TEXT] == []


def test_every_environment_name_is_one() -> None:
    known = {cells[1] for cells in readme_table("Settings").values()}
    named = set(re.findall(r"\bVURKSHA_[A-Z]+__[A-Z0-9_]+\b|\b[A-Z]+_URL\b", TEXT))
    assert named - known == set()


def test_every_room_of_the_map_is_in_some_domain() -> None:
    rooms = next(block.text for block in blocks() if block.text.startswith("plugin.py"))
    names = [word for line in rooms.splitlines() for word in line[:42].split()]
    assert len(names) == 9
    assert [name for name in names if not any((ROOT / "plugins" / d / name).exists() for d in DOMAINS)] == []


def test_the_events_of_the_drawing_exist() -> None:
    drawn = next(block.text for block in blocks() if block.text.lstrip().startswith("POST"))
    named = set(re.findall(r"`([a-z]+\.[a-z_]+)`", drawn))
    assert named
    assert named <= set(event_types())
    consumers = set(re.findall(r"-> (order\.[a-z_]+) ", drawn))
    assert consumers
    assert all(f"({consumer})" in readme_table("Events")["order.created"][2] for consumer in consumers)

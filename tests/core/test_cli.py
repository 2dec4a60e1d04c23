"""The commands: what they print, and one clear line with exit 1 for what a person can mend."""

import socket
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from core.cli import program as commands
from core.store.embedded import Servers
from tests.conftest import NewDatabase
from tests.core.program import Program
from tests.ports import free_port


@pytest.fixture(scope="module")
async def program(new_database: NewDatabase, servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Program:
    """On servers that are there."""
    folder = tmp_path_factory.mktemp("program")
    return Program(folder, DATABASE_URL=await new_database(), REDIS_URL=servers.redis_url)


def complaint(program: Program, *args: str, **env: str) -> str:
    """The one line with which a command gives up."""
    done = (program.run if args[0] == "serve" else program.call)(*args, env=env)
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    return done.stderr.removesuffix("\n")


def test_help_names_every_command_of_ours_and_of_plugins(program: Program) -> None:
    done = program.run("--help")
    assert done.returncode == 0
    for name in (*commands.commands, "say"):
        assert f"\n  {name} " in done.stdout


@pytest.mark.parametrize("name", sorted(commands.commands))
def test_each_command_shows_an_example(name: str) -> None:
    assert (commands.commands[name].epilog or "").startswith(("Example: vurksha ", "Example: DATABASE_URL="))
    assert f"vurksha {name}" in (commands.commands[name].epilog or "")
    assert commands.commands[name].help


def test_a_plugins_command_runs_with_the_plugins_settings(program: Program) -> None:
    assert program.call("say", env={"VURKSHA_PROBE__WORD": "good morning"}).stdout == "good morning\n"
    assert "Example: vurksha say" in program.call("say", "--help").stdout


def test_migrate_and_seed_may_be_repeated(program: Program) -> None:
    first, again = program.call("migrate"), program.call("migrate")
    kernel = sorted(path.stem for path in Path("core/store/migrations").glob("*.sql"))
    assert first.stdout.splitlines() == [
        *(f"applied kernel {name}" for name in kernel), "applied probe 0001_create_rows", "the schema is up to date",
    ]  # fmt: skip
    assert (again.returncode, again.stdout) == (0, "the schema is up to date\n")
    assert [program.call("seed").stdout for _ in range(2)] == ["1 rows written\n", "0 rows written\n"]


def test_routes_lists_each_with_who_may_call_it(program: Program) -> None:
    lines = {tuple(line.split()[:4]) for line in program.call("routes").stdout.splitlines()}
    assert ("GET", "/api/v1/probe/hello", "public", "safe") in lines
    assert ("POST", "/api/v1/probe/add", "user", "keyed") in lines
    assert ("GET", "/api/v1/probe/admin", "ADMIN", "safe") in lines


def test_openapi_prints_the_document(program: Program) -> None:
    document = orjson.loads(program.call("openapi").stdout)
    assert "/api/v1/probe/hello" in document["paths"]


def test_check_config_shows_everything_but_secrets(program: Program) -> None:
    done = program.call("check-config", env={"JWT_SECRET": "hidden" * 8, "VURKSHA_PROBE__WORD": "x"})
    assert done.returncode == 0
    assert "hidden" not in done.stdout
    for line in ("auth.secret = ***", "probe.word = 'x'", "postgres.url = ***", "http.port = 8000"):
        assert line in done.stdout.splitlines()
    assert done.stdout.splitlines()[-1] == f"all good: development, data in {program.data}"


def test_plugins_lists_what_is_loaded(program: Program) -> None:
    assert program.call("plugins").stdout.splitlines()[1].split() == ["probe", "1.0.0", "-", "required", "loaded"]


def test_bad_settings_are_told_together(program: Program) -> None:
    told = complaint(program, "check-config", PORT="many", VURKSHA_PROBE__WRD="x")
    assert told.splitlines() == [
        "vurksha: the settings have mistakes:",
        "  - http.port must be a whole number",
        "  - probe.wrd is no setting",
    ]


def test_a_production_without_urls_and_secrets_does_not_start(program: Program) -> None:
    told = complaint(program, "routes", VURKSHA_ENV="production", DATABASE_URL_FILE="/nowhere")
    assert "postgres.url: cannot read /nowhere" in told
    assert "auth.secret is not set" in told


def test_production_refuses_the_demo_shop(program: Program) -> None:
    where = {"DATABASE_URL": "postgresql://127.0.0.1:1/x", "REDIS_URL": "redis://127.0.0.1:1"}
    told = program.call("seed", env={"VURKSHA_ENV": "production", "JWT_SECRET": "x" * 40, **where})
    assert (told.returncode, told.stderr) == (1, "Error: the demo shop is for development; this is production\n")


@pytest.mark.parametrize("broken", ["plugins = [", b"\xff"])
def test_a_configuration_file_that_cannot_be_read_is_named(
    program: Program, tmp_path: Path, broken: str | bytes
) -> None:
    (tmp_path / "base.toml").write_bytes(broken if isinstance(broken, bytes) else broken.encode())
    told = complaint(program, "check-config", VURKSHA_CONFIG_DIR=str(tmp_path))
    assert f"{tmp_path}/base.toml cannot be read" in told
    assert "nothing/base.toml cannot be read" in complaint(program, "routes", VURKSHA_CONFIG_DIR="/nothing")


def test_an_unknown_plugin_is_named(program: Program, tmp_path: Path) -> None:
    (tmp_path / "base.toml").write_text('plugins = ["prob"]')
    (tmp_path / "development.toml").write_text("")
    told = complaint(program, "routes", VURKSHA_CONFIG_DIR=str(tmp_path))
    assert told == "vurksha: no installed package has the entry point 'prob' in the group 'vurksha.plugins'"


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that another program listens on."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        yield sock.getsockname()[1]


@pytest.mark.parametrize("more", [[], ["--replicas", "2"]])
def test_a_port_that_is_taken_is_named(program: Program, taken: int, more: list[str]) -> None:
    told = complaint(program, "serve", *more, PORT=str(taken))
    assert told == f"vurksha: cannot listen on 127.0.0.1:{taken}: Address already in use"


@pytest.mark.parametrize("command", ["migrate", "seed", "serve"])
def test_a_database_that_is_away_is_one_line(program: Program, command: str) -> None:
    told = complaint(
        program, command, DATABASE_URL="postgresql://u:hidden@127.0.0.1:1/d", PORT=str(free_port())
    ).splitlines()[-1]
    assert told.startswith("vurksha: the database is not reachable: ")
    assert "hidden" not in told


def test_a_database_that_never_answers_is_one_line(program: Program, taken: int) -> None:
    told = complaint(program, "migrate", DATABASE_URL=f"postgresql://u@127.0.0.1:{taken}/d")
    assert told == "vurksha: the database is not reachable: no answer in time"


def test_a_data_folder_that_cannot_be_made_is_one_line(program: Program) -> None:
    told = complaint(program, "routes", DATA_DIR="/proc/nothing")
    assert told == "vurksha: [Errno 2] No such file or directory: '/proc/nothing'"


def test_an_unknown_command_and_an_unknown_option_are_usage(program: Program) -> None:
    for args in (["nonsense"], ["serve", "--nonsense"]):
        done = program.call(*args)
        assert (done.returncode, "Traceback" in done.stderr) == (2, False)
        assert "nonsense" in done.stderr

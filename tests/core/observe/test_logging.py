"""One JSON object a line, and nothing in it that must not be told."""

import asyncio
import io
import logging
import sys
import time
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime
from uuid import uuid4

import attrs
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import context
from core.auth import TokenIssuer
from core.errors import TIMEOUT, Problem, not_found
from core.observe.logging import JsonLines, RequestLog, install, told
from core.observe.meter import Meter
from core.observe.progress import Progress
from core.observe.spent import Spent
from core.settings import Secret
from core.types import uuid7


@attrs.frozen
class Person:
    """A value object whose repr shows its fields."""

    name: str


PHONES = st.builds(
    "{}{}{}{}".format,
    st.sampled_from(["", "+91", "91", "0", "+91 ", "+91-"]),
    st.integers(60_000, 99_999),
    st.sampled_from(["", " ", "-"]),
    st.integers(10_000, 99_999),
)
AROUND = st.text(st.characters(exclude_categories=("Nd", "Cs")), max_size=10)
TOKEN = TokenIssuer("s" * 40, [], issuer="i", audience="a", minutes=15).issue(uuid4(), uuid4(), "CUSTOMER")


def record(message: object, *args: object, level: int = logging.INFO, name: str = "x") -> logging.LogRecord:
    return logging.LogRecord(name, level, "file.py", 1, message, args, None)


def lines_of(*records: logging.LogRecord) -> list[dict[str, object]]:
    stream = io.StringIO()
    out = RequestLog(stream)
    for one in records:
        JsonLines(out).emit(one)
    out.flush()
    return [orjson.loads(line) for line in stream.getvalue().split("\n")[:-1]]


def fails(error: Exception, because: Exception | None = None) -> None:
    raise error from because


def test_a_request_is_one_line_with_numbers_and_ids() -> None:
    stream, user = io.StringIO(), uuid4()
    out, route = RequestLog(stream), Meter().route("order", "GET /api/v1/orders")
    spent = Spent("order", "GET /api/v1/orders", seconds=0.0015, statements=2)
    out.request(route, 200, time.perf_counter() - 0.002, "r-1", Progress(user=user, spent=spent), "a" * 32)
    out.request(route, 304, time.perf_counter(), "r-2")
    assert stream.getvalue() == ""
    out.flush()
    first, second = map(orjson.loads, stream.getvalue().splitlines())
    at = datetime.fromisoformat(first.pop("at"))
    assert abs((at - datetime.now(UTC)).total_seconds()) < 5
    assert 1_900 < first.pop("us") < 1_000_000
    assert first == {
        "level": "info", "event": "request", "request_id": "r-1", "trace_id": "a" * 32, "user": str(user),
        "plugin": "order", "route": "GET /api/v1/orders", "method": "GET", "status": 200, "db_us": 1500, "db_n": 2,
    }  # fmt: skip
    assert (second["user"], second["db_us"], second["db_n"], "trace_id" in second) == ("", 0, 0, False)
    out.flush()
    assert len(stream.getvalue().splitlines()) == 2


def test_a_refusal_has_its_code_and_a_fault_of_ours_its_error_and_place() -> None:
    stream = io.StringIO()
    out, route = RequestLog(stream), Meter().route("order", "GET /api/v1/orders")
    missing, late, broken = Progress(), Progress(), Progress()
    missing.refused(not_found("Order"))
    try:
        fails(Problem(TIMEOUT), because=OSError("call 9876543210"))
    except Problem as problem:
        late.refused(problem)
    try:
        fails(ValueError("the code is 123456"))
    except ValueError as error:
        broken.failed(error)
    out.request(route, 404, time.perf_counter(), "r-1", missing)
    out.request(route, 504, time.perf_counter(), "r-2", late)
    assert stream.getvalue() == ""
    out.request(route, 500, time.perf_counter(), "r-3", broken)  # written at once: the process may be about to end
    lines = [orjson.loads(line) for line in stream.getvalue().splitlines()]
    assert [(line["level"], line["code"], line.get("error")) for line in lines] == [
        ("info", "RES_001", None), ("error", "SYS_003", "OSError"), ("error", "SYS_001", "ValueError"),
    ]  # fmt: skip
    assert "stack" not in lines[0]
    assert all(line["stack"][-1].endswith("fails") for line in lines[1:])
    assert not {"9876543210", "123456"} & set(stream.getvalue().split())


def test_request_lines_can_be_switched_off_and_requests_are_counted_all_the_same() -> None:
    stream = io.StringIO()
    out, route = RequestLog(stream, enabled=False), Meter().route("order", "GET /")
    out.request(route, 200, time.perf_counter(), "r")
    out.write("other\n")
    out.flush()
    assert stream.getvalue() == "other\n"
    assert route.requests == 1


def test_without_a_stream_lines_go_to_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    out = RequestLog()
    out.write("line\n")
    out.flush()
    assert capsys.readouterr().out == "line\n"


def test_a_record_has_its_place_its_level_and_the_request_that_caused_it() -> None:
    token = context.cause.set(context.Cause("request-7"))
    (line,) = lines_of(record("%s is %d", "it", 5, level=logging.ERROR, name="core.x"))
    context.cause.reset(token)
    assert line.pop("at")
    assert line == {"level": "error", "event": "it is 5", "logger": "core.x", "request_id": "request-7"}


def test_warnings_and_worse_are_written_at_once() -> None:
    stream = io.StringIO()
    handler = JsonLines(RequestLog(stream))
    handler.emit(record("calm"))
    assert stream.getvalue() == ""
    handler.emit(record("alarm", level=logging.WARNING))
    assert [orjson.loads(line)["event"] for line in stream.getvalue().splitlines()] == ["calm", "alarm"]


def test_a_failure_is_told_by_its_type_and_place_only() -> None:
    one = record("it failed", level=logging.ERROR)
    try:
        fails(ValueError("the code is 123456"))
    except ValueError:
        one.exc_info = sys.exc_info()
    (line,) = lines_of(one)
    assert (line["event"], line["error"]) == ("it failed", "ValueError")
    assert str(line["stack"]).endswith("fails']")
    assert "123456" not in str(line)


async def test_what_asyncio_says_of_a_lost_task_quotes_no_exception(caplog: pytest.LogCaptureFixture) -> None:
    async def fails() -> None:
        raise ValueError("secret words")

    task = asyncio.ensure_future(fails())
    await asyncio.wait({task})
    asyncio.get_running_loop().call_exception_handler(
        {"message": "Task exception was never retrieved", "exception": task.exception(), "future": task}
    )
    (found,) = caplog.records
    assert "secret words" in found.getMessage()
    (line,) = lines_of(found)
    assert line["event"] == "Task exception was never retrieved"
    assert "secret" not in str(line)


def test_a_log_call_with_the_wrong_arguments_harms_nobody() -> None:
    assert [line["event"] for line in lines_of(record("%d of %d", "x"), record(None))] == ["%d of %d", "None"]


@pytest.mark.parametrize(
    ("arg", "text"),
    [
        ("a word", "a word"),
        (7, "7"),
        (uuid7(), None),
        (Problem(TIMEOUT, "no answer"), "no answer"),
        (ValueError("Asha, Pune"), "ValueError"),
        (Secret("Asha"), "Secret"),
        (Person(name="Asha"), "Person"),
        (b"Asha", "4 bytes"),
        ({"name": ValueError("Asha")}, "{'name': 'ValueError'}"),
        ([Secret("Asha"), 1], "['Secret', 1]"),
        (object(), "object"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_told_of_an_argument_goes_by_its_type(arg: object, text: str | None) -> None:
    (line,) = lines_of(record("about %s", arg))
    assert line["event"] == f"about {arg if text is None else text}"


def test_arguments_by_name_and_a_message_that_is_an_error_are_redacted_too() -> None:
    events = [
        line["event"] for line in lines_of(record("of %(who)s", {"who": Secret("Asha")}), record(OSError("Asha")))
    ]
    assert events == ["of Secret", "OSError"]


@given(st.text(max_size=700))
def test_any_message_is_one_json_object_on_one_line(message: str) -> None:
    (line,) = lines_of(record(message))
    assert len(str(line["event"])) <= 500
    assert "\n" not in str(line["event"])


@given(AROUND, PHONES, AROUND)
def test_no_phone_is_ever_told(before: str, phone: str, after: str) -> None:
    digits = "".join(character for character in phone if character.isdigit())[-10:]
    text = told(record("%s", before + phone + after))
    assert digits not in "".join(character for character in text if character.isdigit())


@given(AROUND, st.sampled_from([TOKEN, TOKEN[:200], "r" * 43, "A1-_" * 16]), AROUND)
def test_no_token_is_ever_told(before: str, token: str, after: str) -> None:
    assert token[-40:] not in told(record("%s", f"{before} {token} {after}"))


def test_the_password_of_a_url_is_not_told_and_ids_are() -> None:
    event = uuid4()
    assert told(record(f"no postgresql://me:pw@db/x for {event}")) == f"no postgresql://***@db/x for {event}"


@pytest.fixture
def root() -> Iterator[logging.Logger]:
    """The root logger, put back afterwards."""
    found = logging.getLogger()
    handlers, level = found.handlers[:], found.level
    yield found
    found.handlers[:], found.level = handlers, level
    logging.captureWarnings(capture=False)


def test_installed_it_takes_all_loggers_and_warnings(root: logging.Logger) -> None:
    stream = io.StringIO()
    install(RequestLog(stream), "info")
    logging.getLogger("some.package").debug("no")
    logging.getLogger("some.package").warning("yes")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("old", DeprecationWarning, stacklevel=1)
    events = [orjson.loads(line) for line in stream.getvalue().splitlines()]
    assert [line["logger"] for line in events] == ["some.package", "py.warnings"]
    assert events[1]["event"].endswith("DeprecationWarning: old")

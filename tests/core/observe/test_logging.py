"""One JSON object a line, and nothing in it that must not be told."""

import asyncio
import io
import logging
import time
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime
from uuid import uuid4

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import context
from core.auth import TokenIssuer
from core.observe.logging import JsonLines, RequestLog, install, log_failure, told

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


def test_a_request_is_one_line_with_numbers_and_ids() -> None:
    stream, user = io.StringIO(), uuid4()
    out = RequestLog(stream)
    out.request("GET /api/v1/orders", 200, time.perf_counter() - 0.002, "r-1", user)
    out.request("GET /api/v1/products", 503, time.perf_counter(), "r-2", None)
    assert stream.getvalue() == ""
    out.flush()
    first, second = map(orjson.loads, stream.getvalue().splitlines())
    at = datetime.fromisoformat(first.pop("at"))
    assert abs((at - datetime.now(UTC)).total_seconds()) < 5
    assert 1_900 < first.pop("us") < 1_000_000
    assert first == {
        "level": "info", "event": "request", "request_id": "r-1", "route": "GET /api/v1/orders", "status": 200,
        "user": str(user),
    }  # fmt: skip
    assert second["user"] == ""
    out.flush()
    assert len(stream.getvalue().splitlines()) == 2


def test_request_lines_can_be_switched_off() -> None:
    stream = io.StringIO()
    out = RequestLog(stream, enabled=False)
    out.request("GET /", 200, time.perf_counter(), "r", None)
    out.write("other\n")
    out.flush()
    assert stream.getvalue() == "other\n"


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
    def fails() -> None:
        raise ValueError("the code is 123456")

    stream = io.StringIO()
    handler = JsonLines(RequestLog(stream))
    logger = logging.getLogger("core.http")
    logger.addHandler(handler)
    try:
        fails()
    except ValueError as error:
        log_failure("GET /x", "r-9", error)
    finally:
        logger.removeHandler(handler)
    line = orjson.loads(stream.getvalue())
    assert line["error"] == "ValueError"
    assert line["event"] == "unexpected failure in GET /x (r-9)"
    assert line["stack"][-1].endswith("fails")
    assert "123456" not in stream.getvalue()


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

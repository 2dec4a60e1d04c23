"""What Alloy makes of the lines that replicas really write."""

import io
import logging
import re
import time
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from core.observe.logging import JsonLines, RequestLog
from core.observe.meter import Meter
from core.observe.progress import Progress
from core.types import uuid7
from tests.ops.watching.tools import ROOT, load

ALLOY = (ROOT / "ops/alloy/config.alloy").read_text()
LABELS = {"app", "level", "plugin", "instance", "color"}
TARGETS = {"app", "instance", "color"}
"""Labels of the target, which every line of it has."""


def stage(name: str, field: str) -> str:
    """What stands behind the equals sign of a stage's field."""
    found = re.search(rf"stage\.{name} \{{[^}}]*?\b{field}\s*= ([^\n]+)", ALLOY)
    assert found, name
    return found[1]


def keys(text: str) -> dict[str, str]:
    """Of `{ a = "b" }`."""
    return dict(re.findall(r'(\w+)\s*=\s*"(\w*)"', text))


def taken(line: str) -> dict[str, Any]:
    """What Alloy's stages take out of a line."""
    said = orjson.loads(line)
    found = {name: said[key] for name, key in keys(stage("json", "expressions")).items() if key in said}
    expression = stage("regex", "expression").strip('"').replace("\\\\", "\\")
    if by_name := re.search(expression, found.get("logger", "")):
        found |= by_name.groupdict()
    return found


def written(user: UUID) -> list[str]:
    """A request that went well, one that failed, and a record of a plugin's logger."""
    stream = io.StringIO()
    out, meter = RequestLog(stream), Meter()
    began = time.perf_counter()
    out.request(meter.route("product", "GET /api/v1/products"), 200, began, "one", None, "a" * 32)
    progress = Progress(user=user)
    progress.failed(ValueError("something private"))
    out.request(meter.route("order", "POST /api/v1/orders"), 500, began, "two", progress)
    JsonLines(out).emit(logging.LogRecord("plugins.notification.sending", logging.INFO, "", 1, "late", None, None))
    out.flush()
    return stream.getvalue().splitlines()


def test_labels_are_few_and_those_alone_are_kept() -> None:
    kept = set(re.findall(r'"(\w+)"', stage("label_keep", "values")))
    assert kept == LABELS
    assert set(keys(stage("labels", "values"))) | TARGETS == kept
    most = load(ROOT / "ops/loki/loki.yaml")["limits_config"]["max_label_names_per_series"]
    assert len(kept) + 1 == most


def test_no_label_has_a_value_for_each_person_or_request() -> None:
    beside = set(keys(stage("structured_metadata", "values")))
    assert beside == {"request_id", "trace_id"}
    assert not beside & LABELS


def test_alloy_finds_level_plugin_time_and_ids_in_real_lines() -> None:
    fine, failed, record = (taken(line) for line in written(uuid7()))
    assert (fine["level"], fine["plugin"], fine["request_id"], fine["trace_id"]) == ("info", "product", "one", "a" * 32)
    assert (failed["level"], failed["plugin"], failed["request_id"]) == ("error", "order", "two")
    assert record["plugin"] == "notification"
    for line in (fine, failed, record):
        assert datetime.fromisoformat(line["at"]).tzinfo is not None
        assert set(keys(stage("labels", "values"))) <= line.keys()


def test_what_is_taken_out_is_named_before_it_becomes_a_label() -> None:
    known = set(keys(stage("json", "expressions")))
    for name in ("labels", "structured_metadata"):
        assert set(keys(stage(name, "values"))) <= known
    assert stage("timestamp", "source").strip('"') in known

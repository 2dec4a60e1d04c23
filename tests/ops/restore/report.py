"""What a drill measured, as JSON for machines and as a table for people."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import attrs
import orjson


@attrs.define
class Act:
    """One disaster and the way back."""

    name: str
    what: str
    rpo: float = 0.0
    """Seconds from the last write that came back to the disaster. At this load writes come some ten a second."""
    rto: float = 0.0
    """Seconds from the disaster, or from its being noticed, to the first order taken again. People not counted."""
    orders: int = 0
    """Told to their customers before the moment that was restored."""
    lost: int = 0
    """Of these, not there any more."""
    steps: dict[str, float] = attrs.field(factory=dict)
    """Seconds of each step on the way back."""
    notes: dict[str, object] = attrs.field(factory=dict)
    wrong: list[str] = attrs.field(factory=list)


@attrs.define
class Told:
    """A whole drill."""

    acts: Sequence[Act] = ()
    server: str = ""
    base_seconds: float = 0.0
    base_bytes: int = 0
    at: str = attrs.field(factory=lambda: f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}")


def table(told: Told) -> str:
    """For people."""
    size = f"{told.base_bytes / 1e6:.1f} MB in {told.base_seconds:.1f} s"
    lines = [
        f"Restore drill of {told.at}, {told.server}, base backup of {size} under load.",
        "",
        "| Disaster | RPO | RTO | Orders told | Lost | Steps |",
        "| --- | ---: | ---: | ---: | ---: | --- |",
    ]
    for act in told.acts:
        steps = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in act.steps.items())
        lines.append(f"| {act.what} | {act.rpo:.2f} s | {act.rto:.1f} s | {act.orders} | {act.lost} | {steps} |")
    notes = [f"* {act.name}: {key} {value}" for act in told.acts for key, value in act.notes.items()]
    wrong = [f"* WRONG, {act.name}: {one}" for act in told.acts for one in act.wrong]
    return "\n".join([*lines, "", *notes, *wrong])


def write(told: Told, folder: Path) -> str:
    """Both files; what to print."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "restore.json").write_bytes(orjson.dumps(attrs.asdict(told), option=orjson.OPT_INDENT_2) + b"\n")
    head = "# What the last restore drill measured\n\nWritten by `python -m tests.ops.restore`.\n\n"
    (folder / "restore.md").write_text(f"{head}{table(told)}\n", "utf-8")
    figures = "; ".join(
        f"{act.name}: RPO {act.rpo:.2f} s, RTO {act.rto:.1f} s, {act.lost} of {act.orders} orders lost"
        for act in told.acts
    )
    return f"{table(told)}\n\nfigures: {figures}"

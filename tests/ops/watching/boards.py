"""The committed dashboards, as tests read them."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[3] / "ops/grafana/dashboards"
METRIC = re.compile(r"\b(?:vurksha_|process_)\w+|\bvurksha:\w+:\w+|\bup\b|\bALERTS\b")
VARIABLE = re.compile(r'=~"\$\w+"')


def boards() -> dict[str, dict[str, Any]]:
    """By file name."""
    return {path.stem: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))}


def panels(board: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Without the rows that they stand in."""
    for panel in board["panels"]:
        yield from [panel, *panel.get("panels", ())] if panel["type"] != "row" else panel.get("panels", ())


def queries() -> Iterator[tuple[str, str, str]]:
    """Dashboard, panel and PromQL with every value chosen; a rate is taken over `$__rate_interval`."""
    for name, board in boards().items():
        for panel in panels(board):
            for target in panel["targets"]:
                yield name, panel["title"], VARIABLE.sub('=~".*"', target["expr"])

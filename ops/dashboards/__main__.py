"""Make the dashboards: `.venv/ops/bin/python -m ops.dashboards [--check]`. Commit what it writes.

With `--check` it writes nothing, and exits with 1 when the committed files are not what it would write.
"""

import json
import sys
from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from ops.dashboards import business, events, overview, plugins, replicas, requests, stores

FOLDER = Path(__file__).parents[1] / "grafana/dashboards"
PAGES = (overview, requests, stores, events, business, plugins, replicas)


def files() -> dict[str, str]:
    """The text of each dashboard by its name."""
    return {
        f"{page.__name__.rpartition('.')[2]}.json": json.dumps(
            page.board().build(), cls=JSONEncoder, indent=1, sort_keys=True
        )
        + "\n"
        for page in PAGES
    }


def main() -> int:
    """Write, or compare."""
    made = files()
    if "--check" in sys.argv[1:]:
        committed = {path.name: path.read_text() for path in FOLDER.glob("*.json")}
        if committed == made:
            panels = sum(text.count('"gridPos"') for text in made.values())
            print(f"figures: {len(made)} dashboards, {panels} panels and rows, as committed")
            return 0
        unlike = sorted(name for name in {*made, *committed} if made.get(name) != committed.get(name))
        print(f"not what the code makes: {', '.join(unlike)}; run .venv/ops/bin/python -m ops.dashboards")
        return 1
    for name, text in made.items():
        (FOLDER / name).write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())

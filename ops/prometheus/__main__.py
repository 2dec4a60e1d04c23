"""Generate the rules: `python -m ops.prometheus [--brisk] [--out FOLDER]`. Commit what it writes."""

import argparse
from pathlib import Path

import yaml  # type: ignore[import-untyped]  # it ships no types

from ops.prometheus.alerts import GROUPS
from ops.prometheus.model import BRISK, REAL, Pace

RULES = Path(__file__).parent / "rules"
HEAD = "# Made by `python -m ops.prometheus`: change ops/prometheus/alerts/ instead.\n"


class Folded(yaml.SafeDumper):  # type: ignore[misc]  # see above
    """Texts of several lines as blocks, as people write them."""


Folded.add_representer(
    str,
    lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None),
)


def files(pace: Pace = REAL) -> dict[str, str]:
    """The text of each rules file by its name."""
    return {
        f"{group.name}.yml": HEAD
        + yaml.dump({"groups": [group.rendered(pace)]}, Dumper=Folded, sort_keys=False, width=1000)
        for group in GROUPS
    }


def main() -> None:
    """Write them."""
    parser = argparse.ArgumentParser(prog="python -m ops.prometheus")
    parser.add_argument("--brisk", action="store_true", help="for a rehearsal: a minute in two seconds")
    parser.add_argument("--out", type=Path, default=RULES)
    given = parser.parse_args()
    for name, text in files(BRISK if given.brisk else REAL).items():
        (given.out / name).write_text(text)


if __name__ == "__main__":
    main()

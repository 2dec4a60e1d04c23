"""Generate the rules, as files and for a cluster: `python -m ops.prometheus`. Commit what it writes."""

from pathlib import Path

import yaml  # type: ignore[import-untyped]  # it ships no types

from ops.prometheus.alerts import GROUPS
from ops.prometheus.model import REAL, Pace

RULES = Path(__file__).parent / "rules"
CLUSTER = Path(__file__).parents[1] / "k8s/shop/rules.yaml"
HEAD = "# Made by `python -m ops.prometheus`: change ops/prometheus/alerts/ instead.\n"


class Folded(yaml.SafeDumper):  # type: ignore[misc]  # see above
    """Texts of several lines as blocks, as people write them."""


Folded.add_representer(
    str,
    lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None),
)


def text(content: object) -> str:
    """As it is committed."""
    return HEAD + yaml.dump(content, Dumper=Folded, sort_keys=False, width=1000)


def files(pace: Pace = REAL) -> dict[str, str]:
    """The text of each rules file by its name."""
    return {f"{group.name}.yml": text({"groups": [group.rendered(pace)]}) for group in GROUPS}


def in_cluster() -> str:
    """The text of the same rules as the Prometheus operator takes them."""
    return text(
        {
            "apiVersion": "monitoring.coreos.com/v1",
            "kind": "PrometheusRule",
            "metadata": {"name": "vurksha"},
            "spec": {"groups": [group.rendered(REAL) for group in GROUPS]},
        }
    )


def main() -> None:
    """Write them."""
    for name, rules in files().items():
        (RULES / name).write_text(rules)
    CLUSTER.write_text(in_cluster())


if __name__ == "__main__":
    main()

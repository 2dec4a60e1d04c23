"""What Alloy makes of the lines that replicas really write."""

import re

from tests.ops.watching.tools import ROOT, load

ALLOY = (ROOT / "ops/alloy/config.alloy").read_text()
LABELS = {"app", "level", "plugin", "instance", "color"}


def stage(name: str, field: str) -> str:
    """What stands behind the equals sign of a stage's field."""
    found = re.search(rf"stage\.{name} \{{\s+{field}\s*= ([^\n]+)", ALLOY)
    assert found, name
    return found[1]


def keys(text: str) -> dict[str, str]:
    """Of `{ a = "b" }`."""
    return dict(re.findall(r'(\w+)\s*=\s*"(\w*)"', text))


def test_labels_are_few_and_those_alone_are_kept() -> None:
    kept = set(re.findall(r'"(\w+)"', stage("label_keep", "values")))
    assert kept == LABELS
    assert set(keys(stage("labels", "values"))) | {"app", "instance", "color"} == kept
    most = load(ROOT / "ops/loki/loki.yaml")["limits_config"]["max_label_names_per_series"]
    assert len(kept) + 1 == most


def test_what_alloy_takes_from_a_line_is_taken_out_before_it_is_named_a_label() -> None:
    taken = set(keys(stage("json", "expressions")))
    for name, field in (("labels", "values"), ("structured_metadata", "values")):
        assert set(keys(stage(name, field))) <= taken
    assert '"at"' in stage("timestamp", "source")
    assert not set(keys(stage("structured_metadata", "values"))) & LABELS

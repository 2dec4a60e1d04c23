"""What no mocked provider minds, and AWS does: in which order things are made, and that each alarm tells somebody."""

import re
from pathlib import Path

MODULES = Path("ops/terraform/modules")
BLOCK = re.compile(r'^resource "(\w+)" "(\w+)" \{\n(.*?)^\}', re.MULTILINE | re.DOTALL)


def blocks(module: str) -> dict[str, str]:
    """The text of each resource, by its address."""
    text = "\n".join(path.read_text() for path in sorted(MODULES.glob(f"{module}/*.tf")))
    return {f"{kind}.{name}": body for kind, name, body in BLOCK.findall(text)}


def waits_for(body: str) -> set[str]:
    found = re.search(r"depends_on\s*=\s*\[(.*?)\]", body, re.DOTALL)
    return set(re.findall(r"[\w.]+", found[1])) if found else set()


def test_nodes_find_their_network_and_what_runs_on_nodes_finds_nodes() -> None:
    found = blocks("cluster")
    first, then = found["aws_eks_addon.first"], found["aws_eks_addon.then"]
    assert {"vpc-cni", "kube-proxy"} <= set(re.findall(r'"([\w-]+)"', first))
    assert not waits_for(first)
    assert "aws_eks_addon.first" in waits_for(found["aws_eks_node_group.shop"])
    assert {"coredns", "metrics-server"} <= set(re.findall(r'"([\w-]+)"', then))
    assert waits_for(then) == {"aws_eks_node_group.shop"}


def test_every_alarm_tells_somebody() -> None:
    alarms = {name: body for name, body in blocks("*").items() if name.startswith("aws_cloudwatch_metric_alarm.")}
    assert len(alarms) >= 5
    assert [name for name, body in alarms.items() if not re.search(r"^  alarm_actions +=", body, re.MULTILINE)] == []

"""What a shop of each size costs a month: `python -m ops.terraform.cost [--write]`. From sizes/ and prices.json.

With --write the table in README.md is replaced; a test compares it.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

HERE = Path(__file__).parent
BEGIN, END = "<!-- cost: made by ops/terraform/cost.py -->\n", "<!-- /cost -->\n"
NODE_DISK_GB, BROKER_DISK_GB, BROKER_NODES, ZONES, ENDPOINTS = 50, 200, 3, 3, 9
KEYS, SECRETS, ALARMS = 5, 11, 20
CHANGED_A_DAY = 0.05
"""Share of the database that WAL adds to its backups every day: a guess, the largest one here."""


def sizes() -> list[dict[str, Any]]:
    """From the smallest."""
    read = [json.loads(path.read_text())["size"] for path in HERE.glob("sizes/*.tfvars.json")]
    return sorted(read, key=lambda size: size["orders_per_day"])


def items(size: Mapping[str, Any], prices: Mapping[str, Any], days: int = 35) -> Iterator[tuple[str, str, float]]:
    """Each part: what, how much of it, US dollars a month."""
    hourly, monthly, gigabyte = prices["hourly_usd"], prices["monthly_usd"], prices["gb_usd"]
    hours, nodes, database, traffic = prices["hours_per_month"], size["nodes"], size["database"], size["traffic"]
    machines, disk = 2 + database["replicas"], database["storage_gb"]
    backups = disk * CHANGED_A_DAY * days
    compute = nodes["desired"] * (hourly[nodes["instance_type"]] * hours + NODE_DISK_GB * gigabyte["node_disk"])
    yield "Kubernetes", "EKS control plane", hourly["eks"] * hours
    yield "Nodes", f"{nodes['desired']} x {nodes['instance_type']}", compute
    yield (
        "PostgreSQL",
        f"{database['instance_class']}, two zones + {database['replicas']} copy, {disk} GB",
        machines * (hourly[database["instance_class"]] * hours + disk * gigabyte["database_disk"]),
    )
    cache = size["cache"]
    yield "Valkey", f"{cache['nodes']} x {cache['node_type']}", cache["nodes"] * hourly[cache["node_type"]] * hours
    broker = size["broker"]["instance_type"]
    each = hourly[broker] * hours + BROKER_DISK_GB * gigabyte["broker_disk"]
    yield "RabbitMQ", f"{BROKER_NODES} x {broker}", BROKER_NODES * each
    out = ZONES * (hourly["nat"] * hours + monthly["public_ip"]) + traffic["nat_gb"] * gigabyte["nat"]
    inside = ENDPOINTS * ZONES * hourly["endpoint"] * hours
    yield "Network", f"{ZONES} NAT, {ENDPOINTS} endpoints, balancer", out + inside + hourly["nlb"] * hours
    away = (disk + backups) * gigabyte["away_backup"] + disk * CHANGED_A_DAY * 30 * gigabyte["between_regions"]
    yield "Backups", f"{days} days here and away", backups * gigabyte["backup"] + away
    yield "Images", f"{traffic['images_gb']} GB out", traffic["images_gb"] * gigabyte["images"]
    small = KEYS * monthly["kms_key"] + SECRETS * monthly["secret"] + ALARMS * monthly["alarm"]
    yield "Logs, keys, alarms", f"{traffic['logs_gb']} GB of logs", traffic["logs_gb"] * gigabyte["logs"] + small


def table() -> str:
    """Markdown."""
    prices = json.loads((HERE / "prices.json").read_text())
    shops = sizes()
    bills = [list(items(size, prices)) for size in shops]
    heads = [f"{size['name']}: {size['orders_per_day']:,} orders a day" for size in shops]
    lines = [f"| USD a month | {' | '.join(heads)} |", f"| --- |{' ---: |' * len(shops)}"]
    for row in zip(*bills, strict=True):
        cells = [f"{dollars:,.0f} ({what})" for _, what, dollars in row]
        lines.append(f"| {row[0][0]} | {' | '.join(cells)} |")
    sums = [sum(dollars for _, _, dollars in bill) for bill in bills]
    rate, off = prices["inr_per_usd"], prices["precision_percent"]
    lines.append(f"| **All, USD** | {' | '.join(f'**{total:,.0f}**' for total in sums)} |")
    lines.append(f"| **All, INR** at {rate} | {' | '.join(f'**{total * rate:,.0f}**' for total in sums)} |")
    shares = [total * rate / (size["orders_per_day"] * 30) for total, size in zip(sums, shops, strict=True)]
    lines.append(f"| INR an order | {' | '.join(f'{share:.2f}' for share in shares)} |")
    words = (
        f"Prices of {prices['region']}, noted {prices['noted']}, **right to within {off} % at best**."
        f" {prices['source']} {prices['inr_source']}"
        " No support plan, no reserved capacity (which takes a third off what runs all the time)."
    )
    return "\n".join([*lines, "", words, ""])


def written(text: str) -> str:
    """README.md with this table in it."""
    readme = (HERE / "README.md").read_text()
    before, _, rest = readme.partition(BEGIN)
    return f"{before}{BEGIN}{text}{END}{rest.partition(END)[2]}"


def main() -> None:
    """Print, or write."""
    text = table()
    if "--write" in sys.argv:
        (HERE / "README.md").write_text(written(text))
    else:
        click.echo(text)


if __name__ == "__main__":
    main()

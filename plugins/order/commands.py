"""Commands for the `vurksha` program: the customer's journey as a demonstration."""

import asyncio

import click

from core.kernel import Kernel
from plugins.order.demo import Failed, play

JOURNAL = "messages.jsonl"
"""In the data folder: what development would have sent, one JSON object per line."""


def demo_command(kernel: Kernel) -> click.Command:
    """`vurksha demo`."""

    @click.command("demo", epilog="Example: vurksha demo --url http://127.0.0.1:8000")
    @click.option("--url", default="http://127.0.0.1:8000", show_default=True, help="Where the server listens.")
    def demo(url: str) -> None:
        """Play the customer's whole journey against a running development server, step by step."""
        if not kernel.settings.development:
            raise click.ClickException("the demonstration reads codes that only development writes down")
        try:
            asyncio.run(play(url, kernel.data_dir / JOURNAL))
        except Failed as failure:
            raise click.ClickException(str(failure)) from None

    return demo

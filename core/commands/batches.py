"""Work on many rows: a transaction per batch, at a rate, with progress. Stopped at any moment, nothing is half done."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import click

from core.commands.shared import progress

BATCH = 100
"""Rows of one transaction: few enough to name each in the audit log."""


async def in_batches(
    label: str, total: int, rate: int | None, step: Callable[[int], Awaitable[int]], resume: Callable[[], str]
) -> int:
    """Call `step` with how many rows it may take until it took none or `total` are done; how many that were.

    When it is stopped or fails midway, `resume` says how to go on.
    """
    size = BATCH if rate is None else min(BATCH, rate)
    done, began = 0, time.monotonic()
    try:
        with progress(label, total) as bar:
            while done < total and (count := await step(min(size, total - done))):
                done += count
                bar.update(count)
                if rate is not None and done < total:
                    await asyncio.sleep(max(0.0, began + done / rate - time.monotonic()))
    except BaseException:
        click.echo(
            f"stopped after {done} of {total}: what is done stays done, nothing is half done. {resume()}", err=True
        )
        raise
    return done

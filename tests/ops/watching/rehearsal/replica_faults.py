"""What goes wrong with replicas, and is mended at the end of the block."""

import asyncio
import random
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.ops.watching.rehearsal.scene import Scene
from tests.rogues.running import installed


@asynccontextmanager
async def other_settings(scene: Scene) -> AsyncIterator[None]:
    """A replica of the same release is started with other settings."""
    replica = await scene.third("odd", VURKSHA_ORDER__MINIMUM_PAISE="1")
    try:
        yield
    finally:
        replica.child.kill()
        scene.alone()


@asynccontextmanager
async def rogues(scene: Scene) -> AsyncIterator[None]:
    """A replica of the next release brings a plugin that sleeps on the loop and one that raises."""
    site = scene.world.folder / "site"
    with installed(site):
        env = scene.world.environment()
        replica = await scene.third(
            "next",
            VURKSHA_PLUGINS=f"{env['VURKSHA_PLUGINS']},blocks_loop,raises",
            VURKSHA_DEPLOY__RELEASE="next",
            VURKSHA_ISOLATION__BLOCKS="1000",  # the sleeper is named, and not put aside at once
            PYTHONPATH=f"{env['PYTHONPATH']}:{site}",
        )
        try:
            yield
        finally:
            replica.child.kill()
            scene.alone()


@asynccontextmanager
async def starved(scene: Scene) -> AsyncIterator[None]:
    """One replica's process gets no processor for most of the time."""

    async def stutter() -> None:
        while True:
            scene.two.child.signal(signal.SIGSTOP)
            await asyncio.sleep(random.uniform(0.2, 0.4))
            scene.two.child.signal(signal.SIGCONT)
            await asyncio.sleep(random.uniform(0.02, 0.1))

    starving = asyncio.create_task(stutter())
    try:
        yield
    finally:
        starving.cancel()
        await asyncio.wait({starving})
        scene.two.child.signal(signal.SIGCONT)


@asynccontextmanager
async def gone(scene: Scene) -> AsyncIterator[None]:
    """One replica is killed."""
    scene.two.child.kill()
    try:
        yield
    finally:
        scene.two.child.start()
        await scene.world.ready()


@asynccontextmanager
async def crashes(scene: Scene) -> AsyncIterator[None]:
    """One replica dies again and again."""

    async def dying() -> None:
        while True:
            await scene.two.ready()
            await asyncio.sleep(2.5)  # long enough to be seen
            scene.two.child.kill()
            scene.two.child.start()

    dies = asyncio.create_task(dying())
    try:
        yield
    finally:
        dies.cancel()
        await asyncio.wait({dies})
        await scene.world.ready()


@asynccontextmanager
async def none_left(scene: Scene) -> AsyncIterator[None]:
    """Every replica is killed."""
    for replica in scene.world.replicas.values():
        replica.child.kill()
    yield

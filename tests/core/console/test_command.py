"""Where `vurksha console` asks, and what it costs who does not use it."""

import asyncio
import subprocess
import sys
from pathlib import Path

import attrs
import click
import pytest

from core.console import asking
from core.console.asking import NoConsole, opened
from core.console.command import _url
from core.settings import OperationsSettings, Secret
from core.testing import settings_for
from tests.core.console.conftest import WHO, WHY

TOKEN = Secret("t" * 40)
COSTLY = "aiomonitor", "prompt_toolkit", "core.console.shell", "core.console.terminal"


@pytest.mark.parametrize(
    ("host", "port", "replica", "url"),
    [
        ("127.0.0.1", 9100, 0, "http://127.0.0.1:9100"),
        ("0.0.0.0", 9100, 2, "http://127.0.0.1:9102"),  # noqa: S104  nobody listens here
        ("::", 9100, 0, "http://127.0.0.1:9100"),
        ("::1", 9100, 0, "http://[::1]:9100"),
        ("ops.shop.example", 9100, 0, "http://ops.shop.example:9100"),
    ],
)
def test_it_asks_where_the_settings_say(host: str, port: int, replica: int, url: str, tmp_path: Path) -> None:
    settings = settings_for("postgresql:///none", "redis://none", tmp_path)
    said = OperationsSettings(host=host, port=port, token=TOKEN)
    assert _url(attrs.evolve(settings, operations=said), replica) == url


@pytest.mark.parametrize(("host", "port"), [("", 9100), ("127.0.0.1", 0)])
def test_where_the_settings_do_not_say_it_must_be_told(host: str, port: int, tmp_path: Path) -> None:
    settings = settings_for("postgresql:///none", "redis://none", tmp_path)
    with pytest.raises(click.ClickException, match="--url does"):
        _url(attrs.evolve(settings, operations=OperationsSettings(host=host, port=port, token=TOKEN)), 0)


async def answering(raw: bytes) -> tuple[asyncio.Server, str]:
    """Somebody who says this to whoever comes, and no more; nothing at all if it is empty."""

    async def met(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        if raw:
            writer.write(raw)
        else:
            await asyncio.sleep(1)
        writer.close()

    server = await asyncio.start_server(met, "127.0.0.1", 0)
    return server, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"", "did not answer within"),
        (b"SSH-2.0-sshd\r\n\r\n", "is no operations listener"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", "not as this version of the program does"),
        (b"HTTP/1.1 307 Go\r\nLocation: http://10.9.9.9/\r\nContent-Length: 5\r\n\r\nelse!", "else!"),
    ],
)
async def test_what_is_no_replica_is_told_in_plain_words(
    raw: bytes, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "PATIENCE", 0.5 if not raw else 20.0)
    server, url = await answering(raw)
    with pytest.raises(NoConsole, match=said):
        await opened(url, TOKEN, WHO, WHY)
    server.close()
    await asyncio.sleep(1 if not raw else 0)


def test_who_opens_none_pays_nothing_for_it() -> None:
    look = f"import sys, core.app, core.cli; print([one for one in {COSTLY} if one in sys.modules])"
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"

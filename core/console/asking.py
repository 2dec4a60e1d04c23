"""Asking a replica's operations listener for a console."""

from datetime import datetime
from ipaddress import ip_address
from urllib.parse import urlsplit

import aiohttp
import attrs
import orjson

from core.console.door import PATH
from core.settings import Secret

PATIENCE = 20.0
"""Seconds: the replica imports the console first, beside all else that it does."""


class NoConsole(Exception):
    """There is none to be had; the text says why and what to do."""


@attrs.frozen(kw_only=True)
class Opened:
    """A console that waits for its terminal."""

    socket: str
    key: str = attrs.field(repr=False)
    until: datetime
    audited: bool


def local(url: str, host: str) -> str:
    """The URL without its path. Raises NoConsole for one that leads elsewhere: it would be shown the token.

    `host` is where this machine's own replicas listen.
    """
    parts = urlsplit(url)
    try:
        here = parts.hostname in {host, "localhost"} or ip_address(parts.hostname or "").is_loopback
    except ValueError:
        here = False
    if parts.scheme not in {"http", "https"} or not here:
        raise NoConsole(f"{url} is not on this machine: run this where the replica runs")
    return f"{parts.scheme}://{parts.netloc}"


async def opened(url: str, token: Secret, who: str, reason: str) -> Opened:
    """Open one. Raises NoConsole."""
    headers = {"Authorization": f"Bearer {token.reveal()}"}
    limit, asked = aiohttp.ClientTimeout(total=PATIENCE), {"who": who, "reason": reason}
    try:
        async with (
            aiohttp.ClientSession(timeout=limit, headers=headers) as session,
            session.post(f"{url}{PATH}", data=orjson.dumps(asked), allow_redirects=False) as answer,
        ):
            status, body = answer.status, await answer.read()
    except aiohttp.ClientConnectionError:
        raise NoConsole(f"no replica answers at {url}: is one running? --url names another place") from None
    except TimeoutError:
        raise NoConsole(f"the replica at {url} did not answer within {PATIENCE:.0f} s: its loop may be held") from None
    except (aiohttp.ClientError, ValueError) as error:
        raise NoConsole(f"{url} is no operations listener: {type(error).__name__}") from None
    return _read(url, status, body)


def _read(url: str, status: int, body: bytes) -> Opened:
    if status == 401:  # noqa: PLR2004  by the listener's guard
        raise NoConsole(f"the replica at {url} refuses this token: it runs with another OPERATIONS_TOKEN")
    if status == 404:  # noqa: PLR2004  by whoever else listens there
        raise NoConsole(f"{url} has no console: is this a replica's operations listener, and not its public one?")
    if status != 200:  # noqa: PLR2004  the one good answer
        raise NoConsole(body.decode("utf-8", "replace").strip())
    try:
        said = orjson.loads(body)
        return Opened(**{**said, "until": datetime.fromisoformat(said["until"])})
    except (ValueError, LookupError, TypeError):
        raise NoConsole(f"{url} answers, but not as this version of the program does") from None

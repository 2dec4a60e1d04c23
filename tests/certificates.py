"""Servers' certificates that no machine trusts: each is its own authority, for 127.0.0.1 and no other name."""

import asyncio
import os
import ssl
import subprocess
from pathlib import Path

import asyncpg
import attrs

from core.store.embedded_programs import service_account


@attrs.frozen
class Certificate:
    """What a server shows, and its key."""

    file: Path
    key: Path

    @property
    def context(self) -> ssl.SSLContext:
        """For a server of Python's."""
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        made.load_cert_chain(self.file, self.key)
        return made


def certificate(folder: Path, name: str) -> Certificate:
    """Its key is readable by the account that runs PostgreSQL, as PostgreSQL wants it."""
    made = Certificate(folder / f"{name}.pem", folder / f"{name}.key")
    subprocess.run(
        ["openssl", "req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-days", "2",
         "-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1", "-out", made.file, "-keyout", made.key],
        check=True, capture_output=True,
    )  # fmt: skip
    made.key.chmod(0o600)
    if (account := service_account(None)) is not None:
        os.chown(made.key, account.uid, account.gid)
    return made


async def show(url: str, shown: Certificate) -> None:
    """Have a running PostgreSQL speak TLS with it. `url` is its superuser's."""
    connection = await asyncpg.connect(url)
    for name, value in (("ssl_cert_file", shown.file), ("ssl_key_file", shown.key), ("ssl", "on")):
        await connection.execute(f"ALTER SYSTEM SET {name} = '{value}'")
    await connection.execute("SELECT pg_reload_conf()")
    await connection.close()
    async with asyncio.timeout(10):
        while not await _speaks(url):
            await asyncio.sleep(0.02)


async def _speaks(url: str) -> bool:
    try:
        connection = await asyncpg.connect(url, ssl="require")
    except ConnectionError:  # it has not read its settings yet
        return False
    await connection.close()
    return True

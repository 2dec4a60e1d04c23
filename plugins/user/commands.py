"""Commands for the `vurksha` program: reading a development code, making the first administrator."""

from collections.abc import Sequence
from pathlib import Path

import click
import orjson

from core.audit import operator
from core.auth import Role
from core.cli import run
from core.kernel import Kernel
from plugins.user.models import masked, normal_phone
from plugins.user.service import UnknownPhone, UserService

JOURNAL = "messages.jsonl"
"""In the data folder: what development would have sent, one JSON object per line."""


def newest_code(lines: Sequence[bytes], phone: str) -> str | None:
    """The code of the last line of the journal that carries one for this phone."""
    for line in reversed(lines):
        try:
            entry = orjson.loads(line)
        except orjson.JSONDecodeError:  # a line that is being written right now
            continue
        if isinstance(entry, dict) and entry.get("to") == phone and entry.get("code"):
            return str(entry["code"])
    return None


def _phone(_: click.Context, __: click.Parameter, value: str) -> str:
    phone = normal_phone(value)
    if phone is None:
        raise click.BadParameter("must be an Indian mobile number: ten digits from 6-9, bare or with +91")
    return phone


def otp_command(kernel: Kernel) -> click.Command:
    """`vurksha otp PHONE`."""

    @click.command("otp", epilog="Example: vurksha otp 9876543210")
    @click.argument("phone", callback=_phone)
    def otp(phone: str) -> None:
        """Print the newest sign-in code for PHONE. Development only: elsewhere codes go to phones."""
        if not kernel.settings.development:
            raise click.ClickException("codes cannot be read in production")
        journal = Path(kernel.data_dir) / JOURNAL
        code = newest_code(journal.read_bytes().splitlines(), phone) if journal.exists() else None
        if code is None:
            raise click.ClickException(f"no code was sent to {masked(phone)}: ask with POST /api/v1/auth/send-otp")
        click.echo(code)

    return otp


def admin_command(kernel: Kernel, users: UserService) -> click.Command:
    """`vurksha admin grant PHONE`."""

    @click.group("admin")
    def admin() -> None:
        """Who may administer the shop."""

    @admin.command("grant", epilog="Example: vurksha admin grant 9876543210")
    @click.argument("phone", callback=_phone)
    @click.option("--role", type=click.Choice([role.value for role in Role]), default="ADMIN", show_default=True)
    def grant(phone: str, role: str) -> None:
        """Give the account with PHONE a role. It has to sign in again, since its sessions end."""

        async def work() -> None:
            await users.grant(phone, Role(role), operator())

        try:
            run(kernel, work)
        except UnknownPhone:
            raise click.ClickException(f"nobody has signed in with {masked(phone)} yet: sign in once first") from None
        click.echo(f"{masked(phone)} is {role} from the next sign-in on")

    return admin

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import orjson
import pytest
from click.testing import CliRunner

import plugins.user.commands
from core.audit import operator
from core.kernel import Kernel
from plugins.user.commands import admin_command, newest_code, otp_command
from plugins.user.service import UnknownPhone, UserService

PHONE = "+919876543210"


def kernel(data_dir: Path, *, development: bool = True) -> Kernel:
    """As much of a kernel as the commands look at."""
    return cast("Kernel", SimpleNamespace(settings=SimpleNamespace(development=development), data_dir=data_dir))


def line(to: str, **more: str) -> bytes:
    return orjson.dumps({"at": "2026-01-01T00:00:00Z", "channel": "sms", "to": to, "text": "...", **more})


def test_the_newest_code_of_the_phone_is_found_among_other_lines() -> None:
    lines = [
        line(PHONE, code="111111"),
        line(PHONE, code="222222"),
        line("+919876543211", code="333333"),
        line(PHONE),
        b'{"to": "+9198',
        b"[]",
    ]
    assert newest_code(lines, PHONE) == "222222"
    assert newest_code([], PHONE) is None


def test_otp_prints_the_code_alone(tmp_path: Path) -> None:
    (tmp_path / "messages.jsonl").write_bytes(line(PHONE, code="123456") + b"\n")
    result = CliRunner().invoke(otp_command(kernel(tmp_path)), ["9876543210"])
    assert (result.exit_code, result.output) == (0, "123456\n")


@pytest.mark.parametrize(
    ("development", "said"),
    [(True, "no code was sent to *********3210"), (False, "codes cannot be read in production")],
)
def test_otp_says_in_one_line_why_there_is_none(tmp_path: Path, development: bool, said: str) -> None:
    result = CliRunner().invoke(otp_command(kernel(tmp_path, development=development)), [PHONE])
    assert result.exit_code == 1
    assert said in result.output
    assert len(result.output.splitlines()) == 1


def test_a_phone_that_is_none_is_explained(tmp_path: Path) -> None:
    result = CliRunner().invoke(otp_command(kernel(tmp_path)), ["12345"])
    assert result.exit_code == 2
    assert "ten digits" in result.output


class Granting:
    """A user service that knows one phone."""

    def __init__(self) -> None:
        self.granted: list[tuple[str, str, str]] = []

    async def grant(self, phone: str, role: Any, actor: str) -> None:
        if phone != PHONE:
            raise UnknownPhone
        self.granted.append((phone, role.value, actor))


def test_a_role_is_granted_by_phone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(_: Kernel, work: Any) -> None:
        with pytest.raises(StopIteration):
            work().send(None)

    users = Granting()
    monkeypatch.setattr(plugins.user.commands, "run", run)
    command = admin_command(kernel(tmp_path), cast("UserService", users))
    assert CliRunner().invoke(command, ["grant", PHONE]).exit_code == 0
    result = CliRunner().invoke(command, ["grant", PHONE, "--role", "SUPPORT"])
    assert "*********3210 is SUPPORT" in result.output
    assert users.granted == [(PHONE, "ADMIN", operator()), (PHONE, "SUPPORT", operator())]


def test_a_role_for_nobody_is_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(_: Kernel, work: Any) -> None:
        work().send(None)

    monkeypatch.setattr(plugins.user.commands, "run", run)
    result = CliRunner().invoke(
        admin_command(kernel(tmp_path), cast("UserService", Granting())), ["grant", "9876543211"]
    )
    assert result.exit_code == 1
    assert "sign in once first" in result.output

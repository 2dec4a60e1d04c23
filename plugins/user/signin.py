"""Signing in: a code is sent to a phone, the code used once makes an account and a session (RELIABILITY 4.5)."""

from collections.abc import Callable, Sequence
from uuid import UUID

from core.auth import TokenIssuer
from core.context import cause
from core.errors import RATE_LIMITED, Problem
from core.store.db import Refused, Row
from core.types import uuid7
from plugins.user.code_queries import Attempt, Codes
from plugins.user.codes import CodeBook, new_code
from plugins.user.counts import OK, REFUSED, Counts
from plugins.user.group_commit import GroupCommit
from plugins.user.models import PURPOSE_LOGIN, Device, SignedIn, TokenPair, address_key, phone_prefix
from plugins.user.ports import OTP_EXPIRED, OTP_INVALID
from plugins.user.queries import account
from plugins.user.settings import UserSettings
from plugins.user.tokens import RefreshToken, new_salt

MAX_AGENT = 300
GRACE = 120
"""Seconds in which a lost answer may be asked for again, as with a refresh (RELIABILITY 4.4)."""


class SignIn:
    """Two calls, each one SQL function in one round trip. Codes that come together are verified in one transaction.

    Phones are in the normal form.
    """

    def __init__(
        self,
        codes: Codes,
        book: CodeBook,
        settings: UserSettings,
        tokens: TokenIssuer,
        poke: Callable[[], None],
        counts: Counts | None = None,
    ) -> None:
        self._codes, self._book, self._tokens, self._poke = codes, book, tokens, poke
        self._counts = counts or Counts()
        self._send_limits = (
            settings.code_lifetime,
            settings.code_cooldown,
            settings.sends_per_phone_hour,
            settings.sends_per_phone_day,
            settings.sends_per_device_hour,
            settings.sends_per_address_hour,
            settings.sends_per_prefix_hour,
            settings.sends_per_second,
            settings.sends_per_day,
            settings.strict_divisor,
        )
        self._verify_limits = (
            settings.code_attempts,
            settings.code_failures_per_hour,
            settings.code_failures_per_day,
            settings.refresh_idle_days,
            settings.refresh_absolute_days,
            settings.max_sessions,
        )
        self._attempts = GroupCommit(self._verify)
        self.code_lifetime = settings.code_lifetime

    async def send(self, phone: str, device: Device, client: str) -> int:
        """Queue a code for the phone, known or not; the seconds until the next may be asked for.

        Within the cool-down nothing is sent. Raises RATE_LIMITED with the seconds to wait.
        """
        challenge, code = uuid7(), new_code()
        try:
            row = await self._codes.send(
                challenge,
                phone,
                PURPOSE_LOGIN,
                self._book.fingerprint(phone, PURPOSE_LOGIN, code),
                self._book.seal(challenge.bytes, code),
                device.id,
                address_key(client),
                phone_prefix(phone),
                *self._send_limits,
            )
        except Refused as refused:
            wait = int(refused.detail["retryIn"])
            self._counts.codes_sent.add(REFUSED)
            raise Problem(RATE_LIMITED, "Too many codes were asked for. Please wait.", retry_after=wait) from None
        if row["queued"]:
            self._poke()
        return int(row["retry_in"])

    async def verify(self, phone: str, code: str, device: Device, client: str, agent: str) -> SignedIn:
        """Use a code: a session, and at the first time the account. Emits user.created v1.

        An account that was closed less than 24 hours ago is open again. Emits user.restored v1.

        The same code again from the same device within two minutes gets the same session: the app repeats what was not
        answered. A client that names no device is known by its address and program. Raises OTP_INVALID or OTP_EXPIRED,
        alike for phones that are known and those that are not.
        """
        fingerprint, session_id, salt = self._book.fingerprint(phone, PURPOSE_LOGIN, code), uuid7(), new_salt()
        refresh = self._first_token(session_id, salt)
        attempt = Attempt(
            phone=phone,
            fingerprint=fingerprint,
            user_id=uuid7(),
            session_id=session_id,
            token_hash=refresh.hash,
            salt=salt,
            device_id=device.id,
            device_name=device.name,
            device_type=device.kind,
            address=client,
            user_agent=agent[:MAX_AGENT].encode(errors="replace").decode(),  # a header's bytes need not be UTF-8
            event_id=uuid7(),
            correlation_id=cause.get().correlation_id,
        )
        row = await self._attempts.ask(attempt)
        if row["outcome"] == "OK":
            self._counts.sign_ins.add(OK)
            return self._signed_in(row, session_id, refresh, is_restored=row["is_restored"])
        again = await self._again(attempt) if row["outcome"] == "EXPIRED" else None
        if again is None:
            self._counts.sign_ins.add(REFUSED)
            raise Problem(OTP_EXPIRED if row["outcome"] == "EXPIRED" else OTP_INVALID)
        return again

    async def _verify(self, attempts: Sequence[Attempt]) -> Sequence[Row | None]:
        return await self._codes.verify(attempts, PURPOSE_LOGIN, *self._verify_limits)

    async def _again(self, attempt: Attempt) -> SignedIn | None:
        """The sign-in that this is a repeat of, if it is one."""
        who = attempt.device_id, attempt.address, attempt.user_agent
        row = await self._codes.repeat(attempt.phone, PURPOSE_LOGIN, attempt.fingerprint, *who, GRACE)
        if row is None:
            return None
        refresh = self._first_token(row["session_id"], row["salt"])
        if refresh.hash != row["token_hash"]:  # of a release that drew it by lot
            return None
        return self._signed_in(row, row["session_id"], refresh, is_restored=False)

    def _first_token(self, session_id: UUID, salt: bytes) -> RefreshToken:
        return RefreshToken(self._book.first_token(session_id.bytes, salt))

    def _signed_in(self, row: Row, session_id: UUID, refresh: RefreshToken, *, is_restored: bool) -> SignedIn:
        access = self._tokens.issue(row["id"], session_id, row["role"])
        pair = TokenPair(access_token=access, refresh_token=refresh.text, expires_in=self._tokens.lifetime)
        who = account(row, active=True)
        return SignedIn(account=who, is_new=row["is_new"], is_restored=is_restored, tokens=pair)

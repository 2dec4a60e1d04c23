"""Push through Firebase Cloud Messaging, HTTP v1.

https://firebase.google.com/docs/reference/fcm/rest/v1/projects.messages and, for the access token,
https://developers.google.com/identity/protocols/oauth2/service-account (RFC 7523).
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import jwt
import orjson

from plugins.notification.channels.http import Answer, Http, refusal
from plugins.notification.ports import Message, NotSent, Permanent, Sent, Temporary

PROVIDER = "fcm"
SCOPE = "https://www.googleapis.com/auth/firebase.messaging"
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
ASSERTION_LIFE = 3600
"""Seconds; Google takes no more."""
EARLY = 300
"""Seconds before its end that an access token is replaced."""
ERROR_TYPE = "type.googleapis.com/google.firebase.fcm.v1.FcmError"
VIOLATION_TYPE = "type.googleapis.com/google.rpc.BadRequest"


@attrs.frozen(kw_only=True)
class ServiceAccount:
    """The parts of Google's key file that are needed here."""

    project_id: str
    client_email: str
    private_key_id: str
    private_key: str = attrs.field(repr=False)

    @classmethod
    def read(cls, text: str) -> "ServiceAccount":
        """Raises ValueError, which names what is missing and shows nothing of what is there."""
        try:
            value = orjson.loads(text)
        except orjson.JSONDecodeError:
            raise ValueError("is not JSON") from None
        names = [field.name for field in attrs.fields(cls)]
        missing = [n for n in names if not isinstance(value, dict) or not isinstance(value.get(n), str)]
        if missing:
            raise ValueError(f"is no service account key file: {', '.join(missing)} missing")
        return cls(**{name: value[name] for name in names})


class AccessTokens:
    """Google's access token for the account: asked for by whoever needs it first, kept until shortly before its end."""

    def __init__(self, http: Http, account: ServiceAccount, token_url: str) -> None:
        self._http, self._account, self._url = http, account, token_url
        self._token, self._until = "", 0.0
        self._lock = asyncio.Lock()
        self._renewals = 0
        self._refusal: Temporary | None = None
        """What came of the last renewal, when that was no token."""

    async def get(self) -> str:
        """Raises Temporary when Google gives none.

        Whoever waited for another's renewal takes what came of it, a failure too: were each to ask again, the last of
        many would wait longer than its lease.
        """
        seen = self._renewals
        async with self._lock:
            if seen == self._renewals and time.monotonic() >= self._until:
                await self._renew()
            if self._refusal is not None:
                raise Temporary(PROVIDER, self._refusal.reason, retry_after=self._refusal.retry_after)
            return self._token

    def drop(self, token: str) -> None:
        """It was refused: ask for another next time."""
        if token == self._token:
            self._until = 0.0

    async def _renew(self) -> None:
        try:
            await self._ask()
        except Temporary as refusal:
            self._refusal = refusal
        else:
            self._refusal = None
        self._renewals += 1

    async def _ask(self) -> None:
        asked = time.monotonic()
        form = {"grant_type": GRANT, "assertion": self._assertion()}
        answer = await self._http.post(PROVIDER, self._url, headers={}, form=form)
        token, life = answer.body.get("access_token"), answer.body.get("expires_in")
        if answer.status != 200 or not isinstance(token, str) or not isinstance(life, int):  # noqa: PLR2004  the protocol's own numbers
            raise Temporary(PROVIDER, "no_access_token", retry_after=answer.retry_after)
        self._token, self._until = token, asked + max(0, life - EARLY)

    def _assertion(self) -> str:
        account, now = self._account, int(time.time())
        times = {"iat": now, "exp": now + ASSERTION_LIFE}
        claims = {"iss": account.client_email, "scope": SCOPE, "aud": self._url, **times}
        return jwt.encode(claims, account.private_key, algorithm="RS256", headers={"kid": account.private_key_id})


class Fcm:
    """A channel for push."""

    def __init__(self, http: Http, account: ServiceAccount, *, url: str, token_url: str) -> None:
        self._http, self._tokens = http, AccessTokens(http, account, token_url)
        self._url = f"{url}/v1/projects/{account.project_id}/messages:send"

    async def send(self, message: Message) -> Sent:
        """One message to one device."""
        token = await self._tokens.get()
        answer = await self._http.post(
            PROVIDER, self._url, headers={"Authorization": f"Bearer {token}"}, json={"message": _body(message)}
        )
        if answer.status == 200:  # noqa: PLR2004  the protocol's own numbers
            return Sent(PROVIDER, str(answer.body.get("name", "")))
        if answer.status == 401:  # noqa: PLR2004  UNAUTHENTICATED: the next attempt takes a new token
            self._tokens.drop(token)
        raise _problem(answer)


def _body(message: Message) -> dict[str, Any]:
    """`tag` and `apns-collapse-id` let a phone fold the repeat of a message into the first."""
    return {
        "token": message.to,
        "notification": {"title": message.title, "body": message.text},
        "data": dict(message.data),
        "android": {"priority": "HIGH", "ttl": f"{message.expires_in}s", "notification": {"tag": message.key}},
        "apns": {
            "headers": {
                "apns-priority": "10",
                "apns-collapse-id": message.key,
                "apns-expiration": str(int(time.time()) + message.expires_in),
            },
            "payload": {"aps": {"sound": "default"}},
        },
    }


def _problem(answer: Answer) -> NotSent:
    """Google's error codes: https://firebase.google.com/docs/reference/fcm/rest/v1/ErrorCode."""
    error = answer.body.get("error")
    details = error.get("details") if isinstance(error, dict) else None
    found = [d for d in details if isinstance(d, dict)] if isinstance(details, list) else []
    code = next((d.get("errorCode") for d in found if d.get("@type") == ERROR_TYPE), None)
    if code in ("UNREGISTERED", "SENDER_ID_MISMATCH"):
        return Permanent(PROVIDER, code.lower(), dead_address=True)
    if answer.status == 400:  # noqa: PLR2004  INVALID_ARGUMENT: the token, or a message of ours that was built badly
        return Permanent(PROVIDER, "invalid_argument", dead_address=code is not None and _names_token(found))
    return refusal(PROVIDER, answer)


def _names_token(details: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the token is what was refused: it is named, or nothing else is."""
    lists = [d.get("fieldViolations") for d in details if d.get("@type") == VIOLATION_TYPE]
    fields = [v.get("field") for several in lists if isinstance(several, list) for v in several if isinstance(v, dict)]
    return not fields or "message.token" in fields

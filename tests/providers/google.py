"""Google's token endpoint and FCM HTTP v1, as strict as the real ones where our requests could go wrong.

https://developers.google.com/identity/protocols/oauth2/service-account
https://firebase.google.com/docs/reference/fcm/rest/v1/projects.messages
"""

import secrets
from typing import Any

import jwt
import orjson
from aiohttp import web
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.providers.server import Provider

PROJECT = "farm-shop"
EMAIL = "push@farm-shop.iam.gserviceaccount.com"
FCM_ERROR = "type.googleapis.com/google.firebase.fcm.v1.FcmError"
BAD_REQUEST = "type.googleapis.com/google.rpc.BadRequest"
ALLOWED = {
    "": {"token", "notification", "data", "android", "apns", "webpush", "fcm_options"},
    "notification": {"title", "body", "image"},
    "android": {"collapse_key", "priority", "ttl", "restricted_package_name", "data", "notification"},
    "apns": {"headers", "payload", "fcm_options"},
}


class Google(Provider):
    """Keeps what it delivered. Tokens in `gone`, `foreign` or `odd` are refused in Google's words."""

    def __init__(self) -> None:
        super().__init__()
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.delivered: list[dict[str, Any]] = []
        self.gone: set[str] = set()
        self.foreign: set[str] = set()
        self.odd: set[str] = set()
        self.token_calls = 0
        self.lifetime = 3599
        self.access: set[str] = set()

    def account(self) -> str:
        """The service account's key file."""
        pem = self._key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        names = {"project_id": PROJECT, "client_email": EMAIL, "private_key_id": "key-1", "private_key": pem.decode()}
        return orjson.dumps({"type": "service_account", **names}).decode()

    def routes(self) -> list[web.RouteDef]:
        """Both services under one address."""
        send = f"/v1/projects/{PROJECT}/messages:send"
        return [web.post("/token", self._token), web.post(send, self._send)]

    async def _token(self, request: web.Request) -> web.Response:
        self.token_calls += 1
        form = await request.post()
        if form.get("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer":
            return web.json_response({"error": "unsupported_grant_type"}, status=400)
        try:
            claims = jwt.decode(
                str(form["assertion"]),
                self._key.public_key(),
                algorithms=["RS256"],
                audience=f"{self.url}/token",
                issuer=EMAIL,
                options={"require": ["iss", "scope", "aud", "iat", "exp"]},
            )
        except jwt.InvalidTokenError:
            return web.json_response({"error": "invalid_grant"}, status=400)
        scoped = claims["scope"] == "https://www.googleapis.com/auth/firebase.messaging"
        if not scoped or claims["exp"] - claims["iat"] > 3600:
            return web.json_response({"error": "invalid_scope"}, status=400)
        token = secrets.token_urlsafe(16)
        self.access.add(token)
        return web.json_response({"access_token": token, "expires_in": self.lifetime, "token_type": "Bearer"})

    async def _send(self, request: web.Request) -> web.Response:
        if request.headers.get("Authorization", "").removeprefix("Bearer ") not in self.access:
            return _error(401, "UNAUTHENTICATED", [])
        message = (await request.json()).get("message")
        wrong = _wrong(message)
        if wrong:
            return _error(400, "INVALID_ARGUMENT", [_violation(wrong)])
        token = message["token"]
        if token in self.gone:
            return _error(404, "NOT_FOUND", [_fcm("UNREGISTERED")])
        if token in self.foreign:
            return _error(403, "PERMISSION_DENIED", [_fcm("SENDER_ID_MISMATCH")])
        if token in self.odd:
            return _error(400, "INVALID_ARGUMENT", [_fcm("INVALID_ARGUMENT"), _violation("message.token")])
        self.delivered.append(message)
        return web.json_response({"name": f"projects/{PROJECT}/messages/{len(self.delivered)}"})


def _wrong(message: Any) -> str | None:
    """The first field that FCM would refuse."""
    if not isinstance(message, dict) or not isinstance(message.get("token"), str):
        return "message.token"
    for part, allowed in ALLOWED.items():
        value = message if not part else message.get(part, {})
        if not isinstance(value, dict) or set(value) - allowed:
            return f"message.{part}"
    if any(not isinstance(value, str) for value in message.get("data", {}).values()):
        return "message.data[0].value"
    ttl = message.get("android", {}).get("ttl", "0s")
    if not (isinstance(ttl, str) and ttl.endswith("s") and 0 <= float(ttl[:-1]) <= 2_419_200):
        return "message.android.ttl"
    headers = message.get("apns", {}).get("headers", {})
    if any(not isinstance(value, str) for value in headers.values()) or len(headers.get("apns-collapse-id", "")) > 64:
        return "message.apns.headers"
    return None


def _fcm(code: str) -> dict[str, Any]:
    return {"@type": FCM_ERROR, "errorCode": code}


def _violation(field: str) -> dict[str, Any]:
    return {"@type": BAD_REQUEST, "fieldViolations": [{"field": field, "description": f"Invalid value at '{field}'"}]}


def _error(status: int, name: str, details: list[dict[str, Any]]) -> web.Response:
    body = {"error": {"code": status, "message": "refused", "status": name, "details": details}}
    return web.json_response(body, status=status)

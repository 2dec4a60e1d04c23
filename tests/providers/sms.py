"""MSG91's flow API v5, as far as its public page tells, and the plain gateway beside it.

https://control.msg91.com/apidoc/textsms/send-sms-flow.php
"""

import re
import secrets
from typing import Any

from aiohttp import web

from tests.providers.server import Provider

AUTHKEY = "m" * 32
KEY = "g" * 32
FLOW = "flow-1"


class Msg91Server(Provider):
    """Answers errors as MSG91 does: a type and a text, mostly with status 200."""

    def __init__(self) -> None:
        super().__init__()
        self.delivered: list[dict[str, Any]] = []
        self.bad_numbers: set[str] = set()

    def routes(self) -> list[web.RouteDef]:
        """One."""
        return [web.post("/api/v5/flow", self._flow)]

    async def _flow(self, request: web.Request) -> web.Response:
        if request.headers.get("authkey") != AUTHKEY:
            return _said("error", "Authentication failure", 401)
        body = await request.json()
        if not str(body.get("template_id", "")).startswith("flow-"):
            return _said("error", "template id missing")
        for recipient in body["recipients"]:
            mobile = recipient.get("mobiles", "")
            if not re.fullmatch(r"91[6-9]\d{9}", mobile) or mobile in self.bad_numbers:
                return _said("error", "Please provide valid mobile number")
        self.delivered += [{"template_id": body["template_id"], **recipient} for recipient in body["recipients"]]
        return _said("success", secrets.token_hex(12))


class GatewayServer(Provider):
    """POST /messages with a bearer key."""

    def __init__(self) -> None:
        super().__init__()
        self.delivered: list[dict[str, Any]] = []
        self.bad_numbers: set[str] = set()

    def routes(self) -> list[web.RouteDef]:
        """One."""
        return [web.post("/messages", self._take)]

    async def _take(self, request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != f"Bearer {KEY}":
            return web.json_response({"error": "key"}, status=401)
        body = await request.json()
        if not re.fullmatch(r"\+91[6-9]\d{9}", body["to"]) or body["to"] in self.bad_numbers:
            return web.json_response({"error": "number"}, status=422)
        self.delivered.append(body)
        return web.json_response({"id": secrets.token_hex(8)}, status=202)


def _said(kind: str, text: str, status: int = 200) -> web.Response:
    return web.json_response({"type": kind, "message": text}, status=status)

"""Routes through which customers get a copy of their data (RELIABILITY 4.15)."""

from typing import Any

import attrs

from core.convert import wire
from core.errors import NOT_FOUND, not_found
from core.http.routing import LIVE_USER, Call, Encoded, Repeat, Reply, Route
from core.privacy.exports import ExportStatus
from plugins.user.personal import PersonalAccounts


@attrs.frozen(kw_only=True)
class ExportAnswer:
    """A copy and how far it is; null when none was asked for or the last one has expired."""

    export: ExportStatus | None


@attrs.frozen(kw_only=True)
class ExportDocument:
    """A copy with what it holds: `document` is null until it is made."""

    export: ExportStatus
    document: dict[str, Any] | None


class PersonalRoutes:
    """Handlers of copies. Each asks for the session as the database has it: a revoked token gets nothing."""

    def __init__(self, personal: PersonalAccounts) -> None:
        self._personal = personal

    async def request(self, call: Call[None, None]) -> ExportAnswer:
        """Handles POST /users/me/export."""
        return ExportAnswer(export=await self._personal.request_export(call.tx, call.principal.user_id))

    async def latest(self, call: Call[None, None]) -> ExportAnswer:
        """Handles GET /users/me/export."""
        return ExportAnswer(export=await self._personal.latest_export(call.principal.user_id))

    async def read(self, call: Call[None, None]) -> Reply:
        """Handles GET /users/me/export/{export_id}."""
        found = await self._personal.export(call.principal.user_id, call.uuid("export_id"))
        if found is None:
            raise not_found("Export")
        status, text = found
        data = b'{"export":%b,"document":%b}' % (wire.dump(status), (text or "null").encode())
        return Reply(data=Encoded(data))

    def table(self) -> tuple[Route, ...]:
        """The routes."""
        path = "/users/me/export"
        return (
            Route(
                method="POST",
                path=path,
                policy=LIVE_USER,
                handler=self.request,
                answer=ExportAnswer,
                status=202,
                summary="Have a copy of my data made",
                repeat=Repeat.NATURAL,
            ),
            Route(
                method="GET",
                path=path,
                policy=LIVE_USER,
                handler=self.latest,
                answer=ExportAnswer,
                summary="How far the copy of my data is",
            ),
            Route(
                method="GET",
                path=f"{path}/{{export_id:uuid}}",
                policy=LIVE_USER,
                handler=self.read,
                answer=ExportDocument,
                summary="The copy of my data",
                errors=(NOT_FOUND,),
            ),
        )

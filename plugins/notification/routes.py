"""Notifications over HTTP (CONTRACT A.7, B.7, C.8)."""

from functools import partial
from typing import Annotated

import attrs

from core.errors import NOT_FOUND
from core.http.fields import OneOf, Text, Whole
from core.http.routing import USER, Call, Repeat, Reply, Route
from plugins.notification.models import EntryView, Preferences
from plugins.notification.service import NotificationService


@attrs.frozen(kw_only=True)
class ListQuery:
    """Which part of the list."""

    page: Annotated[int, Whole(1, 100_000)] = 1
    limit: Annotated[int, Whole(1, 100)] = 20
    unread: bool = False


@attrs.frozen(kw_only=True)
class ListAnswer:
    """A page of entries, newest first."""

    notifications: list[EntryView]


@attrs.frozen(kw_only=True)
class CountAnswer:
    """How many wait to be read."""

    count: int


@attrs.frozen(kw_only=True)
class DoneAnswer:
    """What was done, for a person."""

    message: str


@attrs.frozen(kw_only=True)
class DoneCountAnswer:
    """What was done, and to how many."""

    message: str
    count: int


@attrs.frozen(kw_only=True)
class DeviceBody:
    """A device that wants pushes. It gets them until the session ends: register it again after each sign-in."""

    token: Annotated[str, Text(1, 4096, pattern=r"[\x21-\x7e]+", hint="must be visible ASCII characters")]
    platform: Annotated[str, OneOf(("ios", "android", "web"))]


@attrs.frozen(kw_only=True)
class PreferencesBody:
    """Switches to set; those not named stay as they are."""

    push_enabled: bool | None = None
    email_enabled: bool | None = None
    sms_enabled: bool | None = None
    order_updates: bool | None = None
    promotional_offers: bool | None = None
    delivery_alerts: bool | None = None


@attrs.frozen(kw_only=True)
class PreferencesAnswer:
    """All switches."""

    preferences: Preferences


class Handlers:
    """Five lines each: the service knows the rules."""

    def __init__(self, service: NotificationService) -> None:
        self._service = service

    async def list(self, call: Call[None, ListQuery]) -> Reply:
        """GET /notifications."""
        query = call.query
        entries, pagination = await self._service.page(
            call.principal.user_id, query.page, query.limit, unread=query.unread
        )
        return Reply(data=ListAnswer(notifications=entries), pagination=pagination)

    async def count(self, call: Call[None, None]) -> CountAnswer:
        """GET /notifications/unread-count."""
        return CountAnswer(count=await self._service.unread(call.principal.user_id))

    async def read(self, call: Call[None, None]) -> DoneAnswer:
        """POST /notifications/{id}/read."""
        await self._service.read(call.principal.user_id, call.uuid("id"))
        return DoneAnswer(message="Marked as read.")

    async def read_all(self, call: Call[None, None]) -> DoneCountAnswer:
        """POST /notifications/read-all."""
        count = await self._service.read_all(call.principal.user_id)
        return DoneCountAnswer(message="All marked as read.", count=count)

    async def delete(self, call: Call[None, None]) -> DoneAnswer:
        """DELETE /notifications/{id}."""
        await self._service.delete(call.principal.user_id, call.uuid("id"))
        return DoneAnswer(message="Deleted.")

    async def clear(self, call: Call[None, None]) -> DoneCountAnswer:
        """DELETE /notifications."""
        return DoneCountAnswer(message="All deleted.", count=await self._service.clear(call.principal.user_id))

    async def register(self, call: Call[DeviceBody, None]) -> DoneAnswer:
        """POST /notifications/devices."""
        who, body = call.principal, call.body
        await self._service.register(who.user_id, who.session_id, body.token, body.platform)
        return DoneAnswer(message="This device will get notifications.")

    async def unregister(self, call: Call[None, None]) -> DoneAnswer:
        """DELETE /notifications/devices/{token}."""
        await self._service.unregister(call.principal.user_id, call.text("token"))
        return DoneAnswer(message="This device will get no more notifications.")

    async def preferences(self, call: Call[None, None]) -> PreferencesAnswer:
        """GET /notifications/preferences."""
        return PreferencesAnswer(preferences=await self._service.preferences(call.principal.user_id))

    async def change(self, call: Call[PreferencesBody, None]) -> PreferencesAnswer:
        """PUT /notifications/preferences."""
        changes = {name: value for name, value in attrs.asdict(call.body).items() if value is not None}
        return PreferencesAnswer(preferences=await self._service.change_preferences(call.principal.user_id, changes))


def routes(service: NotificationService) -> tuple[Route, ...]:
    """The table. Every write here may be repeated as it is."""
    do = Handlers(service)
    base, one, choices = "/notifications", "/notifications/{id:uuid}", "/notifications/preferences"

    read = partial(Route, method="GET", policy=USER)
    write = partial(Route, policy=USER, repeat=Repeat.NATURAL)
    done, many = DoneAnswer, DoneCountAnswer
    return (
        read(
            path=base,
            handler=do.list,
            answer=ListAnswer,
            query=ListQuery,
            paged=True,
            summary="What happened, newest first",
        ),
        read(path=f"{base}/unread-count", handler=do.count, answer=CountAnswer, summary="How many wait to be read"),
        write(
            method="POST",
            path=f"{one}/read",
            handler=do.read,
            answer=done,
            errors=(NOT_FOUND,),
            summary="Mark one as read",
        ),
        write(method="POST", path=f"{base}/read-all", handler=do.read_all, answer=many, summary="Mark all as read"),
        write(method="DELETE", path=one, handler=do.delete, answer=done, errors=(NOT_FOUND,), summary="Delete one"),
        write(method="DELETE", path=base, handler=do.clear, answer=many, summary="Delete all"),
        write(
            method="POST",
            path=f"{base}/devices",
            handler=do.register,
            body=DeviceBody,
            status=201,
            answer=done,
            summary="Send pushes to this device",
        ),
        write(
            method="DELETE",
            path=f"{base}/devices/{{token}}",
            handler=do.unregister,
            answer=done,
            summary="Send no more pushes to this device",
        ),
        read(path=choices, handler=do.preferences, answer=PreferencesAnswer, summary="What may be sent, and how"),
        write(
            method="PUT",
            path=choices,
            handler=do.change,
            body=PreferencesBody,
            answer=PreferencesAnswer,
            summary="Change some switches",
        ),
    )

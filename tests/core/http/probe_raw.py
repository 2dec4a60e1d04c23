"""The probe's route for raw bytes, and the answer of all its routes."""

import attrs

from core.http.routing import PUBLIC, Call, Raw, Repeat, Route


@attrs.frozen(kw_only=True)
class Said:
    """An answer."""

    text: str


async def raw(call: Call[None, None]) -> Said:
    """Byte for byte, and a header."""
    assert call.sent is not None
    return Said(text=f"{call.sent.body!r} {call.sent.headers.get('x-proof')}")


RAW = Route(
    method="POST",
    path="/probe/raw",
    policy=PUBLIC,
    handler=raw,
    answer=Said,
    summary="Bytes as they were sent",
    raw=Raw(max_body=100, rate=4),
    repeat=Repeat.NATURAL,
)

"""The encoded answers in Redis, which reads are sent from.

A copy says whose it is, which version of the cart it shows, in which form and at which revision of the catalogue it was
priced, and when PostgreSQL last confirmed it. It can lag behind PostgreSQL in one way only: Redis did not take a newer
one. So a replica marks the carts it could not write, tells the others through PostgreSQL, and none of them reads such a
copy until it has dropped it; and no replica takes a copy's word for longer than a minute.
"""

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import UUID

import attrs
import orjson

from core.store.redis import RedisDown, RedisRefused
from core.types import UserId
from plugins.cart.models import Cart
from plugins.product.ports import ProductId

if TYPE_CHECKING:
    from core.store.redis import Redis

KEY = b"cart:"
LIFETIME = 7 * 86_400
"""Seconds after the last write (CONTRACT B.5)."""
TRUSTED = 60
"""Seconds after which a copy is compared with PostgreSQL again (RELIABILITY 4.8: right without invalidation)."""
GONE = b"-"
GONE_FOR = 5
"""Seconds for which a dropped copy stays dropped: longer than any request that read the old cart may still run (3)."""

FIELDS = 4
AWAY = (RedisDown, RedisRefused)
"""Redis is away, or there but unwilling: full, loading, read-only."""

# KEYS the copy's key; ARGV the copy, its version, seconds to live. The head of a copy is shorter than 120 bytes.
STORE = b"""
local held = redis.call('GETRANGE', KEYS[1], 0, 119)
if held == '-' then return 0 end
local version = string.match(held, '^%S+ (%d+) ')
if version and tonumber(version) > tonumber(ARGV[2]) then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[3])
return 1
"""


@attrs.frozen(kw_only=True)
class Copy:
    """A copy that is the user's own."""

    version: int
    revision: bytes
    read_at: float
    json: bytes

    @property
    def trusted(self) -> bool:
        """Whether PostgreSQL confirmed it within the last minute."""
        return abs(time.time() - self.read_at) < TRUSTED

    def cart(self) -> Cart:
        """The lines out of the encoded answer."""
        seen = orjson.loads(self.json)["cart"]
        return Cart(
            version=self.version,
            lines={ProductId(UUID(item["productId"])): item["quantity"] for item in seen["items"]},
            updated_at=datetime.fromisoformat(seen["updatedAt"]),
            read_at=self.read_at,
        )


class Copies:
    """Copies by user. Nothing here fails when Redis is away: reads find nothing, writes are made good later."""

    def __init__(self, redis: "Redis") -> None:
        self._redis = redis
        self._store = redis.script(STORE)
        self._unsure: dict[UserId, float] = {}

    async def get(self, user_id: UserId) -> Copy | None:
        """The user's copy, if there is one to go by."""
        if user_id in self._unsure:
            return None
        key = self._redis.key(KEY, user_id)
        try:
            found = await self._redis.call(b"GET", key)
        except AWAY:
            return None
        if not isinstance(found, bytes) or found == GONE:
            return None
        head, _, json = found.partition(b"\n")
        fields = head.split(b" ")
        if len(fields) != FIELDS or fields[0] != key:
            return None
        _, version, revision, read_at = fields
        return Copy(version=int(version), revision=revision, read_at=float(read_at), json=json)

    async def put(self, user_id: UserId, cart: Cart, json: bytes, revision: bytes) -> bool:
        """Store an answer unless a newer one is there. False where Redis may still hold an older one."""
        key = self._redis.key(KEY, user_id)
        version = b"%d" % cart.version
        age = (datetime.now(UTC) - cart.updated_at).total_seconds()
        live = b"%d" % max(TRUSTED, LIFETIME - age)
        head = b"%s %s %s %.3f\n" % (key, version, revision, cart.read_at)
        try:
            await self._store([key], [head + json, version, live])
        except AWAY:
            self.distrust(user_id)
            return False
        return True

    async def drop(self, user_id: UserId) -> bool:
        """Take a copy away, and keep answers that are under way from putting an older one in its place; as `put`."""
        if await self._dropped(user_id):
            return True
        self.distrust(user_id)
        return False

    def distrust(self, user_id: UserId) -> None:
        """Read no copy of this cart before one was dropped."""
        self._unsure[user_id] = time.monotonic()

    async def erase(self, user_id: UserId) -> None:
        """Delete a copy for good. Raises RedisDown or RedisRefused."""
        await self._redis.call(b"DEL", self._redis.key(KEY, user_id))
        self._unsure.pop(user_id, None)

    async def make_good(self) -> None:
        """Drop the copies that Redis could not replace. After a minute nobody trusts those: they may be forgotten."""
        for user_id, since in list(self._unsure.items()):
            if time.monotonic() - since < TRUSTED + GONE_FOR and not await self._dropped(user_id):
                return
            if self._unsure.get(user_id) == since:
                del self._unsure[user_id]

    async def _dropped(self, user_id: UserId) -> bool:
        try:
            await self._redis.call(b"SET", self._redis.key(KEY, user_id), GONE, b"EX", b"%d" % GONE_FOR)
        except AWAY:
            return False
        return True

"""What is measured, and the floor that each result must hold.

The floors are this project's goals on a machine of two shared cores: ratios within one run, so that they mean the same
on a faster one. `cpu`: processor time of a bare aiohttp request over that of ours. `rate`: requests a second over those
of pgbench with the same SQL function.
"""

import attrs

LIST = "/api/v1/products?page=1&limit=20"
CONNECTIONS = 32
POOL = 16
"""Connections of pgbench: as many as the server's pool has."""


@attrs.frozen(kw_only=True)
class Case:
    """One kind of request. `against` is `cpu` or `rate`; `writes` leaves events behind."""

    name: str
    title: str
    path: str
    script: str
    floor: float
    against: str = "cpu"
    writes: bool = False


CASES = (
    Case(name="list", title="product list, 20 of them, cached", path=LIST, script="get.lua", floor=0.9),
    Case(name="304", title="the same list, not modified", path=LIST, script="get.lua", floor=0.9),
    Case(
        name="cart",
        title="cart of 5 lines, read by 250 users in turn",
        path="/api/v1/cart",
        script="users.lua",
        floor=0.35,
    ),
    Case(
        name="verify",
        title="one-time code verified, an account made",
        path="/api/v1/auth/verify-otp",
        script="codes.lua",
        floor=0.15,
        writes=True,
    ),
    Case(
        name="order",
        title="order of 3 products placed, keyed",
        path="/api/v1/orders",
        script="orders.lua",
        floor=0.7,
        against="rate",
        writes=True,
    ),
)


@attrs.frozen(kw_only=True)
class Bound:
    """Something that is measured once, and must stay below its limit."""

    name: str
    title: str
    unit: str
    limit: float


REST = Bound(name="rest", title="memory at rest", unit="MB", limit=90)
START = Bound(name="start", title="start to ready, stores up", unit="s", limit=1.5)

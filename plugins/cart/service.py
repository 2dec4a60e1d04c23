"""The rules of the cart: what may go in, what it costs, and from where it is read."""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

import attrs

from core.convert import wire
from core.errors import INVALID_INPUT, Problem, not_found
from core.store.db import Refused
from core.types import UserId
from plugins.cart import queries
from plugins.cart.models import Cart, CheckAnswer, Limits, checked, limits, priced
from plugins.cart.ports import CART_FULL, CartContents
from plugins.product.ports import OutOfStock, ProductId, ShortLine

if TYPE_CHECKING:
    from datetime import datetime

    from core.http.routing import Operation
    from core.store.db import Db, Tx
    from plugins.cart.checking import CartChecks
    from plugins.cart.copies import Copies
    from plugins.product.ports import Catalog

log = logging.getLogger(__name__)
PRICED = b"1-%x"
"""What a copy shows: the form of the answer, and the catalogue's revision. Another form, which a copy of the release
before must not be sent as, needs another number (test_models.py has the form)."""
HEAR = 0.1
"""Seconds between two looks at the carts whose copies are in doubt."""
HEARD = 0.12
"""Seconds after which every replica has looked."""
SWEEP = 1000
"""Carts that one statement of the clean-up deletes."""


class CartService:
    """Reads and changes carts. Answers are the encoded `data` of the app's answer."""

    def __init__(self, db: "Db", copies: "Copies", catalog: "Catalog", checks: "CartChecks") -> None:
        self._db, self._copies, self._catalog, self._checks = db, copies, catalog, checks
        self._queries = queries.CartQueries(db)
        self._turns: WeakValueDictionary[UserId, asyncio.Lock] = WeakValueDictionary()
        self._heard: "Mapping[UserId, datetime]" = {}

    async def read(self, user_id: UserId) -> bytes:
        """The cart: one Redis GET when the copy is good, else PostgreSQL; with that away too, an older copy."""
        copy = await self._copies.get(user_id)
        if copy is None:
            cart = await self._queries.find(user_id)
        elif copy.trusted:
            if copy.revision == PRICED % self._catalog.revision:
                return copy.json
            cart = copy.cart()
        else:
            try:
                cart = await self._queries.find(user_id)
            except Problem:  # UNAVAILABLE: a read of the database has no other
                cart = copy.cart()
        revision, json = self._encoded(cart)
        await self._copies.put(user_id, cart, json, revision)
        return json

    async def add(self, user_id: UserId, product_id: ProductId, quantity: int) -> bytes:
        """Add to a line or begin one. One round trip.

        Raises: OutOfStock (also for what is not sold), Problem(INVALID_INPUT) over the product's maximum, CART_FULL.
        """
        bounds = await self._limits(product_id)
        async with self._changing(user_id, product_id):
            cart = await self._queries.add(user_id, product_id, quantity, bounds)
        return await self._changed(user_id, cart)

    async def add_once(self, operation: "Operation", product_id: ProductId, quantity: int) -> tuple[bytes, bool]:
        """The same under the client's idempotency key; whether the answer is that of an earlier request.

        A repeat gets the very bytes that were sent first, prices included: they are made inside the transaction.
        """
        user_id = UserId(operation.user_id)
        bounds = await self._limits(product_id)
        async with self._changing(user_id, product_id), self._db.transaction() as tx:
            earlier = await queries.begun(tx, operation)
            if earlier is not None:
                return earlier, True
            cart = await self._queries.add(user_id, product_id, quantity, bounds, tx)
            revision, json = self._encoded(cart)
            await queries.finished(tx, operation, json)
        await self._keep(user_id, cart, json, revision)
        return json, False

    async def put(self, user_id: UserId, product_id: ProductId, quantity: int) -> bytes:
        """Set a line's quantity; 0 takes it out. Raises as `add`, and Problem(NOT_FOUND) if there is no such line."""
        bounds = await self._limits(product_id)
        async with self._changing(user_id, product_id):
            cart = await self._queries.put(user_id, product_id, quantity, bounds)
        return await self._changed(user_id, cart)

    async def remove(self, user_id: UserId, product_id: ProductId) -> bytes:
        """Take a line out if it is there."""
        async with self._changing(user_id, product_id):
            cart = await self._queries.remove(user_id, product_id)
        return await self._changed(user_id, cart)

    async def clear(self, user_id: UserId) -> bytes:
        """Take every line out."""
        async with self._changing(user_id):
            cart = await self._queries.clear(user_id)
        return await self._changed(user_id, cart)

    async def check(self, user_id: UserId) -> CheckAnswer:
        """Which lines could be ordered now, and all that stands against the cart."""
        lines = await self.lines(self._db, user_id)
        answer = checked(lines, self._catalog.many(lines.keys()))
        problems = await self._checks.problems(CartContents(user_id=user_id, lines=lines))
        return attrs.evolve(answer, valid=answer.valid and not problems, problems=problems)

    async def lines(self, db: "Db | Tx", user_id: UserId) -> Mapping[ProductId, int]:
        """Port `Carts`."""
        return (await self._queries.find(user_id, db)).lines

    async def forget(self, user_id: UserId) -> None:
        """Port `Carts`."""
        if not await self._copies.drop(user_id):
            await self._doubt(user_id)

    async def hear(self) -> None:
        """Distrust the copies that another replica could not replace; as a job, on every replica."""
        doubted = await self._queries.doubted()
        for user_id in [user_id for user_id, at in doubted.items() if self._heard.get(user_id) != at]:
            self._copies.distrust(user_id)
        self._heard = doubted

    async def expire(self) -> None:
        """Delete carts that nobody has changed for 7 days."""
        while await self._queries.expire(SWEEP) == SWEEP:
            pass
        await self._queries.forget_doubts()

    async def _limits(self, product_id: ProductId) -> Limits:
        """How many of a product a line may have. Memory is asked twice about a product that it does not know."""
        product = self._catalog.find(product_id)
        if product is None:
            await self._catalog.refresh()
            product = self._catalog.find(product_id)
        return limits(product)

    @asynccontextmanager
    async def _changing(self, user_id: UserId, product_id: ProductId | None = None) -> AsyncIterator[None]:
        """One change of a cart at a time on this replica: a burst waits here and leaves the pool to others."""
        turn = self._turns.setdefault(user_id, asyncio.Lock())
        async with turn:
            try:
                yield
            except Refused as refused:
                raise _problem(refused, product_id) from None

    def _encoded(self, cart: Cart) -> tuple[bytes, bytes]:
        """The answer, and what it shows."""
        revision = PRICED % self._catalog.revision
        return revision, wire.dump(priced(cart, self._catalog.many(cart.lines.keys())))

    async def _changed(self, user_id: UserId, cart: Cart) -> bytes:
        revision, json = self._encoded(cart)
        await self._keep(user_id, cart, json, revision)
        return json

    async def _keep(self, user_id: UserId, cart: Cart, json: bytes, revision: bytes) -> None:
        """Store what a change led to. Where Redis does not take it, the others must not read what is there."""
        if not await self._copies.put(user_id, cart, json, revision):
            await self._doubt(user_id)

    async def _doubt(self, user_id: UserId) -> None:
        """Tell the other replicas, and come back when they know: the next request may go to any of them."""
        try:
            await self._queries.doubt(user_id)
        except Problem:  # both stores left within a moment: the change stands, a copy is believed for a minute at most
            log.warning("a cart that Redis did not take could not be told of")
        else:
            await asyncio.sleep(HEARD)


def _problem(refused: Refused, product_id: ProductId | None) -> Problem:
    """What the app is told when carts.* refuses."""
    detail = refused.detail
    if refused.reason == "NOT_IN_CART":
        return not_found("This product in your cart")
    if refused.reason == "OVER_MAXIMUM":
        most = detail["maximum"]
        return Problem(INVALID_INPUT, f"At most {most} of this product can be ordered at once.", details=detail)
    if refused.reason == "CART_FULL":
        return Problem(CART_FULL, details=detail)
    if refused.reason == "OUT_OF_STOCK" and product_id is not None:
        return OutOfStock([ShortLine(product_id=product_id, **detail)])
    raise refused

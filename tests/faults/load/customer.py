"""Customers: what they do, and what they believe to be true afterwards."""

import asyncio
import random
import time
from collections.abc import Sequence
from typing import Any

import attrs

from tests.faults.load.client import Answer, Client, Record
from tests.faults.load.codes import Inbox

STREET = "12 Orchard Road"
ADDRESS = {
    "fullName": "Asha Demo",
    "addressLine1": STREET,
    "addressLine2": "",
    "city": "Pune",
    "state": "Maharashtra",
    "pinCode": "411001",
    "country": "India",
    "type": "home",
}
MOST = 4
"""Pieces of one product in a cart: below every product's maximum."""
LAPSE = 2.3
"""Seconds after which an ended session must be refused everywhere: two (RELIABILITY 4.4) and a busy machine's delay."""


@attrs.frozen(kw_only=True)
class Shop:
    """What all customers share. `products` are ids that can be had."""

    products: Sequence[str]
    inbox: Inbox
    record: Record


@attrs.define
class Belief:
    """What one customer was told and relies on."""

    cart: dict[str, int] | None = attrs.field(factory=dict)
    """Product to quantity; None while an unclear answer leaves it open."""
    haunted: set[str] = attrs.field(factory=set)
    """Products whose addition was never answered: without a key it may take effect whenever its replica wakes."""
    orders: list[str] = attrs.field(factory=list)
    cancelled: set[str] = attrs.field(factory=set)


class Customer:
    """One person with one device, who does one thing at a time."""

    def __init__(self, number: int, client: Client, shop: Shop, chance: random.Random) -> None:
        self._client, self._shop, self._chance = client, shop, chance
        self.phone = f"{6 + number % 4}{chance.randrange(10**9):09d}"
        self.user, self._refresh, self._address = "", "", ""
        self._belief = Belief()
        client.renew = self.renew

    @property
    def signed_in(self) -> bool:
        """Whether there is anything that needs an account."""
        return bool(self._client.token)

    def _wrong(self, rule: str, what: str) -> None:
        self._shop.record("wrong", rule=rule, what=what, user=self.user)

    def _done(self, name: str, answer: Answer, **more: Any) -> None:
        result = "done" if answer.ok else "failed" if answer.status == 0 or answer.status >= 500 else "refused"
        fields = {"tries": answer.tries, "status": answer.status, "code": answer.code, "kinds": answer.kinds}
        self._shop.record("op", path=name[0], name=name, result=result, began=answer.began, **fields, **more)
        if answer.status == 401 and self.signed_in:
            self._wrong("401", f"{name} answered 401 {answer.code} to a live session")

    # -- signing in

    async def sign_in(self) -> bool:
        """Ask for a code, read it, use it. Whether it worked."""
        sent = await self._client.call("S", "POST", "/auth/send-otp", {"phone": self.phone})
        self._done("S send", sent)
        code = await self._shop.inbox.newest(f"+91{self.phone}") if sent.ok else None
        if code is None:
            return False
        got = await self._client.call("V", "POST", "/auth/verify-otp", {"phone": self.phone, "otp": code})
        self._done("V verify", got)
        if not got.ok:
            return False
        self._client.token, self._refresh = got.data["accessToken"], got.data["refreshToken"]
        self.user = got.data["user"]["id"]
        self._shop.record("secret", values=[code, self.phone, self._client.token, self._refresh], user=self.user)
        if self._chance.random() < 0.2:
            again = await self._client.call(
                "-", "POST", "/auth/verify-otp", {"phone": self.phone, "otp": code, "deviceId": "another"}, retry=False
            )
            if again.ok:
                self._wrong("code-twice", "a used code was taken again, of another device")
        return True

    async def settle(self) -> None:
        """Give an address, once."""
        got = await self._client.call("K", "POST", "/addresses", {**ADDRESS, "phoneNumber": self.phone})
        self._done("K address", got)
        if got.ok:
            self._address = got.data["address"]["id"]

    async def renew(self) -> None:
        """R: new tokens for old ones; the old pair must not be needed again."""
        got = await self._client.call("R", "POST", "/auth/token/refresh", {"refreshToken": self._refresh})
        self._done("R refresh", got)
        if got.ok:
            self._client.token, self._refresh = got.data["accessToken"], got.data["refreshToken"]
            self._shop.record("secret", values=[self._client.token, self._refresh], user=self.user)

    async def leave(self) -> None:
        """Sign out, and see that nothing works any more."""
        got = await self._client.call("K", "POST", "/auth/logout")
        self._done("K logout", got)
        dead, since = self._client.token, got.ended
        if got.ok:
            write = await self._client.call(
                "-", "POST", "/addresses", {**ADDRESS, "phoneNumber": self.phone}, retry=False
            )
            if write.ok:
                self._wrong("token", f"a write was taken {time.time() - since:.2f} s after the logout")
            await asyncio.sleep(LAPSE)
            read = await self._client.call("-", "GET", "/users/profile", retry=False)
            if read.ok:
                self._wrong("token-read", f"a read was answered {read.began - since:.2f} s after the logout")
            renewed = await self._client.call(
                "-", "POST", "/auth/token/refresh", {"refreshToken": self._refresh}, retry=False
            )
            if renewed.ok:
                self._wrong("token", "a refresh token outlived its session")
        if self._client.token == dead:
            self._client.token = ""

    # -- looking

    async def browse(self) -> None:
        """C: the catalogue."""
        where = "/products?page=1&limit=20"
        if self._chance.random() < 0.3:
            where = f"/products/{self._chance.choice(self._shop.products)}"
        self._done("C catalogue", await self._client.call("C", "GET", where))

    async def look(self) -> None:
        """A: what is one's own."""
        what = self._chance.choice(("profile", "orders", "orders", "notifications"))
        if what == "profile":
            got = await self._client.call("A", "GET", "/users/profile")
            if got.ok and (got.data["user"]["id"] != self.user or not got.data["user"]["phone"].endswith(self.phone)):
                self._wrong("others", "a profile was somebody else's")
        elif what == "orders":
            got = await self._client.call("A", "GET", "/orders?page=1&limit=50")
            if got.ok:
                self._compare_orders(got)
        else:
            got = await self._client.call("A", "GET", "/notifications?page=1&limit=50")
            if got.ok:
                ids = [entry["id"] for entry in got.data["notifications"]]
                self._shop.record("saw", what="notifications", user=self.user, ids=ids)
        self._done(f"A {what}", got)

    def _compare_orders(self, got: Answer) -> None:
        listed = {order["id"]: order for order in got.data["orders"]}
        self._shop.record("saw", what="orders", user=self.user, ids=list(listed))
        if lost := [one for one in self._belief.orders[-40:] if one not in listed]:
            self._wrong("own-writes", f"an order that was confirmed to its owner is not in the list: {lost[0]}")
        for one in self._belief.cancelled:
            if one in listed and listed[one]["status"] not in ("CANCELLED", "REFUNDED"):
                self._wrong("own-writes", f"a cancelled order is {listed[one]['status']}: {one}")

    async def read_cart(self) -> None:
        """A: the cart, which must be what was last put into it."""
        got = await self._client.call("A", "GET", "/cart")
        self._done("A cart", got)
        if not got.ok:
            return
        found = {item["productId"]: item["quantity"] for item in got.data["cart"]["items"]}
        if self._belief.cart is not None and self._sure(found) != self._sure(self._belief.cart):
            self._wrong("own-writes", f"the cart holds {found}, not {self._belief.cart}")
        self._belief.cart = found

    def _sure(self, cart: dict[str, int]) -> dict[str, int]:
        return {product: pieces for product, pieces in cart.items() if product not in self._belief.haunted}

    # -- changing

    async def fill(self) -> None:
        """K: one change of the cart."""
        cart, product = self._belief.cart, self._chance.choice(self._shop.products)
        if cart is None:
            await self.read_cart()
            return
        had = cart.get(product, 0)
        if had and self._chance.random() < 0.5:
            wanted = self._chance.randint(1, MOST)
            got = await self._client.call("K", "PUT", f"/cart/items/{product}", {"quantity": wanted})
        elif had >= MOST:
            wanted = 0
            got = await self._client.call("K", "DELETE", f"/cart/items/{product}")
        else:
            wanted = had + 1
            line = {"productId": product, "productName": "hint", "productImage": "", "unitPrice": 1, "quantity": 1}
            got = await self._client.call("K", "POST", "/cart/items", line)
            if got.unclear:  # the app sends no key with it: a lost answer may have been a success
                self._belief.cart = None
                self._belief.haunted.add(product)
        self._done("K cart", got, user=self.user)
        if self._belief.cart is None:
            return
        if not got.ok:
            self._belief.cart = None
        elif wanted:
            cart[product] = wanted
        else:
            cart.pop(product, None)

    async def order(self) -> None:
        """O: what is in the cart, under a key that every repeat carries."""
        if not self._address:
            await self.settle()
        items = [
            {"productId": p, "quantity": self._chance.randint(2, MOST)}
            for p in self._chance.sample(self._shop.products, 3)
        ]
        key = str(time.time_ns() // 1_000_000)
        wish: dict[str, object] = {"addressId": self._address, "paymentMethod": self._chance.choice(("cod", "upi"))}
        if self._belief.cart is None or len(self._belief.cart) < 3:
            wish["items"] = items
        if not self._address:
            return
        got = await self._client.call("O", "POST", "/orders", wish, key=key)
        if got.code == "PAYMENT_METHOD":  # nobody collects online in this world: another wish, another key
            wish["paymentMethod"], key = "cod", str(time.time_ns() // 1_000_000)
            got = await self._client.call("O", "POST", "/orders", wish, key=key)
        self._belief.cart = None  # ordering takes lines out of it
        self._done("O order", got, user=self.user, key=key)
        if got.ok:
            self._believe(got.data["order"], key)
            if self._chance.random() < 0.1:
                again = await self._client.call("O", "POST", "/orders", wish, key=key)
                if again.ok:
                    self._believe(again.data["order"], key, repeat=True)

    def _believe(self, order: dict[str, Any], key: str, *, repeat: bool = False) -> None:
        if not repeat:
            self._belief.orders.append(order["id"])
        self._shop.record(
            "order",
            user=self.user,
            key=key,
            id=order["id"],
            number=order["orderNumber"],
            total=order["total"],
            items={item["productId"]: item["quantity"] for item in order["items"]},
        )

    async def cancel(self) -> None:
        """W: an order of one's own."""
        open_orders = [one for one in self._belief.orders if one not in self._belief.cancelled]
        if not open_orders:
            return
        one = self._chance.choice(open_orders)
        got = await self._client.call("W", "POST", f"/orders/{one}/cancel", {"reason": "Changed my mind"})
        self._done("W cancel", got, user=self.user)
        if got.ok:
            self._belief.cancelled.add(one)
            self._shop.record("cancelled", user=self.user, id=one)

"""Wiring of the cards."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import ClassVar

from core.hookspecs import hookimpl
from core.http.routing import PUBLIC, Call, Route
from core.kernel import Manifest
from tests.core.gifts.plugin import Gift, GiftPlugin


class Card:
    """Leans on the gifts."""

    manifest: ClassVar = Manifest(name="card", version="1.0.0", schema="cards", requires=("gift",), paths=("cards",))

    def __init__(self, gift: GiftPlugin | None = None) -> None:
        self.gift = gift or GiftPlugin()
        self.opened: list[int] = []
        """How often the gifts had begun, each time."""
        self.closed = 0

    @hookimpl
    def routes(self) -> Sequence[Route]:
        """One."""
        return (Route(method="GET", path="/cards", handler=self.card, policy=PUBLIC, answer=Gift, summary="A card"),)

    @hookimpl
    def lifespan(self) -> AbstractAsyncContextManager[None]:
        """Counted."""
        return self.serving()

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """After that of the gifts."""
        self.opened.append(self.gift.opened)
        yield
        self.closed += 1

    async def card(self, _: Call[None, None]) -> Gift:
        """An answer."""
        return Gift(text="a card")


plugin = Card

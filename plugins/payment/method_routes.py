"""HTTP of saved ways to pay (CONTRACT C.10)."""

from collections.abc import Sequence

from core.errors import INVALID_INPUT, NOT_FOUND
from core.http.routing import LIVE_USER, USER, Call, Pagination, Repeat, Reply, Route
from plugins.payment.bodies import MethodBody
from plugins.payment.methods import MethodBook
from plugins.payment.ports import CARD_DATA, TOO_MANY_METHODS
from plugins.payment.views import AllMethods, Done, MethodView, OneMethod

ALL = "/payment-methods"
ONE = ALL + "/{method_id:uuid}"


class Handlers:
    """One method a route."""

    def __init__(self, book: MethodBook) -> None:
        self._book = book

    async def all(self, call: Call[None, None]) -> Reply:
        """The caller's."""
        found = [MethodView.of(one) for one in await self._book.all(call.principal.user_id)]
        return Reply(data=AllMethods(payment_methods=found), pagination=Pagination.whole(len(found)))

    async def add(self, call: Call[MethodBody, None]) -> OneMethod:
        """Keep one more."""
        saved = await self._book.add(call.tx, call.principal.user_id, call.body.method())
        return OneMethod(payment_method=MethodView.of(saved))

    async def make_default(self, call: Call[None, None]) -> OneMethod:
        """Propose this one from now on."""
        saved = await self._book.make_default(call.tx, call.principal.user_id, call.uuid("method_id"))
        return OneMethod(payment_method=MethodView.of(saved))

    async def delete(self, call: Call[None, None]) -> Done:
        """Forget one."""
        await self._book.delete(call.tx, call.principal.user_id, call.uuid("method_id"))
        return Done(message="The payment method was deleted.")


def routes(book: MethodBook) -> Sequence[Route]:
    """The route table."""
    handlers = Handlers(book)
    return (
        Route(
            method="GET",
            path=ALL,
            policy=USER,
            handler=handlers.all,
            answer=AllMethods,
            paged=True,
            summary="My saved ways to pay, masked",
        ),
        Route(
            method="POST",
            path=ALL,
            policy=LIVE_USER,
            handler=handlers.add,
            body=MethodBody,
            answer=OneMethod,
            status=201,
            repeat=Repeat.KEYED,
            errors=(INVALID_INPUT, CARD_DATA, TOO_MANY_METHODS),
            summary="Save a way to pay: a token and four digits, never a card's number",
        ),
        Route(
            method="POST",
            path=f"{ONE}/default",
            policy=LIVE_USER,
            handler=handlers.make_default,
            answer=OneMethod,
            repeat=Repeat.NATURAL,
            errors=(NOT_FOUND,),
            summary="Make a saved way to pay the default",
        ),
        Route(
            method="DELETE",
            path=ONE,
            policy=LIVE_USER,
            handler=handlers.delete,
            answer=Done,
            repeat=Repeat.NATURAL,
            errors=(NOT_FOUND,),
            summary="Delete a saved way to pay",
        ),
    )

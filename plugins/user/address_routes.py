"""Routes 12 to 17 of CONTRACT section 0: delivery addresses."""

from core.errors import INVALID_INPUT, NOT_FOUND
from core.http.routing import LIVE_USER, USER, Call, Pagination, Repeat, Reply, Route
from plugins.user.address_wire import (
    AddressAnswer,
    AddressesAnswer,
    ChangeAddress,
    NewAddress,
    address_out,
)
from plugins.user.addresses import AddressBook
from plugins.user.wire import Message


class AddressRoutes:
    """Handlers over the address book."""

    def __init__(self, book: AddressBook) -> None:
        self._book = book

    async def list(self, call: Call[None, None]) -> Reply:
        """Handles GET /addresses."""
        addresses = [address_out(view) for view in await self._book.all(call.principal.user_id)]
        return Reply(data=AddressesAnswer(addresses=addresses), pagination=Pagination.whole(len(addresses)))

    async def read(self, call: Call[None, None]) -> AddressAnswer:
        """Handles GET /addresses/{address_id}."""
        view = await self._book.one(call.principal.user_id, call.uuid("address_id"))
        return AddressAnswer(address=address_out(view))

    async def create(self, call: Call[NewAddress, None]) -> AddressAnswer:
        """Handles POST /addresses."""
        body = call.body
        view = await self._book.add(call.tx, call.principal.user_id, body.draft(), is_default=bool(body.is_default))
        return AddressAnswer(address=address_out(view))

    async def change(self, call: Call[ChangeAddress, None]) -> AddressAnswer:
        """Handles PUT /addresses/{address_id}."""
        owner, address_id, body = call.principal.user_id, call.uuid("address_id"), call.body
        view = await self._book.change(call.tx, owner, address_id, body.patch(), is_default=body.is_default)
        return AddressAnswer(address=address_out(view))

    async def delete(self, call: Call[None, None]) -> Message:
        """Handles DELETE /addresses/{address_id}."""
        await self._book.delete(call.tx, call.principal.user_id, call.uuid("address_id"))
        return Message(message="The address was deleted.")

    async def make_default(self, call: Call[None, None]) -> AddressAnswer:
        """Handles POST /addresses/{address_id}/default."""
        view = await self._book.make_default(call.tx, call.principal.user_id, call.uuid("address_id"))
        return AddressAnswer(address=address_out(view))

    def table(self) -> tuple[Route, ...]:
        """The routes."""
        one = "/addresses/{address_id:uuid}"
        return (
            Route(
                method="GET",
                path="/addresses",
                policy=USER,
                handler=self.list,
                answer=AddressesAnswer,
                paged=True,
                summary="My delivery addresses",
            ),
            Route(
                method="GET",
                path=one,
                policy=USER,
                handler=self.read,
                answer=AddressAnswer,
                summary="One of my delivery addresses",
                errors=(NOT_FOUND,),
            ),
            Route(
                method="POST",
                path="/addresses",
                policy=LIVE_USER,
                handler=self.create,
                body=NewAddress,
                answer=AddressAnswer,
                status=201,
                summary="Save a delivery address",
                repeat=Repeat.KEYED,
                errors=(INVALID_INPUT,),
            ),
            Route(
                method="PUT",
                path=one,
                policy=LIVE_USER,
                handler=self.change,
                body=ChangeAddress,
                answer=AddressAnswer,
                summary="Change a delivery address",
                repeat=Repeat.NATURAL,
                errors=(NOT_FOUND,),
            ),
            Route(
                method="DELETE",
                path=one,
                policy=LIVE_USER,
                handler=self.delete,
                answer=Message,
                summary="Delete a delivery address",
                repeat=Repeat.NATURAL,
                errors=(NOT_FOUND,),
            ),
            Route(
                method="POST",
                path=f"{one}/default",
                policy=LIVE_USER,
                handler=self.make_default,
                answer=AddressAnswer,
                summary="Make a delivery address the default",
                repeat=Repeat.NATURAL,
                errors=(NOT_FOUND,),
            ),
        )

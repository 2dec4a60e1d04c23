"""What is counted of orders, once it is committed."""

from collections.abc import Sequence

from core.observe.counts import Count
from plugins.order.standing import Method, Status


class Counts:
    """Of one replica."""

    def __init__(self) -> None:
        methods = tuple(Method)
        self.placed = Count("order_placed_total", "Orders placed, by payment method", method=methods)
        self.placed_paise = Count("order_placed_paise_total", "Their totals in paise", method=methods)
        self.states = Count("order_states_total", "Orders that came into a state", state=tuple(Status))

    def all(self) -> Sequence[Count]:
        """For `/metrics`."""
        return self.placed, self.placed_paise, self.states

"""What plugins count, for `/metrics`: facts, once they are committed (ADR 30)."""

from collections.abc import Callable, Iterable, Mapping
from itertools import product
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from core.store.db import Tx

OTHER = "other"
"""Stands for a value that nobody declared: whatever comes in, there are never more series than that."""
Values = Iterable[str] | Callable[[], Iterable[str]]


@attrs.frozen(kw_only=True)
class Metric:
    """What is measured. On the wire `vurksha_` stands before the name."""

    name: str
    kind: str
    """`counter`, `gauge` or `histogram`."""
    labels: tuple[str, ...] = ()
    meaning: str


class Count:
    """A counter of a plugin. Its name begins with the plugin's and ends with `_total`.

    A label's values are declared with it, so that all are there from the start, at 0. They may be given as a function,
    which is asked once every plugin has contributed. Values are words of the code: never an id, a phone, a path.
    """

    def __init__(self, name: str, meaning: str, **labels: Values) -> None:
        self.metric = Metric(name=name, kind="counter", labels=tuple(labels), meaning=meaning)
        self._declared = labels
        self._known: list[frozenset[str]] = []
        self._values: dict[tuple[str, ...], int] = {}

    def open(self) -> None:
        """The kernel's, when every plugin has contributed: from here on all series are known."""
        sets = [tuple(values() if callable(values) else values) for values in self._declared.values()]
        self._known = [frozenset(values) for values in sets]
        self._values = dict.fromkeys(product(*sets), 0) | self._values

    def add(self, *labels: str, by: int = 1) -> None:
        """Count something that is done: the command came back, the provider said yes. Labels in their order."""
        if self._known:
            labels = tuple(one if one in known else OTHER for one, known in zip(labels, self._known, strict=True))
        self._values[labels] = self._values.get(labels, 0) + by

    def after(self, tx: "Tx", *labels: str, by: int = 1) -> None:
        """Count it once the transaction is committed. What is rolled back was never counted."""

        async def committed() -> None:
            self.add(*labels, by=by)

        tx.after_commit(committed)

    @property
    def values(self) -> Mapping[tuple[str, ...], int]:
        """By labels."""
        return self._values

"""Finding the endpoint of a path: built once at start, looked up once a request."""

from collections.abc import Iterable
from typing import Generic, TypeVar
from urllib.parse import unquote
from uuid import UUID

from core.convert import UUID_FORM
from core.errors import METHOD_NOT_ALLOWED, NOT_FOUND, Problem

E = TypeVar("E")
Values = dict[str, UUID | str]


class Node(Generic[E]):
    """One step of a path: fixed words first, then at most one value."""

    __slots__ = ("kind", "methods", "name", "value", "words")

    def __init__(self) -> None:
        self.words: dict[str, Node[E]] = {}
        self.value: Node[E] | None = None
        self.name = self.kind = ""
        self.methods: dict[str, E] = {}


class MethodNotAllowed(Problem):
    """The path is known, the method is not."""

    def __init__(self, allowed: Iterable[str]) -> None:
        super().__init__(METHOD_NOT_ALLOWED)
        self.allow = ", ".join(sorted({*allowed, "OPTIONS"}))


class Table(Generic[E]):
    """Routes by path. Fixed words win over values, so `/products/featured` is not a product."""

    def __init__(self) -> None:
        self._fixed: dict[str, dict[str, E]] = {}
        self._root: Node[E] = Node()

    def add(self, method: str, path: str, endpoint: E) -> None:
        """`path` with values as `{name}` (text) or `{name:uuid}`. Twice the same is an error."""
        node = self._root
        for step in path.strip("/").split("/"):
            node = self._child(node, step, path)
        if method in node.methods:
            raise ValueError(f"{method} {path} is declared twice")
        node.methods[method] = endpoint
        if method == "GET":
            node.methods["HEAD"] = endpoint
        if "{" not in path:
            self._fixed[path] = node.methods

    def _child(self, node: Node[E], step: str, path: str) -> Node[E]:
        if not step.startswith("{"):
            return node.words.setdefault(step, Node())
        name, _, kind = step.strip("{}").partition(":")
        if node.value is None:
            node.value = Node()
            node.value.name, node.value.kind = name, kind
        elif (node.value.name, node.value.kind) != (name, kind):
            raise ValueError(f"{path}: {step} clashes with {{{node.value.name}:{node.value.kind}}} at the same place")
        return node.value

    def find(self, method: str, path: str) -> tuple[E, Values]:
        """The endpoint and the path's values; Problem 404 or 405."""
        methods = self._fixed.get(path)
        values: Values = {}
        if methods is None:
            methods = self._walk(path, values)
        try:
            return methods[method], values
        except KeyError:
            raise MethodNotAllowed(methods) from None

    def _walk(self, path: str, values: Values) -> dict[str, E]:
        node: Node[E] | None = self._root
        for step in path[1:].split("/"):
            if node is None:
                break
            word = node.words.get(step)
            node = word if word is not None else _value(node.value, step, values)
        if node is None or not node.methods:
            raise Problem(NOT_FOUND)
        return node.methods


def _value(node: Node[E] | None, step: str, values: Values) -> Node[E] | None:
    """The value node if the step suits it. What is no uuid is an unknown thing, not bad input (CONTRACT A.4)."""
    if node is None or not step:
        return None
    if node.kind == "uuid":
        if not UUID_FORM.fullmatch(step):
            return None
        values[node.name] = UUID(step)
        return node
    try:
        plain = unquote(step, errors="strict")
        plain.encode()  # bytes that are no UTF-8 arrive as lone surrogates
    except UnicodeError:
        return None
    if "\0" in plain:
        return None
    values[node.name] = plain
    return node

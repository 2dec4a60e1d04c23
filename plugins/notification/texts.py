"""The texts of all plugins: which event is told in which words."""

from collections.abc import Mapping, Sequence
from string import Formatter
from typing import Any

from core.extensions import Extension, Extensions
from core.isolation.guards import Guards
from core.plugins import PluginError
from plugins.notification.ports import TEMPLATES, Telling, Template, Told

TEXTS = ("title", "body", "sms", "email")


class Nonsense(ValueError):
    """What a contribution answered cannot be told."""


class Texts:
    """Read once, at start: what waits to be sent needs its text also while the plugin that told it is put aside."""

    def __init__(self, extensions: Extensions, guards: Guards) -> None:
        self._extensions, self._guards = extensions, guards
        self._tellings: list[Extension[Telling[Any]]] = []
        self._by_name: dict[str, Template] = {}

    def read(self) -> Sequence[Extension[Telling[Any]]]:
        """All that is told. Puts aside who contributes a text that cannot be filled.

        A text or an event that another plugin has already puts aside who comes second.
        """
        self._tellings, self._by_name = [], {}
        events: set[str] = set()
        for one in self._extensions.of(TEMPLATES):
            name, event = one.item.name, one.item.event.event_type
            taken = f"the text {name}" if name in self._by_name else f"texts for {event}" if event in events else None
            line = f"{one.plugin} contributes {taken}, which is there already" if taken else _unfillable(one)
            if line is None:
                self._tellings.append(one)
                self._by_name[name] = one.item.template
                events.add(event)
                continue
            if one.plugin not in self._guards.optional:
                raise PluginError(line)
            self._guards.quarantine(one.plugin, line)
        return self._tellings

    def find(self, name: str) -> Template | None:
        """The text of that name; None when its plugin is gone."""
        return self._by_name.get(name)

    def told(self, one: Extension[Telling[Any]], event: Any) -> Told | None:
        """Whom to tell, in which words. Raises what goes wrong, counted: the event is then tried again later."""
        return self._guards.pure(one.plugin, f"text {one.item.name}", _told, one.item, event)


def _told(telling: Telling[Any], event: Any) -> Told | None:
    answer: object = telling.tell(event)
    if answer is None:
        return None
    if not isinstance(answer, Told) or not all(_is_word(word) for word in answer.words.values()):
        raise Nonsense("words are texts, told to somebody")
    return answer


def _is_word(word: object) -> bool:
    return isinstance(word, str) and "\0" not in word


def _unfillable(one: Extension[Telling[Any]]) -> str | None:
    """Which of its texts cannot be filled, whatever the words are."""
    wrong = [name for name in TEXTS if not _fills(getattr(one.item.template, name, None))]
    return f"{one.plugin} contributes {one.item.name}, whose {', '.join(wrong)} cannot be filled" if wrong else None


def _fills(text: object) -> bool:
    """Only plain `{words}`: a place without a name, an attribute or a format fails for some words or for all."""
    try:
        places = list(Formatter().parse(text)) if isinstance(text, str) else None
    except ValueError:  # a lone brace
        return False
    return places is not None and all(
        name is None or (name.isidentifier() and not spec and not conversion) for _, name, spec, conversion in places
    )


class Words(dict[str, str]):
    """Words for a text; one that is not there leaves nothing."""

    def __missing__(self, key: str) -> str:
        """Nothing."""
        return ""


def filled(text: str, words: Mapping[str, str]) -> str:
    """A text with its words."""
    return text.format_map(Words(words))


def target(variables: Mapping[str, str]) -> dict[str, str]:
    """What a tap opens."""
    return {"orderId": variables["orderId"]} if "orderId" in variables else {}

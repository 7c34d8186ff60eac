"""What the steps of a write ask of a content: how large it is, and what it refers to. One walk answers all of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

from fhir_bridge.storage.breathing import LARGE, beside

__all__ = ["Outline", "outline_of"]

_URNS = ("urn:uuid:", "urn:oid:")


@dataclass(slots=True)
class Outline:
    """What a resource holds; as long as nothing in it is changed.

    Attributes:
        values: its objects, lists and values.
        references: the texts of its References, in no order.
        linked: whether a URN, or a link of a narrative, may name an entry of a Bundle (R4 http.html#trules).
        nul: whether a text holds the character NUL, which PostgreSQL can't store.
    """

    values: int
    references: tuple[str, ...]
    linked: bool
    nul: bool

    @property
    def may_search(self) -> bool:
        """Whether a Reference may be a search (`Patient?identifier=…`); of a large one that is not looked at."""
        return self.large or any("?" in text for text in self.references)

    @property
    def large(self) -> bool:
        """Whether working on it would hold up others."""
        return self.values > LARGE


async def outline_of(value: Any) -> Outline:
    """The outline of a resource; of a large one it is made beside the event loop."""
    result = _walked(value, LARGE)
    return result if result is not None else await beside(True, partial(_whole, value))


def _whole(value: Any) -> Outline:
    result = _walked(value, None)
    assert result is not None
    return result


def _walked(value: Any, most: int | None) -> Outline | None:
    """None: it holds more than `most`."""
    # No recursion: the nesting of what arrives is not to be trusted. Exact types: this is JSON, and each write
    # passes here.
    references: list[str] = []
    values, linked, nul = 0, False, False
    ahead = [value] if isinstance(value, dict | list) else []
    while ahead:
        inner: Any = ahead.pop()
        values += len(inner)
        if most is not None and values > most:
            return None
        if type(inner) is dict:
            for name, item in inner.items():
                kind = type(item)
                if kind is str:
                    if name == "reference":
                        references.append(item)
                    if name == "div" or (item[:4] == "urn:" and item.startswith(_URNS)):
                        linked = True
                    if "\0" in item:
                        nul = True
                elif kind is dict or kind is list:
                    ahead.append(item)
        else:
            for item in inner:
                kind = type(item)
                if kind is dict or kind is list:
                    ahead.append(item)
                elif kind is str:
                    linked = linked or (item[:4] == "urn:" and item.startswith(_URNS))
                    nul = nul or "\0" in item
    return Outline(values, tuple(references), linked, nul)

"""What limits the call of a gene, as a PharmCAT file says it: in words, and the haplotypes that could not be called."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Limits", "limits_of"]

_UNDOCUMENTED = "Alleles that no haplotype of PharmCAT's definitions has"
_AS_REFERENCE = ", which were taken for the reference"
_MISSING = "Positions without a call, and so unknown"
_UNCALLED = "Haplotypes that could not be called, and are neither present nor absent"
_OUTSIDE = "The diplotype comes from another program (callSource OUTSIDE): PharmCAT did not call it"


@dataclass(frozen=True, slots=True)
class Limits:
    """What limits a gene's call.

    Attributes:
        texts: in words.
        uncalled: names of haplotypes that could not be called: nothing is known of them.
        wrong: where the file has something else than belongs there, which is left out.
    """

    texts: tuple[str, ...]
    uncalled: tuple[str, ...]
    wrong: tuple[str, ...]


def limits_of(entry: Mapping[str, Any]) -> Limits:
    """What limits the call of a gene, of a report, phenotype or match file."""
    return _Reader(entry).read()


class _Reader:
    def __init__(self, entry: Mapping[str, Any]) -> None:
        self.entry = entry
        matched = entry.get("matchData")
        self.matched: Mapping[str, Any] = matched if isinstance(matched, dict) else {}
        self.wrong: list[str] = []

    def read(self) -> Limits:
        uncalled = tuple(
            dict.fromkeys(
                name for key in ("uncalledHaplotypes", "uncallableHaplotypes") for name in self._names(key)
            )
        )
        return Limits(tuple(self._texts(uncalled)), uncalled, tuple(dict.fromkeys(self.wrong)))

    def _texts(self, uncalled: tuple[str, ...]) -> Iterator[str]:
        source = self.entry.get("callSource")
        if source == "OUTSIDE":
            yield _OUTSIDE
        elif source not in (None, "MATCHER", "NONE"):
            yield from self._other_source(source)
        if uncalled:
            yield f"{_UNCALLED}: {', '.join(uncalled)}"
        # A match file lists positions by what is wrong with them, the others have it at each position.
        variants = [*self._objects(self.entry, "variants"), *self._objects(self.entry, "variantsOfInterest")]
        unknown = [each for each in variants if "call" in each and each["call"] is None]
        unknown += self._objects(self.matched, "missingPositions")
        if unknown:
            yield f"{_MISSING}: {', '.join(dict.fromkeys(map(_place, unknown)))}"
        strange = [each for each in variants if each.get("hasUndocumentedVariations") is True]
        strange += self._objects(self.matched, "positionsWithUndocumentedVariations")
        if strange or self.entry.get("hasUndocumentedVariations") is True:
            where = f": {', '.join(dict.fromkeys(map(_called, strange)))}" if strange else ""
            taken = any(
                each.get("treatUndocumentedVariationsAsReference") is True
                for each in (self.entry, self.matched)
            )
            yield f"{_UNDOCUMENTED}{_AS_REFERENCE if taken else ''}{where}"
        for each in variants:
            for text in self._list(each, "warnings"):
                yield f"{_place(each)}: {text}"
        yield from self._list(self.entry, "warnings")

    def _other_source(self, source: object) -> Iterator[str]:
        if isinstance(source, str):
            yield f"The source of the call is {source.strip()}"
        else:
            self.wrong.append("callSource")

    def _names(self, key: str) -> Iterator[str]:
        return (name for name in self._list(self.entry, key) if name)

    def _list(self, entry: Mapping[str, Any], key: str) -> Iterator[str]:
        """The texts of a list; what is none is noted."""
        for each in self._items(entry, key):
            if isinstance(each, str):
                yield each.strip()
            else:
                self.wrong.append(key)

    def _objects(self, entry: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
        items = self._items(entry, key)
        if not all(isinstance(each, dict) for each in items):
            self.wrong.append(key)
        return [each for each in items if isinstance(each, dict)]

    def _items(self, entry: Mapping[str, Any], key: str) -> list[Any]:
        items = entry.get(key)
        if isinstance(items, list):
            return items
        if items is not None:
            self.wrong.append(key)
        return []


def _place(position: Mapping[str, Any]) -> str:
    """`rs12248560 (chr10:94761900)`."""
    name = next((text for key in ("dbSnpId", "rsid") if isinstance(text := position.get(key), str)), "")
    chromosome, number = position.get("chromosome"), position.get("position")
    where = ":".join(str(part) for part in (chromosome, number) if isinstance(part, str | int))
    return f"{name} ({where})" if name and where else name or where or "an unnamed position"


def _called(position: Mapping[str, Any]) -> str:
    call = next((text for key in ("call", "vcfCall") if isinstance(text := position.get(key), str)), "")
    return f"{_place(position)} {call}".rstrip()

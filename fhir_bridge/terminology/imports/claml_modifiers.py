"""Codes that ClaML's classes make with modifiers (EN 14463): `E10` with `.0` is `E10.0`, and that with `1` `E10.01`.

A class has the modifiers that it names, and those of the classes above it, but for the ones that it excludes. Codes
are built from classes that have none below them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from fhir_bridge.terminology.imports.xml import Element

__all__ = ["Modified", "Modifiers"]

_CATEGORY = re.compile(r"[A-Z][0-9]{2}")


class Modified(NamedTuple):
    """A code that is made: the class at its root, the code that it is built from, and the class of its modifier."""

    code: str
    base: str
    above: str
    modifier: Element


@dataclass
class _Class:
    """What a class says of modifiers: those it names, with the choices that are valid, and those it excludes."""

    parents: list[str]
    abstract: bool
    named: dict[str, frozenset[str]] = field(default_factory=dict)
    excluded: frozenset[str] = frozenset()


class Modifiers:
    """The modifiers of a classification, and the classes that have them.

    Attributes:
        missing: codes of modifiers that are named but not there.
    """

    def __init__(self) -> None:
        self.missing: set[str] = set()
        self._choices: dict[str, list[Element]] = {}
        self._classes: dict[str, _Class] = {}
        self._with_below: set[str] = set()

    def add_choice(self, element: Element) -> None:
        """Take a ModifierClass."""
        self._choices.setdefault(element.get("modifier"), []).append(element)

    def add_class(self, code: str, element: Element, parents: list[str], *, abstract: bool) -> None:
        """Take what a Class says of modifiers."""
        self._with_below.update(parents)
        self._classes[code] = _Class(
            parents,
            abstract,
            {
                by.get("code"): frozenset(item.get("code") for item in by.all("ValidModifierClass"))
                for by in element.all("ModifiedBy")
            },
            frozenset(item.get("code") for item in element.all("ExcludeModifier")),
        )

    def codes(self) -> Iterator[Modified]:
        """The codes that are made, each after the one that it is built from."""
        for base, item in self._classes.items():
            if not item.abstract and base not in self._with_below:
                yield from self._of(base)

    def _of(self, base: str) -> Iterator[Modified]:
        own = self._classes[base].named
        steps: list[list[Element]] = []
        for name, valid in self._effective(base, frozenset()).items():
            choices = [item for item in self._choices.get(name, ()) if not valid or item.get("code") in valid]
            if not choices:
                self.missing.add(name)
            elif name in own or not ("." in base and _is_dotted(choices)):
                # An inherited modifier that makes the fourth character is not for a class that has one.
                steps.append(choices)
        level: list[tuple[str, list[Element]]] = [(base, [])]
        # The fourth character comes before the fifth.
        for choices in sorted(steps, key=lambda item: not _is_dotted(item)):
            following = []
            for above, before in level:
                for choice in choices:
                    if not _excluded(choice, before):
                        code = _joined(above, choice.get("code"))
                        yield Modified(code, base, above, choice)
                        following.append((code, [*before, choice]))
            level = following or level

    def _effective(self, code: str, below: frozenset[str]) -> dict[str, frozenset[str]]:
        """Modifiers of a class with their valid choices, those of the classes above it first."""
        entry = self._classes.get(code)
        # A file may name classes that it lacks, or lead in a circle.
        if entry is None or code in below:
            return {}
        results: dict[str, frozenset[str]] = {}
        for parent in entry.parents:
            results.update(self._effective(parent, below | {code}))
        results.update(entry.named)
        return {name: valid for name, valid in results.items() if name not in entry.excluded}


def _is_dotted(choices: list[Element]) -> bool:
    """Whether they make the fourth character, which is after a dot."""
    return all(choice.get("code").startswith(".") for choice in choices)


def _excluded(choice: Element, before: list[Element]) -> bool:
    """Whether a choice can't follow those that were taken before it (ExcludeOnPrecedingModifier)."""
    against = {(item.get("modifier"), item.get("code")) for item in choice.all("ExcludeOnPrecedingModifier")}
    return any((item.get("modifier"), item.get("code")) in against for item in before)


def _joined(base: str, suffix: str) -> str:
    if suffix.startswith(".") and "." in base:
        return base + suffix[1:]
    if _CATEGORY.fullmatch(base) and suffix[:1].isalnum():
        return f"{base}.{suffix}"
    return base + suffix

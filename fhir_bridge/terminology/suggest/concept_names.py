"""A concept as suggestion looks at it: the words of its names, and LOINC's axes where it has them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from fhir_bridge.terminology.content import CodeSystemContent, ConceptDetail
from fhir_bridge.terminology.suggest.loinc_names import Axes, axes_of_name
from fhir_bridge.terminology.suggest.text import words

__all__ = ["LOINC", "NamedConcept", "is_word", "named"]

LOINC = "http://loinc.org"
_LONGEST_SPOKEN = 6
_AXES = ("COMPONENT", "PROPERTY", "SYSTEM", "TIME_ASPCT", "METHOD_TYP")


@dataclass(frozen=True, slots=True)
class NamedConcept:
    """Words of a concept's names.

    Attributes:
        names: of the display and each designation.
        analytes: of what is measured: the component without challenge, and what else stands for it in the names.
        of_shares: the same for a share given in percent, without its whole (`/100 leukocytes`).
        ratio: the component is a ratio of two analytes.
        property, system, time: LOINC's axes, empty where there are none.
        challenge, method: words of what comes after `^` in the component, and of the method.
        rank: how often laboratories report it, from LOINC's common tests; 0 stands for unranked.
    """

    names: tuple[tuple[str, ...], ...]
    analytes: tuple[tuple[str, ...], ...] = ()
    of_shares: tuple[tuple[str, ...], ...] = ()
    ratio: bool = False
    property: str = ""
    system: str = ""
    time: str = ""
    challenge: tuple[str, ...] = ()
    method: tuple[str, ...] = ()
    rank: int = 0


def named(content: CodeSystemContent, concept: ConceptDetail) -> NamedConcept:
    """The words of a concept of a code system."""
    spoken = concept.code if is_word(concept.code) else None
    texts = [text for text in (concept.display, *(d.value for d in concept.designations), spoken) if text]
    names = tuple(dict.fromkeys(map(words, texts)))
    axes: Axes = {name: next((str(v) for v in concept.values(name)), "") for name in _AXES}
    if content.url == LOINC and not (axes["COMPONENT"] and axes["PROPERTY"] and axes["SYSTEM"]):
        axes |= {name: value for name, value in axes_of_name(concept.display or "").items() if not axes[name]}
    component, _, challenge = axes["COMPONENT"].partition("^")
    if not component:
        return NamedConcept(names)
    part, whole, _ = component.partition("/100 ")
    return NamedConcept(
        names,
        _analytes(component, texts),
        _analytes(part, texts) if whole else (),
        "/" in component.casefold().replace("actual/normal", "") and not whole,
        axes["PROPERTY"].split(".")[0],
        axes["SYSTEM"].partition("^")[0],
        axes["TIME_ASPCT"],
        words(challenge),
        words(axes["METHOD_TYP"]),
        next((int(v) for v in concept.values("COMMON_TEST_RANK") if str(v).isdigit()), 0),
    )


def is_word(code: str) -> bool:
    """Whether a code is what people say (DICOM's `CT`), not a number."""
    return code.isalpha() and 2 <= len(code) <= _LONGEST_SPOKEN


def _analytes(component: str, texts: Iterable[str]) -> tuple[tuple[str, ...], ...]:
    return tuple(dict.fromkeys(words(text) for text in _before_property(component, texts)))


def _before_property(component: str, texts: Iterable[str]) -> Iterator[str]:
    """The component and what is before the bracket of the property in each name; of one with another between
    parentheses (`Cobalamin (Vitamin B12)`) each by itself too."""
    for name in (component, *texts):
        text = name.partition(" [")[0]
        if text:
            yield text
        outer, bracket, inner = text.partition(" (")
        if bracket and inner.endswith(")"):
            yield from (outer, inner[:-1])

"""Whether a display that a map or value set carries is a name of its code, whichever of its names and however it is
typed."""

from __future__ import annotations

from collections.abc import Iterator

from fhir_bridge.fhir import ucum
from fhir_bridge.terminology.folding import plain, words
from fhir_bridge.terminology.registries import COUNTRY_CODES
from fhir_bridge.terminology.service import Terminology

__all__ = ["called_otherwise", "folded_display"]

_WITH_REMARK = ("http://snomed.info/sct", "urn:ietf:bcp:47")
"""Systems whose names end with a remark in brackets that is not wanted everywhere: the semantic tag of SNOMED CT
(`Asthma (disorder)`), the region of a language, which its code says."""

_TYPED = str.maketrans({"’": "'", "‘": "'", "“": '"', "”": '"', "–": "-", "—": "-", "‑": "-"})
_ARTICLES = frozenset(("the", "of", "and"))


def called_otherwise(terminology: Terminology, system: str, code: str, display: str) -> str | None:
    """What a code is called where the display is none of its names; None where it is one, or that can't be checked.

    Names are the display and all designations, supplements included. Units are not checked: people write them as they
    like, and the code says all.
    """
    if system == ucum.SYSTEM:
        return None
    names = list(_names(terminology, system, code))
    value = folded_display(display, system)
    if not names or any(folded_display(name, system) == value for name in names):
        return None
    if system == COUNTRY_CODES and any(_same_country(name, display) for name in names):
        return None
    return names[0]


def folded_display(display: str, system: str = "") -> str:
    """A display as it is compared: case, accents, white space, the form of quotes and dashes don't count."""
    folded = plain(" ".join(display.split()).translate(_TYPED))
    if system in _WITH_REMARK and folded.endswith(")") and " (" in folded:
        return folded[: folded.rindex(" (")]
    return folded


def _names(terminology: Terminology, system: str, code: str) -> Iterator[str]:
    for content in terminology.contents(system):
        detail = content.get(code)
        if detail is None:
            continue
        yield from filter(None, (detail.display, *(designation.value for designation in detail.designations)))


def _same_country(name: str, display: str) -> bool:
    """Whether two names are of one country, long or short, and in whatever order (`Korea (the Republic of)`).

    ISO's own names may not be shipped, so that a name of a country is not checked against the letter of another's list.
    """
    item, other = (set(words(text)) - _ARTICLES for text in (name, display))
    return item <= other or other <= item

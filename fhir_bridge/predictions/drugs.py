"""What a medication is: of a group of drugs, of another, or not known. By its code, and where that is not known by the
ingredient that its text names.

The names are the displays and designations of what the value sets list without a strength: an ingredient's name in
RxNorm or ATC. They are compared by how they sound, so that `Hydrochlorothiazid`, `hidroclorotiazida` and
`hydrochlorothiazide` are one, and a salt (`Metoprololsuccinat`) is its ingredient. What no list knows is not known: it
is never taken for another drug in silence.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from fhir_bridge.predictions.record import codings
from fhir_bridge.predictions.value_sets import ATC, Answer, is_member, starts_within, value_set
from fhir_bridge.terminology import get_terminology

__all__ = ["decide"]

_RXNORM: Final = "http://www.nlm.nih.gov/research/umls/rxnorm"
_KNOWN: Final = tuple(
    value_set(name)
    for name in ("antihypertensive", "antithrombotic", "diabetes-drug", "statin", "other-drug")
)

_NORMAL: Final = re.compile(
    r"\d (?:MG|MCG|UNT|MEQ|MMOL|ML|ACTUAT|%)(?:/\S+)? .*"
    r"(?:Oral|Inject|Topical|Inhal|Ophthalmic|Otic|Nasal|Transdermal|Rectal|Vaginal|Sublingual|Chewable|Pack|Implant|"
    r"Intrauterine|Syringe|Cartridge)"
)
"""How RxNorm names a product: every ingredient with its strength, then the form."""

_CALENDAR: Final = re.compile(r"\b(?:21|28|84|91) Day Pack\b")
"""Of a contraceptive RxNorm gives the brand and the days of a pack alone."""

_LOCAL: Final = re.compile(
    r"ophthalm|\beye|augen|collyre|colirio|collirio|\botic\b|topical|\bgel\b|creme?\b|cream|salbe|ointment|pomada|unguento|"
    r"lotion|shampoo|\bflush|\block\b",
    re.IGNORECASE,
)
"""On the skin, in the eye or the catheter: what is taken so is none of the drugs that a model asks about."""

_SOUNDS: Final = (
    ("ph", "f"),
    ("th", "t"),
    ("ch", "c"),
    ("y", "i"),
    ("k", "c"),
    ("h", ""),
    ("ae", "e"),
    ("ou", "u"),
    ("w", "v"),
)
_SHORT: Final = 5
"""Names of fewer letters (ASS, HCT) are words of their own, not beginnings."""


def decide(url: str, concept: object) -> Answer:
    """Whether a medication's concept is in a value set of drugs: by code, then by name; `unknown` where neither says.

    ATC decides alone: its code says for what the drug is (acetylsalicylic acid for the blood, or for pain).
    """
    if not isinstance(concept, dict):
        return "unknown"
    if is_member(url, concept) == "yes":
        return "yes"
    coded = list(codings(concept))
    of_atc = [code for system, code in coded if system in ATC and code]
    if of_atc and not any(starts_within(url, code) for code in of_atc):
        return "no"
    named = {_by_name(url, text, system == _RXNORM) for system, text in _texts(concept)}
    if "yes" in named:
        return "yes"
    if "no" in named or any(_is_another(url, system, code) for system, code in coded):
        return "no"
    return "unknown"


def _texts(concept: dict[str, object]) -> Iterator[tuple[str, str]]:
    """What names the drug, with the code system whose name it is."""
    if isinstance(text := concept.get("text"), str):
        yield "", text
    entries = concept.get("coding", ())
    for coding in entries if isinstance(entries, list) else ():
        system, code = str(coding.get("system", "")), str(coding.get("code", ""))
        if isinstance(display := coding.get("display"), str):
            yield system, display
        # Where the code system is imported, it names the drug whatever the source left out.
        known = get_terminology().lookup(system, code) if system and code else None
        if known is not None and known.display:
            yield system, known.display


def _is_another(url: str, system: str, code: str) -> bool:
    """Whether a code is that of a known drug which is not in the value set.

    Known is what another value set lists; a product of several ingredients is in the value set of each.
    """
    if not system or not code or system in ATC:
        return False
    terminology = get_terminology()
    listed = any(terminology.member(other, system, code) for other in _KNOWN if other != url)
    return listed and not terminology.member(url, system, code)


@lru_cache(maxsize=16_384)
def _by_name(url: str, text: str, of_rxnorm: bool) -> Answer:
    words = _words(text)
    if _names(words, url):
        return "no" if _LOCAL.search(text) else "yes"
    if of_rxnorm and (_NORMAL.search(text) or _CALENDAR.search(text)):
        return "no"
    return "no" if any(_names(words, other) for other in _KNOWN if other != url) else "unknown"


def _names(words: tuple[str, ...], url: str) -> bool:
    """Whether one of a value set's names is among the words."""
    return any(
        all(_begins(word, stem) for word, stem in zip(words[start:], name, strict=False))
        for name in _names_of(url)
        for start in range(len(words) - len(name) + 1)
    )


def _begins(word: str, stem: str) -> bool:
    if len(stem) < _SHORT:
        return word == stem
    # A heparinoid is no heparin.
    return word.startswith(stem) and not word.startswith(f"{stem}oid")


@lru_cache(maxsize=64)
def _names_of(url: str) -> frozenset[tuple[str, ...]]:
    definition = get_terminology().library.value_set(url)
    if definition is None:
        raise LookupError(f"there is no value set {url}")
    names = set()
    for part in definition.includes:
        if part.system != _RXNORM and part.system not in ATC:
            continue
        for entry in (part.concepts or {}).values():
            stated = [entry.get("display"), *(item.get("value") for item in entry.get("designation", ()))]
            names |= {_stems(text) for text in stated if text and not any(c.isdigit() for c in text)}
    return frozenset(name for name in names if name)


def _words(text: str) -> tuple[str, ...]:
    """The words as they sound: without accents, and of the spellings of a sound one."""
    plain = "".join(
        letter
        for letter in unicodedata.normalize("NFKD", text.casefold())
        if not unicodedata.combining(letter)
    )
    for written, heard in _SOUNDS:
        plain = plain.replace(written, heard)
    return tuple(re.findall(r"[a-z]+", plain))


def _stems(name: str) -> tuple[str, ...]:
    """The words of a name without the ending that differs by language (-e, -a, -o, -um)."""
    return tuple(re.sub(r"(?:um|[eaoi])$", "", word) if len(word) > _SHORT else word for word in _words(name))

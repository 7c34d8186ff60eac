"""Whom an instance is about, in its own words, and whether several instances are about one person (PS3.3 10.14)."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from itertools import chain, combinations, product
from typing import NamedTuple

from fhir_bridge.adapters.imaging.parties import PatientIdentity, first_text, issuer
from fhir_bridge.adapters.imaging.person_names import PersonName
from fhir_bridge.adapters.imaging.values import Value
from fhir_bridge.fhir import definitions

__all__ = ["NOBODY", "Subject", "contradiction", "identifier_types", "same_subject", "subject_of"]


class Subject(NamedTuple):
    """Patient ID with its authorities, and name and birth date in a form that says no more than who it is.

    Attributes:
        value: Patient ID; None where the instance states none that can be used.
        authority: its issuer's names, best first: Universal Entity ID, local name.
        identifier_type: code of the type of the number.
        name: the component groups of Patient's Name without what is form alone: letter case, empty components, spaces.
        birth: Patient's Birth Date.
    """

    value: str | None
    authority: tuple[str, ...]
    identifier_type: str | None
    name: tuple[str, ...]
    birth: str | None

    @property
    def identity(self) -> PatientIdentity:
        """The number alone, as a mapping names it."""
        return PatientIdentity(self.value, self.authority, self.identifier_type)

    @property
    def text(self) -> str:
        """A text that `parse` reads."""
        return json.dumps(self, ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def parse(cls, text: str) -> Subject:
        """The subject of a text.

        Raises:
            ValueError: it is none of `Subject.text`.
        """
        value, authority, kind, name, birth = json.loads(text)
        return cls(value, tuple(authority), kind, tuple(name), birth)


NOBODY = Subject(None, (), None, ("", "", ""), None)
"""Of what says nothing of its patient: it contradicts no other."""


@lru_cache(maxsize=1)
def identifier_types() -> frozenset[str]:
    """Codes of HL7 table 0203, which Identifier Type Code (0040,0035) takes."""
    known = definitions.code_system("http://terminology.hl7.org/CodeSystem/v2-0203")
    return frozenset(known.concepts) if known is not None else frozenset()


def subject_of(values: dict[str, Value]) -> Subject:
    """The subject by the study attributes of an instance."""
    names: list[str] = []
    kind = None
    for item in values.get("IssuerOfPatientIDQualifiersSequence") or ():
        entity = issuer(
            getattr(item, "UniversalEntityID", None), getattr(item, "UniversalEntityIDType", None)
        )
        names += [entity] if entity else []
        stated = first_text(getattr(item, "IdentifierTypeCode", None))
        kind = stated if stated in identifier_types() else None
        break
    local = first_text(values.get("IssuerOfPatientID"))
    names += [local] if local else []
    name = values.get("PatientName")
    return Subject(
        first_text(values.get("PatientID")),
        tuple(names),
        kind,
        tuple(map(_plain, name)) if isinstance(name, PersonName) else ("", "", ""),
        (first_text(values.get("PatientBirthDate")) or "").replace(".", "") or None,
    )


def _plain(group: str) -> str:
    words = unicodedata.normalize("NFKC", group).replace("^", " ").split()
    return " ".join(words).casefold()


def same_subject(subjects: Iterable[Subject]) -> bool:
    """Whether these instances can be about one person: no two of them contradict each other."""
    return contradiction(subjects) is None


def contradiction(subjects: Iterable[Subject]) -> tuple[Subject, Subject] | None:
    """Two of the subjects that can't be one person.

    Two numbers contradict each other where they differ, or where both name issuers and none in common. A subject
    without number is compared by name and birth date; one that states neither contradicts nothing.
    """
    distinct = sorted(set(subjects), key=lambda each: each.text)
    numbered = {(each.value, each.authority): each for each in distinct if each.value is not None}
    unnumbered = [each for each in distinct if each.value is None]
    pairs = chain(combinations(numbered.values(), 2), product(unnumbered, distinct))
    return next(((item, other) for item, other in pairs if _contradict(item, other)), None)


def _contradict(subject: Subject, other: Subject) -> bool:
    if subject.value is not None and other.value is not None:
        if subject.value != other.value:
            return True
        return bool(
            subject.authority and other.authority and not set(subject.authority) & set(other.authority)
        )
    if subject.birth and other.birth and subject.birth != other.birth:
        return True
    if not any(subject.name) or not any(other.name):
        return False
    # The first representation that both have decides; none in common says nothing for it being one person.
    pairs = [(a, b) for a, b in zip(subject.name, other.name, strict=True) if a and b]
    return not pairs or pairs[0][0] != pairs[0][1]

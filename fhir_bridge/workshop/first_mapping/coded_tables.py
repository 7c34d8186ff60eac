# ruff: noqa: E501 - lists of words are written as they come out
"""Lists of codes that are kept by HL7, CDC or a country: which one cells are of, by all of them and what their column is for."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from fhir_bridge.terminology import get_terminology

__all__ = [
    "LANGUAGES",
    "MVX",
    "MVX_LIST",
    "NIP001",
    "CodeList",
    "are_codes",
    "is_from_list",
    "languages_of",
    "lists_of",
    "names_of_lists",
]

_HL7: Final = "http://terminology.hl7.org/CodeSystem/"
_CDC_RACES: Final = "urn:oid:2.16.840.1.113883.6.238"
MVX: Final = "http://hl7.org/fhir/sid/mvx"
NIP001: Final = "urn:oid:2.16.840.1.114222.4.5.274"


@dataclass(frozen=True, slots=True)
class CodeList:
    """A list of codes.

    Attributes:
        title: how a question names it.
        system: the system of its codes; empty where none is certain, so that it is only asked.
        known: the system whose codes it has, where that is in the terminology under another name.
        form: how its codes are written, of a list that the terminology lacks.
    """

    title: str
    system: str = ""
    known: str = ""
    form: re.Pattern[str] | None = None

    def has(self, code: str) -> bool:
        """Whether a cell is one of its codes."""
        if self.form is not None:
            return bool(self.form.fullmatch(code))
        return bool(self.system) and get_terminology().lookup(self.known or self.system, code) is not None


def _table(number: str, what: str) -> CodeList:
    return CodeList(f"HL7's table {number} ({what})", f"{_HL7}v2-{number}")


_LISTS: Final = {
    "route": (
        _table("0162", "route of administration"),
        CodeList("the NCI Thesaurus", "http://ncicb.nci.nih.gov/xml/owl/EVS/Thesaurus.owl", form=re.compile(r"C\d{4,6}")),
    ),
    "body-site": (_table("0163", "body site"), _table("0550", "body parts")),
    "race": (CodeList("CDC's race and ethnicity", _CDC_RACES, f"{_HL7}v3-Race"), CodeList("HL7's table 0005 (race)")),
    "ethnicity": (
        CodeList("CDC's race and ethnicity", _CDC_RACES, f"{_HL7}v3-Ethnicity"),
        _table("0189", "ethnic group"),
        CodeList("a country's categories, such as the NHS's"),
    ),
    "specimen": (_table("0487", "specimen type"), _table("0070", "specimen source codes")),
    "religion": (_table("0006", "religion"),),
    "contact-relationship": (_table("0063", "relationship"), _table("0131", "contact role")),
    "encounter-type": (_table("0007", "admission type"),),
    "admit-source": (
        CodeList("HL7's table 0023 (admit source)"), CodeList("the UB-04's points of origin"), CodeList("a national list"),
    ),
    "disposition": (
        CodeList("HL7's table 0112 (discharge disposition)"), CodeList("the UB-04's patient discharge status"),
        CodeList("a national list"),
    ),
    "eligibility": (CodeList("HL7's table 0064 with CDC's codes of the VFC program (V01 …)"),),
    "diagnosis-kind": (_table("0052", "diagnosis type"),),
    "priority": (CodeList("HL7's table 0027 (priority)"),),
    "specialty": (CodeList("HL7's table 0069 (hospital service)"), CodeList("a country's keys of departments"),),
}  # fmt: skip
"""The lists that columns of a role have codes of, the likeliest first."""
MVX_LIST: Final = CodeList("CDC's list of manufacturers (MVX)", MVX, f"{_HL7}v2-0227")
_CODE: Final = re.compile(r"[A-Z0-9][A-Z0-9.-]{0,7}")
_MOST: Final = 40
_MARKED: Final = 3
"""From so many characters a code is no common word."""


def are_codes(values: Sequence[str]) -> bool:
    """Whether cells are codes of a list and no words: few, short, in capitals or digits."""
    distinct = set(values)
    return 0 < len(distinct) <= _MOST and all(_CODE.fullmatch(v) and _is_short(v) for v in distinct)


def _is_short(value: str) -> bool:
    """Whether a cell is no word in capitals: `IM`, `2106-3`, `V01`, but not `SALA`."""
    return len(value) < _MARKED + 1 or any(c.isdigit() for c in value)


def lists_of(role: str, values: Sequence[str]) -> list[CodeList]:
    """The lists of a role that have all of these codes, the likeliest first."""
    distinct = set(values)
    if not distinct or len(distinct) > _MOST:
        return []
    return [each for each in _LISTS.get(role, ()) if all(each.has(value) for value in distinct)]


def is_from_list(values: Sequence[str]) -> bool:
    """Whether the cells are too many letters to be an accident: not one letter each, which means another thing in each list."""
    return any(len(value) > 1 for value in set(values)) and not all(v.isdigit() for v in set(values))


def names_of_lists(role: str) -> str:
    """The lists that a role may have codes of, in words; empty where none is known."""
    return ", ".join(each.title for each in _LISTS.get(role, ()))


LANGUAGES: Final = {
    "de": "de|deu|ger|deutsch|german|allemand|tedesco|alemán|aleman|duits|alemão",
    "fr": "fr|fra|fre|französisch|franzoesisch|french|français|francais|francese|francés|frances|frans",
    "it": "it|ita|italienisch|italian|italien|italiano|italiaans",
    "en": "en|eng|englisch|english|anglais|inglese|inglés|ingles|engels",
    "es": "es|esp|spa|spanisch|spanish|espagnol|spagnolo|español|espanol|spaans|castellano",
    "pt": "pt|por|portugiesisch|portuguese|portugais|portoghese|portugués|portugues|portugees|português",
    "nl": "nl|nld|dut|niederländisch|dutch|néerlandais|neerlandais|olandese|neerlandés|holandés|nederlands",
    "rm": "rm|roh|rätoromanisch|romansh|romanche|romancio",
    "tr": "tr|tur|türkisch|turkish|turc|turco|turks",
    "ar": "ar|ara|arabisch|arabic|arabe|arabo|árabe",
    "ru": "ru|rus|russisch|russian|russe|russo|ruso",
    "pl": "pl|pol|polnisch|polish|polonais|polacco|polaco|pools",
    "zh": "zh|chi|zho|chinesisch|chinese|mandarin|chinois|cinese|chino|chinees",
    "vi": "vi|vie|vietnamesisch|vietnamese|vietnamien|vietnamita",
}
"""Words for languages by their code of BCP 47."""
_SWISS: Final = {"d": "de", "f": "fr", "i": "it", "e": "en", "r": "rm"}
"""Letters for the languages of Switzerland, where a column has two of the first three."""


def languages_of(values: Sequence[str]) -> dict[str, str]:
    """The code of each word for a language, in small letters; empty where it is not understood."""
    known = {word: code for code, words in LANGUAGES.items() for word in words.split("|")}
    words = dict.fromkeys(value.casefold() for value in values)
    letters = {word for word in words if len(word) == 1}
    if letters and letters <= set(_SWISS) and len(letters & {"d", "f", "i"}) > 1:
        known = {**known, **_SWISS}
    return {word: known.get(word, "") for word in words}

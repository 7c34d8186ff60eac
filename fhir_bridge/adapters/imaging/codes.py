"""Coded concepts of DICOM, and the FHIR systems of their coding schemes (PS3.16 section 8)."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from functools import lru_cache
from typing import Final, NamedTuple

from fhir_bridge.terminology.dicom_concepts import dicom_concepts, snomed_of_rt

__all__ = [
    "CODE_FORM",
    "DCM",
    "LATERALITY",
    "LOINC",
    "MDC",
    "SCHEMES",
    "SCT",
    "UCUM",
    "Code",
    "code",
    "dicom_meanings",
    "system_of",
]

DCM: Final = "http://dicom.nema.org/resources/ontology/DCM"
LOINC: Final = "http://loinc.org"
MDC: Final = "urn:oid:2.16.840.1.113883.6.24"
SCT: Final = "http://snomed.info/sct"
UCUM: Final = "http://unitsofmeasure.org"

SCHEMES: Final[Mapping[str, str]] = {
    "DCM": DCM,
    "SCT": SCT,
    "SRT": "http://snomed.info/srt",
    "SNM3": "http://snomed.info/srt",
    "99SDM": "http://snomed.info/srt",
    "LN": LOINC,
    "UCUM": UCUM,
    "MDC": MDC,
    "NCIt": "http://ncicb.nci.nih.gov/xml/owl/EVS/Thesaurus.owl",
    "UMLS": "http://www.nlm.nih.gov/research/umls",
    "RADLEX": "http://www.radlex.org",
    "FMA": "http://purl.org/sig/fma",
    "RXNORM": "http://www.nlm.nih.gov/research/umls/rxnorm",
    "I9C": "http://hl7.org/fhir/sid/icd-9-cm",
    "I10": "http://hl7.org/fhir/sid/icd-10",
    "I10C": "http://hl7.org/fhir/sid/icd-10-cm",
    "I10P": "http://www.cms.gov/Medicare/Coding/ICD10",
    "C4": "http://www.ama-assn.org/go/cpt",
    "NDC": "http://hl7.org/fhir/sid/ndc",
    "ISO3166_1": "urn:iso:std:iso:3166",
    "RFC3066": "urn:ietf:bcp:47",
    "RFC5646": "urn:ietf:bcp:47",
    "I11": "http://id.who.int/icd/release/11/mms",
    **{
        designator: f"urn:oid:1.2.840.10008.2.16.{number}"
        for number, designator in (
            (5, "MA"), (6, "UBERON"), (7, "ITIS_TSN"), (8, "MGI"), (9, "PUBCHEM_CID"), (10, "DC"), (11, "NYUMCCG"),
            (12, "MAYONRISBSASRG"), (13, "IBSI"), (14, "RO"), (15, "RADELEMENT"), (17, "UNS"), (18, "RRID"),
        )
    },
}  # fmt: skip
"""Coding Scheme Designator to system URI (PS3.16 table 8-1). Others are a site's own (`schemes:` in its file)."""

LATERALITY: Final[Mapping[str, tuple[str, str]]] = {
    "L": ("7771000", "Left"),
    "R": ("24028007", "Right"),
    "B": ("51440002", "Right and left"),
    "U": ("66459002", "Unilateral"),
}
"""Laterality (0020,0060) and Image Laterality (0020,0062) to SNOMED CT: code and display (PS3.3 C.7.3.1, CID 244)."""

CODE_FORM: Final = re.compile(r"\S+( \S+)*")
"""R4 `code` has single spaces within and no other white space (datatypes.html#code)."""

_LEADING_ANNOTATION: Final = re.compile(r"^(\{[^{}]*\})([^/.{].*)$")
_PARTITIONED: Final = re.compile(r"(\d{1,5}):(\d{1,5})", re.ASCII)
_SNOMED_RT = frozenset({"SRT", "SNM3", "99SDM"})


class Code(NamedTuple):
    """A code sequence item (PS3.3 table 8.8-1).

    Attributes:
        value: Code Value, Long Code Value or URN Code Value; None where there is only a meaning.
        scheme: Coding Scheme Designator as the source writes it; None where it names none.
        meaning: Code Meaning.
        version: Coding Scheme Version.
    """

    value: str | None
    scheme: str | None
    meaning: str | None
    version: str | None = None

    @property
    def system(self) -> str | None:
        """The system URI of the scheme, or the designator itself where PS3.16 has no URI for it."""
        return system_of(self.scheme)

    @property
    def text(self) -> str | None:
        """The meaning, as people read it."""
        return self.meaning

    @property
    def display(self) -> str | None:
        """The meaning where it is the code's own name.

        None where a source calls a code of PS3.16 in other words, or DICOM's editions do: those words are the `text`
        alone, since a Coding's display is the system's (R4 datatypes.html#Coding).
        """
        if self.scheme != "DCM" or self.value is None or self.meaning is None or not self.value.isdecimal():
            return self.meaning
        names = dicom_meanings().get(self.value)
        return self.meaning if names is None or names == [self.meaning] else None

    @property
    def key(self) -> str:
        """Scheme and value in one text, for comparison (`SCT|13418002`)."""
        return f"{self.scheme or ''}|{self.value or ''}"

    def codings(self) -> list[tuple[str | None, str | None, str | None, str | None]]:
        """System (or designator), code, display and version, as `concept()` takes them.

        A version is only where the system is versioned by it; DICOM's scheme versions are mostly dates
        of editions that no terminology server knows, so they are left out.
        """
        return [(self.system, self.value, self.display, None)]


@lru_cache(maxsize=1)
def dicom_meanings() -> dict[str, list[str]]:
    """Code Meanings of the codes of PS3.16 Annex D, of all editions that pydicom knows."""
    results: dict[str, list[str]] = defaultdict(list)
    for concept in dicom_concepts("DCM"):
        if concept.meaning not in results[concept.code]:
            results[concept.code].append(concept.meaning)
    return dict(results)


@lru_cache(maxsize=1)
def _snomed() -> dict[str, str]:
    return snomed_of_rt()


def system_of(designator: str | None) -> str | None:
    """The system URI of a Coding Scheme Designator; an unknown designator comes back as it is."""
    if designator is None:
        return None
    return SCHEMES.get(designator, designator)


def code(value: str | None, scheme: str | None, meaning: str | None, version: str | None = None) -> Code:
    """A code as it is, but SNOMED RT (`T-32500`) as SNOMED CT (PS3.16 8.1.1) and units as UCUM writes them."""
    if scheme in _SNOMED_RT and value is not None:
        snomed = _snomed().get(value)
        if snomed is not None:
            return Code(snomed, "SCT", meaning)
    if scheme == "UCUM" and value is not None:
        # `{SUVbw}g/ml` of PS3.16 CID 85: UCUM wants an annotation behind its unit (UCUM section 2.3 §12).
        return Code(_LEADING_ANNOTATION.sub(r"\2\1", value), scheme, meaning)
    if scheme == "MDC" and value is not None and (parts := _PARTITIONED.fullmatch(value)) is not None:
        # DICOM writes partition and term (`2:16160`), FHIR and ISO/IEEE 11073-10101 the number of both.
        return Code(str(int(parts[1]) << 16 | int(parts[2])), scheme, meaning, version)
    if scheme == "SCT" or (scheme is not None and scheme.upper().startswith("SNOMED")):
        return Code(value, "SCT", meaning)
    return Code(value, scheme, meaning, version)

# ruff: noqa: E501 - lists of words and patterns are written as they come out
"""Which code system the cells of a column are of: by header, form, check digit, and how they recur."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from fhir_bridge.terminology.check_digits import is_well_formed
from fhir_bridge.workshop.first_mapping.guess import Guess
from fhir_bridge.workshop.first_mapping.lexicon import slots, tokens
from fhir_bridge.workshop.first_mapping.values import ATC, ICD10, LOINC, NDC, SNOMED, share

__all__ = [
    "CVX",
    "DECLARED",
    "PROCEDURE_FORM",
    "RXNORM",
    "TITLES",
    "Code",
    "code_of",
    "has_form",
    "icd_edition",
    "subject_of",
]

RXNORM: Final = "http://www.nlm.nih.gov/research/umls/rxnorm"
CVX: Final = "http://hl7.org/fhir/sid/cvx"
CPT: Final = "http://www.ama-assn.org/go/cpt"
OPS: Final = "http://fhir.de/CodeSystem/bfarm/ops"
CCAM: Final = "urn:oid:1.2.250.1.213.2.5"
PCS: Final = "http://www.cms.gov/Medicare/Coding/ICD10"
ICD9_CM: Final = "http://hl7.org/fhir/sid/icd-9-cm"
ICD10_CM: Final = "http://hl7.org/fhir/sid/icd-10-cm"
ICD10_GM: Final = "http://fhir.de/CodeSystem/bfarm/icd-10-gm"
PZN: Final = "http://fhir.de/CodeSystem/ifa/pzn"
READ2: Final = "http://read.info/readv2"
CTV3: Final = "http://read.info/ctv3"
CHOP: Final = "urn:oid:2.16.756.5.30.1.126.3.1"

TITLES: Final = {
    LOINC: "LOINC", SNOMED: "SNOMED CT", ICD10: "ICD-10", ICD10_CM: "ICD-10-CM", ICD10_GM: "ICD-10-GM", ATC: "ATC",
    NDC: "NDC", ICD9_CM: "ICD-9-CM", RXNORM: "RxNorm", CVX: "CVX", CPT: "CPT", OPS: "OPS", CCAM: "CCAM", PCS: "ICD-10-PCS", PZN: "PZN",
    READ2: "Read codes, version 2", CTV3: "Read codes, Clinical Terms Version 3", CHOP: "CHOP",
}  # fmt: skip
_ICD9_PROCEDURES: Final = "ICD-9-CM volume 3"
"""Codes of procedures, whose system is that of the diagnoses, and their form another: `47.01`."""
_FORMS: Final = {
    ATC: re.compile(r"[A-DGHJLMNPRSV]\d\d[A-Z]{2}\d\d\Z"),
    ICD10: re.compile(r"[A-Z]\d[0-9A-Z](\.[0-9A-Z]{1,4}|\.-|[0-9A-Z]{0,4})?[-+*!†#]?\Z"),
    NDC: re.compile(r"\d{4,5}-\d{3,4}-\d{1,2}\Z|\d{11}\Z"),
    CPT: re.compile(r"\d{4}[0-9FTU]\Z|[A-V]\d{4}\Z"),
    OPS: re.compile(r"[1-9]-\d{2}[0-9a-z](\.[0-9a-z]{1,2})?(:[LRB])?\Z"),
    CCAM: re.compile(r"[A-Z]{4}\d{3}(-\d+)*\Z"),
    PCS: re.compile(r"[0-9A-HJ-NP-Z]{7}\Z"),
    CVX: re.compile(r"\d{1,3}\Z"),
    RXNORM: re.compile(r"\d{2,8}\Z"),
    PZN: re.compile(r"(PZN[- ]?)?\d{7,8}\Z"),
    ICD9_CM: re.compile(r"(\d{3}\.?\d{0,2}|V\d{2}\.?\d{0,2}|E\d{3}\.?\d?)\Z"),
    _ICD9_PROCEDURES: re.compile(r"\d{2}\.\d{1,2}\Z"),
    READ2: re.compile(r"[0-9A-Za-z][0-9A-Za-z.]{4}([0-9A-Za-z]{2})?\Z"),
    CTV3: re.compile(r"[0-9A-Za-z][0-9A-Za-z.]{4}([0-9A-Za-z]{2})?\Z"),
    CHOP: re.compile(r"Z?\d{2}(\.[0-9A-Z]{1,2}){1,3}\Z"),
}
_NAMED: Final = (
    ("ctv3", (CTV3,)), ("readcode", (READ2,)), ("chop", (CHOP,)),
    ("loinc", (LOINC,)), ("snomed", (SNOMED,)), ("atc", (ATC,)), ("rxnorm", (RXNORM,)), ("cvx", (CVX,)),
    ("ndc", (NDC, PZN)), ("icd", (ICD10, ICD9_CM, _ICD9_PROCEDURES)), ("cpt", (OPS, CCAM, CPT, PCS)), ("diagnosis", (ICD10, ICD9_CM, SNOMED)),
    ("indication", (ICD10, SNOMED)), ("complaint", (ICD10, SNOMED)), ("reason", (ICD10, SNOMED)),
    ("procedure", (OPS, CCAM, CPT, SNOMED, _ICD9_PROCEDURES, PCS)), ("perform", (OPS, CCAM, _ICD9_PROCEDURES)), ("drug", (ATC, RXNORM, NDC, SNOMED)),
    ("vaccine", (CVX, SNOMED, ATC)), ("test", (LOINC, SNOMED)), ("allergy", (SNOMED, RXNORM, ATC)),
)  # fmt: skip
"""Concepts of a header, and the systems that they speak for, the likeliest first."""
_PROCEDURES_ALONE: Final = frozenset("procedure perform rank row code id".split())
"""Concepts of names that say nothing but which procedure it was, so that `47.01` is no amount."""
DECLARED: Final = frozenset("loinc snomed atc rxnorm cvx ndc icd cpt readcode ctv3 chop".split())
"""Concepts that name the system itself."""
_NO_CODE: Final = frozenset(
    """drg ward device account row lot patient mrn national insured provider encounter order specimen phone mobile postal money
    organization study hash form_admin insurer role city address birth death id contact gp race ethnicity language religion nationality marital sex""".split()
)
"""Concepts of headers whose cells are no codes, whatever they look like."""
_SUBJECTS: Final = frozenset("drug vaccine procedure diagnosis allergy test perform".split())
_ROLES: Final = frozenset("read loinc snomed icd atc rxnorm ndc cvx cpt test-code code".split())


@dataclass(frozen=True, slots=True)
class Code:
    """A code system, empty for local codes, with what speaks for it.

    Attributes:
        separator: between several codes in a cell; empty where each has one.
        subject: what the codes' form says that they are codes of; empty where it does not.
    """

    system: str
    evidence: tuple[str, ...]
    questions: tuple[str, ...] = ()
    separator: str = field(default="")
    subject: str = ""


def code_of(values: list[str], concepts: frozenset[str], fits: Sequence[str]) -> Code | None:
    """The codes that a column has; None where it has none.

    Args:
        concepts: what the words of the header stand for.
        fits: the roles that the header fits, best first.
    """
    best = fits[0] if fits else ""
    if "date" in concepts or ("unit" in concepts and not concepts & DECLARED):
        return None
    for separator in (";", "|", ",", " "):  # where all pieces are codes, cells of several are never one
        pieces = _split(values, separator, least=1)
        match = (_declared(pieces, concepts, best) or _by_form(pieces, concepts, best)) if pieces else None
        if match is None or match.system not in (ICD10, SNOMED, LOINC):
            continue
        if all(_fits(match.system, piece) for piece in pieces):
            several = f"several codes in a cell, parted by {separator!r}"
            return Code(match.system, (*match.evidence, several), match.questions, separator)
    for separator in ("", ";", "|", ","):
        codes = values if not separator else _split(values, separator)
        if not codes:
            continue
        match = _declared(codes, concepts, best) or _by_form(codes, concepts, best)
        if match is not None and (not separator or match.system in (ICD10, SNOMED, LOINC)):
            more = (f"several codes in a cell, parted by {separator!r}",) if separator else ()
            return Code(match.system, (*match.evidence, *more), match.questions, separator, match.subject)
    numbers = "procedure" in concepts and share(values, lambda v: re.fullmatch(r"\d{3,5}", v)) > 0.9
    local = (
        ("code" in concepts or numbers)
        and bool(concepts & _SUBJECTS)
        and share(values, lambda v: " " not in v) > 0.9
    )
    if (
        (
            best in ("test-code", "code")
            or (
                local
                and best
                in ("drug", "vaccine", "procedure", "diagnosis", "allergy", "cpt", "icd", "ndc", "cvx")
            )
        )
        and not _is_decimal(values)
        and not (concepts & _NO_CODE - {"id", "order"})
    ):
        if len(set(values)) == 1 and len(values) > 3 and best == "code":
            return None
        return Code(
            "",
            ("values are of no code system known by form",),
            ("which code system are these codes of? They are kept as local codes",),
        )
    return None


def _split(values: list[str], separator: str, least: int = 2) -> list[str]:
    if sum(1 for value in values if separator in value) < least:
        return []
    return [piece.strip() for value in values for piece in value.split(separator) if piece.strip()]


def _is_decimal(values: list[str]) -> bool:
    return share(values, lambda v: re.fullmatch(r"-?\d+[.,]\d+", v)) > 0.3


def _fits(system: str, value: str) -> bool:
    if system in (LOINC, SNOMED):
        return is_well_formed(system, value)
    return bool(_FORMS[system].match(value))


def has_form(system: str, value: str) -> bool:
    """Whether a cell has the form of a system's codes; of an edition of ICD-10, that of all."""
    if system in (ICD10_CM, ICD10_GM):
        system = ICD10
    return (system in _FORMS or system in (LOINC, SNOMED)) and _fits(system, value)


def _declared(codes: list[str], concepts: frozenset[str], best: str) -> Code | None:
    """The system that the header names or speaks for, where the cells have its form."""
    distinct = list(dict.fromkeys(codes))
    for concept, systems in _NAMED:
        if concept not in concepts or (concept not in DECLARED and concepts & _NO_CODE - {"id", "row"}):
            continue
        sure = concept in DECLARED
        if not sure and best not in _ROLES and systems[0] in (CVX, LOINC) and concept != "test":
            continue
        for system in systems:
            part = share(distinct, lambda value, system=system: _fits(system, value))  # type: ignore[misc]
            digits = system in (SNOMED, RXNORM, CVX, NDC) and not sure
            if system == ICD9_CM and (
                not all(any(c.isdigit() for c in v) for v in distinct) or len(distinct) < 3
            ):
                continue
            bare = system == ICD9_CM and not sure and all(v.isdigit() for v in distinct)
            if bare and (concept != "diagnosis" or concepts & {"id", "row"} or not _of_lengths(distinct)):
                continue  # bare digits are the keys of a list as well
            if part < (0.6 if sure else 0.8) or (digits and (best not in _ROLES or len(distinct) < 3)):
                continue
            if (
                system == PCS
                and not sure
                and (part < 0.99 or not all(any(c.isdigit() for c in v) for v in distinct))
            ):
                continue  # words of seven letters have its form as well
            alone = system == _ICD9_PROCEDURES and concepts <= _PROCEDURES_ALONE
            if system in (CPT, _ICD9_PROCEDURES) and not sure and not alone and best not in _ROLES:
                continue
            if system == _ICD9_PROCEDURES:
                if part < 0.99 or len(distinct) < 3 or concepts & {"diagnosis"}:
                    continue
                return Code(
                    ICD9_CM,
                    ("all different values have the form of ICD-9-CM's codes of procedures",),
                    ("are these codes of procedures of ICD-9-CM, as is assumed?",),
                    subject="procedure",
                )
            evidence = f"{part:.0%} of the different values have the form of {TITLES[system]}"
            questions = []
            if part < 0.99:
                questions.append(
                    f"{1 - part:.0%} of the codes are not of {TITLES[system]}: what system are they of?"
                )
            if system in (CPT, OPS, CCAM, PCS, PZN, ICD9_CM, READ2, CTV3, CHOP) or (
                system in (RXNORM, CVX) and not sure
            ):
                questions.append(f"are these codes of {TITLES[system]}, as is assumed?")
            return Code(system, (evidence,), tuple(questions))
        if (
            sure
            and concept not in ("cpt", "ndc", "icd")
            and best in _ROLES
            and not _of_none(systems[0], distinct)
        ):
            system = systems[0]
            return Code(system, ("name states the system",), (f"are these codes of {TITLES[system]}?",))
        if sure and best in _ROLES:
            return Code("", ("values are of no code system known by form",), ("which code system is this?",))
    return None


def _of_none(system: str, values: list[str]) -> bool:
    """Whether no cell has a form of SNOMED CT's concepts: the codes of its forerunner (`T67700`) are not of it."""
    return system == SNOMED and not any(_fits(system, value) for value in values)


def _of_lengths(values: list[str]) -> bool:
    """Whether digits are written as ICD-9-CM's codes without points are: three to five, some of each."""
    lengths = {len(value) for value in values}
    return lengths <= {3, 4, 5} and len(lengths) > 1 and 5 in lengths and len(values) > 3


PROCEDURE_FORM: Final = re.compile(
    r"[A-Z]\d{2}\.?\d|[A-Z]{2,4}\d{2,3}(-\d+)*|[1-9]-\d{2}[0-9a-z](\.[0-9a-z]{1,2})?|[0-9A-HJ-NP-Z]{7}|\d[A-Z]{2}\d{2}[A-Z]{2,6}\w*|\d{4}|0\d{3,9}|\d{8,10}"
)
"""How codes of procedures are written in several countries: OPCS, NCSP, CCAM, OPS, ICD-10-PCS, CCI, and lists of digits."""


def _by_form(codes: list[str], concepts: frozenset[str], best: str) -> Code | None:
    """The system whose form the cells have, though the header does not say so: never of what numbers things."""
    if concepts & _NO_CODE or best in ("status", "flag", "sex", "dose", "quantity", "value", "strength"):
        return None
    distinct = list(dict.fromkeys(codes))
    if _is_running(distinct) or len(distinct) < 3:
        return None
    repeats = len(distinct) < len(codes) or len(codes) < 12
    for system in (LOINC, ATC, ICD10, NDC, SNOMED):
        part = share(distinct, lambda value, system=system: _fits(system, value))  # type: ignore[misc]
        if part < 0.9:
            continue
        if system == ICD10:
            dotted = share(distinct, lambda value: "." in value)
            long = share(distinct, lambda value: "." not in value and len(value) > 5)
            if dotted < 0.3 or long or not repeats:
                continue
        if system == SNOMED and (part < 0.95 or len(distinct) < 5 or min(map(len, distinct)) < 6):
            continue
        if system == NDC and not all("-" in value for value in distinct):
            continue
        evidence = f"{part:.0%} of the different values have the form of {TITLES[system]}"
        return Code(system, (evidence,), (f"are these codes of {TITLES[system]}? Only their form says so",))
    return None


def _is_running(values: list[str]) -> bool:
    """Whether values are running numbers behind one letter: `E9001`, `E9002`."""
    matches = [re.fullmatch(r"([A-Za-z]+)(\d+)", value) for value in values]
    numbers = sorted(int(match[2]) for match in matches if match)
    return (
        len(numbers) == len(values) > 3
        and len({match[1] for match in matches if match}) == 1
        and (numbers[-1] - numbers[0] < 2 * len(numbers) or len({len(value) for value in values}) == 1)
    )


def icd_edition(column: str, values: Sequence[str], language: str, *, month_first: bool) -> tuple[str, str]:
    """The edition of ICD-10 that codes are of, and the question about it.

    Args:
        language: of the header.
        month_first: whether dates of the table are written as in the United States.
    """
    words = tokens(column).split()
    if "gm" in words:
        return ICD10_GM, ""
    if "cm" in words:
        return ICD10_CM, ""
    longest = max((len(value.partition(".")[2].rstrip("+*!-")) for value in values), default=0)
    system = ICD10
    if language == "de":
        system = ICD10_GM
    elif longest >= 3 or (longest == 2 and (month_first or language == "en")) or month_first:
        system = ICD10_CM
    return system, f"{column}: which edition of ICD-10 is it? {TITLES[system]} is assumed"


_SUBJECT_WORDS: Final = (
    ("test", frozenset("loinc test".split())),
    ("drug", frozenset("atc rxnorm ndc drug".split())),
    ("vaccine", frozenset("cvx vaccine".split())),
    ("procedure", frozenset("cpt chop procedure perform".split())),
    ("diagnosis", frozenset("icd diagnosis".split())),
    ("allergy", frozenset("allergy".split())),
    ("indication", frozenset("indication reason complaint".split())),
)


def subject_of(guess: Guess) -> str:
    """What a code's header says that it is a code of: `drug`, `diagnosis`, …; nothing where it does not."""
    if guess.subject:
        return guess.subject
    parts = slots(tokens(guess.name))
    concepts = frozenset[str]().union(*(part.concepts for part in parts))
    by_system = {LOINC: "test", ATC: "drug", RXNORM: "drug", NDC: "drug", CVX: "vaccine"}
    if concepts & {"procedure", "cpt", "chop"} and not concepts & {
        "diagnosis",
        "indication",
        "reason",
        "complaint",
    }:
        return "procedure"  # `ICD9_PROC_CD`
    for subject, words in reversed(_SUBJECT_WORDS):
        if concepts & words:
            return subject
    return by_system.get(guess.system, "diagnosis" if "icd-10" in guess.system else "")

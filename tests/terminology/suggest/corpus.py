"""The local names with their answers, and the code systems that they are looked up in."""

from __future__ import annotations

import csv
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from fhir_bridge.terminology.content import CodeSystemContent, ConceptDetail
from fhir_bridge.terminology.suggest import LocalTerm
from tests.terminology.makers import loinc_rows

FOLDER = Path(__file__).parent
TABLES = ("local_names.tsv", "local_names_second.tsv", "local_names_third.tsv")
AXES = ("COMPONENT", "PROPERTY", "TIME_ASPCT", "SYSTEM", "SCALE_TYP", "METHOD_TYP")
LOINC = "http://loinc.org"
ICD = "http://hl7.org/fhir/sid/icd-10-cm"


@dataclass(frozen=True, slots=True)
class Named:
    """A local name and the codes that a coder may choose; empty where there is none."""

    term: LocalTerm
    domain: str
    codes: tuple[str, ...]


class Concepts:
    """As much of a code system's content as suggestion asks for."""

    language = "en"

    def __init__(self, url: str, concepts: dict[str, ConceptDetail]) -> None:
        self.url = url
        self._concepts = concepts

    def codes(self) -> Iterator[str]:
        return iter(self._concepts)

    def get(self, code: str) -> ConceptDetail | None:
        return self._concepts.get(code)


def of(url: str, concepts: dict[str, ConceptDetail]) -> CodeSystemContent:
    return cast(CodeSystemContent, Concepts(url, concepts))


def names(table: str) -> list[Named]:
    with (FOLDER / table).open(encoding="utf-8") as file:
        return [
            Named(
                LocalTerm(r["name"], r["unit"], r["specimen"], r["language"]),
                r["domain"],
                tuple(filter(None, r["code"].split("|"))),
            )
            for r in csv.DictReader(file, delimiter="\t")
        ]


def loinc(distractors: int) -> CodeSystemContent:
    """The answers among made concepts; those made that no name could tell from an answer are left out."""
    with (FOLDER / "loinc_answers.tsv").open(encoding="utf-8") as file:
        answers = list(csv.DictReader(file, delimiter="\t"))
    taken = {(a["component"], a["property"], a["system"], a["method"]) for a in answers}
    concepts = {
        row["LOINC_NUM"]: _concept(row["LOINC_NUM"], row["LONG_COMMON_NAME"], {k: row[k] for k in AXES})
        for row in loinc_rows(distractors)
        if (row["COMPONENT"], row["PROPERTY"], row["SYSTEM"], row["METHOD_TYP"]) not in taken
    }
    for a in answers:
        axes = (a[k] for k in ("component", "property", "time", "system", "scale", "method"))
        concepts[a["code"]] = _concept(a["code"], a["long_common_name"], dict(zip(AXES, axes, strict=True)))
    return of(LOINC, concepts)


def icd(others: int) -> CodeSystemContent:
    """ICD-10-CM as a package of the registry carries it: the answers and so many others, if there are.

    Categories are not for coding.
    """
    with warnings.catch_warnings():  # it reads its data in a way that Python 3.11 calls old
        warnings.simplefilter("ignore", DeprecationWarning)
        import simple_icd_10_cm as icd10cm
    every = icd10cm.get_all_codes(True)
    answers = {code for table in TABLES for named in names(table) for code in named.codes}
    step = max(1, len(every) // others)
    codes = [code for number, code in enumerate(every) if not number % step or code in answers]
    return of(
        ICD,
        {c: ConceptDetail(c, icd10cm.get_description(c), abstract=not icd10cm.is_leaf(c)) for c in codes},
    )


def _concept(code: str, display: str, axes: dict[str, str]) -> ConceptDetail:
    return ConceptDetail(
        code, display, properties=tuple((name, value, "string") for name, value in axes.items() if value)
    )

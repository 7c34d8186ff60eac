"""HL7's terminology suite as it lies in a folder: suites, their set-up resources, and cases."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

LICENSED = {
    "snomed": "SNOMED CT (affiliate licence)",
    "sct-ecl": "SNOMED CT (affiliate licence)",
    "omop": "OMOP vocabulary (mixed licences)",
    "icd-11": "ICD-11 (WHO licence)",
}
"""Suites that take content which a site has to be licensed for."""

OWN_SUITE = "tx.fhir.org"
"""A suite of tx.fhir.org's own."""

OWN_CONTENT = "content of tx.fhir.org that does not come with the suite"

CONTENT = {
    "http://snomed.info/sct": LICENSED["snomed"],
    "http://loinc.org": "LOINC (its own licence)",
    "http://www.ama-assn.org/go/cpt": "CPT (AMA licence)",
    "http://www.nlm.nih.gov/research/umls/rxnorm": "RxNorm (UMLS licence)",
    "http://hl7.org/fhir/sid/ndc": "NDC (not in the suite)",
    "urn:oid:2.16.840.1.113883.6.238": "value sets of VSAC (UMLS licence)",
    "urn:iso:std:iso:3166": "ISO 3166 (ISO's copyright)",
}
"""Code systems that are not in the suite and may not be shipped, with whose they are."""

FHIR_VERSION = "4.0.1"


@dataclass(frozen=True)
class Case:
    """One test."""

    suite: str
    name: str
    operation: str
    request: Path | None
    response: Path
    alternatives: tuple[Path, ...]
    setup: tuple[Path, ...]
    profile: Path
    accept_language: str | None
    status: str
    mode: str
    fhir_version: str | None
    raw: dict[str, Any] = field(hash=False, compare=False)

    @property
    def key(self) -> str:
        return f"{self.suite}/{self.name}"

    @property
    def content(self) -> str | None:
        """What it needs that may not be shipped with a server; None where it needs no such thing."""
        if self.suite in LICENSED:
            return LICENSED[self.suite]
        if self.suite == OWN_SUITE:
            return OWN_CONTENT
        requested = "" if self.request is None else self.request.read_text(encoding="utf-8-sig")
        details = self.response.read_text(encoding="utf-8-sig")
        for url, whose in CONTENT.items():
            if f'"{url}"' in requested or f'"{url}"' in details or f'"{url}|' in requested:
                return whose
        return None

    @property
    def applies(self) -> bool:
        """Whether it is a case for a server of our FHIR version."""
        wanted = self.fhir_version
        if wanted is None:
            return True
        return (
            not FHIR_VERSION.startswith(wanted[1:])
            if wanted.startswith("!")
            else FHIR_VERSION.startswith(wanted)
        )


@cache
def read(path: Path) -> Any:
    """A JSON file of the suite (some begin with a byte order mark)."""
    return json.loads(path.read_text(encoding="utf-8-sig"))


def cases(root: Path) -> Iterator[Case]:
    """All cases in the order of the suite; one that occurs twice is taken once."""
    seen = set()
    for suite in read(root / "test-cases.json")["suites"]:
        setup = tuple(root / name for name in suite.get("setup", ()))
        for test in suite["tests"]:
            key = (suite["name"], test["name"], test.get("request"))
            if key in seen:
                continue
            seen.add(key)
            yield Case(
                suite["name"],
                test["name"],
                test["operation"],
                root / test["request"] if "request" in test else None,
                root / test["response"],
                tuple(root / test[name] for name in ("response2",) if name in test),
                setup,
                root / test.get("profile", "parameters-default.json"),
                test.get("Accept-Language"),
                test.get("http-code", "2xx"),
                test.get("mode", suite.get("mode", "general")),
                test.get("version", suite.get("version")),
                test,
            )


def externals(case: Case) -> dict[str, str] | None:
    """The texts that stand for `$external:n$` in the expected answer of a case."""
    root = next(folder for folder in case.response.parents if (folder / "test-cases.json").is_file())
    texts = read(root / "messages-tx.fhir.org.json")
    text: dict[str, str] | None = texts.get(str(case.response.relative_to(root)))
    return text

"""A PharmCAT file as a record: a delivery of one sample, which a newer one of the sample replaces."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from pathlib import Path
from typing import Any

from fhir_bridge.adapters.genomics.pharmcat.content import (
    Annotation,
    ContentError,
    Diplotype,
    GeneCall,
    Haplotype,
    gene_calls,
    read_annotations,
    remarks,
)
from fhir_bridge.adapters.genomics.pharmcat.issues import issue
from fhir_bridge.fhir.datatypes import DateTime
from fhir_bridge.fhir.issues import Issue
from fhir_bridge.mapping import Record
from fhir_bridge.plugins import RecordOutcome

__all__ = ["PharmcatOptions", "PharmcatRecord", "Results", "read_file"]

_LARGEST = 256 << 20


@dataclass(frozen=True, slots=True)
class PharmcatOptions:
    """What a user may set.

    Attributes:
        sample: its name, where the file has none or another one.
        drugs: names of the drugs whose annotations are taken; empty takes all.
        sources: beginnings of the sources whose annotations are taken (`CPIC`, `DPWG`, `FDA`); empty takes all.
        recommendations: a Task for `actionable` ones (another dose, drug or care), or for `all`.
    """

    sample: str | None = None
    drugs: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    recommendations: str = "actionable"


@dataclass(slots=True)
class Item:
    """An object of the file, below it: `outer`, and what it is itself."""

    outer: Results
    of: Any

    @property
    def file(self) -> Results:
        """The file."""
        return self.outer


class Results:
    """What a file says (scope `File`), and what it is to the store: all of a sample's pharmacogenomics.

    Attributes:
        kind: `report`, `phenotype` or `match`.
    """

    outer = None

    def __init__(
        self, name: str, kind: str, content: Mapping[str, Any], digest: str, options: PharmcatOptions
    ) -> None:
        self.name = name
        self.id = digest
        self.kind = kind
        self.options = options
        matcher = content.get("matcherMetadata") or content.get("metadata") or {}
        if not isinstance(matcher, dict):
            raise ContentError("the metadata of the matcher are no object")
        self.sample: str | None = (
            options.sample or _words(matcher.get("sampleId")) or _words(content.get("title"))
        )
        self.build = _words(matcher.get("genomeBuild"))
        self.version = _words(content.get("pharmcatVersion"))
        # Version 2 states those of both sources.
        of_sources = [
            f"{name} {text}"
            for name in ("CPIC", "DPWG")
            if (text := _words(content.get(f"{name.lower()}Version")))
        ]
        self.data_version = _words(content.get("dataVersion")) or ", ".join(of_sources) or None
        stamp = _words(content.get("timestamp")) or _words(matcher.get("timestamp"))
        self.time = _time(stamp)
        self.unread: list[tuple[str, str]] = []
        if self.time is None and _stated(content, matcher, "timestamp"):
            self.unread.append(("FB-PGX-013", "the timestamp is no date and time with its zone"))
        for name, value in (
            ("sampleId", matcher.get("sampleId")),
            ("title", content.get("title")),
            ("genomeBuild", matcher.get("genomeBuild")),
            ("pharmcatVersion", content.get("pharmcatVersion")),
            ("dataVersion", content.get("dataVersion")),
        ):
            if not isinstance(value, str | None):
                self.unread.append(("FB-PGX-014", f"{name} is no text and is left out"))
        self.date = DateTime(self.time.isoformat(timespec="seconds")) if self.time else None
        self.genes: list[GeneCall] = []
        self.annotations: list[Annotation] = []
        self.remarks = tuple(remarks(content))
        self.complete = True
        self.sexes: Mapping[str, str] = {}

    @property
    def file(self) -> Results:
        """Itself, so that `file.` reads the same in every scope."""
        return self

    @property
    def assembly(self) -> str:
        """What two files must have in common to replace each other."""
        return f"pharmcat {self.kind}"

    @property
    def caller(self) -> str:
        """The program, with its version and that of its data."""
        parts = ["PharmCAT", self.version, f"(data {self.data_version})" if self.data_version else None]
        return " ".join(part for part in parts if part)

    @property
    def not_called(self) -> list[str]:
        """Genes without a call."""
        return [call.symbol for call in self.genes if not call.diplotypes]

    @property
    def diplotypes(self) -> list[Diplotype]:
        """All diplotypes."""
        return [each for call in self.genes for each in call.diplotypes]

    @property
    def haplotypes(self) -> list[Haplotype]:
        """All named alleles, each once for a gene."""
        named = {(each.gene, each.name): each for one in self.diplotypes for each in one.haplotypes}
        return list(named.values())

    @property
    def conclusion(self) -> str:
        """What was called and recommended, in words."""
        called = [
            f"{each.title}{f' ({each.phenotype})' if each.phenotype else ''}" for each in self.diplotypes
        ]
        parts = [f"Called: {'; '.join(called) or 'nothing'}."]
        if missing := self.not_called:
            parts.append(f"Not called: {', '.join(missing)}.")
        for call in self.genes:
            if not call.diplotypes:
                parts += [f"Of {call.symbol}: {text.removesuffix('.')}." for text in call.notes]
        drugs = list(dict.fromkeys(each.drug for each in self.annotations if each.actionable))
        if drugs:
            parts.append(f"Another dose, drug or care is recommended for: {', '.join(drugs)}.")
        elif self.kind == "report":
            parts.append("No other dose, drug or care is recommended for the drugs reported.")
        parts += [f"PharmCAT remarks: {text}" for text in self.remarks]
        return " ".join(parts)


class PharmcatRecord(Record):
    """One file."""

    root = "File"
    delivery: Results | None
    ends_delivery = True
    place = 1
    """All of a sample's results are one place, so that those of a newer file replace them."""

    def __init__(
        self,
        locator: str,
        *,
        outcome: RecordOutcome = "read",
        issues: Sequence[Issue] = (),
        results: Results | None = None,
    ) -> None:
        time = results.time if results else None
        key = results.id if results else ""
        super().__init__(locator, source="pharmcat", time=time, outcome=outcome, issues=issues, key=key)
        self.delivery = results

    @property
    def bounds(self) -> str:
        """Within what a sample's name is one sample where no crosswalk names its patient: this content."""
        return self.delivery.id if self.delivery is not None else ""

    def scope(self, name: str) -> Iterable[Any]:
        """The objects of a scope, in the file's order."""
        results = self.delivery
        if results is None:
            return ()
        if name == "File":
            return (results,)
        scopes: dict[str, Sequence[Any]] = {
            "Haplotype": results.haplotypes,
            "Genotype": results.diplotypes,
            "Annotation": results.annotations,
        }
        items = scopes.get(name, ())
        return [Item(results, each) for each in items]


def read_file(path: Path, options: PharmcatOptions) -> PharmcatRecord:
    """The record of one file: read, or rejected with the reason."""
    name = path.name
    try:
        if path.stat().st_size > _LARGEST:
            return _rejected(name, "FB-PGX-001", "the file is too large")
        raw = path.read_bytes()
        content = json.loads(raw)
    except OSError as error:
        return _rejected(name, "FB-PGX-001", f"the file can't be opened: {error.strerror}")
    except (ValueError, RecursionError) as error:
        return _rejected(name, "FB-PGX-001", f"the file is no JSON ({error})"[:200])
    kind = _kind(content)
    if kind is None:
        return _rejected(name, "FB-PGX-001", "it has neither genes and drugs, nor geneReports, nor results")
    try:
        results = Results(name, kind, content, blake2b(raw, digest_size=16).hexdigest(), options)
        if results.sample is None:
            return _rejected(name, "FB-PGX-003", "neither sampleId nor title is in it")
        issues = _fill(results, content)
    except ContentError as error:
        return _rejected(name, "FB-PGX-002", str(error))
    except (AttributeError, KeyError, TypeError) as error:
        return _rejected(name, "FB-PGX-002", f"a part has another form ({error})"[:200])
    return PharmcatRecord(name, issues=issues, results=results)


def _fill(results: Results, content: Mapping[str, Any]) -> list[Issue]:
    where = results.name
    issues = [issue(code, message, where) for code, message in results.unread]
    if results.kind == "match":
        genes: Any = {
            str(entry.get("gene")): entry for entry in content["results"] if isinstance(entry, dict)
        }
    else:
        genes = content["genes" if results.kind == "report" else "geneReports"]
    results.genes = list(gene_calls(genes))
    for call in results.genes:
        if call.not_text:
            text = f"{call.symbol}: {', '.join(call.not_text)} is no text and is left out"
            issues.append(issue("FB-PGX-014", text, where))
    if warned := content.get("vcfWarnings"):
        text = f"vcfWarnings: {len(warned) if isinstance(warned, dict | list) else 1} are left out"
        issues.append(issue("FB-PGX-015", text, where))
    if missing := results.not_called:
        issues.append(issue("FB-PGX-010", f"not called: {', '.join(missing)}", where))
    if several := [call.symbol for call in results.genes if len(call.diplotypes) > 1]:
        issues.append(issue("FB-PGX-011", f"several diplotypes: {', '.join(several)}", where))
    drugs = content.get("drugs") if results.kind == "report" else None
    options = results.options
    wanted = {name.lower() for name in options.drugs}
    calls = {call.symbol: call for call in results.genes}
    lost: list[str] = []
    for each in read_annotations(drugs if isinstance(drugs, dict) else {}, calls):
        if isinstance(each, tuple):
            if not wanted or each[0].lower() in wanted:
                lost.append(f"{each[0]} ({each[1]})")
        elif (not wanted or each.drug.lower() in wanted) and (
            not options.sources
            or each.source.lower().startswith(tuple(name.lower() for name in options.sources))
        ):
            results.annotations.append(each)
    if lost:
        issues.append(issue("FB-PGX-012", ", ".join(sorted(set(lost))[:10]), where))
    return issues


def _kind(content: Any) -> str | None:
    if not isinstance(content, dict):
        return None
    if isinstance(content.get("genes"), dict) and isinstance(content.get("drugs"), dict):
        return "report"
    if isinstance(content.get("geneReports"), dict):
        return "phenotype"
    return "match" if isinstance(content.get("results"), list) and "metadata" in content else None


def _rejected(name: str, code: str, message: str) -> PharmcatRecord:
    return PharmcatRecord(name, outcome="rejected", issues=[issue(code, message, name)])


def _stated(content: Mapping[str, Any], matcher: Mapping[str, Any], key: str) -> bool:
    return any(entry.get(key) not in (None, "") for entry in (content, matcher))


def _words(value: Any) -> str | None:
    return value.strip() or None if isinstance(value, str) else None


def _time(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        time = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return None
    return time.replace(microsecond=time.microsecond // 1000 * 1000) if time.tzinfo else None

"""A newer release of ClinVar: kept files are read again by it, stored variants get its classification, and reports
whose findings changed by it are marked with a Task.

What it says goes through the ledger of outputs: a kept file's lines say it in place of what they said; of a variant
without a kept file it is a message of the source `clinvar`, at the time of the release.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fhir_bridge.adapters.genomics.assembly import BUILDS
from fhir_bridge.adapters.genomics.clinvar import ClinVar, unclear
from fhir_bridge.adapters.genomics.clinvar_release import Release, open_release, release_date
from fhir_bridge.adapters.genomics.kept_reading import ReclassifyingAdapter
from fhir_bridge.adapters.genomics.kept_stored import variants_stored_of
from fhir_bridge.adapters.genomics.options import OptionError
from fhir_bridge.adapters.genomics.query import (
    ObservedVariant,
    build_of,
    read_observation,
)
from fhir_bridge.fhir.access import EVERYTHING
from fhir_bridge.fhir.canonical import SOURCE_EXTENSION
from fhir_bridge.fhir.serialization import loads
from fhir_bridge.pipeline import load_again
from fhir_bridge.storage import RecordSet, Store
from fhir_bridge.storage.blobs import Blobs
from fhir_bridge.storage.kept_files import KeptFile
from fhir_bridge.storage.writing import Operation

__all__ = ["Reclassified", "reclassify"]

SOURCE = "urn:fhir-bridge:clinvar"
GUIDE = "http://hl7.org/fhir/uv/genomics-reporting/"
CITATION = "https://www.ncbi.nlm.nih.gov/clinvar/"
LOINC = "http://loinc.org"
HL7 = "http://terminology.hl7.org/CodeSystem/"
_BATCH = 200
_CODES = {
    "pathogenic": ("LA6668-3", "Pathogenic"),
    "likely-pathogenic": ("LA26332-9", "Likely pathogenic"),
    "uncertain": ("LA26333-7", "Uncertain significance"),
    "likely-benign": ("LA26334-5", "Likely benign"),
    "benign": ("LA6675-8", "Benign"),
}
_REPORTABLE = frozenset(("LA6668-3", "LA26332-9"))
Findings = dict[str, frozenset[tuple[str, str]]]
"""By report: ids of its variants, each with its classification."""


@dataclass(slots=True)
class Reclassified:
    """What a release changed.

    Attributes:
        files: kept files that were read again; failed: those that could not be, with the reason.
        implications: of stored variants without a kept file, that were written.
        missing: stored variants with a classification by ClinVar that the release has not; theirs stays.
        older: stored variants that a newer release has classified already; theirs stays.
        unclear: variants whose classes conflict, or are none of ClinVar's words: kept as words.
        reports: ids of the reports whose findings changed.
    """

    files: int = 0
    failed: list[str] = field(default_factory=list)
    implications: int = 0
    missing: int = 0
    older: int = 0
    unclear: int = 0
    reports: list[str] = field(default_factory=list)


async def reclassify(
    store: Store, blobs: Blobs, url: str, release: Path, date: str, site: Path | None
) -> Reclassified:
    """Classify all that is known by a release, and mark what changed.

    Args:
        url: of the same database, for the runs that read kept files.
        date: of the release, `YYYY-MM-DD`: the business time of what it says.

    Raises:
        OptionError: the release can't be read. StorageError.
    """
    result = Reclassified()
    releases = await asyncio.to_thread(_releases, release)
    before = await _findings(store)
    of_files: dict[str, bool] = {}
    for file in await store.kept_files.every():
        newer = _newer(file, release.absolute(), date)
        problem = newer or await _read_again(store, blobs, url, file, release, site, result)
        if problem is None:
            result.files += 1
        else:
            result.failed.append(f"{file.name or file.id}: {problem}")
        if newer is not None or problem is None:
            ids = [loads(content)["id"] for content in await store.kept_files.stored(file)]
            of_files |= dict.fromkeys(ids, newer is None)
    await _stored(store, release, releases, date, result, of_files)
    after = await _findings(store)
    changed = [report for report in after if before.get(report, after[report]) != after[report]]
    await _mark(store, changed, before, after, date)
    result.reports = sorted(changed)
    return result


async def _read_again(
    store: Store,
    blobs: Blobs,
    url: str,
    file: KeptFile,
    release: Path,
    site: Path | None,
    result: Reclassified,
) -> str | None:
    """Read a kept file again by the release; why that can't be."""
    try:
        open_release(release, file.within)
    except OptionError as error:
        return error.issue.message
    stored = await variants_stored_of(store, file)
    adapter = ReclassifyingAdapter(
        file.name, file.id, file.options, list(file.parts), stored, release.absolute()
    )
    account = await asyncio.to_thread(load_again, adapter, file.mapping, site, blobs.path(file.data), url)
    if account.rejected and not account.converted:
        return "; ".join(sorted({message for _, _, message in account.issues})[:3])
    result.unclear += sum(
        count for (_, code, _), (_, count) in account.issues.items() if code == "FB-VCF-052"
    )
    return None


def _newer(file: KeptFile, release: Path, date: str) -> str | None:
    """That the release which a file is classified by is newer; None where it is not."""
    named = file.options.get("clinvar")
    if named is None or Path(named) == release:
        return None
    try:
        known = release_date(Path(named))
    except OSError:
        return None
    if known is None or known <= date:
        return None
    return f"it is classified by the release of {known} already, which is newer"


async def _all(store: Store, resource_type: str, code: str) -> AsyncIterator[dict[str, Any]]:
    cursor: str | None = None
    while True:
        page = await store.search(resource_type, [("code", code)], EVERYTHING, count=500, cursor=cursor)
        for stored in page.entries:
            yield loads(stored.bytes)
        cursor = page.next
        if cursor is None:
            return


def _references(resource: Mapping[str, Any], name: str) -> list[str]:
    items = resource.get(name) or ()
    texts = [item.get("reference") for item in items if isinstance(item, dict)]
    return [str(text).rpartition("/")[2] for text in texts if text]


def _reference(resource: Mapping[str, Any], name: str) -> str:
    value = resource.get(name)
    return str(value.get("reference", "")).rpartition("/")[2] if isinstance(value, dict) else ""


def _classification(implication: Mapping[str, Any]) -> tuple[str, frozenset[str]]:
    """The classification as text, and its codes."""
    for component in implication.get("component") or ():
        if any(coding.get("code") == "53037-8" for coding in component.get("code", {}).get("coding", ())):
            concept = component.get("valueCodeableConcept") or {}
            codes = [coding.get("code", "") for coding in concept.get("coding", ())]
            return concept.get("text") or "".join(codes[:1]), frozenset(codes)
    return "", frozenset()


async def _findings(store: Store) -> Findings:
    """The classified variants that each report lists, and those that it would list: reportable, of its specimen."""
    classified: dict[str, set[str]] = {}
    reportable: dict[tuple[str, str], set[tuple[str, str]]] = {}
    async for implication in _all(store, "Observation", "diagnostic-implication"):
        if implication.get("status") in ("entered-in-error", "cancelled"):
            continue
        text, codes = _classification(implication)
        for variant in _references(implication, "derivedFrom"):
            classified.setdefault(variant, set()).add(text)
            if not _REPORTABLE.isdisjoint(codes):
                sample = _reference(implication, "subject"), _reference(implication, "specimen")
                reportable.setdefault(sample, set()).add((variant, text))
    results: Findings = {}
    async for report in _all(store, "DiagnosticReport", f"{LOINC}|51969-4"):
        if report.get("status") in ("entered-in-error", "cancelled"):
            continue
        listed = {
            (variant, text)
            for variant in _references(report, "result")
            for text in classified.get(variant, ())
        }
        subject = _reference(report, "subject")
        for specimen in _references(report, "specimen"):
            listed |= reportable.get((subject, specimen), set())
        results[report["id"]] = frozenset(listed)
    return results


async def _stored(
    store: Store,
    release: Path,
    releases: Mapping[str, Release],
    date: str,
    result: Reclassified,
    of_files: Mapping[str, bool],
) -> None:
    """Classify stored variants but those of kept files, which have their classification by now (`of_files`).

    A copy that a person pinned of a file's classification is no file's any more: it is written anew where its file was
    read again (`of_files` is true) and says another one now.
    A classification that is the same is written with the day of the release, so that no older one takes its place.
    """
    known: dict[str, dict[str, Any]] = {}
    async for implication in _all(store, "Observation", "diagnostic-implication"):
        if any(_cites(extension) for extension in implication.get("extension") or ()):
            for variant in _references(implication, "derivedFrom"):
                known[variant] = implication
    batch: list[RecordSet] = []
    copies: list[Operation] = []
    async for content in _all(store, "Observation", f"{LOINC}|69548-6"):
        stated = read_observation(content)
        if not stated.present or content.get("status") in ("entered-in-error", "cancelled"):
            continue
        earlier = known.get(content["id"])
        statement = _statement(stated, releases)
        if statement is None or statement.significance is None:
            result.missing += earlier is not None
            continue
        if (again := of_files.get(content["id"])) is not None:
            if again and _is_stale_copy(earlier, statement, date):
                written = _implication(content, statement, earlier, date)
                written["meta"]["tag"] = [{"system": SOURCE, "code": _content(written)}]
                copies.append(Operation("update", "Observation", written["id"], written))
                result.implications += 1
            continue
        result.unclear += unclear(statement.significance, tied=True)
        same = earlier is not None and _classification(earlier)[0] == statement.significance
        released = _released(earlier)
        if released is not None and released >= date:
            result.older += released > date and not same
            if released > date or same:
                continue
        implication = _implication(content, statement, earlier, date)
        batch.append(
            RecordSet(SOURCE, implication["id"], [implication], locator=release.name, adapter="clinvar")
        )
        result.implications += not same
        if len(batch) >= _BATCH:
            await store.load_records(batch, adapter="clinvar")
            batch = []
    if batch:
        await store.load_records(batch, adapter="clinvar")
    for first in range(0, len(copies), _BATCH):
        await store.write(copies[first : first + _BATCH], EVERYTHING)


def _is_stale_copy(earlier: Mapping[str, Any] | None, statement: ClinVar, date: str) -> bool:
    """Whether an implication is as it was pinned, or as an earlier release wrote it, and this one says another class.

    What a person made of it since stays.
    """
    if earlier is None or _classification(earlier)[0] == statement.significance:
        return False
    released, meta = _released(earlier), earlier.get("meta") or {}
    if released is None:
        return bool(meta.get("versionId") == "1")
    return released < date and {"system": SOURCE, "code": _content(earlier)} in meta.get("tag", ())


def _content(implication: Mapping[str, Any]) -> str:
    """What an implication says, as a hash."""
    return _id("content", json.dumps(implication.get("component"), sort_keys=True))


def _released(implication: Mapping[str, Any] | None) -> str | None:
    """The day of the release that an implication is of; None of one that came with a file."""
    meta = (implication or {}).get("meta") or {}
    if meta.get("source") != SOURCE:
        return None
    parts = (
        part
        for extension in meta.get("extension") or ()
        if extension.get("url") == SOURCE_EXTENSION
        for part in extension.get("extension") or ()
    )
    return next((part.get("valueDateTime") for part in parts if part.get("url") == "time"), None)


def _cites(extension: Mapping[str, Any]) -> bool:
    artifact = extension.get("valueRelatedArtifact")
    return isinstance(artifact, dict) and artifact.get("url") == CITATION


def _releases(release: Path) -> dict[str, Release]:
    """The release by genome build, as far as it is of that build.

    Raises:
        OptionError: it is of none.
    """
    results: dict[str, Release] = {}
    problems: list[OptionError] = []
    for build in BUILDS:
        try:
            opened = open_release(release, build)
        except OptionError as error:
            problems.append(error)
            continue
        if opened is not None:
            results[build] = opened
    if not results:
        raise problems[0]
    return results


def _statement(variant: ObservedVariant, releases: Mapping[str, Release]) -> ClinVar | None:
    """What the release says of a variant; None of one that it can't be asked for."""
    change = variant.change or next(iter(variant.spellings), None)
    if change is None or change.deleted is None or change.inserted is None:
        return None
    build, name = build_of(change.accession)
    opened = releases.get(build or "GRCh38")
    if opened is None or not (change.deleted or change.inserted):
        return None
    return opened.of(name, change.start + 1, change.deleted, change.inserted)


def _implication(
    variant: Mapping[str, Any], statement: ClinVar, earlier: Mapping[str, Any] | None, date: str
) -> dict[str, Any]:
    """The implication with what the release says, under the id of the earlier one, where there is one."""
    identity = earlier["id"] if earlier is not None else _id("implication", variant["id"])
    code = _CODES.get(statement.classification or "")
    coding = {"coding": [{"system": LOINC, "code": code[0], "display": code[1]}]} if code else {}
    values: list[tuple[str, str, dict[str, Any]]] = [
        (
            "53037-8",
            "Genetic variation clinical significance [Imp]",
            {**coding, "text": statement.significance},
        )
    ]
    if statement.review_status is not None:
        stars = {"system": f"{GUIDE}CodeSystem/clinvar-evidence-level-custom-cs", "code": statement.stars}
        level = {"coding": [stars]} if statement.stars else {}
        values.append(("93044-6", "Level of evidence", {**level, "text": statement.review_status}))
    for condition in statement.conditions:
        codes = [
            {"system": system, "code": each} for system, each, _, _ in condition.codings() if system and each
        ]
        phenotype: dict[str, Any] = {"coding": codes} if codes else {}
        values.append(("81259-4", "Associated phenotype", {**phenotype, "text": condition.text}))
    shared = {name: variant[name] for name in ("subject", "effectiveDateTime", "specimen") if name in variant}
    return {
        "resourceType": "Observation",
        "id": identity,
        "meta": {
            "extension": [_source_record(date)],
            "source": SOURCE,
            "profile": [f"{GUIDE}StructureDefinition/diagnostic-implication"],
        },
        "extension": [
            {
                "url": "http://hl7.org/fhir/StructureDefinition/workflow-relatedArtifact",
                "valueRelatedArtifact": {"type": "citation", "display": "ClinVar", "url": CITATION},
            }
        ],
        "status": "final",
        "category": [
            {"coding": [{"system": f"{HL7}observation-category", "code": "laboratory"}]},
            {"coding": [{"system": f"{HL7}v2-0074", "code": "GE"}]},
        ],
        "code": {
            "coding": [
                {
                    "system": f"{GUIDE}CodeSystem/tbd-codes-cs",
                    "code": "diagnostic-implication",
                    "display": "Diagnostic Implication",
                }
            ]
        },
        **shared,
        "derivedFrom": [{"reference": f"Observation/{variant['id']}"}],
        "component": [
            {
                "code": {"coding": [{"system": LOINC, "code": name, "display": display}]},
                "valueCodeableConcept": concept,
            }
            for name, display, concept in values
        ],
    }  # fmt: skip


def _source_record(date: str) -> dict[str, Any]:
    return {"url": SOURCE_EXTENSION, "extension": [{"url": "time", "valueDateTime": date}]}


def _id(*parts: str) -> str:
    return hashlib.blake2b("\0".join(("clinvar", *parts)).encode(), digest_size=16).hexdigest()


async def _mark(store: Store, reports: Sequence[str], before: Findings, after: Findings, date: str) -> None:
    """A Task for each report: to look at it again, with what changed."""
    records = []
    for report in sorted(reports):
        stored = await store.read("DiagnosticReport", report, EVERYTHING)
        old, new = dict(before.get(report, ())), dict(after[report])
        changes = [
            f"Observation/{variant}: {old.get(variant, 'not a finding')} -> {new.get(variant, 'not a finding')}"
            for variant in sorted(old.keys() | new.keys())
            if old.get(variant) != new.get(variant)
        ]
        task = {
            "resourceType": "Task",
            "id": _id("task", report, date),
            "meta": {"extension": [_source_record(date)], "source": SOURCE},
            "status": "requested",
            "intent": "proposal",
            "code": {"text": "Review a genetic report: a release of ClinVar changed its findings"},
            "description": f"ClinVar {date}: {'; '.join(changes)}",
            "focus": {"reference": f"DiagnosticReport/{report}"},
            "for": loads(stored.bytes)["subject"],
            "authoredOn": date,
        }
        records.append(RecordSet(SOURCE, task["id"], [task], adapter="clinvar"))
    if records:
        await store.load_records(records, adapter="clinvar")

"""What a caller may know of a person's variants by stored Observations, and which tests were done."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from fhir_bridge.adapters.genomics.query import ObservedVariant, read_observation
from fhir_bridge.fhir.serialization import loads
from fhir_bridge.server.genomics.parameters import Limits
from fhir_bridge.server.genomics.studies import Analysis, Study, identifiers_of, read_studies
from fhir_bridge.server.offloading import offloaded
from fhir_bridge.server.rest import hooks
from fhir_bridge.server.rest.call import Call
from fhir_bridge.server.rest.refusal import refuse
from fhir_bridge.storage import Stored

__all__ = ["CODES", "Evidence", "Result", "read_stored"]

CODES = {
    "variant": "http://loinc.org|69548-6",
    "genotype": "http://loinc.org|84413-4",
    "haplotype": "http://loinc.org|84414-2",
    "phase": "http://loinc.org|82120-7",
    "dx": "diagnostic-implication",
    "tx": "therapeutic-implication",
    # The second is what STU1 of the guide called it.
    "consequence": "molecular-consequence,molecular-consequences",
}
PAGE = 1_000
MOST = 100_000
"""Stored Observations of one person that an answer looks at."""
_DEAD = frozenset(("entered-in-error", "cancelled", "not-done"))
"""What says nothing of a person: results, tests and files that were withdrawn, or were never done."""


@dataclass(slots=True, eq=False)
class Result:
    """An Observation, stored or made of a line of a kept file, and the variant that it states.

    Of a kept file it is JSON, which is read where more is asked for than its id and variant.

    Attributes:
        id: the same whether it is stored or not.
        text: its JSON, where it is of a kept file.
    """

    id: str
    text: bytes | None = None
    tests: frozenset[str] = frozenset()
    _resource: dict[str, Any] | None = None
    _variant: ObservedVariant | None = None

    @classmethod
    def of(
        cls, resource: dict[str, Any], text: bytes | None = None, tests: frozenset[str] = frozenset()
    ) -> Result:
        """One that is parsed already."""
        return cls(str(resource.get("id")), text, tests, resource)

    @property
    def kept(self) -> bool:
        """Whether it is of a kept file."""
        return self.text is not None

    @property
    def resource(self) -> dict[str, Any]:
        """Its content."""
        if self._resource is None:
            self._resource = loads(self.text or b"")
        return self._resource

    @property
    def variant(self) -> ObservedVariant:
        """What it says of a variant."""
        if self._variant is None:
            self._variant = read_observation(self.resource)
        return self._variant

    def forget(self) -> None:
        """Drop the content, which its JSON has: a megabase of a genome is thousands of them."""
        if self.text is not None:
            self._resource = None

    @property
    def derived_from(self) -> list[str]:
        """Ids of the Observations that it is derived from."""
        items = self.resource.get("derivedFrom") or ()
        references = [item.get("reference") for item in items if isinstance(item, dict)]
        return [str(text).partition("/_history/")[0].rpartition("/")[2] for text in references if text]


@dataclass(slots=True)
class Evidence:
    """What is known.

    Attributes:
        by_kind: Observations (`CODES`), by kind and id.
        studies: the tests; None where the caller may not see them. excluded: some are not among those asked for.
        originals: of a kept file's Observations that are redacted, by id, as they would be stored.
        builds: those of kept files with variants.
        unread: a kept file could not be looked into: what is not known here may be there.
        warnings: what the reader of the answer has to know.
    """

    by_kind: dict[str, dict[str, Result]] = field(default_factory=dict)
    studies: list[Study] | None = None
    specimens: dict[str, frozenset[str]] = field(default_factory=dict)
    originals: dict[str, bytes] = field(default_factory=dict)
    builds: set[str] = field(default_factory=set)
    unread: bool = False
    excluded: bool = False
    warnings: list[str] = field(default_factory=list)

    def of(self, kind: str) -> list[Result]:
        """The Observations of a kind."""
        return list(self.by_kind.get(kind, {}).values())

    def add(self, kind: str, matches: Iterable[Result]) -> None:
        """Take more; one that is known already stays as it is."""
        known = self.by_kind.setdefault(kind, {})
        for each in matches:
            known.setdefault(each.id, each)

    def original(self, each: Result) -> bytes:
        """The JSON of a kept file's Observation as it would be stored."""
        return self.originals.get(each.id) or each.text or b""

    def warn(self, text: str) -> None:
        """Note something once."""
        if text not in self.warnings:
            self.warnings.append(text)

    def limit(self, limits: Limits) -> None:
        """Leave out what is not of the tests, specimens, days and class asked for."""
        if not limits:
            return
        for kind, matches in self.by_kind.items():
            self.by_kind[kind] = {
                key: each for key, each in matches.items() if self.counts(kind, each, limits)
            }
        if self.studies is not None:
            limited = [self._limited(study, limits) for study in self.studies]
            self.studies = [study for study in limited if study is not None]
            self.excluded = len(self.studies) < len(limited)
        if any(study.unsaid for study in self.studies or ()):
            self.warn("tests that do not state what is asked for (date, specimen or class) are left out")

    def _limited(self, study: Study, limits: Limits) -> Study | None:
        """A test with those of its analyses that are asked for; None where it is not."""
        if limits.tests and not study.is_one_of(limits.tests):
            return None
        if not limits.on(study.date):
            return replace(study, analyses=(), unsaid=True) if study.date is None else None
        if not (limits.specimens or limits.source_class):
            return study
        chosen = [self._is_wanted(each, limits) for each in study.analyses]
        analyses = tuple(each for each, wanted in zip(study.analyses, chosen, strict=True) if wanted is True)
        unsaid = None in chosen or not study.analyses
        return replace(study, analyses=analyses, unsaid=unsaid) if analyses or unsaid else None

    def _is_wanted(self, analysis: Analysis, limits: Limits) -> bool | None:
        """Whether an analysis is of the specimens and class asked for; None where it does not say."""
        specimen = analysis.specimen
        known = {specimen, *self.specimens.get(specimen or "", ())}
        if limits.specimens and specimen is not None and not limits.specimens & known:
            return False
        if limits.source_class and analysis.source_class not in (None, limits.source_class):
            return False
        silent = limits.specimens and specimen is None
        return None if silent or (limits.source_class and analysis.source_class is None) else True

    def counts(self, kind: str, each: Result, limits: Limits) -> bool:
        """Whether something is of the tests, specimens, days and class asked for."""
        if not limits:
            return True
        resource = each.resource
        date = resource.get("effectiveDateTime") or (resource.get("effectivePeriod") or {}).get("start")
        if not limits.on(date):
            if date is None:
                self.warn("results without a date are left out: testDateRange asks for dates")
            return False
        if limits.specimens and not self._of_specimen(resource, limits.specimens):
            return False
        if limits.tests and not limits.tests & self._tests(each, date):
            return False
        if kind == "variant" and limits.source_class and each.variant.source_class != limits.source_class:
            if each.variant.source_class is None:
                self.warn("variants that do not say whether they are germline or somatic are left out")
            return False
        return True

    def _of_specimen(self, resource: Mapping[str, Any], wanted: frozenset[str]) -> bool:
        identity = _last(resource.get("specimen"))
        if identity is None:
            self.warn("results that name no specimen are among these: they may be of another one")
            return True
        return bool(wanted & {identity, *self.specimens.get(identity, ())})

    def _tests(self, each: Result, date: str | None) -> set[str]:
        """Identifiers of the tests that a result is of: of its file, else those of its specimen and day."""
        specimen = _last(each.resource.get("specimen"))
        results = set(each.tests)
        for study in self.studies or ():
            specimens = {analysis.specimen for analysis in study.analyses}
            same = specimen is not None and specimen in specimens and date == study.date
            if study.id in each.tests or (same and not each.tests):
                results |= {study.id, *study.identifiers}
        return results


def _last(reference: Any) -> str | None:
    text = reference.get("reference") if isinstance(reference, dict) else None
    return str(text).partition("/_history/")[0].rpartition("/")[2] if text else None


async def read_stored(call: Call, subject: str, kinds: Sequence[str], *, specimens: bool = True) -> Evidence:
    """What the caller may know of a subject's stored Observations and tests.

    Args:
        kinds: of Observations, see `CODES`.
        specimens: whether their identifiers are asked for.

    Raises:
        Refusal, StorageError: 403; 413 where too much is stored to look at in one request.
    """
    call.require("s", "Observation")
    evidence = Evidence()
    for kind in kinds:
        stored = await _search(call, subject, "Observation", [("code", CODES[kind])])
        if stored:
            evidence.add(kind, await offloaded(_read, await _contents(call, stored)))
    await _read_studies(call, subject, evidence, specimens=specimens)
    return evidence


async def _contents(call: Call, stored: Sequence[Stored]) -> Sequence[bytes]:
    return await hooks.redact_all(call.services.plugins, [each.bytes for each in stored], call.access)


def _read(contents: Sequence[bytes]) -> list[Result]:
    return [Result.of(resource) for resource in _living(contents)]


def _living(contents: Sequence[bytes]) -> list[dict[str, Any]]:
    resources = [loads(content) for content in contents]
    return [resource for resource in resources if resource.get("status") not in _DEAD]


async def _search(
    call: Call, subject: str, resource_type: str, more: Sequence[tuple[str, str]] = ()
) -> list[Stored]:
    """All that the caller may search of a subject's resources of a type."""
    results: list[Stored] = []
    cursor: str | None = None
    while True:
        page = await call.services.store.search(
            resource_type, [("patient", subject), *more], call.access, count=PAGE, cursor=cursor
        )
        results += page.entries
        cursor = page.next
        if cursor is None:
            return results
        if len(results) >= MOST:
            raise refuse(
                413,
                "FB-REST-018",
                f"more than {MOST} {resource_type}s of the subject are stored: too many for one request",
            )


async def _read_studies(call: Call, subject: str, evidence: Evidence, *, specimens: bool) -> None:
    """The subject's tests, as far as the caller may see them."""
    if not call.access.permits("Procedure", "s"):
        evidence.warn("the caller may not see Procedures: which regions were studied is not known")
        return
    stored = await _search(call, subject, "Procedure")
    procedures = _living(await _contents(call, stored))
    documents: list[dict[str, Any]] = []
    if call.access.permits("DocumentReference", "s"):
        matches = await _search(call, subject, "DocumentReference")
        documents = _living(await _contents(call, matches))
    if specimens and call.access.permits("Specimen", "s"):
        matches = await _search(call, subject, "Specimen")
        for content in await _contents(call, matches):
            specimen = loads(content)
            evidence.specimens[specimen["id"]] = frozenset(identifiers_of(specimen))
    evidence.studies = await offloaded(read_studies, procedures, documents)

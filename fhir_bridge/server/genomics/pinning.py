"""`$pin-variants`: variants of a kept file become stored Observations, under the ids that they have in answers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from starlette.responses import Response

from fhir_bridge.adapters.genomics.assembly import BUILDS
from fhir_bridge.adapters.genomics.query import Interval
from fhir_bridge.fhir.access import EVERYTHING
from fhir_bridge.fhir.serialization import loads_exact
from fhir_bridge.server.genomics.answering import answer, resources
from fhir_bridge.server.genomics.evidence import Evidence, Result
from fhir_bridge.server.genomics.kept import Sought, place_of, read_evidence, sought
from fhir_bridge.server.genomics.operation import GenomicsOperation
from fhir_bridge.server.genomics.parameters import Wanted, read_all
from fhir_bridge.server.rest.auditing import audit_of
from fhir_bridge.server.rest.call import Call
from fhir_bridge.server.rest.refusal import Refusal, refuse
from fhir_bridge.storage.errors import Gone, NotFound
from fhir_bridge.storage.writing import Operation

__all__ = ["PinVariants"]

_DERIVED = ("dx", "consequence")
MOST = 200
"""Variants that one call stores."""
FEW = 20_000
"""Variants in a kept file that is looked through for one by its id alone."""


class PinVariants(GenomicsOperation):
    """Store a subject's variants of kept files, by name or range, with what is derived from them.

    What is stored is the caller's from then on: a newer file does not change it. What is stored already stays as it is.
    """

    name = "pin-variants"
    access = "u"
    sent = True
    lists = ("variants", "ranges")

    def __init__(self, settings: object) -> None:
        super().__init__(settings)  # type: ignore[arg-type]
        self.definition = "https://fhir-bridge.org/fhir/OperationDefinition/pin-variants"

    async def find(self, call: Call, wanted: Wanted) -> Response:
        """See `GenomicsOperation.find`."""
        call.require("u", "Observation")
        questions = await self.questions()
        named = read_all(questions.variant, wanted.items("variants"))
        ranges = read_all(questions.range, wanted.items("ranges"))
        if not named and not ranges:
            raise refuse(400, "FB-REST-008", "name variants or ranges")
        places = [interval for each in (*named, *ranges) for interval in each.intervals]
        evidence = await read_evidence(call, wanted.subject, ("variant", *_DERIVED), sought(named, ranges))
        evidence.limit(wanted.limits)
        self.note_builds(evidence, places)
        matches = {
            each.id: each for question in named for each in self.matching(question, evidence) if each.kept
        }
        for each in evidence.of("variant"):
            if each.kept and any(question.touches(each.variant) for question in ranges):
                matches[each.id] = each
        if len(matches) > MOST:
            raise refuse(413, "FB-REST-018", f"more than {MOST} variants: pin fewer at once")
        pinned = [*matches.values(), *_derived(evidence, matches)]
        operations = _operations(evidence, pinned)
        await call.services.store.write(operations, call.access, audit=audit_of(call))
        return await answer(call, wanted.subject, evidence, resources("pinned", pinned))

    async def companions(
        self, call: Call, resource: dict[str, Any], references: Sequence[str]
    ) -> list[Operation]:
        """Pin the variants of kept files that a resource about the same subject refers to.

        Of a variant that no operation has shown since this process began the place is looked for in files of few lines.
        What the caller may not pin, or not see, stays a reference to nothing, as it would be without the file.
        """
        matches = (_REFERENCE.fullmatch(text) for text in references[:MOST])
        own = resource.get("id")
        wanted = {match[1] for match in matches if match} - {own}
        subject = _patient(resource)
        if not wanted or not subject or not call.access.permits("Observation", "u"):
            return []
        if not call.access.permits("DocumentReference", "r"):
            return []
        places = {identity: place_of(identity) for identity in wanted}
        known = [place for place in places.values() if place is not None]
        unknown = [identity for identity, place in places.items() if place is None]
        if unknown:
            known += await _everywhere(call, subject, unknown)
        if not known:
            return []
        try:
            evidence = await read_evidence(call, subject, ("variant", *_DERIVED), Sought(tuple(known)))
        except Refusal:  # too much for one answer
            return []
        pinned = {each.id: each for each in evidence.of("variant") if each.kept and each.id in wanted}
        results = [*pinned.values(), *_derived(evidence, pinned)]
        return _operations(evidence, [each for each in results if each.id != own])


_REFERENCE = re.compile(r"Observation/([0-9a-f]{32})")
"""Ids of variants are hashes."""


def _patient(resource: dict[str, Any]) -> str:
    """Id of the patient whom a resource is about; empty where it names none."""
    subject = resource.get("subject") or resource.get("for") or resource.get("patient")
    reference = subject.get("reference") if isinstance(subject, dict) else None
    kind, _, identity = str(reference).rpartition("/")
    return identity if kind == "Patient" else ""


async def _everywhere(call: Call, subject: str, unknown: Sequence[str]) -> list[Interval]:
    """All chromosomes of a subject's kept files of few lines, where an id is of nothing that is stored."""
    store = call.services.store
    files = await store.kept_files.of_patient(subject, call.access)
    if not any(0 < part.alone <= FEW for file in files for part in file.parts.values()):
        return []
    for identity in unknown:
        try:
            await store.read("Observation", identity, EVERYTHING)
        except (NotFound, Gone):  # what was deleted is the file's again
            return [
                Interval(accession, 0, 1 << 30)
                for build in {file.within for file in files}
                for accession in BUILDS[build].accessions.values()
            ]
    return []


def _operations(evidence: Evidence, results: Sequence[Result]) -> list[Operation]:
    return [
        Operation("update", "Observation", each.id, loads_exact(evidence.original(each))) for each in results
    ]


def _derived(evidence: Evidence, variants: dict[str, Result]) -> list[Result]:
    return [
        each
        for kind in _DERIVED
        for each in evidence.of(kind)
        if each.kept and each.derived_from and variants.keys() >= set(each.derived_from)
    ]

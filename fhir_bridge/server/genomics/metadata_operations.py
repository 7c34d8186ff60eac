"""`$find-study-metadata`: which tests were done, and what of the genome they looked at."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from starlette.responses import Response

from fhir_bridge.adapters.genomics.query import Interval, RangeQuestion, around, build_of, merged, overlapping
from fhir_bridge.server.genomics.answering import Entry, answer
from fhir_bridge.server.genomics.evidence import Evidence, read_stored
from fhir_bridge.server.genomics.operation import GenomicsOperation
from fhir_bridge.server.genomics.parameters import Wanted, read_all
from fhir_bridge.server.genomics.studies import Analysis, Study
from fhir_bridge.server.rest.call import Call

__all__ = ["StudyMetadata"]


class StudyMetadata(GenomicsOperation):
    """The tests of a subject; one entry for each analysis of a test."""

    name = "find-study-metadata"
    lists = ("ranges",)

    async def find(self, call: Call, wanted: Wanted) -> Response:
        """See `GenomicsOperation.find`."""
        call.require("s", "Procedure")
        questions = await self.questions()
        ranges = read_all(questions.range, wanted.items("ranges"))
        evidence = await read_stored(call, wanted.subject, ())
        evidence.limit(wanted.limits)
        parameters: list[Entry] = []
        for study in sorted(evidence.studies or [], key=lambda each: (each.date or "", each.id)):
            parameters += [
                {"name": "tests", "part": _parts(study, analysis, evidence, ranges)}
                for analysis in study.analyses or (() if study.unsaid else (None,))
            ]
        return await answer(call, wanted.subject, evidence, parameters)


def _parts(
    study: Study, analysis: Analysis | None, evidence: Evidence, ranges: Iterable[RangeQuestion]
) -> list[dict[str, Any]]:
    part: list[dict[str, Any]] = [
        {"name": "testId", "valueString": study.identifiers[0] if study.identifiers else study.id}
    ]
    if study.date:
        part.append({"name": "testDate", "valueDateTime": study.date})
    if analysis is None:
        return part
    if analysis.specimen:
        known = sorted(evidence.specimens.get(analysis.specimen, ()))
        part.append({"name": "specimenId", "valueString": known[0] if known else analysis.specimen})
    if analysis.build_concept is not None:
        part.append({"name": "genomicBuild", "valueCodeableConcept": analysis.build_concept})
    if analysis.changes:
        codings = [coding for concept in analysis.changes for coding in concept.get("coding", ())]
        part.append({"name": "dnaChangeType", "valueCodeableConcept": {"coding": codings}})
    asked = [
        interval
        for question in ranges
        for interval in question.intervals
        if build_of(interval.accession)[0] in (analysis.build, None)
    ]
    if list(ranges):
        part.append({"name": "regionStudied", "valueString": _listed(analysis.studied, asked)})
        part.append({"name": "uncallableRegions", "valueString": _listed(analysis.uncalled, asked)})
    return part


def _listed(regions: tuple[Interval, ...] | None, asked: list[Interval]) -> str:
    """What of the ranges lies in some regions; `unknown` where these, or the ranges in their build, are not known."""
    if regions is None or not asked:
        return "unknown"
    near = [region for each in merged(asked) for region in around(regions, each)]
    return ", ".join(map(str, overlapping(near, asked))) or "none"

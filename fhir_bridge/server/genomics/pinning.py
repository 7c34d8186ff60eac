"""`$pin-variants`: variants of a kept file become stored Observations, under the ids that they have in answers."""

from __future__ import annotations

from starlette.responses import Response

from fhir_bridge.server.genomics.answering import answer, resources
from fhir_bridge.server.genomics.evidence import Evidence, Result
from fhir_bridge.server.genomics.kept import read_evidence
from fhir_bridge.server.genomics.operation import GenomicsOperation
from fhir_bridge.server.genomics.parameters import Wanted, read_all
from fhir_bridge.server.rest.auditing import audit_of
from fhir_bridge.server.rest.call import Call
from fhir_bridge.server.rest.refusal import refuse
from fhir_bridge.storage.writing import Operation

__all__ = ["PinVariants"]

_DERIVED = ("dx", "consequence")
MOST = 200
"""Variants that one call stores."""


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
        evidence = await read_evidence(call, wanted.subject, ("variant", *_DERIVED), places)
        evidence.limit(wanted.limits)
        self.note_builds(evidence, places)
        matches = {
            each.id: each
            for question in named
            for each in self.matching(questions, question, evidence)
            if each.kept
        }
        for each in evidence.of("variant"):
            widest = each.variant.outer or each.variant.interval or each.variant.inner
            if each.kept and any(question.overlaps(widest) for question in ranges):
                matches[each.id] = each
        if len(matches) > MOST:
            raise refuse(413, "FB-REST-018", f"more than {MOST} variants: pin fewer at once")
        pinned = [*matches.values(), *_derived(evidence, matches)]
        operations = [
            Operation("update", "Observation", each.id, evidence.originals[each.id]) for each in pinned
        ]
        await call.services.store.write(operations, call.access, audit=audit_of(call))
        return await answer(call, wanted.subject, evidence, resources("pinned", pinned))


def _derived(evidence: Evidence, variants: dict[str, Result]) -> list[Result]:
    return [
        each
        for kind in _DERIVED
        for each in evidence.of(kind)
        if each.kept and each.derived_from and variants.keys() >= set(each.derived_from)
    ]

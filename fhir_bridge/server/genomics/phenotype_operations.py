"""`$find-subject-…` of implications and consequences: what variants, genotypes and haplotypes mean."""

from __future__ import annotations

from typing import ClassVar

from starlette.responses import Response

from fhir_bridge.adapters.genomics.query import codes_of, components
from fhir_bridge.server.genomics.answering import answer, resources
from fhir_bridge.server.genomics.evidence import Evidence, Result
from fhir_bridge.server.genomics.genotype_operations import called, has_haplotype
from fhir_bridge.server.genomics.kept import read_evidence, sought
from fhir_bridge.server.genomics.operation import GenomicsOperation
from fhir_bridge.server.genomics.parameters import Wanted, read_all, token_matches
from fhir_bridge.server.rest.call import Call

__all__ = ["DiagnosticImplications", "MolecularConsequences", "TherapeuticImplications"]


class _Implications(GenomicsOperation):
    """One that lists what is derived from variants, with the variants.

    Attributes:
        kind: of Observation that it lists; result: the parameter that has it.
        targets: kinds that it may be derived from.
        criteria: by parameter, the code of the component that has the value.
    """

    kind: str
    result: str = "implication"
    targets: tuple[str, ...] = ("variant",)
    criteria: ClassVar[dict[str, str]] = {}

    async def find(self, call: Call, wanted: Wanted) -> Response:
        """See `GenomicsOperation.find`."""
        questions = await self.questions()
        ranges = read_all(questions.range, wanted.items("ranges"))
        variants = read_all(questions.variant, wanted.items("variants"))
        haplotypes = wanted.items("haplotypes") if "haplotypes" in self.lists else []
        places = [interval for each in (*ranges, *variants) for interval in each.intervals]
        evidence = await read_evidence(
            call,
            wanted.subject,
            (self.kind, *self.targets),
            sought(variants, ranges) if ranges or variants else None,
        )
        # What limits a test limits what came of it; an implication says nothing of a class.
        evidence.limit(wanted.limits)
        self.note_builds(evidence, places)
        sources: set[str] | None = None
        if ranges or variants or haplotypes:
            sources = set()
            for question in ranges:
                matches = [each for each in evidence.of("variant") if question.touches(each.variant)]
                sources.update(each.id for each in matches if each.variant.present)
            for asked in variants:
                matches = self.matching(asked, evidence)
                self.note_unproven(evidence, asked, known=bool(matches))
                sources.update(each.id for each in matches if each.variant.present)
            for item in haplotypes:
                called(item, evidence)  # warns where no test called its gene
            for kind in ("genotype", "haplotype"):
                for each in evidence.of(kind):
                    if any(has_haplotype(item, each) for item in haplotypes):
                        sources.add(each.id)
        chosen = [each for each in evidence.of(self.kind) if self._is_wanted(each, wanted, sources, evidence)]
        parameters = resources(self.result, chosen)
        named = {identity for each in chosen for identity in each.derived_from}
        for kind in self.targets:
            parameters += resources(kind, [each for each in evidence.of(kind) if each.id in named])
        return await answer(call, wanted.subject, evidence, parameters)

    def _is_wanted(self, each: Result, wanted: Wanted, sources: set[str] | None, evidence: Evidence) -> bool:
        derived = set(each.derived_from)
        if sources is not None and not derived & sources:
            return False
        # Its variants may be out of the limits, or of those that the caller may not see.
        known = {identity for kind in self.targets for identity in evidence.by_kind.get(kind, {})}
        if not derived & known:
            return False
        for name, code in self.criteria.items():
            items = wanted.items(name)
            if items and not any(
                token_matches(item, *coding) for item in items for coding in _values(each, code)
            ):
                return False
        return True


def _values(each: Result, wanted: str) -> list[tuple[str, str, str]]:
    return [
        coding
        for code, component in components(each.resource)
        if code == wanted
        for coding in codes_of(component.get("valueCodeableConcept"))
    ]


class TherapeuticImplications(_Implications):
    """What variants, genotypes and haplotypes mean for treatments."""

    name = "find-subject-tx-implications"
    lists = ("variants", "ranges", "haplotypes", "treatments", "conditions")
    kind = "tx"
    targets = ("variant", "haplotype", "genotype")
    criteria: ClassVar[dict[str, str]] = {"treatments": "51963-7", "conditions": "81259-4"}


class DiagnosticImplications(_Implications):
    """What variants mean for conditions."""

    name = "find-subject-dx-implications"
    lists = ("variants", "ranges", "conditions")
    kind = "dx"
    criteria: ClassVar[dict[str, str]] = {"conditions": "81259-4"}


class MolecularConsequences(_Implications):
    """What variants do to transcripts and proteins."""

    name = "find-subject-molecular-consequences"
    lists = ("variants", "ranges", "featureConsequences")
    kind = "consequence"
    result = "consequence"
    criteria: ClassVar[dict[str, str]] = {"featureConsequences": "feature-consequence"}

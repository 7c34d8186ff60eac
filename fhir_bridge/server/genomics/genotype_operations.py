"""`$find-subject-…` of variants, structural variants and haplotypes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from starlette.responses import Response

from fhir_bridge.adapters.genomics.query import (
    ObservedVariant,
    RangeQuestion,
    codes_of,
    components,
    genes_named,
    is_ambiguous,
    matches_genotype,
    plain_gene,
)
from fhir_bridge.server.genomics.answering import Entry, answer, coverage_of, presence, resources
from fhir_bridge.server.genomics.evidence import Evidence, Result
from fhir_bridge.server.genomics.kept import read_evidence, sought
from fhir_bridge.server.genomics.operation import GenomicsOperation
from fhir_bridge.server.genomics.parameters import Wanted, listed, read_all, token_matches
from fhir_bridge.server.genomics.studies import Coverage
from fhir_bridge.server.rest.call import Call

__all__ = [
    "Haplotypes",
    "SpecificHaplotypes",
    "SpecificVariants",
    "StructuralIntersectingVariants",
    "StructuralSubsumingVariants",
    "Variants",
]

Parameters = list[Entry]


class _Ranges(GenomicsOperation):
    """One that looks for variants in ranges."""

    lists = ("ranges",)
    flags: tuple[str, ...] = ("includeVariants",)
    kinds: tuple[str, ...] = ("variant",)
    structural = True

    def chooses(self, question: RangeQuestion, variant: ObservedVariant) -> bool:
        """Whether a variant is one that is looked for."""
        raise NotImplementedError

    async def find(self, call: Call, wanted: Wanted) -> Response:
        """See `GenomicsOperation.find`."""
        questions = await self.questions()
        ranges = read_all(questions.range, wanted.items("ranges", needed=True))
        places = [interval for each in ranges for interval in each.intervals]
        phasing = "includePhasing" in wanted.flags
        shows = phasing or "includeVariants" in wanted.flags

        def answered(evidence: Evidence) -> bool:
            variants = [
                each for each in evidence.of("variant") if evidence.counts("variant", each, wanted.limits)
            ]
            return all(any(self._is_in(question, each) for each in variants) for question in ranges)

        evidence = await read_evidence(
            call,
            wanted.subject,
            # Other kinds where they are shown, or where limits may warn of them.
            self.kinds if phasing or wanted.limits else ("variant",),
            sought((), ranges),
            structural=self.structural,
            enough=None if shows else answered,
            specimens=bool(wanted.limits.specimens),
        )
        evidence.limit(wanted.limits)
        self.note_builds(evidence, places)
        parameters: Parameters = []
        for question in ranges:
            matches = [each for each in evidence.of("variant") if self._is_in(question, each)]
            if self.structural and any(question.reached(each.variant) for each in evidence.of("variant")):
                evidence.warn(
                    "structural variants that begin in or before a range do not say where they end: how far they reach "
                    "is not known"
                )
            part: Parameters = [{"name": "rangeItem", "valueString": question.text}]
            coverage = coverage_of(evidence, question.intervals, "structural" if self.structural else "small")
            part += presence(evidence, coverage, present=bool(matches))
            if shows:
                part += resources("variant", matches)
            if phasing:
                ids = {each.id for each in matches}
                related = [
                    each
                    for each in evidence.of("phase")
                    if each.derived_from and ids.issuperset(each.derived_from)
                ]
                part += resources("sequencePhaseRelationship", related)
            parameters.append({"name": "variants", "part": part})
        return await answer(call, wanted.subject, evidence, parameters)

    def _is_in(self, question: RangeQuestion, each: Result) -> bool:
        variant = each.variant
        return variant.present and self.chooses(question, variant)


class Variants(_Ranges):
    """Simple variants that lie in ranges."""

    name = "find-subject-variants"
    flags = ("includeVariants", "includePhasing")
    kinds = ("variant", "phase")
    structural = False

    def chooses(self, question: RangeQuestion, variant: ObservedVariant) -> bool:
        """See `_Ranges.chooses`."""
        return not variant.structural and question.touches(variant)


class StructuralIntersectingVariants(_Ranges):
    """Structural variants that may change something of a range."""

    name = "find-subject-structural-intersecting-variants"

    def chooses(self, question: RangeQuestion, variant: ObservedVariant) -> bool:
        """See `_Ranges.chooses`."""
        return variant.structural and question.touches(variant)


class StructuralSubsumingVariants(_Ranges):
    """Structural variants that surely change all of a range."""

    name = "find-subject-structural-subsuming-variants"

    def chooses(self, question: RangeQuestion, variant: ObservedVariant) -> bool:
        """See `_Ranges.chooses`."""
        return variant.structural and question.inside(variant.inner or variant.interval)


class SpecificVariants(GenomicsOperation):
    """Variants that are named, in HGVS or SPDI."""

    name = "find-subject-specific-variants"
    lists = ("variants",)

    async def find(self, call: Call, wanted: Wanted) -> Response:
        """See `GenomicsOperation.find`."""
        questions = await self.questions()
        asked = read_all(questions.variant, wanted.items("variants", needed=True))
        places = [interval for each in asked for interval in each.intervals]
        evidence = await read_evidence(call, wanted.subject, ("variant",), sought(asked))
        evidence.limit(wanted.limits)
        self.note_builds(evidence, places)
        parameters: Parameters = []
        for question in asked:
            matches = self.matching(question, evidence)
            part: Parameters = [{"name": "variantItem", "valueString": question.text}]
            present = any(each.variant.present for each in matches)
            understood = self.note_unproven(evidence, question, known=bool(matches))
            understood = understood and not self.note_similar(evidence, question, known=bool(matches))
            coverage = coverage_of(evidence, question.intervals, question.kind)
            part += presence(evidence, coverage, present=present, understood=understood)
            part += resources("variant", matches)
            parameters.append({"name": "variants", "part": part})
        return await answer(call, wanted.subject, evidence, parameters)


def genes_of(each: Result) -> list[tuple[str, str, str]]:
    """The genes that an Observation names: system, code and symbol."""
    return [
        coding
        for code, component in components(each.resource)
        if code == "48018-6"
        for coding in codes_of(component.get("valueCodeableConcept"))
    ]


def names_of(each: Result) -> list[tuple[str, str, str]]:
    """What a genotype or haplotype is called."""
    return list(codes_of(each.resource.get("valueCodeableConcept")))


def has_haplotype(wanted: str, each: Result) -> bool:
    """Whether a genotype or haplotype is, or has, the wanted one."""
    stated, bar, token = wanted.rpartition("|")
    for system, code, display in names_of(each):
        if token_matches(wanted, system, code, display):
            return True
        if bar and stated and not token_matches(f"{stated}|{code}", system, code):
            continue
        if any(text and matches_genotype(token, text) for text in (code, display)):
            return True
    return False


def called(wanted: str, evidence: Evidence) -> Coverage:
    """Whether any test called a haplotype, or its genes at least; `unknown` of one that names none."""
    known: set[str] = set()
    for kind in ("genotype", "haplotype"):
        for each in evidence.of(kind):
            if "dataAbsentReason" not in each.resource:
                named = (text for _, code, name in names_of(each) for text in (code, name))
                known.update(*map(genes_named, named))
                known.update(plain_gene(text) for _, code, name in genes_of(each) for text in (code, name))
    genes = genes_named(listed(wanted))
    missing = sorted(genes - known)
    if missing:
        evidence.warn(f"{listed(wanted)[:60]}: no test called {', '.join(missing)}")
    elif _uncalled(wanted, genes, evidence):
        evidence.warn(f"{listed(wanted)[:60]}: the test of the gene could not call it")
        return "no"
    return "no" if missing or not known else ("yes" if genes else "unknown")


def _uncalled(wanted: str, genes: set[str], evidence: Evidence) -> bool:
    """Whether all genotypes of the genes say that a haplotype, or one of a genotype, could not be called."""
    concerned = [
        each
        for each in evidence.of("genotype")
        if genes & {plain_gene(text) for _, code, name in genes_of(each) for text in (code, name)}
    ]
    token = wanted.rpartition("|")[2]
    return bool(concerned) and all(
        any(matches_genotype(name, token) for name in _not_called(each)) for each in concerned
    )


def _not_called(each: Result) -> list[str]:
    """The haplotypes of its gene that a genotype says could not be called."""
    return [
        text
        for code, component in components(each.resource)
        if code == "uncalled-haplotype"
        for _, _, text in codes_of(component.get("valueCodeableConcept"))
    ]


class _HaplotypeList(GenomicsOperation):
    """One that lists genotypes and haplotypes for each item that is asked for."""

    item: str
    kinds = ("genotype", "haplotype")

    def select(self, wanted: str) -> Callable[[Result], bool]:
        """What an item asks for."""
        raise NotImplementedError

    def first(self, evidence: Evidence, wanted: str, matches: Sequence[Result]) -> Parameters:
        """Parts between the item and its results."""
        raise NotImplementedError

    async def find(self, call: Call, wanted: Wanted) -> Response:
        """See `GenomicsOperation.find`."""
        items = wanted.items(self.lists[0], needed=True)
        evidence = await read_evidence(call, wanted.subject, self.kinds, None)
        evidence.limit(wanted.limits)
        parameters: Parameters = []
        for item in items:
            chosen = self.select(item)
            by_kind = {kind: [each for each in evidence.of(kind) if chosen(each)] for kind in self.kinds}
            part: Parameters = [{"name": self.item, "valueString": listed(item)}]
            part += self.first(evidence, item, [each for matches in by_kind.values() for each in matches])
            for kind in ("haplotype", "genotype"):
                part += resources(kind, by_kind[kind])
            parameters.append({"name": "haplotypes", "part": part})
        return await answer(call, wanted.subject, evidence, parameters)


class Haplotypes(_HaplotypeList):
    """Genotypes and haplotypes of genes."""

    name = "find-subject-haplotypes"
    lists = ("genes",)
    item = "geneItem"

    def select(self, wanted: str) -> Callable[[Result], bool]:
        """See `_HaplotypeList.select`."""
        return lambda each: any(token_matches(wanted, *coding) for coding in genes_of(each))

    def first(self, evidence: Evidence, wanted: str, matches: Sequence[Result]) -> Parameters:
        """See `_HaplotypeList.first`."""
        if not matches:
            evidence.warn(f"{listed(wanted)[:60]}: no test called the gene")
        return [{"name": "studied", "valueCode": "yes" if matches else "no"}]


class SpecificHaplotypes(_HaplotypeList):
    """Genotypes and haplotypes that are named."""

    name = "find-subject-specific-haplotypes"
    lists = ("haplotypes",)
    item = "haplotypeItem"

    def select(self, wanted: str) -> Callable[[Result], bool]:
        """See `_HaplotypeList.select`."""
        return lambda each: has_haplotype(wanted, each)

    def first(self, evidence: Evidence, wanted: str, matches: Sequence[Result]) -> Parameters:
        """See `_HaplotypeList.first`."""
        texts = [text for each in matches for _, code, name in names_of(each) for text in (code, name)]
        if any(is_ambiguous(text) for text in texts):
            evidence.warn("a code for several alleles may mean the one asked for, or another of its group")
        coverage = "yes" if matches else called(wanted, evidence)
        return presence(evidence, coverage, present=bool(matches))

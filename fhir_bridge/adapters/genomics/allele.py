"""An allele that a sample's genotype has: the variant, its call and its annotation (scope `Allele`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from functools import partial

from fhir_bridge.adapters.genomics import acmg, annotation, clinvar
from fhir_bridge.adapters.genomics.allele_filters import STATUS
from fhir_bridge.adapters.genomics.alleles import breakend_mate, change_type
from fhir_bridge.adapters.genomics.assembly import pseudoautosomal
from fhir_bridge.adapters.genomics.cached_property import cached, shared
from fhir_bridge.adapters.genomics.checks import LONGEST
from fhir_bridge.adapters.genomics.genes import gene
from fhir_bridge.adapters.genomics.genotype import allelic_state
from fhir_bridge.adapters.genomics.hgvs import canonical_spdi, genomic_hgvs, placed
from fhir_bridge.adapters.genomics.line import Call
from fhir_bridge.adapters.genomics.pedigree import inheritance
from fhir_bridge.adapters.genomics.structural import Repeat, Structure, read_repeats, read_structure
from fhir_bridge.adapters.genomics.term import Term
from fhir_bridge.adapters.genomics.usage import FRACTIONS
from fhir_bridge.adapters.genomics.values import Value, unescaped
from fhir_bridge.fhir.datatypes import Code

__all__ = ["POPULATIONS", "Allele", "Effect", "is_dbsnp"]


POPULATIONS = {
    "AF_EXAC": "ExAC",
    "AF_TGP": "1000 Genomes",
    "AF_ESP": "ESP6500",
    "gnomAD_AF": "gnomAD",
    "gnomADe_AF": "gnomAD exomes",
    "gnomADg_AF": "gnomAD genomes",
}
"""INFO keys of population frequencies, as ClinVar's VCF and common annotators write them."""


def is_dbsnp(name: str) -> bool:
    """Whether a name is an id of dbSNP."""
    return name[:2] == "rs" and name.isascii() and name[2:].isdecimal()


class Effect:
    """The effect of an allele on one transcript (scope `Effect`).

    `key`: what distinguishes it in the sample's file; that of the chosen transcript is the allele's own.
    """

    __slots__ = ("call", "consequence", "file", "key", "outer")

    def __init__(self, allele: Allele, consequence: annotation.Consequence, place: int) -> None:
        self.outer = allele
        self.call = allele.call
        self.file = allele.file
        self.consequence = consequence
        self.key = f"{allele.key}@{place}:{consequence.feature}" if place else allele.key


_OF_BASES: Mapping[str, object] = {
    "copy_number": None,
    "end": None,
    "inner": None,
    "length": None,
    "outermost": None,
    "repeats": [],
    "symbolic": False,
}
"""What the properties of an allele are that is a sequence of bases, and so of most."""
_WITHOUT_ANNOTATION: Mapping[str, object] = {
    "_consequences": [],
    "consequence": annotation.NONE,
    "effects": [],
}
"""The same of a file without consequence annotation."""


class Allele:
    """An ALT that a sample's genotype has (scope `Allele`).

    `occurrence`: how many different calls of this variant the file has given the sample, with this one. `repeated`:
    an earlier line says the very same. `respelled`: POS, REF and ALT, and GT, of an earlier line
    with another spelling. `twin`: the same ALT of another sample of the line, which says what is `shared`.
    """

    twin: Allele | None = None
    respelled: tuple[str, str] | None = None

    def __init__(self, call: Call, number: int) -> None:
        self.occurrence = 1
        self.repeated = False
        self.call = call
        self.line = call.line
        self.file = call.file
        self.number = number
        self.alternate = call.line.alternates[number - 1]
        if self.alternate.kind == "bases":
            self.__dict__.update(_OF_BASES)
        if not call.file.consequences:
            self.__dict__.update(_WITHOUT_ANNOTATION)

    @property
    def outer(self) -> Call:
        """The sample's call."""
        return self.call

    def info(self, key: str) -> Value | list[Value]:
        """An INFO value; the one of this allele where the header says Number=A or R."""
        return self.line.info(key, self.number)

    def format(self, key: str) -> Value | list[Value]:
        """A FORMAT value; the one of this allele where the header says Number=A or R."""
        return self.call.format(key, self.number)

    # What the variant is

    @shared
    def alt(self) -> str:
        """The allele; bases in upper case, anything else as written."""
        return self.alternate.text.upper() if self.alternate.kind == "bases" else self.alternate.text

    @cached
    def symbolic(self) -> bool:
        """Whether the allele is no sequence of bases."""
        return self.alternate.kind != "bases"

    @shared
    def change_type(self) -> str | None:
        """See `alleles.change_type`."""
        return change_type(self.line.ref, self.alternate)

    @shared
    def structure(self) -> Structure:
        """What the line says of this allele, where it is symbolic or a breakend."""
        return read_structure(self.line, self.number)

    @cached
    def key(self) -> str:
        """What distinguishes the allele in the sample's file: the variant, and which call of it where it is called
        again in another way."""
        return self.variant if self.occurrence == 1 else f"{self.variant}#{self.occurrence}"

    @shared
    def variant(self) -> str:
        """What distinguishes this variant: build, contig, position, alleles; of a symbolic one also its end,
        length, mate and copy number, as far as the line says them of this allele."""
        line = self.line
        name = f"{self.file.assembly}:{line.chromosome or line.chrom}:{line.pos}:{line.ref}:{self.alt}"
        return name + self.structure.identity if self.alternate.kind == "symbolic" else name

    @shared
    def hgvs_g(self) -> Code | None:
        """g.HGVS, where REF and ALT, or the reference, prove it."""
        return self._described(genomic_hgvs)

    @shared
    def spdi(self) -> Code | None:
        """The canonical SPDI, where REF and ALT, or the reference, prove it."""
        return self._described(canonical_spdi)

    @cached
    def restated(self) -> bool:
        """Whether components state what the names say: sequence, counting, type of change."""
        return self.file.options.restate or self.hgvs_g is None or self.spdi is None

    def _described(self, describe: Callable[[str, int, str, str], str | None]) -> Code | None:
        line = self.line
        accession = line.accession
        if accession is None or self.alternate.kind != "bases" or line.outside:
            return None
        if self.file.reference is None:
            described = describe(accession, line.pos, line.ref, self.alt)
        elif self.differs:
            return None
        else:
            described = placed(describe, accession, (line.pos, line.ref, self.alt), self._fetch)
        return Code(described) if described and len(described) <= LONGEST else None

    @shared
    def differs(self) -> bool:
        """Whether REF is not what the reference sequence has there, where one is given and knows the contig."""
        fetch, line = self._fetch, self.line
        bases = None if fetch is None else fetch(line.pos, line.pos + len(line.ref) - 1)
        return bases is not None and bases != line.ref

    @property
    def _fetch(self) -> Callable[[int, int], str | None] | None:
        reference = self.file.reference
        return None if reference is None else partial(reference.fetch, self.line.chrom)

    @shared
    def identifiers(self) -> list[Code]:
        """dbSNP ids: ID and INFO/RS of a line with one ALT (an id of several can't be tied to one)."""
        line = self.line
        if len(line.alternates) > 1:
            return []
        ids = [Code(name) for name in line.identifiers if is_dbsnp(name)]
        if line.file.has_dbsnp and (number := line.text("RS")) and is_dbsnp(name := f"rs{number}"):
            ids += [] if name in ids else [Code(name)]
        return ids

    @shared
    def _exact(self) -> tuple[int, int] | None:
        """What changes, where it is exact: the bases of REF; from the base after POS to END for a symbolic allele.

        An insertion, an allele that ends where it begins, and one that ends on another contig is at POS as its
        anchoring base is.
        """
        line = self.line
        bases = line.pos, line.pos + len(line.ref) - 1
        if self.alternate.kind not in ("symbolic", "breakend"):
            return bases
        structure = self.structure
        if structure.imprecise:
            return None
        if self.alternate.kind == "breakend":
            return bases
        if self._at_one_place:
            return line.pos, line.pos
        if structure.end is None:
            return None
        return (line.pos + 1, structure.end) if structure.end > line.pos else (line.pos, line.pos)

    @property
    def _at_one_place(self) -> bool:
        """Whether a symbolic allele is at POS alone: an insertion, or one that ends on another contig."""
        structure = self.structure
        return self.alternate.symbol[0] == "INS" or (structure.end is None and structure.begins is None)

    @cached
    def first(self) -> int | None:
        """First changed position, where it is exact."""
        exact = self._exact
        return exact[0] if exact else None

    @cached
    def last(self) -> int | None:
        """Last changed position, where it is exact."""
        exact = self._exact
        return exact[1] if exact else None

    def _bound(self, inner: bool) -> tuple[int, int] | None:
        if self.alternate.kind not in ("symbolic", "breakend"):
            return None
        structure, position = self.structure, self.line.pos
        around, around_end = structure.position_interval, structure.end_interval
        if not structure.imprecise or (inner and not structure.bounded):
            return None
        if self.alternate.kind == "breakend":
            return max(1, position + around[0]), position + len(self.line.ref) - 1 + around[1]
        one_place = self._at_one_place
        end = position if one_place and structure.end is None else structure.end
        if end is None:
            return None
        low = position + 1 + around[1 if inner else 0]
        high = end + around_end[0 if inner else 1]
        if one_place and not inner:  # wherever in the interval that is
            low, high = max(1, min(low, position)), max(high, position + around[1])
        return (low, high) if low <= high else None

    @cached
    def end(self) -> int | None:
        """Last position of a symbolic allele, where the line says it of this one."""
        return self.structure.end if self.alternate.kind == "symbolic" else None

    @cached
    def length(self) -> int | None:
        """SVLEN of a symbolic allele, as written."""
        return self.structure.length if self.alternate.kind == "symbolic" else None

    @shared
    def inner(self) -> tuple[int, int] | None:
        """What is surely inside an imprecise structural variant (CIPOS, CIEND)."""
        return self._bound(inner=True)

    @shared
    def outermost(self) -> tuple[int, int] | None:
        """What may be inside an imprecise structural variant (CIPOS, CIEND)."""
        return self._bound(inner=False)

    @shared
    def begins(self) -> int | None:
        """Where a structural variant begins at the earliest, if the line says no end of it."""
        return self.structure.begins if self.alternate.kind == "symbolic" else None

    @property
    def joins(self) -> bool:
        """Whether it joins POS to another place, which the line names."""
        if self.alternate.kind == "breakend":
            return breakend_mate(self.alternate.text) is not None
        return self.structure.mate is not None

    # The call of this allele

    @property
    def filtered(self) -> str | None:
        """Which filters the call fails, and which the ALT by itself, in words."""
        filtered = self.call.filtered
        if self.file.by_allele and (listed := self.line.allele_filters):
            own = [name for name in listed[self.number - 1] if name not in self.line.failed_filters]
            if own:
                text = f"{STATUS} {', '.join(own)}"
                return f"{filtered}; {text}" if filtered else text
        return filtered

    @property
    def confidence(self) -> str | None:
        """That of the call, and `low` where the ALT fails a filter."""
        return "low" if self.file.by_allele and self.filtered else self.call.confidence

    @property
    def allele_depth(self) -> int | None:
        """Reads with this allele (AD)."""
        reads = self.call.reads
        return reads.depths[self.number] if reads else None

    @cached
    def fraction(self) -> Decimal | None:
        """Fraction of reads with this allele: FORMAT/AF or VAF of this ALT, else AD of it by the sum of AD."""
        call = self.call
        for key in FRACTIONS:
            if key in call.fields and not (
                len(self.line.alternates) > 1 and call.file.uses[key].layout == "1"
            ):
                value = call.own(key, self.number)
                if value is not None:
                    return value
        reads = call.reads
        return reads.shares[self.number] if reads else None

    @cached
    def allelic_state(self) -> str | None:
        """See `genotype.allelic_state`."""
        line = self.line
        # Where a fraction is stated beside reads of which none has the allele, nothing shows it.
        unread = line.chromosome != "MT" or self.allele_depth == 0
        mitochondrial = None if unread else self.fraction
        return allelic_state(
            self.call.genotype,
            self.number,
            line.chromosome,
            spanning=line.spanning,
            fraction=mitochondrial,
            homoplasmic=self.file.options.homoplasmic,
            diploid=len(self.call.genotype.alleles) == 1
            and pseudoautosomal(self.file.assembly, line.chromosome, line.pos),
        )

    @shared
    def repeats(self) -> list[Repeat]:
        """Motifs of a tandem repeat, and how often they occur in this allele."""
        return read_repeats(self.line, self.number) if self.alternate.kind == "symbolic" else []

    @cached
    def copy_number(self) -> Decimal | None:
        """CN of the sample, for a structural variant; the one of this allele where CN has one for each."""
        return self.call.own("CN", self.number) if self.symbolic else None

    @property
    def evidence(self) -> str:
        """What the caller wrote, for people: that of the call, what no component states of a symbolic allele, and that
        the file calls the variant twice."""
        text = self.call.evidence
        if self.alternate.kind == "symbolic":
            text += self._described_by_caller()
        if self.occurrence > 1:
            text += f". The file calls this variant in another way on an earlier line (this is call {self.occurrence})"
        if self.respelled is not None:
            written, genotype = self.respelled
            text += f". The file calls this variant on an earlier line too, as {written} with GT={genotype}"
        return text

    def _described_by_caller(self) -> str:
        """The length of an insertion; where the allele is, if its extent is not stated."""
        line, length = self.line, self.length
        texts = {} if self.placed else {"POS": str(line.pos)}
        if not self.placed or self.structure.mate is not None:
            texts |= {key: text for key in ("CHR2", "END") if (text := line.text(key)) is not None}
        if length is not None and (not self.placed or self.alternate.symbol[0] == "INS"):
            texts["SVLEN"] = str(length)
        return "".join(f" {key}={value}" for key, value in texts.items())

    @property
    def placed(self) -> bool:
        """Whether it is stated where the allele is, exactly or within bounds."""
        return self.first is not None or self.outermost is not None

    @cached
    def inheritance(self) -> str | None:
        """From which parent the allele comes, or that it is new, by the pedigree; None where nothing says it, and of a
        call that fails a filter."""
        parents = self.file.pedigree.parents.get(self.call.name)
        if parents is None or self.filtered:
            return None
        line = self.line
        return inheritance(
            line.columns,
            parents,
            self.call.genotype,
            self.number,
            assembly=self.file.assembly,
            chromosome=line.chromosome,
            position=line.pos,
        )

    @cached
    def source_class(self) -> str | None:
        """`somatic` or `germline`: INFO/SOMATIC for the samples that it speaks of, else what the header or option says.

        A normal sample beside a tumour has no class of its own by what is said of the tumour.
        """
        file = self.file
        if self.line.raw_info.get("SOMATIC") is not True or file.options.source_class:
            return file.source_class
        return "somatic" if file.somatic is not None and self.call.name in file.somatic else None

    # Annotation

    @shared
    def _consequences(self) -> list[annotation.Consequence]:
        every = self.file.options.transcripts == "all"
        return next((each for _, each in self._annotations(every=every)), [])

    def _annotations(self, *, every: bool) -> Iterator[tuple[str, list[annotation.Consequence]]]:
        """INFO keys that say something of the allele, and what, in the order in which they count."""
        line = self.line
        for reader in self.file.consequences:
            text = line.text(reader.key)
            if text is not None:
                pointed = line.pointed if reader.key == "BCSQ" else ()
                results = reader.read(text, line.alleles, self.number, every=every, pointed=pointed)
                if results:
                    yield reader.key, results

    @shared
    def annotation_problems(self) -> tuple[tuple[str, str], ...]:
        """Code and words for what annotations say that can't be tied to the allele, and where they differ."""
        return tuple(self._annotation_problems())

    def _annotation_problems(self) -> Iterator[tuple[str, str]]:
        line = self.line
        stated = [reader for reader in self.file.consequences if line.text(reader.key) is not None]
        several = len(line.alternates) > 1
        for reader in stated:
            text = line.text(reader.key) or ""
            if reader.untied(text, line.alleles):
                which = "tied to none of several ALTs" if several else "not of the ALT of its line"
                yield "FB-VCF-058", f"INFO/{reader.key}: an effect is {which}, and is left out"
            if reader.key == "BCSQ" and annotation.points_to(text):
                pointed = reader.read("", line.alleles, self.number, every=False, pointed=line.pointed)
                if not pointed and not reader.read(text, line.alleles, self.number, every=False):
                    message = (
                        "INFO/BCSQ points to a line that was not read or lacks the ALT: no effect is stated"
                    )
                    yield "FB-VCF-058", message
        if len(stated) > 1 and len(every := list(self._annotations(every=True))) > 1:
            (key, (first, *_)), *others = every
            for other, results in others:
                if annotation.differ(first, results):
                    yield (
                        "FB-VCF-059",
                        f"INFO/{other} says another gene or effect than INFO/{key}, which counts",
                    )

    @cached
    def consequence(self) -> annotation.Consequence:
        """The effect on the chosen transcript."""
        return self._consequences[0] if self._consequences else annotation.NONE

    @cached
    def effects(self) -> list[Effect]:
        """The effects that are stated: on the chosen transcript, or on all."""
        return [Effect(self, consequence, place) for place, consequence in enumerate(self._consequences)]

    @shared
    def frequencies(self) -> list[annotation.Frequency]:
        """How frequent the allele is in populations: of the consequence annotation, and of INFO keys of its own."""
        results = {each.source: each for each in self.consequence.frequencies}
        for key, source in POPULATIONS.items():
            if key in self.line.raw_info:
                value = self.info(key)
                if (
                    isinstance(value, Decimal)
                    and 0 <= value <= 1
                    and (len(self.line.alternates) == 1 or self._own(key))
                ):
                    results.setdefault(source, annotation.Frequency(source, value))
        return list(results.values())

    def _own(self, key: str) -> bool:
        """Whether the header gives each ALT its own value of an INFO key."""
        definition = self.file.header.info_definition(key)
        return definition is not None and definition.number in ("A", "R")

    @shared
    def gene(self) -> Term | None:
        """The gene of the consequence, else ClinVar's GENEINFO (`MYH7:4625`)."""
        if self.consequence.gene:
            return self.consequence.gene
        return next(iter(self._genes_of_line), None)

    @shared
    def other_genes(self) -> list[Term]:
        """The further genes of a fusion, or of GENEINFO where no consequence names one."""
        if self.consequence.gene:
            return list(self.consequence.other_genes)
        return self._genes_of_line[1:]

    @shared
    def _genes_of_line(self) -> list[Term]:
        """The genes of dbSNP's and ClinVar's GENEINFO, `MYH7:4625|MHRT:100`."""
        listed = self.line.text("GENEINFO") or ""
        symbols = (unescaped(each.partition(":")[0]) for each in listed.split("|"))
        return [gene(symbol) for symbol in dict.fromkeys(symbols) if symbol and symbol != "."]

    @shared
    def _released(self) -> clinvar.ClinVar | None:
        line, release = self.line, self.file.release
        if release is None:
            return None
        stated = release.of(line.chromosome, line.pos, line.ref, self.alt)
        return None if stated.significance is None else stated

    @shared
    def _annotated(self) -> clinvar.ClinVar:
        line = self.line
        if "CLNSIG" not in line.raw_info:
            return clinvar.NONE
        if len(line.alternates) > 1 and not self.clinvar_by_allele:
            return clinvar.NONE
        return clinvar.read_clinvar(*(line.text_of(name, self.number) for name in clinvar.CLINVAR_KEYS))

    @cached
    def clinvar(self) -> clinvar.ClinVar:
        """ClinVar's statement on this allele: the release's, or the line's own of one that no release has."""
        return self._released or self._annotated

    @shared
    def acmg(self) -> acmg.Acmg:
        """The laboratory's own class by ACMG/AMP and the criteria it names; nothing where it is of several ALTs."""
        if not self.file.assessed:
            return acmg.NONE
        texts = (self._stated(keys) for keys in (acmg.CLASS_KEYS, acmg.CRITERIA_KEYS))
        return acmg.read_acmg(*texts)

    def _stated(self, keys: tuple[str, ...]) -> str | None:
        line = self.line
        key = next((key for key in keys if key in line.raw_info), None)
        if key is None:
            return None
        return line.text_of(key, self.number) if len(line.alternates) == 1 or self._own(key) else None

    @property
    def clinvar_unclear(self) -> bool:
        """Whether the line classifies the allele in a way that can't be read or tied to it, and may mean pathogenic."""
        line = self.line
        if (released := self._released) is not None:
            return not released.reportable and clinvar.unclear(released.significance or "", tied=True)
        if "CLNSIG" in line.lost:
            return True
        text = line.text("CLNSIG")
        if text is None or self.clinvar.reportable:
            return False
        if len(line.alternates) > 1 and self.clinvar_by_allele:
            text = self.clinvar.significance or ""
        return clinvar.unclear(text, tied=len(line.alternates) == 1 or self.clinvar_by_allele)

    @property
    def clinvar_by_allele(self) -> bool:
        """Whether the header ties ClinVar's classification to one ALT each."""
        definition = self.file.header.info.get("CLNSIG")
        return definition is not None and definition.number == "A"

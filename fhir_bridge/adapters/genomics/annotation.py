"""Consequences in INFO: VEP's CSQ, SnpEff's ANN, bcftools' BCSQ, their fields in any order.

The order is in the header's Description. Of several transcripts the MANE Select one is taken, else the one that
the annotator picked, else the canonical one, else the first of a transcript, else the first.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple

from fhir_bridge.adapters.genomics.annotated_alleles import Alleles, changes, is_plainly_for, of_allele
from fhir_bridge.adapters.genomics.genes import gene
from fhir_bridge.adapters.genomics.header import Header
from fhir_bridge.adapters.genomics.hgvs_names import coding_name, protein_name
from fhir_bridge.adapters.genomics.sequence_ontology import consequence_term
from fhir_bridge.adapters.genomics.term import Term
from fhir_bridge.adapters.genomics.values import decimal, unescaped

__all__ = [
    "CONSEQUENCES",
    "NONE",
    "Alleles",
    "Consequence",
    "ConsequenceFormat",
    "Frequency",
    "consequence_formats",
    "differ",
    "points_to",
]

CONSEQUENCES = ("CSQ", "ANN", "BCSQ")
"""INFO keys of consequences; of a line the first that says something of an allele is taken."""
_ALIASES = {
    "allele": ("allele",),
    "allele_num": ("allele_num",),
    "given_ref": ("given_ref", "ref_allele"),
    "terms": ("consequence", "annotation"),
    "symbol": ("symbol", "gene_name", "gene"),
    "hgnc_id": ("hgnc_id",),
    "feature": ("feature", "feature_id", "transcript"),
    "feature_type": ("feature_type",),
    "hgvs_c": ("hgvsc", "hgvs.c"),
    "hgvs_p": ("hgvsp", "hgvs.p"),
    "amino_acids": ("amino_acid_change",),
    "dna_change": ("dna_change",),
    "impact": ("impact", "annotation_impact"),
    "mane": ("mane_select",),
    "pick": ("pick",),
    "canonical": ("canonical",),
    **{name: (name,) for name in ("af", "exac_af", "gnomad_af", "gnomade_af", "gnomadg_af")},
}
_POPULATIONS = {
    "gnomade_af": "gnomAD exomes",
    "gnomad_af": "gnomAD exomes",
    "gnomadg_af": "gnomAD genomes",
    "exac_af": "ExAC",
    "af": "1000 Genomes",
}
"""Frequencies that VEP adds (fields of CSQ, in lower case), by where they were measured."""
_BETWEEN = frozenset(("intergenic_variant", "intergenic_region"))
_REFSEQ = re.compile(r"[NX][MR]_[0-9]+(?:\.[0-9]+)?")
_ENSEMBL = re.compile(r"ENS[A-Z]*T[0-9]+(?:\.[0-9]+)?")


_BCFTOOLS = {
    "synonymous": "synonymous_variant",
    "missense": "missense_variant",
    "frameshift": "frameshift_variant",
    "splice_acceptor": "splice_acceptor_variant",
    "splice_donor": "splice_donor_variant",
    "splice_region": "splice_region_variant",
    "stop_retained": "stop_retained_variant",
    "start_retained": "start_retained_variant",
    "5_prime_utr": "5_prime_UTR_variant",
    "3_prime_utr": "3_prime_UTR_variant",
    "non_coding": "non_coding_transcript_variant",
    "intron": "intron_variant",
    "intergenic": "intergenic_variant",
    "coding_sequence": "coding_sequence_variant",
}
"""What bcftools csq writes for terms of SO (its manual); the others are SO's own. An effect behind a stop (`*missense`)
is none of them."""
JOINED = re.compile(r"[A-Za-z]\+[0-9]")
"""In BCSQ the place between two variants that have an effect together (`101C>T+104C>T`)."""


class Frequency(NamedTuple):
    """How frequent an allele is in a population."""

    source: str
    value: Decimal


@dataclass(frozen=True, slots=True)
class Consequence:
    """The effect on one transcript; attributes are None (terms empty) where the annotation lacks them.

    Attributes:
        hgvs_c, hgvs_p: names by the grammar of HGVS with their accession; names: what the annotator writes otherwise;
            named: the c. name, and in brackets a p. name that is not coded as it has no accession.
        other_genes: the further genes of a fusion; feature: what it is the effect on, as written.
        transcript: RefSeq or Ensembl transcript as a coded term.
        terms: SO terms, as written by the annotator.
    """

    gene: Term | None = None
    hgvs_c: str | None = None
    hgvs_p: str | None = None
    transcript: Term | None = None
    terms: tuple[Term, ...] = ()
    impact: str | None = None
    names: str | None = None
    named: str | None = None
    other_genes: tuple[Term, ...] = ()
    feature: str = ""
    frequencies: tuple[Frequency, ...] = ()

    @property
    def symbol(self) -> str | None:
        """The gene's symbol."""
        return self.gene.display if self.gene else None


NONE = Consequence()


class ConsequenceFormat:
    """Reads one INFO key whose fields are in a known order.

    Attributes:
        key: the INFO key.
        names: its fields, as the header writes them; fields: place of those that are read, by what they are.
        verbatim: it writes ALTs as the line does; VEP, also where its key is ANN, does not.
    """

    def __init__(self, key: str, fields: list[str]) -> None:
        self.names = [name.strip(" '\"") for name in fields]
        names = [name.lower() for name in self.names]
        self.key = key
        self.verbatim = "annotation" in names
        self.fields = {
            name: names.index(alias)
            for name, aliases in _ALIASES.items()
            for alias in aliases[:1] + aliases[1:]
            if alias in names and not any(earlier in names for earlier in aliases[: aliases.index(alias)])
        }
        # VEP alone says which populations its fields are of.
        populations = _POPULATIONS if key == "CSQ" else {}
        self._populations = [(name, source) for name, source in populations.items() if name in self.fields]

    def read(
        self, text: str, alleles: Alleles, number: int, *, every: bool, pointed: Sequence[str] = ()
    ) -> list[Consequence]:
        """The consequence of ALT `number` (from 1) of a line on the chosen transcript, then those on `every` other.

        `pointed`: what earlier lines say to which this one points (BCSQ).
        """
        entries = of_allele(list(self._entries(text)), alleles, number, verbatim=self.verbatim)
        for other in pointed:
            entries += [entry for entry in self._entries(other) if changes(entry, alleles, number)]
        if not entries:
            return []
        chosen = min(entries, key=self._rank)
        others = (each for each in entries if every and each is not chosen)
        return [self._consequence(entry) for entry in (chosen, *others)]

    def _entries(self, text: str) -> Iterator[Mapping[str, str]]:
        for item in text.split(","):
            if not item or item[0] == "@":  # BCSQ: told at another position
                continue
            values = item.split("|")
            yield {name: values[at].strip() for name, at in self.fields.items() if at < len(values)}

    def untied(self, text: str, alleles: Alleles) -> bool:
        """Whether anything that is said of a line is of none of its ALTs."""
        if len(alleles.alternates) == 1 and self._names_only(text, alleles):
            return False
        entries = list(self._entries(text))
        numbers = range(1, len(alleles.alternates) + 1)
        tied = (
            id(entry)
            for number in numbers
            for entry in of_allele(entries, alleles, number, verbatim=self.verbatim)
        )
        return len(set(tied)) < len(entries)

    def _names_only(self, text: str, alleles: Alleles) -> bool:
        """Whether every entry is seen at once to be of the only ALT of a line."""
        place = self.fields.get("allele")
        if place is None or "given_ref" in self.fields:
            return False
        named = {
            item.split("|", place + 1)[place : place + 1][0]
            for item in text.split(",")
            if item.count("|") >= place
        }
        (alternate,) = alleles.alternates
        return len(named) == 1 and is_plainly_for(
            named.pop(), alleles.reference, alternate, verbatim=self.verbatim
        )

    def _rank(self, entry: Mapping[str, str]) -> int:
        if entry.get("mane"):
            return 0
        if entry.get("pick") == "1":
            return 1
        if entry.get("canonical") == "YES":
            return 2
        return 3 if entry.get("feature_type", "").lower() in ("transcript", "") else 4

    def _consequence(self, entry: Mapping[str, str]) -> Consequence:
        impact, coded = entry.get("impact") or None, _coded_terms(entry.get("terms") or "", self.key)
        if coded and all(term.display in _BETWEEN for term in coded):
            # Between genes there is no gene and no transcript: what is there names the neighbours.
            return Consequence(terms=coded, impact=impact, frequencies=self._frequencies(entry))
        feature = entry.get("feature") or ""
        coding, protein = unescaped(entry.get("hgvs_c") or ""), unescaped(entry.get("hgvs_p") or "")
        if coding and ":" not in coding and feature:
            coding = f"{feature}:{coding}"
        name = coding.partition(":")[0] if ":" in coding else feature
        names = (coding if coding_name(coding) else None, protein if protein_name(protein) else None)
        texts = [text for text, known in zip((coding, protein), names, strict=True) if text and not known]
        if amino_acids := entry.get("amino_acids"):
            together = entry.get("dna_change", "")
            amino_acids += f" (together: {together})" if "+" in together else ""
            texts.append(f"{feature}: {amino_acids}" if feature else amino_acids)
        named = f"{names[0]} ({protein})" if names[0] and texts else None
        symbols = [text for text in (entry.get("symbol") or "").split("&") if text]
        return Consequence(
            gene(symbols[0], entry.get("hgnc_id")) if symbols else None,
            *names,
            _transcript(name),
            coded,
            impact,
            None if named else "; ".join(texts) or None,
            named,
            tuple(map(gene, symbols[1:])),
            feature,
            self._frequencies(entry),
        )

    def _frequencies(self, entry: Mapping[str, str]) -> tuple[Frequency, ...]:
        """The frequencies of the allele."""
        results = []
        for name, source in self._populations:
            text = entry.get(name)
            value = decimal(text) if text and text != "." else None
            if value is not None and 0 <= value <= 1:
                results.append(Frequency(source, value))
        return tuple(results)


@lru_cache(maxsize=4096)
def _coded_terms(text: str, key: str) -> tuple[Term, ...]:
    """The terms of an effect, which few lines have for themselves."""
    terms = (term for term in text.split("&") if term)
    return tuple(consequence_term(_BCFTOOLS.get(term, term) if key == "BCSQ" else term) for term in terms)


def points_to(text: str) -> list[int]:
    """The positions whose lines have what BCSQ says of this line too (`@43100000`)."""
    return [int(item[1:]) for item in text.split(",") if item[:1] == "@" and item[1:].isdecimal()]


def differ(first: Consequence, others: Sequence[Consequence]) -> bool:
    """Whether what another annotation says of an allele is of another gene, another effect, or names another change."""
    gene, terms = first.symbol, _comparable(first)
    if not any(each.symbol == gene and (terms & _comparable(each) or not terms) for each in others):
        return True
    feature = first.feature.partition(".")[0]
    same = [each for each in others if each.feature.partition(".")[0] == feature and each.hgvs_c]
    change = (first.hgvs_c or "").partition(":")[2]
    return bool(feature and change and same) and all(
        (each.hgvs_c or "").partition(":")[2] != change for each in same
    )


def _comparable(consequence: Consequence) -> set[str]:
    """Effects without what annotators word differently."""
    names = (term.display for term in consequence.terms)
    return {
        "intergenic_variant" if name in _BETWEEN else re.sub("^(?:conservative|disruptive)_", "", name)
        for name in names
    }


@lru_cache(maxsize=4096)
def _transcript(name: str) -> Term | None:
    if _REFSEQ.fullmatch(name):
        return Term("http://www.ncbi.nlm.nih.gov/refseq", name, name)
    if _ENSEMBL.fullmatch(name):
        return Term("http://www.ensembl.org", name, name)
    return None


def consequence_formats(header: Header) -> tuple[ConsequenceFormat, ...]:
    """The consequence annotations that a header declares with their fields, CSQ before ANN before BCSQ."""
    results = []
    for key in CONSEQUENCES:
        definition = header.info.get(key)
        if definition is None:
            continue
        text = definition.description
        _, result, order = text.partition("ormat:") if "ormat:" in text else text.partition("annotations:")
        if result and "|" in order:
            results.append(ConsequenceFormat(key, order.split("|")))
    return tuple(results)

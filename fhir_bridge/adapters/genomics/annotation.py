"""Consequences in INFO: VEP's CSQ, SnpEff's ANN, bcftools' BCSQ, their fields in any order.

The order is in the header's Description. Of several transcripts the MANE Select one is taken, else the one that
the annotator picked, else the canonical one, else the first of a transcript, else the first.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import unquote

from fhir_bridge.adapters.genomics.genes import gene
from fhir_bridge.adapters.genomics.header import Header
from fhir_bridge.adapters.genomics.hgvs_names import coding_name, protein_name
from fhir_bridge.adapters.genomics.sequence_ontology import consequence_term
from fhir_bridge.adapters.genomics.term import Term
from fhir_bridge.adapters.genomics.values import decimal

__all__ = ["CONSEQUENCES", "NONE", "Consequence", "ConsequenceFormat", "Frequency", "consequence_format"]

CONSEQUENCES = ("CSQ", "ANN", "BCSQ")
"""INFO keys of consequences; the first that a header declares so that it can be read is taken."""
_ALIASES = {
    "allele": ("allele",),
    "allele_num": ("allele_num",),
    "terms": ("consequence", "annotation"),
    "symbol": ("symbol", "gene_name", "gene"),
    "hgnc_id": ("hgnc_id",),
    "feature": ("feature", "feature_id", "transcript"),
    "feature_type": ("feature_type",),
    "hgvs_c": ("hgvsc", "hgvs.c"),
    "hgvs_p": ("hgvsp", "hgvs.p"),
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
    """

    def __init__(self, key: str, fields: list[str]) -> None:
        self.names = [name.strip(" '\"") for name in fields]
        names = [name.lower() for name in self.names]
        self.key = key
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
        self, text: str, reference: str, alternates: tuple[str, ...], number: int, *, every: bool
    ) -> list[Consequence]:
        """The consequence of ALT `number` (from 1) of a line on the chosen transcript, then those on `every` other."""
        entries = [
            entry for entry in self._entries(text) if self._is_for(entry, reference, alternates, number)
        ]
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

    def _is_for(
        self, entry: Mapping[str, str], reference: str, alternates: tuple[str, ...], number: int
    ) -> bool:
        if entry.get("allele_num"):
            return entry["allele_num"] == str(number)
        allele = entry.get("allele")
        if not allele:
            return len(alternates) == 1
        if self.key == "ANN":
            return allele == alternates[number - 1] or allele == str(number) or len(alternates) == 1
        return allele in _vep_alleles(reference, alternates, number) or len(alternates) == 1

    def _rank(self, entry: Mapping[str, str]) -> int:
        if entry.get("mane"):
            return 0
        if entry.get("pick") == "1":
            return 1
        if entry.get("canonical") == "YES":
            return 2
        return 3 if entry.get("feature_type", "").lower() in ("transcript", "") else 4

    def _consequence(self, entry: Mapping[str, str]) -> Consequence:
        impact, coded = entry.get("impact") or None, _coded_terms(entry.get("terms") or "")
        if coded and all(term.display in _BETWEEN for term in coded):
            # Between genes there is no gene and no transcript: what is there names the neighbours.
            return Consequence(terms=coded, impact=impact, frequencies=self._frequencies(entry))
        feature = entry.get("feature") or ""
        coding, protein = unquote(entry.get("hgvs_c") or ""), unquote(entry.get("hgvs_p") or "")
        if coding and ":" not in coding and feature:
            coding = f"{feature}:{coding}"
        name = coding.partition(":")[0] if ":" in coding else feature
        names = (coding if coding_name(coding) else None, protein if protein_name(protein) else None)
        texts = [text for text, known in zip((coding, protein), names, strict=True) if text and not known]
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
def _coded_terms(text: str) -> tuple[Term, ...]:
    """The terms of an effect, which few lines have for themselves."""
    return tuple(consequence_term(term) for term in text.split("&") if term)


@lru_cache(maxsize=4096)
def _transcript(name: str) -> Term | None:
    if _REFSEQ.fullmatch(name):
        return Term("http://www.ncbi.nlm.nih.gov/refseq", name, name)
    if _ENSEMBL.fullmatch(name):
        return Term("http://www.ensembl.org", name, name)
    return None


def _vep_alleles(reference: str, alternates: tuple[str, ...], number: int) -> tuple[str, ...]:
    """The ways VEP writes an ALT: verbatim, or without the first base where all alleles of an indel share it."""
    text = alternates[number - 1]
    if text.startswith("<"):
        kind = {"DEL": "deletion", "DUP": "duplication", "INS": "insertion", "INV": "inversion"}
        return (text, text[1:-1], kind.get(text[1:4], text))
    bases = [allele for allele in alternates if allele[:1] not in "<*"]
    indel = any(len(allele) != len(reference) for allele in bases)
    if indel and all(allele[:1] == reference[:1] for allele in bases):
        return (text, text[1:] or "-")
    return (text,)


def consequence_format(header: Header) -> ConsequenceFormat | None:
    """The consequence annotation that a header declares, CSQ before ANN before BCSQ; None where there is none."""
    for key in CONSEQUENCES:
        definition = header.info.get(key)
        if definition is None:
            continue
        text = definition.description
        _, result, order = text.partition("ormat:") if "ormat:" in text else text.partition("annotations:")
        if result and "|" in order:
            return ConsequenceFormat(key, order.split("|"))
    return None

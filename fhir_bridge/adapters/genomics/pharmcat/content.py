"""What a PharmCAT file says: gene calls with diplotypes and haplotypes, and annotations of drugs.

PharmCAT 3 lists genes by symbol; version 2 by source (`CPIC`, `DPWG`) and symbol. Drugs are by source and name in both.
The match file has diplotypes alone, the phenotype file adds phenotypes, the report file drugs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from html import unescape
from typing import Any

from fhir_bridge.adapters.genomics.pharmcat.limits import Limits, limits_of
from fhir_bridge.adapters.genomics.pharmcat.medications import medication
from fhir_bridge.adapters.genomics.term import Term

__all__ = [
    "Annotation",
    "ContentError",
    "Diplotype",
    "GeneCall",
    "Haplotype",
    "gene_calls",
    "read_annotations",
    "remarks",
]

_MARKUP = re.compile(r"<[^>]*>")
_NOT_CALLED = ("Unknown", "Unknown/Unknown")
_NOTHING = (None, "", "n/a", "No Result")


class ContentError(ValueError):
    """A part of the file has another form than PharmCAT writes; the message names it."""


def _titled(gene: str, name: str) -> str:
    return f"{gene}{name}" if name.startswith("*") else f"{gene} {name}"


@dataclass(frozen=True, slots=True)
class Haplotype:
    """A named allele that a diplotype has (scope `Haplotype`); `copies` is 2 of a homozygous one."""

    gene: str
    name: str
    function: str | None
    activity: str | None
    copies: int

    @property
    def title(self) -> str:
        """`CYP2C19*2`; a name that is no star allele after a space."""
        return _titled(self.gene, self.name)

    @property
    def note(self) -> str | None:
        """Function and activity, for people."""
        parts = [f"Function: {self.function}"] if self.function else []
        if self.activity:
            parts.append(f"activity value: {self.activity}")
        return "; ".join(parts) or None


@dataclass(frozen=True, slots=True)
class Diplotype:
    """Both alleles of a gene (scope `Genotype`), as one of those that fit the calls.

    Attributes:
        number: among the gene's diplotypes, from 1.
        uncalled: haplotypes of the gene that could not be called.
    """

    gene: str
    label: str
    number: int
    phenotypes: tuple[str, ...]
    activity: str | None
    haplotypes: tuple[Haplotype, ...]
    notes: tuple[str, ...] = ()
    uncalled: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """`CYP2C19 *1/*2`."""
        return f"{self.gene} {self.label}"

    @property
    def phenotype(self) -> str | None:
        """In words."""
        return "; ".join(self.phenotypes) or None

    @property
    def note(self) -> str | None:
        """The activity score, what limits the gene's call, and what PharmCAT remarks of it."""
        parts = [f"Activity score: {self.activity}"] if self.activity else []
        return "\n".join([*parts, *self.notes]) or None


@dataclass(frozen=True, slots=True)
class GeneCall:
    """A gene; without diplotypes where it was not called.

    Attributes:
        not_text: names and phenotypes that are no text, and are left out.
        notes: what limits the call, and what PharmCAT remarks of the gene.
    """

    symbol: str
    diplotypes: tuple[Diplotype, ...]
    not_text: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Effect:
    """What an annotation says of one gene: the phenotype that it is about."""

    gene: str
    phenotype: str

    @property
    def text(self) -> str:
        """`CYP2C19: Poor Metabolizer`."""
        return f"{self.gene}: {self.phenotype}"


@dataclass(frozen=True, slots=True)
class Annotation:
    """What a guideline or label says of a drug for these genotypes (scope `Annotation`).

    Attributes:
        source: `CPIC Guideline Annotation`, `FDA Label Annotation`, …
        key: distinguishes it in the file.
        diplotypes: numbers of the gene's diplotypes that it is about, by gene.
        population: to whom it applies; None for all.
        actionable: another dose, drug or care than usual is recommended.
        alternative: another drug.
    """

    source: str
    drug: str
    key: str
    guideline: str
    url: str | None
    diplotypes: tuple[Diplotype, ...]
    effects: tuple[Effect, ...]
    implications: tuple[str, ...]
    recommendation: str | None
    classification: str | None
    population: str | None
    actionable: bool
    alternative: bool
    notes: tuple[str, ...] = field(default=())

    @property
    def medication(self) -> Term:
        """The drug as a coded term."""
        return medication(self.drug)

    @property
    def evidence(self) -> str:
        """The classification by its source: `CPIC Guideline Annotation: Strong`."""
        return f"{self.source}: {self.classification or 'not classified'}"

    @property
    def conclusion(self) -> str | None:
        """Implications and recommendation in words; what PharmCAT remarks where there is neither."""
        parts = [*self.implications, *([self.recommendation] if self.recommendation else [])] or self.notes
        return "\n".join(parts) or None


def gene_calls(genes: Mapping[str, Any]) -> Iterator[GeneCall]:
    """The genes of a report or phenotype file.

    Raises:
        ContentError: an entry has another form.
    """
    by_symbol: dict[str, list[Mapping[str, Any]]] = {}
    for symbol, entry in _flat(genes):
        by_symbol.setdefault(symbol, []).append(entry)
    for symbol, (first, *others) in by_symbol.items():
        call = _gene_call(symbol, first)
        notes = tuple(text for entry in others for text in _otherwise(call, _gene_call(symbol, entry), entry))
        yield (
            replace(
                call, diplotypes=tuple(replace(one, notes=(*one.notes, *notes)) for one in call.diplotypes)
            )
            if notes
            else call
        )


def _otherwise(call: GeneCall, other: GeneCall, entry: Mapping[str, Any]) -> Iterator[str]:
    """What another source (`DPWG`) says of a gene's diplotypes that the first one does not."""
    source = _text(entry.get("phenotypeSource")) or "Another source"
    known = {(one.label, one.phenotypes, one.activity) for one in call.diplotypes}
    for one in other.diplotypes:
        if (one.label, one.phenotypes, one.activity) not in known:
            activity = f" (activity score {one.activity})" if one.activity else ""
            yield f"{source}: {one.label} {', '.join(one.phenotypes) or 'no phenotype'}{activity}"


def _flat(genes: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, entry in genes.items():
        if not isinstance(entry, dict):
            raise ContentError(f"genes.{name} is no object")
        if "sourceDiplotypes" in entry or "diplotypes" in entry:
            yield name, entry
        else:
            yield from _flat(entry)


def _gene_call(symbol: str, entry: Mapping[str, Any]) -> GeneCall:
    entries = entry.get("sourceDiplotypes", entry.get("diplotypes"))
    if not isinstance(entries, list):
        raise ContentError(f"the diplotypes of {symbol} are no list")
    limits = limits_of(entry)
    notes = (*limits.texts, *remarks(entry))
    called = [each for each in entries if isinstance(each, dict) and _label(each) not in _NOT_CALLED]
    diplotypes = tuple(
        _diplotype(symbol, each, number, notes, limits) for number, each in enumerate(called, 1)
    )
    not_text = dict.fromkeys(name for each in called for name in _not_text(each))
    return GeneCall(symbol, diplotypes, (*not_text, *limits.wrong), notes)


_ALLELES = ("allele1", "allele2", "haplotype1", "haplotype2")
_OF_AN_ALLELE = ("name", "function", "activityValue")


def _not_text(entry: Mapping[str, Any]) -> Iterator[str]:
    """Where a diplotype has something else than the text that belongs there."""
    for key in _ALLELES:
        allele = entry.get(key)
        if isinstance(allele, dict):
            for name in _OF_AN_ALLELE:
                if not isinstance(allele.get(name), str | None):
                    yield f"{key}.{name}"
        elif allele is not None:
            yield key
    for each in entry.get("phenotypes") or ():
        if not isinstance(each, str | None):
            yield "phenotypes"
    if not isinstance(entry.get("activityScore"), str | None):
        yield "activityScore"


def _label(entry: Mapping[str, Any]) -> str:
    label = entry.get("label", entry.get("name"))
    if not isinstance(label, str) or not label.strip():
        raise ContentError("a diplotype has no label")
    return label.strip()


def _diplotype(
    symbol: str, entry: Mapping[str, Any], number: int, notes: tuple[str, ...], limits: Limits
) -> Diplotype:
    alleles = [entry.get(key) for key in _ALLELES]
    present = [allele for allele in alleles if isinstance(allele, dict)]
    haplotypes: list[Haplotype] = []
    for allele in present:
        name = _text(allele.get("name"))
        if name is None or name in [each.name for each in haplotypes]:
            continue
        haplotypes.append(
            Haplotype(
                symbol,
                name,
                _text(allele.get("function")),
                _text(allele.get("activityValue")),
                sum(each.get("name") == name for each in present),
            )
        )
    phenotypes = tuple(text for each in entry.get("phenotypes") or () if (text := _text(each)))
    activity = _text(entry.get("activityScore"))
    uncalled = tuple(_titled(symbol, name) for name in limits.uncalled)
    return Diplotype(symbol, _label(entry), number, phenotypes, activity, tuple(haplotypes), notes, uncalled)


def _text(value: Any) -> str | None:
    return None if value in _NOTHING or not isinstance(value, str) else value.strip() or None


def remarks(entry: Mapping[str, Any]) -> Iterator[str]:
    """What PharmCAT remarks of a file, gene or drug."""
    for message in entry.get("messages") or ():
        if isinstance(message, dict) and (text := _plain(message.get("message"))):
            yield text


def _plain(value: Any) -> str | None:
    """Text without markup."""
    if not isinstance(value, str):
        return None
    lines = (" ".join(line.split()) for line in unescape(_MARKUP.sub("", value)).splitlines())
    return "\n".join(line for line in lines if line) or None


def read_annotations(
    drugs: Mapping[str, Any], calls: Mapping[str, GeneCall]
) -> Iterator[Annotation | tuple[str, str]]:
    """The annotations of a report; drug and gene of one that refers to a gene without a call.

    Raises:
        ContentError: an entry has another form.
    """
    for source, entries in drugs.items():
        if not isinstance(entries, dict):
            raise ContentError(f"drugs.{source} is no object")
        for name, drug in entries.items():
            for guideline in _dicts(drug, "guidelines", f"drugs.{source}.{name}"):
                counts: dict[str, int] = {}
                for entry in _dicts(guideline, "annotations", f"drugs.{source}.{name}"):
                    population = _population(entry)
                    counts[population or ""] = counts.get(population or "", 0) + 1
                    number = counts[population or ""]
                    key = f"{source}|{name}|{guideline.get('id')}|{population or ''}|{number}"
                    yield _annotation(source, name, drug, guideline, entry, key, calls)


def _dicts(entry: Any, key: str, where: str) -> list[dict[str, Any]]:
    values = entry.get(key) if isinstance(entry, dict) else None
    if values is None:
        return []
    if not isinstance(values, list) or not all(isinstance(each, dict) for each in values):
        raise ContentError(f"{where}.{key} is no list of objects")
    return values


def _population(entry: Mapping[str, Any]) -> str | None:
    text = _plain(entry.get("population"))
    return None if text in (None, "general", "n/a") else text


def _annotation(
    source: str,
    name: str,
    drug: Mapping[str, Any],
    guideline: Mapping[str, Any],
    entry: Mapping[str, Any],
    key: str,
    calls: Mapping[str, GeneCall],
) -> Annotation | tuple[str, str]:
    about: dict[tuple[str, int], Diplotype] = {}
    for genotype in _dicts(entry, "genotypes", f"drugs.{source}.{name}"):
        for each in _dicts(genotype, "diplotypes", f"drugs.{source}.{name}"):
            symbol, label = str(each.get("gene")), _label(each)
            if label in _NOT_CALLED:
                continue
            call = calls.get(symbol)
            known = call.diplotypes if call else ()
            # A recommendation may be for an inferred diplotype: then it is of all that the gene has.
            fitting = [one for one in known if one.label == label] or list(known)
            if not fitting:
                return name, symbol
            about |= {(symbol, one.number): one for one in fitting}
    if not about:
        return name, "none"
    phenotypes = entry.get("phenotypes")
    effects = tuple(
        Effect(str(symbol), text)
        for symbol, value in (phenotypes.items() if isinstance(phenotypes, dict) else ())
        if (text := _text(value))
    )
    flags = [
        entry.get(flag) is True
        for flag in ("dosingInformation", "alternateDrugAvailable", "otherPrescribingGuidance")
    ]
    return Annotation(
        source=source,
        drug=name,
        key=key,
        guideline=_plain(guideline.get("name")) or source,
        url=_text(guideline.get("url")),
        diplotypes=tuple(about.values()),
        effects=effects,
        implications=tuple(text for each in entry.get("implications") or () if (text := _plain(each))),
        recommendation=_plain(entry.get("drugRecommendation")),
        classification=_plain(entry.get("classification")),
        population=_population(entry),
        actionable=any(flags),
        alternative=flags[1],
        notes=(*remarks(entry), *remarks(drug)),
    )

"""A panel: which alleles a report lists, by gene, region, consequence and classification.

A YAML file with one rule, or several under `any`; a table whose rows are rules (`.tsv`); or a BED file of regions:

    panel: Cardiomyopathy 3.1
    genes: [MYH7, MYBPC3]
    regions: ["chr14:23412740-23435660", extra.bed]
    consequences: [missense_variant, stop_gained]
    classifications: [pathogenic, likely-pathogenic, uncertain]

An allele fits a rule that all stated of it fit; genes and regions are one condition: either.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from fhir_bridge.adapters.genomics.issues import issue
from fhir_bridge.adapters.genomics.options import OptionError
from fhir_bridge.adapters.genomics.regions import Regions

__all__ = ["Panel", "read_panel"]

_KEYS = ("genes", "regions", "consequences", "classifications")
_COLUMNS = {
    "gene": "genes",
    "region": "regions",
    "consequence": "consequences",
    "classification": "classifications",
}
_CLASSIFICATIONS = ("pathogenic", "likely-pathogenic", "uncertain", "likely-benign", "benign")


class Allele(Protocol):
    """What a rule looks at of an allele (`allele.Allele`)."""

    @property
    def acmg(self) -> Any:
        """The laboratory's class."""
        ...

    @property
    def clinvar(self) -> Any:
        """ClinVar's class."""
        ...

    @property
    def consequence(self) -> Any:
        """The effect on the chosen transcript."""
        ...

    @property
    def gene(self) -> Any:
        """The gene as a coded term."""
        ...

    @property
    def line(self) -> Any:
        """The line that it is on."""
        ...


@dataclass(frozen=True, slots=True)
class Rule:
    """What an allele must be; what is empty is no condition."""

    genes: frozenset[str] = frozenset()
    regions: Regions | None = None
    consequences: frozenset[str] = frozenset()
    classifications: frozenset[str] = frozenset()

    def fits(self, allele: Allele) -> bool:
        """Whether an allele is of this rule."""
        if (self.genes or self.regions is not None) and not (self._of_gene(allele) or self._within(allele)):
            return False
        terms = {term.display for term in allele.consequence.terms}
        if self.consequences and self.consequences.isdisjoint(terms):
            return False
        classes = {allele.acmg.classification or allele.clinvar.classification}
        return not self.classifications or not self.classifications.isdisjoint(classes)

    def _of_gene(self, allele: Allele) -> bool:
        named = [allele.gene, *allele.consequence.other_genes]
        return any(term is not None and term.display in self.genes for term in named)

    def _within(self, allele: Allele) -> bool:
        line = allele.line
        return self.regions is not None and self.regions.cover(
            line.chrom, line.pos, line.ref, line.columns[7]
        )


@dataclass(frozen=True, slots=True)
class Panel:
    """A named panel."""

    name: str
    rules: tuple[Rule, ...]

    def unknown(self, contigs: Iterable[str]) -> list[str]:
        """Contigs of its regions that neither the build nor the file has."""
        known = tuple(contigs)
        return sorted({name for rule in self.rules if rule.regions for name in rule.regions.unknown(known)})

    def selects(self, allele: Allele) -> bool:
        """Whether a report lists an allele."""
        return any(rule.fits(allele) for rule in self.rules)


def read_panel(path: Path) -> Panel:
    """Read a panel file.

    Raises:
        OptionError: it can't be read, or a rule of it is wrong (FB-VCF-009).
    """
    name = path.name.lower()
    if name.endswith(".bed"):
        return Panel(path.name, (Rule(regions=Regions((str(path),))),))
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise _wrong(path, "can't be read as text") from error
    if name.endswith((".tsv", ".txt")):
        return Panel(path.name, _table(path, text))
    return _yaml(path, text)


def _yaml(path: Path, text: str) -> Panel:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        content = YAML(typ="safe").load(text)
    except YAMLError as error:
        raise _wrong(path, "is no YAML") from error
    if not isinstance(content, dict):
        raise _wrong(path, "is no YAML object")
    title = content.get("panel", path.name)
    if not isinstance(title, str) or not title.strip():
        raise _wrong(path, "panel is no name")
    rest = {key: value for key, value in content.items() if key != "panel"}
    several = rest.pop("any", None)
    if several is None:
        entries: list[Any] = [rest]
    elif rest or not isinstance(several, list):
        raise _wrong(path, "has `any`, a list of rules, and nothing beside it")
    else:
        entries = several
    return Panel(
        title.strip(), tuple(_rule(path, entry, f"rule {number}") for number, entry in enumerate(entries, 1))
    )


def _table(path: Path, text: str) -> tuple[Rule, ...]:
    rows = [line.split("\t") for line in text.splitlines() if line.strip() and line[0] != "#"]
    columns = [cell.strip().lower() for cell in rows[0]] if rows else []
    if not columns or not set(columns) <= set(_COLUMNS):
        raise _wrong(path, f"has other columns than {', '.join(_COLUMNS)} in its first line")
    rules = []
    for number, row in enumerate(rows[1:], 2):
        cells = {_COLUMNS[name]: cell.strip() for name, cell in zip(columns, row, strict=False)}
        entry = {key: [cell] for key, cell in cells.items() if cell not in ("", ".")}
        rules.append(_rule(path, entry, f"row {number}"))
    if not rules:
        raise _wrong(path, "has no row")
    return tuple(rules)


def _rule(path: Path, entry: Any, where: str) -> Rule:
    if not isinstance(entry, Mapping) or not entry:
        raise _wrong(path, f"{where} states nothing")
    values: dict[str, tuple[str, ...]] = {}
    for key, value in entry.items():
        if key not in _KEYS:
            raise _wrong(path, f"{where}: {key} is none of {', '.join(_KEYS)}")
        items = value if isinstance(value, list) else [value]
        if not items or not all(isinstance(item, str) and item.strip() for item in items):
            raise _wrong(path, f"{where}: {key} is no list of words")
        values[key] = tuple(item.strip() for item in items)
    classes = frozenset(
        text.lower().replace("_", "-").replace(" ", "-") for text in values.get("classifications", ())
    )
    if unknown := sorted(classes - set(_CLASSIFICATIONS)):
        raise _wrong(path, f"{where}: {unknown[0]} is none of {', '.join(_CLASSIFICATIONS)}")
    regions = tuple(
        str(path.parent / text) if text.lower().endswith(".bed") else text
        for text in values.get("regions", ())
    )
    return Rule(
        frozenset(values.get("genes", ())),
        Regions(regions) if regions else None,
        frozenset(values.get("consequences", ())),
        classes,
    )


def _wrong(path: Path, message: str) -> OptionError:
    return OptionError(issue("FB-VCF-009", f"option panel: {path.name}: {message}", path.name), "panel")

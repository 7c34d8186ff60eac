"""The regions that a study covers, from a BED file (BED v1.0), and their sum in words."""

from __future__ import annotations

from pathlib import Path

from fhir_bridge.adapters.genomics.assembly import chromosome
from fhir_bridge.adapters.genomics.file import Studied
from fhir_bridge.adapters.genomics.genes import HGNC
from fhir_bridge.adapters.genomics.header import Header
from fhir_bridge.adapters.genomics.issues import issue
from fhir_bridge.adapters.genomics.options import OptionError, Options

__all__ = ["read_studied"]


def read_studied(header: Header, options: Options) -> Studied:
    """What the study covers: options before the header's `##studied_genes` and `##studied_regions`.

    Raises:
        OptionError: the BED file can't be read, or a line of it is wrong (FB-VCF-009).
    """
    declared = ",".join(header.meta.get("studied_genes", []))
    genes = options.studied_genes or tuple(name.strip() for name in declared.split(",") if name.strip())
    description = "; ".join(header.meta.get("studied_regions", [])) or None
    if options.studied_bed is None:
        return Studied(genes, description)
    named, description = _read_bed(options.studied_bed)
    return Studied(genes or named, description)


def _read_bed(path: Path) -> tuple[tuple[str, ...], str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise OptionError(
            issue("FB-VCF-009", f"option studied_bed: {path.name} can't be read as text", str(error))
        ) from error
    regions = bases = 0
    genes: dict[str, None] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith(("#", "track", "browser")):
            continue
        fields = line.split("\t") if "\t" in line else line.split()
        if len(fields) < 3 or not (
            fields[1].isdigit() and fields[2].isdigit() and int(fields[1]) < int(fields[2])
        ):
            raise OptionError(
                issue(
                    "FB-VCF-009",
                    f"option studied_bed: {path.name}:{number} is not chromosome, start, end",
                    path.name,
                )
            )
        if chromosome(fields[0]) is None:
            raise OptionError(
                issue(
                    "FB-VCF-009", f"option studied_bed: {path.name}:{number} names no chromosome", path.name
                )
            )
        regions += 1
        bases += int(fields[2]) - int(fields[1])
        if len(fields) > 3 and fields[3] in HGNC:
            genes[fields[3]] = None
    return tuple(genes), f"{regions} regions of {path.name}, {bases} bases"

"""`fhir-bridge score`: polygenic scores of the samples of a VCF."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer

from fhir_bridge.cli.convert import MappingFile, ReportFile, Set, SiteFile, finish, parse_options, run_request
from fhir_bridge.cli.output import UsageError, counting, stderr, stdout

__all__ = ["score"]

_COLUMNS = (
    "sample",
    "score",
    "sum",
    "average",
    "alleles",
    "used",
    "variants",
    "percentile",
    "interpretation",
)
_SHOWN = 20


def score(
    sources: Annotated[
        list[str], typer.Argument(metavar="VCF...", help="VCF or BCF files, one or all samples.")
    ],
    scores: Annotated[
        list[Path],
        typer.Option(
            "--scores", "-s", help="A scoring file of the PGS Catalog, or a folder of them; repeats."
        ),
    ],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder for Observation and RiskAssessment as NDJSON.")
    ] = None,
    table: Annotated[
        Path | None,
        typer.Option("--table", "-t", help="File for a row a sample and score, separated by tabs."),
    ] = None,
    build: Annotated[
        str | None,
        typer.Option(
            help="Build of the VCF, where its header does not say it: GRCh37, GRCh38, T2T-CHM13v2.0."
        ),
    ] = None,
    dosage: Annotated[
        str | None, typer.Option(help="Take dosages from GT (default), DS (GT where it is missing), or GP.")
    ] = None,
    missing: Annotated[
        str | None,
        typer.Option(
            help="What a sample without a call adds: `none` (default), or the `mean` of 50 or more samples."
        ),
    ] = None,
    ambiguous: Annotated[
        str | None,
        typer.Option(help="Variants A/T and C/G, of which no strand is certain: `keep` (default) or `drop`."),
    ] = None,
    distributions: Annotated[
        Path | None,
        typer.Option(help="Reference distributions by ancestry (YAML); without one no percentile is given."),
    ] = None,
    ancestry: Annotated[
        str | None, typer.Option(help="Ancestry of all samples, or a table with `sample` and `ancestry`.")
    ] = None,
    report: ReportFile = None,
    mapping: MappingFile = None,
    site: SiteFile = None,
    set_: Set = [],  # noqa: B006 - typer copies it
    force: Annotated[
        bool, typer.Option("--force", help="Replace what an earlier run left in the folder.")
    ] = False,
) -> None:
    """Compute polygenic scores: scoring files of the PGS Catalog over the samples of a VCF, all in one pass.

        fhir-bridge score cohort.vcf.gz --scores PGS000018_hmPOS_GRCh38.txt.gz --table scores.tsv

        fhir-bridge score cohort.vcf.gz --scores pgs/ --distributions 1000g.yaml --ancestry EUR --out fhir/

    Take the harmonised file of the VCF's build (`hmPOS_GRCh37` or `hmPOS_GRCh38`); one of another build is refused.
    The sums are those of `plink2 --score … no-mean-imputation` (`--missing mean`: those without it).

    A score alone says nothing of a risk. A percentile needs a reference distribution of the same score, for the
    sample's ancestry, over the same variants; where none fits, the result says "Not interpretable" and why.

    The report counts what became of each score's variants: used, not in the file, with other alleles,
    strand-ambiguous, not computable (haplotypes, HLA alleles), and calls that are missing.

    It is `convert --adapter pgs` with a table. To store the scores:

        fhir-bridge load cohort.vcf.gz --adapter pgs --set scores=PGS000018_hmPOS_GRCh38.txt.gz --site site.yaml

    Exit code 0: all scores were computed; 1: something was not (the rest is); 2: wrong usage. See docs/adapters/pgs.md.
    """
    from fhir_bridge.pipeline import convert as pipeline_convert

    options = parse_options(set_)
    options["scores"] = [str(path) for path in scores]
    stated = {
        "assembly": build,
        "dosage": dosage,
        "missing": missing,
        "ambiguous": ambiguous,
        "distributions": None if distributions is None else str(distributions),
        "ancestry": ancestry,
    }
    options |= {name: value for name, value in stated.items() if value is not None}
    if build is not None:  # programs write a contig's last variant for its length
        options.setdefault("check_lengths", "false")
    for path in [*scores, *([distributions] if distributions else [])]:
        if not path.exists():
            raise UsageError(f"there is no {path}")
    request = run_request("pgs", mapping, site, options)
    with TemporaryDirectory() as temporary:
        folder = out or Path(temporary) / "fhir"
        with counting("scoring") as progress:
            result = pipeline_convert(request, sources, folder, force=force, on_progress=progress)
        _show(folder, table)
    finish(result, report or (out / "report.json" if out else None))


def _show(folder: Path, table: Path | None) -> None:
    """Print the first rows, and write all of them where a table is wanted."""
    from rich.table import Table

    rows = list(_rows(folder))
    if table is not None:
        with table.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, delimiter="\t", lineterminator="\n")
            writer.writerow(_COLUMNS)
            writer.writerows(rows)
        stderr.print(f"table: {table}")
        return
    shown = Table(title="Scores", title_justify="left")
    for name in _COLUMNS:
        shown.add_column(name, overflow="fold")
    for row in rows[:_SHOWN]:
        shown.add_row(*map(str, row))
    stdout.print(shown)
    if len(rows) > _SHOWN:
        stdout.print(f"… and {len(rows) - _SHOWN:,} more; --table FILE writes all")


def _rows(folder: Path) -> Iterator[tuple[Any, ...]]:
    samples = {
        f"Specimen/{specimen['id']}": specimen["identifier"][0]["value"]
        for specimen in _resources(folder / "Specimen.ndjson")
    }
    for resource in _resources(folder / "Observation.ndjson"):
        values: dict[str, Any] = {
            component["code"]["coding"][0]["code"]: component.get("valueQuantity", {}).get("value", "")
            for component in resource["component"]
        }
        yield (
            samples.get(resource["specimen"]["reference"], ""),
            resource["code"]["text"].removeprefix("Polygenic score "),
            resource["valueQuantity"]["value"],
            *(
                values.get(name, "")
                for name in ("average", "alleles", "variants-used", "variants", "percentile")
            ),
            resource["interpretation"][0]["text"],
        )


def _resources(path: Path) -> Iterator[dict[str, Any]]:
    if path.exists():
        with path.open(encoding="utf-8") as file:
            for line in file:
                yield json.loads(line)

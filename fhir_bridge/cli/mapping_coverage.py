"""`mapping coverage`: what examples or a corpus exercise of a mapping."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from fhir_bridge.cli.convert import SiteFile
from fhir_bridge.cli.mapping_files import Mappings, left_out, mapping_files
from fhir_bridge.cli.output import UsageError, stderr

__all__ = ["coverage"]

_SHOWN = 15


class Format(StrEnum):
    """How the coverage is printed."""

    text = "text"
    json = "json"
    html = "html"


def coverage(
    paths: Mappings = [],  # noqa: B006 - typer copies it
    corpus: Annotated[
        list[Path],
        typer.Option(
            "--corpus",
            exists=True,
            help="Sources in place of the golden examples: a file or folder; repeats.",
        ),
    ] = [],  # noqa: B006 - as above
    site: SiteFile = None,
    output: Annotated[
        Format, typer.Option("--format", help="text for people, json for tools, html: one page.")
    ] = Format.text,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", dir_okay=False, help="Where it goes; else it is printed.")
    ] = None,
    fail_under: Annotated[
        str | None,
        typer.Option(
            "--fail-under",
            metavar="KIND=P,...",
            help="Least percentages, e.g. rules=90,branches=80,leaves=60.",
        ),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="List everything that was never exercised.")
    ] = False,
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help="Read this many records at most.")
    ] = None,
) -> None:
    """Count rules, branches and ConceptMap rows that golden examples exercise, and what no rule reads of the source.

        fhir-bridge mapping coverage walks/ --fail-under rules=100,branches=80

        fhir-bridge mapping coverage ehr/hl7v2 --corpus archive/2026-01 --format html --out coverage.html

    A branch is a case of a match, an outcome of a `when`, or a side of `if … else`. A source leaf is a component,
    column, INFO or FORMAT key or attribute that had a value; a value that only makes an id, or only decides, is read.

    Exit code 1: something is below --fail-under.
    """
    from fhir_bridge.fhir.serialization import dumps
    from fhir_bridge.mapping import Site, find_mapping
    from fhir_bridge.workshop import (
        Coverage,
        coverage_lines,
        coverage_of_corpus,
        coverage_of_examples,
        coverage_page,
        parse_thresholds,
    )

    try:
        thresholds = parse_thresholds(fail_under or "")
    except ValueError as error:
        raise UsageError(f"--fail-under: {error}") from error
    coverages: list[Coverage] = []
    if corpus:
        if len(paths) > 1:
            raise UsageError("--corpus goes with one mapping, or with none: the adapter then chooses")
        settings = Site.load(site) if site else Site()
        coverages = coverage_of_corpus(corpus, str(paths[0]) if paths else None, settings, limit)
    else:
        files = mapping_files([path if path.exists() else find_mapping(str(path)) for path in paths])
        for file in files:
            with left_out(file, named=bool(paths)):
                coverages.append(coverage_of_examples(file))
    if output is Format.html:
        _write(coverage_page(coverages), out)
    elif output is Format.json:
        _write("".join(dumps(each.to_json()).decode() + "\n" for each in coverages), out)
    else:
        most = None if everything else _SHOWN
        _write("".join(f"{line}\n" for each in coverages for line in coverage_lines(each, most)), out)
    failed = False
    for each in coverages:
        for kind, percent in each.below(thresholds).items():
            failed = True
            stderr.print(
                f"{each.mapping.name}: {kind} {percent:.1f} % is below {thresholds[kind]:g} %",
                soft_wrap=True, highlight=False,
            )  # fmt: skip
    raise typer.Exit(1 if failed else 0)


def _write(text: str, out: Path | None) -> None:
    if out is None:
        typer.echo(text, nl=False)
        return
    out.write_text(text, encoding="utf-8")
    stderr.print(f"wrote {out}", soft_wrap=True, highlight=False)

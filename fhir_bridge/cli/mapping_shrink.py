"""`mapping shrink`: the smallest scrubbed input that still gives an issue."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fhir_bridge.cli.output import UsageError, stderr

__all__ = ["shrink"]


def shrink(
    source: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="HL7 v2 messages, a table or a VCF file.")
    ],
    out: Annotated[Path, typer.Option("--out", help="File to write the result to.")],
    mapping: Annotated[
        str, typer.Option(help="Mapping: a file, a folder or a name; else that of the source.")
    ] = "",
    adapter: Annotated[str, typer.Option(help="hl7v2, csv or vcf; else by the file's ending.")] = "",
    code: Annotated[str, typer.Option(help="The issue code that must stay (FB-HL7-012).")] = "",
    differs_from: Annotated[
        Path | None,
        typer.Option("--differs-from", exists=True, help="A mapping whose output must stay different."),
    ] = None,
    site: Annotated[Path | None, typer.Option(exists=True, dir_okay=False, help="Site file.")] = None,
    keep: Annotated[
        list[str], typer.Option("--keep", help="Place whose value may stay (OBX-5, a column); repeats.")
    ] = [],  # noqa: B006 - typer copies it
    seed: Annotated[int, typer.Option(help="Draws other made-up values.")] = 1,
) -> None:
    """Reduce an input that gives an issue to what is needed for it, and replace what it says of patients.

    Values are replaced by made-up ones of the same form, the same value by the same, dates all moved alike. Where an
    issue needs a value as it is, nothing is written until `--keep` allows it; exit code 1.
    """
    from fhir_bridge.cli.output import counting
    from fhir_bridge.mapping import MappingErrors, Site, load_mapping
    from fhir_bridge.plugins import adapters
    from fhir_bridge.workshop.first_mapping import SampleError
    from fhir_bridge.workshop.shrinking import NotShown, Signs
    from fhir_bridge.workshop.shrinking import shrink as run

    if bool(code) == (differs_from is not None):
        raise UsageError("write either --code or --differs-from")
    known = adapters()
    ending = source.name.lower().removesuffix(".gz").removesuffix(".bgz").rpartition(".")[2]
    adapter = adapter or {"hl7": "hl7v2", "vcf": "vcf", "csv": "csv", "tsv": "csv"}.get(ending, "")
    name = mapping or (known[adapter].choose_mapping([source]) if adapter in known else "")
    if not name:
        raise UsageError("write --adapter or --mapping: the file's ending says nothing")
    try:
        compiled = load_mapping(name, adapters=known)
        other = load_mapping(differs_from, adapters=known) if differs_from is not None else None
    except MappingErrors as error:
        raise UsageError(str(error)) from None
    try:
        with counting("shrinking") as count:
            runs = 0

            def advance(_: str) -> None:
                nonlocal runs
                runs += 1
                count(runs)

            result = run(
                source,
                compiled,
                Signs(code, other),
                site=Site.load(site) if site else None,
                keep=frozenset(keep),
                seed=seed,
                advance=advance,
            )
    except (NotShown, SampleError, ValueError, OSError) as error:
        raise UsageError(str(error)) from None
    if result.kept:
        places = ", ".join(sorted(set(result.kept)))
        stderr.print(
            f"nothing is written: the issue needs the values of {places}; --keep them, if they may be shown"
        )
        raise typer.Exit(1)
    out.write_bytes(result.text)
    stderr.print(
        f"{source.stat().st_size:,} bytes became {len(result.text):,} in {result.runs:,} runs: {out}"
    )

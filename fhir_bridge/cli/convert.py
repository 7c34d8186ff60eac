"""`convert` and `load`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from fhir_bridge.cli.database import open_database
from fhir_bridge.cli.delivering import send_converted, send_files
from fhir_bridge.cli.output import UsageError, counting, print_report, stderr

if TYPE_CHECKING:
    from fhir_bridge.pipeline import RejectionLimit, RunRequest, RunResult
    from fhir_bridge.pipeline.shard import ValidateMode

__all__ = ["Set", "SiteFile", "convert", "load", "parse_options"]

Sources = Annotated[
    list[str],
    typer.Argument(
        metavar="SOURCE...", help="Files or folders to read; `-` is standard input (NDJSON where it is FHIR)."
    ),
]
AdapterName = Annotated[
    str, typer.Option("--adapter", "-a", help="What the sources are: csv, hl7v2, dicom, vcf …")
]
MappingFile = Annotated[
    str | None,
    typer.Option("--mapping", "-m", help="A mapping file or the name of a shipped one (`ehr/hl7v2`)."),
]
SiteFile = Annotated[
    Path | None,
    typer.Option(
        "--site",
        exists=True,
        dir_okay=False,
        envvar="FHIR_BRIDGE_SITE",
        help="The site's settings (docs/site.md).",
    ),
]
Set = Annotated[
    list[str],
    typer.Option("--set", metavar="K=V", help="A reader option over the mapping's `source:` block; repeats."),
]
Jobs = Annotated[int, typer.Option("--jobs", "-j", min=1, help="Worker processes.")]
Engine = Annotated[str, typer.Option(help="`process`: worker processes of this machine.")]
Only = Annotated[str | None, typer.Option(metavar="LOCATOR", help="Take this record only, e.g. `adt.hl7#3`.")]
Limit = Annotated[int | None, typer.Option(min=1, help="Take this many records at most.")]
MaxRejected = Annotated[
    str | None,
    typer.Option(metavar="N|P%", help="Give up (exit 4) when more records than this are rejected."),
]
Validate = Annotated[
    str, typer.Option(help="Check outputs: `sample` (first of each rule, then 1 in 100), `all` or `none`.")
]
ReportFile = Annotated[Path | None, typer.Option("--report", help="Where the account of the run goes.")]


def convert(
    sources: Sources,
    adapter: AdapterName,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder for one NDJSON file a resource type.")
    ] = None,
    report: ReportFile = None,
    mapping: MappingFile = None,
    site: SiteFile = None,
    set_: Set = [],  # noqa: B006 - typer copies it
    jobs: Jobs = 1,
    engine: Engine = "process",
    only: Only = None,
    limit: Limit = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Convert and report, write no resource.")
    ] = False,
    check: Annotated[bool, typer.Option("--check", help="Validate the sources' syntax only.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an interrupted run.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Replace what an earlier run left in the folder.")
    ] = False,
    max_rejected: MaxRejected = None,
    validate: Validate = "sample",
) -> None:
    """Convert sources to FHIR R4 as NDJSON, with a report of every record.

    Needs no server and no database.

        fhir-bridge convert messages/ --adapter hl7v2 --out fhir/

        fhir-bridge convert cohort.vcf.gz --adapter vcf --site site.yaml --out fhir/ --jobs 2

    Exit code 0: nothing was rejected or partial; 1: something was, the rest is written; 2: wrong usage;
    3: the run is incomplete (--resume goes on with it); 4: more was rejected than --max-rejected allows.
    """
    from fhir_bridge.pipeline import check_syntax as pipeline_check
    from fhir_bridge.pipeline import convert as pipeline_convert

    request, ceiling = _request(adapter, mapping, site, set_, only, limit, max_rejected, validate, engine)
    if str(request.options.get("keep", "false")).lower() not in ("false", "0", "no"):
        raise UsageError("a file is kept by `load --keep-file`; convert writes all that it has")
    if resume and force:
        raise UsageError("--resume goes on with a run, --force starts it anew: give one of them")
    if check or dry_run:
        with counting("reading" if check else "converting") as progress:
            result = pipeline_check(request, sources, convert=dry_run and not check, on_progress=progress)
        finish(result, report)
    if out is None:
        raise UsageError("--out FOLDER says where the NDJSON goes (or give --check or --dry-run)")
    with counting("converting") as progress:
        result = pipeline_convert(
            request, sources, out, jobs=jobs, resume=resume, force=force, limit=ceiling, on_progress=progress
        )
    finish(result, report or out / "report.json")


def load(
    sources: Sources,
    adapter: Annotated[
        str | None,
        typer.Option("--adapter", "-a", help="What the sources are; none: NDJSON and Bundles as they are."),
    ] = None,
    report: ReportFile = None,
    mapping: MappingFile = None,
    site: SiteFile = None,
    set_: Set = [],  # noqa: B006 - typer copies it
    jobs: Jobs = 1,
    engine: Engine = "process",
    only: Only = None,
    limit: Limit = None,
    max_rejected: MaxRejected = None,
    validate: Validate = "sample",
    remap: Annotated[
        bool,
        typer.Option("--remap", help="Replace what a newer version of the mapping made, too."),
    ] = False,
    keep_file: Annotated[
        bool,
        typer.Option(
            "--keep-file",
            help="VCF: keep the file itself, and store only what is reportable (docs/genomics-operations.md).",
        ),
    ] = False,
    to: Annotated[
        str | None,
        typer.Option(
            "--to", metavar="URL", help="Send to this FHIR server (or target of docs/delivery.md) instead."
        ),
    ] = None,
    wait: Annotated[
        float, typer.Option(min=0, help="With --to: seconds to wait for a target that takes nothing.")
    ] = 20,
) -> None:
    """Convert sources and store them; or store NDJSON and Bundles as they are.

    Loading twice changes nothing, so an interrupted load is simply run again. Loaded again with a corrected mapping,
    site file, crosswalk or terminology, a source record replaces what it said before; what it no longer says is
    withdrawn. Records that find no patient wait in the inbox (`fhir-bridge inbox list`).

        fhir-bridge load messages/ --adapter hl7v2 --site site.yaml

        fhir-bridge load fhir/            # what `convert` wrote

    With --to they go to another FHIR server through the outbox, each once, however often this is run; exit code 1 where
    it did not take all, which `fhir-bridge outbox list` shows. Its address must be listed in FHIR_BRIDGE_EGRESS.

        fhir-bridge load fhir/ --to https://fhir.example.net/r4
    """
    from fhir_bridge.pipeline import Selection
    from fhir_bridge.pipeline import load_fhir as pipeline_load_fhir
    from fhir_bridge.pipeline import load_sources as pipeline_load

    mode = _validate_mode(validate)
    if adapter is None:
        if mapping or set_:
            raise UsageError("--mapping and --set are for sources that are converted: name their --adapter")
        ceiling = _ceiling(max_rejected)
        selection = Selection(only, limit, ceiling.number)
        if to is not None:
            _finish_sent(
                *send_files(
                    to, sources, validate=mode, site=site, selection=selection, limit=ceiling, wait=wait
                ),
                report,
            )
        url = open_database()
        with counting("loading") as progress:
            result = pipeline_load_fhir(
                sources,
                url,
                validate=mode,
                site=site,
                selection=selection,
                limit=ceiling,
                on_progress=progress,
            )
        finish(result, report)
    request, ceiling = _request(
        str(adapter), mapping, site, set_, only, limit, max_rejected, validate, engine
    )
    if keep_file:
        if adapter != "vcf" or to is not None:
            raise UsageError("--keep-file is for --adapter vcf, and for the store of this program")
        request = replace(request, options={**request.options, "keep": True})
    if to is not None:
        if remap:
            raise UsageError("--remap is about what is stored here; --to stores nothing")
        _finish_sent(*send_converted(to, request, sources, jobs=jobs, limit=ceiling, wait=wait), report)
    request = replace(request, remap=remap)
    url = open_database()
    if adapter == "vcf" and "-" not in sources:
        request = replace(request, options=_with_kept(request, sources, url))
    with counting("loading") as progress:
        result = pipeline_load(request, sources, url, jobs=jobs, limit=ceiling, on_progress=progress)
    settled = adapter != "vcf" or "-" in sources or _settle_kept(sources, url, site)
    finish(result, report, complete=settled)


def _settle_kept(sources: list[str], url: str, site: Path | None) -> bool:
    """Read kept files of the samples again where a file that came after them is older, and stores what they have.

    Returns:
        whether all of these could be read.
    """
    import asyncio

    from fhir_bridge.adapters.genomics.kept_reading import samples_of
    from fhir_bridge.pipeline import expand
    from fhir_bridge.plugins import adapters
    from fhir_bridge.server.genomics import settle
    from fhir_bridge.storage import Store
    from fhir_bridge.storage.blobs import blob_folder, open_blobs

    paths, _ = expand(sources, adapters()["vcf"])
    samples = {name for path in paths for name in samples_of(path)}

    async def run() -> tuple[list[str], list[str]]:
        # The load has brought the schema up to date.
        async with await Store.open(url, migrate=False, max_size=2) as store:
            return await settle(store, await open_blobs(store, blob_folder()), url, samples, site)

    again, failed = asyncio.run(run())
    for name in again:
        stderr.print(f"{name} was read again: it has variants that an older file of its samples stores")
    for name in failed:
        stderr.print(
            f"{name} can't be read again: variants that an older file of its samples stores are withdrawn"
        )
    return not failed


def _with_kept(request: RunRequest, sources: list[str], url: str) -> dict[str, Any]:
    """The options, with what kept files of the samples say: variants that stay stored, the release that classifies."""
    import asyncio

    from fhir_bridge.adapters.genomics.kept_stored import options_by_kept
    from fhir_bridge.pipeline import expand
    from fhir_bridge.plugins import adapters

    paths, _ = expand(sources, adapters()[request.adapter])
    options = asyncio.run(options_by_kept(url, paths, request.options))
    if "clinvar" in options and "clinvar" not in request.options:
        stderr.print(
            f"classified by {Path(options['clinvar']).name}, as the file that is kept of the samples"
        )
    return options


def _validate_mode(text: str) -> ValidateMode:
    if text not in ("sample", "all", "none"):
        raise UsageError(f"--validate is sample, all or none, not {text}")
    mode: ValidateMode = text  # type: ignore[assignment]  # just checked
    return mode


def _request(
    adapter: str,
    mapping: str | None,
    site: Path | None,
    pairs: list[str],
    only: str | None,
    limit: int | None,
    max_rejected: str | None,
    validate: str,
    engine: str,
) -> tuple[RunRequest, RejectionLimit]:
    """What was asked for, checked, and how many rejected records it bears."""
    from fhir_bridge.pipeline import Selection

    if engine != "process":
        raise UsageError(f'this version has the engine `process` only, not "{engine}"')
    options = parse_options(pairs)
    ceiling = _ceiling(max_rejected)
    request = run_request(adapter, mapping, site, options, validate)
    return replace(request, selection=Selection(only, limit, ceiling.number)), ceiling


def run_request(
    adapter: str, mapping: str | None, site: Path | None, options: dict[str, Any], validate: str = "sample"
) -> RunRequest:
    """A run with an adapter, of all records.

    Raises:
        UsageError: there is no such adapter, or no such way to validate.
    """
    from fhir_bridge.pipeline import RunRequest, Selection
    from fhir_bridge.plugins import adapters

    known = adapters()
    if adapter not in known:
        raise UsageError(f'there is no adapter "{adapter}"; there are {", ".join(sorted(known))}')
    return RunRequest(adapter, mapping, site, options, Selection(), _validate_mode(validate))


def parse_options(pairs: list[str]) -> dict[str, Any]:
    """The reader options of `--set`.

    Raises:
        UsageError: one is not NAME=VALUE.
    """
    options: dict[str, Any] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise UsageError(f"--set wants NAME=VALUE, not {pair}")
        options[name] = value
    return options


def _ceiling(text: str | None) -> RejectionLimit:
    from fhir_bridge.pipeline import RejectionLimit

    try:
        return RejectionLimit.parse(text) if text else RejectionLimit()
    except ValueError as error:
        raise UsageError(f"--max-rejected wants a count or a percentage (25, 2.5%): {error}") from error


def _finish_sent(result: RunResult, complete: bool, report: Path | None) -> NoReturn:
    finish(result, report, complete=complete)


def finish(result: RunResult, report: Path | None, *, complete: bool = True) -> NoReturn:
    from fhir_bridge.pipeline import exit_code, write_report

    if report is not None:
        write_report(result.report, report)  # first: whoever reads what is printed may stop reading
    print_report(result.report)
    if report is not None:
        stderr.print(f"report: {report}")
    if result.incomplete:
        stderr.print(f"[bold red]incomplete:[/] {result.incomplete}")
    raise typer.Exit(exit_code(result) or (0 if complete else 1))

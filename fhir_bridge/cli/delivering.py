"""`load --to`: what is read goes to another FHIR server, and not into the store."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.markup import escape

from fhir_bridge.cli.database import open_database, run_async
from fhir_bridge.cli.output import UsageError, counting, stderr

if TYPE_CHECKING:
    from fhir_bridge.pipeline import RejectionLimit, RunRequest, RunResult, Selection
    from fhir_bridge.pipeline.shard import ValidateMode
    from fhir_bridge.server.delivery import Emptied

__all__ = ["send_converted", "send_files"]


def send_files(
    to: str,
    sources: list[str],
    *,
    validate: ValidateMode,
    site: Path | None,
    selection: Selection,
    limit: RejectionLimit,
    wait: float,
) -> tuple[RunResult, bool]:
    """Send NDJSON, resources and Bundles; gives the account, and whether the target has all of it."""
    from fhir_bridge.pipeline.read_fhir import FhirReading
    from fhir_bridge.server import Settings
    from fhir_bridge.server.delivery import TargetError, Targets, deliver_all

    settings = Settings()
    settings.site = site or settings.site
    try:
        target = Targets.load(settings.delivery).at(to)
    except (TargetError, ValueError) as error:
        raise UsageError(f"--to {to}: {error}") from error
    if target.is_mllp:
        raise UsageError(
            "--to sends to FHIR servers; `serve` sends messages of what is stored (docs/delivery.md)"
        )
    if (
        not any(target.access.permits(kind, "r") for kind in ("*", "Patient", "Observation"))
        and not target.scope
    ):
        raise UsageError(f"--to {to}: its scope lets nothing leave")
    url = open_database()
    reading = FhirReading(sources, validate=validate, site=site, selection=selection, limit=limit)
    with counting("sending") as progress:
        emptied = run_async(
            deliver_all(url, settings, target, iter(reading), seconds=wait, on_progress=progress)
        )
    result = reading.result()
    result.report["delivery"] = _report(target.name, emptied)
    _print(target.name, emptied)
    return result, set(emptied.counts) <= {"delivered"}


def send_converted(
    to: str, request: RunRequest, sources: list[str], *, jobs: int, limit: RejectionLimit, wait: float
) -> tuple[RunResult, bool]:
    """Convert into a folder that is removed again, and send what was converted."""
    from fhir_bridge.pipeline import RejectionLimit, Selection, convert

    with tempfile.TemporaryDirectory(prefix="fhir-bridge-") as folder:
        with counting("converting") as progress:
            result = convert(
                request,
                sources,
                Path(folder) / "fhir",
                jobs=jobs,
                resume=False,
                force=False,
                limit=limit,
                on_progress=progress,
            )
        if result.incomplete:
            return result, False
        # What the conversion made is checked as the conversion was asked to, not once more.
        sent, complete = send_files(
            to,
            [str(Path(folder) / "fhir")],
            validate="none",
            site=request.site,
            selection=Selection(),
            limit=RejectionLimit(),
            wait=wait,
        )
    result.report["delivery"] = sent.report["delivery"]
    return result, complete


def _report(target: str, emptied: Emptied) -> dict[str, object]:
    return {
        "target": target,
        "queued": emptied.queued,
        "unchanged": emptied.unchanged,
        **emptied.counts,
        **({"unreachable": emptied.unreachable} if emptied.unreachable else {}),
    }


def _print(target: str, emptied: Emptied) -> None:
    counts = ", ".join(f"{count:,} {state}" for state, count in sorted(emptied.counts.items()))
    stderr.print(
        f"{escape(target)}: {counts or 'nothing to send'} ({emptied.unchanged:,} unchanged)", soft_wrap=True
    )
    for reason, count in sorted(emptied.problems.items(), key=lambda item: -item[1])[:5]:
        stderr.print(f"  {count:,}: {escape(reason)}", soft_wrap=True)
    if emptied.unreachable:
        stderr.print(f"  the target takes nothing at present: {escape(emptied.unreachable)}", soft_wrap=True)
    if set(emptied.counts) - {"delivered"}:
        typer.echo(
            f"`fhir-bridge outbox list --target {target}` lists what is left; the same command goes on with it",
            err=True,
        )

"""`reclassify`: a newer release of ClinVar reaches stored variants, kept files and their reports."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fhir_bridge.cli.convert import SiteFile
from fhir_bridge.cli.database import open_database, run_async
from fhir_bridge.cli.output import UsageError, stderr, stdout

if TYPE_CHECKING:
    from fhir_bridge.server.genomics import Reclassified

__all__ = ["reclassify"]


def reclassify(
    release: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="ClinVar's VCF, or its variant_summary.txt.")
    ],
    date: Annotated[
        str | None,
        typer.Option(
            "--date", metavar="YYYY-MM-DD", help="Day of the release; `##fileDate` of a VCF where absent."
        ),
    ] = None,
    site: SiteFile = None,
) -> None:
    """Classify all variants by a newer release of ClinVar, and mark the reports whose findings changed.

    Kept files are read again: what is reportable now is stored, what no longer is stays in the file. Stored variants
    get the release's classification. Each report whose findings changed gets a Task. The same release again changes
    nothing. The release must stay where it is: questions about kept files are answered by it.

        fhir-bridge reclassify clinvar_20261115.vcf.gz --site site.yaml
    """
    from fhir_bridge.adapters.genomics.clinvar_release import release_date
    from fhir_bridge.plugins import OptionError

    day = date or release_date(release)
    if day is None or not re.fullmatch(r"\d{4}-\d{2}-\d{2}", day):
        raise UsageError("--date says of which day the release is (YYYY-MM-DD): the file does not")
    url = open_database()
    try:
        result = run_async(_run(url, release, day, site))
    except OptionError as error:
        raise UsageError(str(error)) from error
    stdout.print(  # one line, however wide the terminal is
        f"{result.files} kept files read again, {result.implications} stored variants classified anew, "
        f"{len(result.reports)} reports with other findings",
        soft_wrap=True,
    )
    if result.missing:
        stdout.print(
            f"{result.missing} classified variants are not in the release: their classification stays"
        )
    if result.older:
        stderr.print(f"{result.older} stored variants are classified by a newer release already: that stays")
    if result.unclear:
        stderr.print(
            f"{result.unclear} variants have classes that conflict, or none of ClinVar's words: kept as words alone"
        )
    for report in result.reports:
        stdout.print(f"DiagnosticReport/{report}")
    for failure in result.failed:
        stderr.print(f"not read again: {failure}")
    raise typer.Exit(1 if result.failed or result.older else 0)


async def _run(url: str, release: Path, date: str, site: Path | None) -> Reclassified:
    from fhir_bridge.server.genomics import reclassify as run
    from fhir_bridge.storage import Store
    from fhir_bridge.storage.blobs import blob_folder, open_blobs

    async with await Store.open(url, max_size=4) as store:
        return await run(store, await open_blobs(store, blob_folder()), url, release, date, site)

"""`dataset`: training data of a cohort."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from fhir_bridge.cli.database import open_database, run_async
from fhir_bridge.cli.output import UsageError, counting, stdout

if TYPE_CHECKING:
    from fhir_bridge.predictions.dataset import Cohort, Collected, DatasetRow
    from fhir_bridge.predictions.manifest import Manifest

__all__ = ["dataset"]


def dataset(
    cohort: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The cohort.yaml.")],
    out: Annotated[Path, typer.Option("--out", file_okay=False, help="Folder to write; new or empty.")],
    site: Annotated[
        Path | None,
        typer.Option(
            "--site", exists=True, dir_okay=False, envvar="FHIR_BRIDGE_SITE", help="The site's settings."
        ),
    ] = None,
) -> None:
    """Write a row for each patient and as_of: features as `$predict` reads them, references, outcomes, split.

    rows.parquet is the table; meds/ has the same as MEDS events and labels; manifest.json says of what it was made.
    Patients who opted out of research, object to the model, had died or were not born are left out, and counted.
    An outcome whose window was not observed to its end is not known, and why is said. Exit code 1 where a row was left
    out.

        fhir-bridge dataset cohort.yaml --out training/
    """
    from fhir_bridge.plugins.extras import require
    from fhir_bridge.predictions.dataset import CohortError, load_cohort
    from fhir_bridge.predictions.manifest_file import ManifestError

    require("parquet")
    if out.exists() and any(out.iterdir()):
        raise UsageError(f"{out} is not empty")
    try:
        loaded, model = load_cohort(cohort)
        url = open_database()
        rows, account, values = run_async(_collect(url, cohort, site))
    except (CohortError, ManifestError) as error:
        raise UsageError(str(error)) from error
    _write(out, rows, loaded, model.manifest, values)
    table = Table(title=f"{account.rows:,} rows", title_justify="left")
    table.add_column("left out")
    table.add_column("rows", justify="right")
    for reason, count in account.left_out.most_common():
        table.add_row(reason, f"{count:,}")
    stdout.print(table)
    for name, counts in sorted(account.outcomes.items()):
        stdout.print(f"{name}: " + ", ".join(f"{count:,} {what}" for what, count in counts.most_common()))
    raise typer.Exit(1 if account.left_out else 0)


async def _collect(
    url: str, path: Path, site_path: Path | None
) -> tuple[list[DatasetRow], Collected, dict[str, Any]]:
    from fhir_bridge.mapping import Site
    from fhir_bridge.predictions import PredictorSettings
    from fhir_bridge.predictions.dataset import Collected, collect, load_cohort, members_of
    from fhir_bridge.predictions.identity import content_hash_of
    from fhir_bridge.storage import Store

    site = Site.load(site_path) if site_path else Site()
    cohort, model = load_cohort(path)
    account = Collected()
    rows: list[DatasetRow] = []
    async with await Store.open(url, known=site.definitions) as store:
        patients = cohort.patients or None
        if cohort.group:
            patients = await members_of(store, cohort.group)
        source = model.source(PredictorSettings.from_site(site.parameters, model.name))
        with counting("collecting") as progress:
            async for row in collect(store, cohort, model, path.parent, source, account, patients):
                rows.append(row)
                progress(len(rows))
    return rows, account, account.manifest(cohort, model, content_hash_of(model))


def _write(
    out: Path, rows: list[DatasetRow], cohort: Cohort, manifest: Manifest, values: dict[str, Any]
) -> None:
    from fhir_bridge.predictions.dataset import manifest_bytes, table_columns, table_row
    from fhir_bridge.predictions.meds import write_meds

    arrow = importlib.import_module("pyarrow")
    parquet = importlib.import_module("pyarrow.parquet")
    out.mkdir(parents=True, exist_ok=True)
    kinds = {"time": arrow.timestamp("us", tz="UTC"), "strings": arrow.list_(arrow.string())}
    kinds |= {"string": arrow.string(), "number": arrow.float64(), "truth": arrow.bool_()}
    schema = arrow.schema([(name, kinds[kind]) for name, kind in table_columns(cohort, manifest).items()])
    parquet.write_table(
        arrow.Table.from_pylist([table_row(row) for row in rows], schema), out / "rows.parquet"
    )
    write_meds(out / "meds", rows, cohort, manifest)
    (out / "manifest.json").write_bytes(manifest_bytes(values))

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
    from fhir_bridge.predictions.dataset import Collected, DatasetRow

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
        load_cohort(cohort)
        url = open_database()
        rows, account, values = run_async(_collect(url, cohort, site))
    except (CohortError, ManifestError) as error:
        raise UsageError(str(error)) from error
    _write(out, rows, values)
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


def _write(out: Path, rows: list[DatasetRow], values: dict[str, Any]) -> None:
    from fhir_bridge.predictions.dataset import manifest_bytes, meds_events, meds_label, table_row

    arrow = importlib.import_module("pyarrow")
    parquet = importlib.import_module("pyarrow.parquet")
    out.mkdir(parents=True, exist_ok=True)
    parquet.write_table(arrow.Table.from_pylist([table_row(row) for row in rows]), out / "rows.parquet")
    stamp = arrow.timestamp("us", tz="UTC")
    events = arrow.schema(
        [
            ("subject_id", arrow.int64()),
            ("time", stamp),
            ("code", arrow.string()),
            ("numeric_value", arrow.float32()),
        ]
    )
    labels = arrow.schema(
        [("subject_id", arrow.int64()), ("prediction_time", stamp), ("boolean_value", arrow.bool_())]
    )
    for split in sorted({row.split for row in rows}):
        # MEDS 0.4 calls the parts train, tuning and held_out.
        name = {"train": "train", "validation": "tuning", "test": "held_out"}[split]
        own = [row for row in rows if row.split == split]
        folder = out / "meds" / "data" / name
        folder.mkdir(parents=True)
        listed = [event for row in own for event in meds_events(row)]
        parquet.write_table(arrow.Table.from_pylist(listed, events), folder / "0.parquet")
        for outcome in sorted({key for row in own for key in row.outcomes}):
            known = [label for row in own if (label := meds_label(row, outcome)) is not None]
            where = out / "meds" / "labels" / outcome / name
            where.mkdir(parents=True)
            parquet.write_table(arrow.Table.from_pylist(known, labels), where / "0.parquet")
    (out / "manifest.json").write_bytes(manifest_bytes(values))

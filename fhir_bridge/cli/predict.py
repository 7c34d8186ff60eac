"""`predict`: run a model over stored patients."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from fhir_bridge.cli.database import open_database, run_async
from fhir_bridge.cli.output import UsageError, counting, stdout

if TYPE_CHECKING:
    from fhir_bridge.mapping import Site
    from fhir_bridge.predictions import Predicted, PredictionRun

__all__ = ["predict"]

MOST_ROWS = 1000
"""Of the table: a cohort of any size is counted, and held nowhere."""


def predict(
    predictor: Annotated[str, typer.Argument(help="Name of the model; `fhir-bridge plugins` lists them.")],
    patient: Annotated[list[str], typer.Option("--patient", metavar="ID", help="One patient; repeats.")] = [],  # noqa: B006
    group: Annotated[
        str | None, typer.Option("--group", metavar="ID", help="The patients of a Group.")
    ] = None,
    everyone: Annotated[bool, typer.Option("--all", help="Every patient.")] = False,
    site: Annotated[
        Path | None,
        typer.Option(
            "--site", exists=True, dir_okay=False, envvar="FHIR_BRIDGE_SITE", help="The site's settings."
        ),
    ] = None,
) -> None:
    """Run a model over stored patients and attach what it says, or why it declines, as Observations.

    Seeing nothing new it writes nothing, so running it again is safe. The model runs in a process of its own; where it
    fails on a patient that is recorded, the others go on, and the exit code is 1.

        fhir-bridge predict score2 --all --site site.yaml
    """
    from fhir_bridge.mapping import Site
    from fhir_bridge.predictions import PredictionError
    from fhir_bridge.storage.errors import StorageError

    if sum((bool(patient), group is not None, everyone)) != 1:
        raise UsageError("say for whom: --patient ID, --group ID or --all")
    settings = Site.load(site) if site else Site()
    url = open_database()
    table = Table(title=predictor, title_justify="left")
    for name in ("patient", "result", "category or reason", "stored"):
        table.add_column(name, overflow="fold")
    counts: Counter[str] = Counter()

    def add(item: Predicted) -> None:
        summary = item.summary()
        counts[summary.kind] += 1
        if counts.total() <= MOST_ROWS:
            table.add_row(item.patient_id, summary.value or summary.kind, summary.more, item.outcome)

    try:
        run_async(_run(url, predictor, patient, group, settings, add))
    except (PredictionError, StorageError) as error:
        raise UsageError(str(error)) from error
    stdout.print(table)
    more = counts.total() - MOST_ROWS
    if more > 0:
        stdout.print(f"and {more:,} more, which are stored as well")
    stdout.print(", ".join(f"{count:,} {name}" for name, count in counts.most_common()) or "no patients")
    if counts["failed"]:
        raise typer.Exit(1)


async def _run(
    url: str, name: str, patients: list[str], group: str | None, site: Site, add: Callable[[Predicted], None]
) -> None:
    from fhir_bridge.pipeline import site_key
    from fhir_bridge.predictions import PredictionRun, find_predictor
    from fhir_bridge.storage import Store

    predictor = find_predictor(name, site.parameters)
    async with await Store.open(url, known=site.definitions) as store:
        key = site_key(site)
        await store.check_site_key(key.fingerprint)
        run = PredictionRun(predictor, site.parameters, key, store)
        with counting("predicting") as progress:
            count = 0
            async for item in _each(run, patients, group):
                count += 1
                add(item)
                progress(count)


async def _each(run: PredictionRun, patients: list[str], group: str | None) -> AsyncIterator[Predicted]:
    if group is not None:
        patients = await run.members(group)
    result = run.for_patients(patients) if patients or group is not None else run.for_all()
    async for item in result:
        yield item

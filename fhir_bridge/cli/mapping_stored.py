"""`mapping explain Type/id`: what is in the store, from its ledger."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from fhir_bridge.cli.database import open_database, run_async
from fhir_bridge.cli.output import stderr

if TYPE_CHECKING:
    from fhir_bridge.mapping import Site
    from fhir_bridge.workshop import RecordExplanation

__all__ = ["explain_stored"]


def explain_stored(
    name: str, sources: list[Path], settings: Site, mapping: str | None
) -> list[RecordExplanation]:
    """Print where a resource of the store comes from; its records explained, where their sources are there.

    Raises:
        typer.Exit: 1 where the store has no such resource, or nothing to explain it with.
    """
    from fhir_bridge.pipeline import site_key
    from fhir_bridge.workshop.stored import explain_again, read_stored, stored_lines

    stored = run_async(read_stored(open_database(), name))
    for line in stored_lines(stored):
        typer.echo(line)
    if not stored.origins:
        raise typer.Exit(1 if stored.origins is None else 0)
    own = site_key(settings).fingerprint if sources or any(stored.parts.values()) else stored.site_key
    if stored.site_key and own != stored.site_key:
        stderr.print(
            f"the site key is {own}, the store's ids are made with {stored.site_key}: give --site of the load",
            soft_wrap=True, highlight=False,
        )  # fmt: skip
    explanations = []
    for explanation, note in explain_again(stored, sources, settings, mapping):
        if note:
            stderr.print(note, soft_wrap=True, highlight=False)
        if not explanation.resources:
            stderr.print(
                f"{explanation.locator}: converted now it gives no {name}: another site key, mapping or site file",
                soft_wrap=True, highlight=False,
            )  # fmt: skip
        explanations.append(explanation)
    if not explanations:
        stderr.print(
            "none of its records is in --source" if sources else "--source FILE explains it from its source",
            soft_wrap=True, highlight=False,
        )  # fmt: skip
        raise typer.Exit(1 if sources else 0)
    return explanations

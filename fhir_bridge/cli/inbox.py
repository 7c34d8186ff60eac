"""`inbox`: what waits for people: records without a patient, refused moves, duplicates, ambiguous ones."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import orjson
import typer
from rich.markup import escape
from rich.table import Table

from fhir_bridge.cli.database import open_database, run_async
from fhir_bridge.cli.inbox_messages import add_commands, replay_messages
from fhir_bridge.cli.output import UsageError, counted, stderr, stdout

if TYPE_CHECKING:
    from fhir_bridge.storage.inbox import Entry, Kind

__all__ = ["app"]

app = typer.Typer(
    help="What waits for people: records without a patient, refused moves, duplicates, ambiguous ones.",
    no_args_is_help=True,
)

Site = Annotated[
    Path | None, typer.Option("--site", envvar="FHIR_BRIDGE_SITE", help="The site file.", exists=True)
]
_WORDS: dict[Kind, str] = {
    "held": "waits for its patient",
    "refused": "its key is under another patient",
    "duplicate": "two contents of one thing",
    "ambiguous": "fits several",
    "failed": "could not be converted",
}


_AGAIN = ("held", "refused", "failed")


def _read(
    url: str, *, kind: Kind | None = None, keys: list[int] | None = None, everything: bool = False
) -> list[Entry]:
    from fhir_bridge.storage import Store

    async def read() -> list[Entry]:
        async with await Store.open(url, max_size=2) as store:
            return await store.read_inbox(
                kind=kind, keys=keys, state=None if everything else "open", limit=100_000
            )

    return run_async(read())


def _is_kept(entry: Entry) -> bool:
    from fhir_bridge.pipeline.inbox import is_kept

    return is_kept(entry)


def _form(entry: Entry) -> dict[str, object]:
    return {
        "id": entry.key,
        "kind": entry.kind,
        "state": entry.state,
        "adapter": entry.adapter,
        "source": entry.source,
        "locator": entry.locator,
        "code": entry.code,
        "message": entry.message,
        "count": entry.count,
        "kept": _is_kept(entry),
        "created": entry.created.isoformat(),
        "changed": entry.changed.isoformat(),
    }


@app.command("list")
def list_(
    kind: Annotated[str | None, typer.Option("--kind", help=f"Only these: {', '.join(_WORDS)}.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Settled and discarded ones, too.")] = False,
    json: Annotated[bool, typer.Option("--json", help="A JSON object a line.")] = False,
) -> None:
    """List what waits, oldest first.

    fhir-bridge inbox list --kind held
    """
    wanted = next((word for word in _WORDS if word == kind), None)
    if kind is not None and wanted is None:
        raise UsageError(f"--kind is one of {', '.join(_WORDS)}, not {kind}")
    entries = _read(open_database(), kind=wanted, everything=everything)
    if json:
        for entry in entries:
            typer.echo(orjson.dumps(_form(entry)).decode())
        return
    table = Table(title=counted(len(entries), "entry").replace("entrys", "entries"), title_justify="left")
    for name in ("id", "kind", "adapter", "where", "what", "since"):
        table.add_column(name, overflow="fold")
    for entry in entries:
        kept = "" if _is_kept(entry) else " (source not kept: send it again)"
        waits = kept if entry.kind in _AGAIN else ""
        state = "" if entry.state == "open" else f" ({entry.state})"
        table.add_row(
            str(entry.key),
            f"{entry.kind}{state}",
            entry.adapter,
            escape(entry.locator),
            escape(f"{entry.message} ({entry.code}){waits}"),
            f"{entry.created:%Y-%m-%d %H:%M}",
        )
    stdout.print(table)


@app.command()
def show(key: Annotated[int, typer.Argument(metavar="ID", help="As `inbox list` shows it.")]) -> None:
    """Show one entry whole: why it waits, and how it will be processed again."""
    entries = _read(open_database(), keys=[key], everything=True)
    if not entries:
        raise UsageError(f"there is no inbox entry {key}")
    entry = entries[0]
    form = {**_form(entry), "why": _WORDS[entry.kind], "run": entry.run}
    typer.echo(orjson.dumps(form, option=orjson.OPT_INDENT_2).decode())


@app.command()
def replay(
    keys: Annotated[
        list[int] | None, typer.Argument(metavar="[ID]...", help="Entries; none with --all.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All that are open.")] = False,
    messages: Annotated[
        list[int],
        typer.Option(
            "--message", metavar="ID", help="A received message, as `inbox messages` lists it; repeats."
        ),
    ] = [],  # noqa: B006 - typer copies it
    site: Site = None,
) -> None:
    """Process kept records again, with the site file, crosswalk and mappings as they are now.

    `load` does this by itself for what may have found its patient since. Exit code 1 where something still waits.

        fhir-bridge inbox replay --all --site site.yaml

    Received messages can be processed again whatever became of them, for example once the mapping was corrected:

        fhir-bridge inbox replay --message 17 --message 18
    """
    from fhir_bridge.pipeline.inbox import replay as replay_entries

    if bool(keys) + everything + bool(messages) != 1:
        raise UsageError("name the entries to process again, or give --all or --message")
    url = open_database()
    if messages:
        raise typer.Exit(replay_messages(url, site, messages))
    entries = [entry for entry in _read(url, keys=keys) if entry.kind in _AGAIN]
    missing = set(keys or ()) - {entry.key for entry in entries}
    if missing:
        raise UsageError(f"not open, or nothing to process again: {', '.join(map(str, sorted(missing)))}")
    result = replay_entries(url, site, entries)
    stderr.print(
        f"{result.done} settled, {result.waiting} still waiting"
        + (f", {result.not_kept} whose source is not kept: send it again" if result.not_kept else "")
        + (f", {result.other_site} of another site: give its site file" if result.other_site else "")
    )
    raise typer.Exit(1 if result.waiting or result.not_kept or result.other_site else 0)


@app.command()
def discard(keys: Annotated[list[int], typer.Argument(metavar="ID...", help="Entries.")]) -> None:
    """Take entries off the list for good; a source that is kept for them alone is deleted."""
    from fhir_bridge.storage import Store

    url = open_database()

    async def set_state() -> int:
        async with await Store.open(url, max_size=2) as store:
            return await store.set_inbox_state(keys, "discarded")

    stderr.print(f"{run_async(set_state())} discarded")


add_commands(app)

"""`outbox`: what other systems are to be sent, have, and refuse."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer
from rich.markup import escape
from rich.table import Table

from fhir_bridge.cli.database import open_database, run_async
from fhir_bridge.cli.output import UsageError, counted, stderr, stdout

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import TypeVar

    from fhir_bridge.storage.outbox import Entry, Outbox, State

    T = TypeVar("T")

__all__ = ["app"]

app = typer.Typer(
    help="What other systems are to be sent, have, and refuse (docs/delivery.md).", no_args_is_help=True
)

STATES = {
    "waiting": "to be sent, or sent again: the reason says what it waits for",
    "delivered": "the target has it as it is here",
    "withheld": "access or consent does not allow it; looked at again when a consent changes",
    "parked": "the target refuses it: correct what the reason names, then `outbox retry`",
    "dropped": "not sent, by a person's decision; a later change is",
}

TargetName = Annotated[str | None, typer.Option("--target", help="Only of this target.")]
StateName = Annotated[str | None, typer.Option("--state", help=f"Only in this state: {', '.join(STATES)}.")]
Keys = Annotated[
    list[int] | None,
    typer.Argument(metavar="[ID]...", help="As `outbox list` shows them; none with options."),
]
MOST = 1_000


def _on_outbox(work: Callable[[Outbox], Awaitable[T]]) -> T:
    from fhir_bridge.storage import Store
    from fhir_bridge.storage.outbox import Outbox

    url = open_database()

    async def run() -> T:
        async with await Store.open(url, max_size=2) as store:
            return await work(Outbox(store.pool))

    return run_async(run())


def _state(text: str | None) -> State | None:
    if text is not None and text not in STATES:
        raise UsageError(f"--state is one of {', '.join(STATES)}, not {text}")
    return text  # type: ignore[return-value]  # just checked


@app.command("list")
def list_(
    target: TargetName = None,
    state: StateName = None,
    most: Annotated[int, typer.Option("--limit", min=1, help="Rows at most, oldest first.")] = MOST,
    json: Annotated[bool, typer.Option("--json", help="A JSON object a line.")] = False,
) -> None:
    """List what targets are to be sent, have, or refuse; delivered ones only with --state delivered.

    A summary for each target comes first. A row waits (it is tried again by itself, and the reason says why it was not
    taken yet), is withheld (access or consent), is parked (the target refuses it), or was dropped.

        fhir-bridge outbox list --target registry --state parked
    """
    wanted = _state(state)

    async def read(outbox: Outbox) -> tuple[dict[tuple[str, State], int], list[Entry]]:
        if wanted is not None:
            return await outbox.counts(target), await outbox.entries(target=target, state=wanted, most=most)
        open_: tuple[State, ...] = ("waiting", "parked", "withheld")
        entries = [
            entry for each in open_ for entry in await outbox.entries(target=target, state=each, most=most)
        ]
        return await outbox.counts(target), sorted(entries, key=lambda entry: entry.key)[:most]

    counts, entries = _on_outbox(read)
    if json:
        for entry in entries:
            typer.echo(orjson.dumps(_form(entry)).decode())
        return
    for name in dict.fromkeys(name for name, _ in counts):
        own = ", ".join(f"{count:,} {each}" for (of, each), count in counts.items() if of == name)
        stdout.print(f"{escape(name)}: {own}", soft_wrap=True, highlight=False)
    table = Table(title=counted(len(entries), "row"), title_justify="left")
    for column in ("id", "target", "resource", "state", "there", "why", "since"):
        table.add_column(column, overflow="fold")
    for entry in entries:
        tries = f" (try {entry.attempts})" if entry.attempts and entry.state == "waiting" else ""
        table.add_row(
            str(entry.key),
            escape(entry.target),
            entry.reference,
            f"{entry.state}{tries}",
            entry.remote or "",
            escape(entry.reason),
            f"{entry.since if entry.state == 'waiting' else entry.changed:%Y-%m-%d %H:%M}",
        )
    stdout.print(table)


@app.command()
def show(key: Annotated[int, typer.Argument(metavar="ID", help="As `outbox list` shows it.")]) -> None:
    """Show one row whole: what it is at the target, why it is in its state, and what that state means."""
    entries = _on_outbox(lambda outbox: outbox.entries(keys=[key]))
    if not entries:
        raise UsageError(f"there is no row {key} in the outbox")
    form = {**_form(entries[0]), "means": STATES[entries[0].state]}
    typer.echo(orjson.dumps(form, option=orjson.OPT_INDENT_2).decode())


@app.command()
def fill(
    target: Annotated[
        str, typer.Argument(metavar="TARGET", help="Its name in the file of FHIR_BRIDGE_DELIVERY.")
    ],
) -> None:
    """Have a target sent what is stored already: a new one is sent only what changes from then on.

    What its searches match is put into the outbox, and sent by `serve`. What has a row there keeps it.

        fhir-bridge outbox fill registry
    """
    from fhir_bridge.server import Settings
    from fhir_bridge.server.delivery import TargetError, Targets
    from fhir_bridge.server.delivery import fill as fill_outbox
    from fhir_bridge.storage import Store

    settings = Settings()
    try:
        known = Targets.load(settings.delivery).targets
    except TargetError as error:
        raise UsageError(str(error)) from error
    if target not in known:
        names = ", ".join(sorted(known)) or "none (FHIR_BRIDGE_DELIVERY names their file)"
        raise UsageError(f"there is no target {target}; there are {names}")
    url = open_database()

    async def run() -> int:
        async with await Store.open(url, max_size=2, known=settings.definitions()) as store:
            return await fill_outbox(store, known[target])

    stderr.print(f"{run_async(run())} to be sent")


@app.command()
def retry(keys: Keys = None, target: TargetName = None, state: StateName = None) -> None:
    """Send rows anew, at once: those named, or all of a target or state (parked ones where no state is given).

    What the target has by now is looked for first, so nothing is created twice. Where others changed it there, what is
    here replaces theirs.

        fhir-bridge outbox retry --target registry
    """
    _check(keys, target)
    chosen: dict[str, Any] = (
        {"keys": keys} if keys else {"target": target, "state": _state(state) or "parked"}
    )
    count = _on_outbox(lambda outbox: _known(outbox, keys, lambda: outbox.retry(**chosen)))
    stderr.print(f"{count} to be sent again")


@app.command()
def drop(keys: Keys = None, target: TargetName = None, state: StateName = None) -> None:
    """Don't send these: those named, or all of a target in a state. A later change of a resource is sent.

    What a target has already stays there.

        fhir-bridge outbox drop --target registry --state parked
    """
    if not keys and (target is None or state is None):
        raise UsageError("name the rows, or give --target and --state")
    _check(keys, target)
    chosen: dict[str, Any] = {"keys": keys} if keys else {"target": target, "state": _state(state)}
    count = _on_outbox(lambda outbox: _known(outbox, keys, lambda: outbox.drop(**chosen)))
    stderr.print(f"{count} dropped")


def _check(keys: list[int] | None, target: str | None) -> None:
    if keys and target is not None:
        raise UsageError("name rows, or a target: not both")


async def _known(outbox: Outbox, keys: list[int] | None, change: Callable[[], Awaitable[int]]) -> int:
    """Change rows, all of which must be there."""
    if keys:
        missing = set(keys) - {entry.key for entry in await outbox.entries(keys=keys, most=len(keys))}
        if missing:
            raise UsageError(f"not in the outbox: {', '.join(map(str, sorted(missing)))}")
    return await change()


def _form(entry: Entry) -> dict[str, object]:
    return {
        "id": entry.key,
        "target": entry.target,
        "resource": entry.reference,
        "state": entry.state,
        "there": entry.remote,
        "version": entry.remote_version,
        "reason": entry.reason,
        "waits_for": entry.waits_for,
        "attempts": entry.attempts,
        "since": entry.since.isoformat(),
        "changed": entry.changed.isoformat(),
    }

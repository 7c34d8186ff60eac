"""`inbox messages` and `inbox message`: what was received, found again and shown beside what became of it."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer
from rich.markup import escape
from rich.table import Table

from fhir_bridge.cli.database import open_database, run_async
from fhir_bridge.cli.output import UsageError, counted, stderr, stdout

if TYPE_CHECKING:
    from fhir_bridge.storage.received import ReceivedMessage

__all__ = ["add_commands", "replay_messages"]

_MOST = 100_000


def add_commands(app: typer.Typer) -> None:
    """Add the commands to `inbox`."""
    app.command()(messages)
    app.command()(message)


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{text!r} is no time: write 2026-03-05 or 2026-03-05T08:00") from None
    return moment if moment.tzinfo else moment.astimezone(UTC)


def _find(url: str, **filters: Any) -> list[ReceivedMessage]:
    from fhir_bridge.storage import Store
    from fhir_bridge.storage.received import ReceivedMessages

    async def find() -> list[ReceivedMessage]:
        async with await Store.open(url, max_size=2) as store:
            return await ReceivedMessages(store.pool).find(**filters)

    return run_async(find())


def _form(one: ReceivedMessage) -> dict[str, Any]:
    return {
        "id": one.key,
        "received": one.received.isoformat(),
        "status": one.status,
        "kind": one.kind,
        "control_id": one.control_id,
        "channel": one.channel,
        "peer": one.peer,
        "copies": one.copies,
        "mapping": one.mapping,
        "issues": list(one.issues),
    }


def messages(
    control_id: Annotated[
        str | None, typer.Option("--id", help="MSH-10, the sender's id of the message.")
    ] = None,
    patient: Annotated[
        str | None,
        typer.Option(
            "--patient", help="A number of the patient in the message, or the id of a Patient here."
        ),
    ] = None,
    since: Annotated[
        str | None, typer.Option("--since", help="Received then or later (2026-03-05T08:00).")
    ] = None,
    until: Annotated[str | None, typer.Option("--until", help="Received before.")] = None,
    status: Annotated[
        list[str],
        typer.Option(
            "--status", help="converted, partial, skipped, rejected, held, refused, failed; repeats."
        ),
    ] = [],  # noqa: B006 - typer copies it
    limit: Annotated[int, typer.Option("--limit", min=1, max=_MOST, help="List this many at most.")] = 100,
    json: Annotated[bool, typer.Option("--json", help="A JSON object a line.")] = False,
) -> None:
    """List messages that were received, the newest first.

    fhir-bridge inbox messages --patient 4711 --since 2026-03-05
    """
    from fhir_bridge.storage.received import STATUSES

    wrong = [one for one in status if one not in STATUSES]
    if wrong:
        raise UsageError(f"--status is one of {', '.join(STATUSES)}, not {wrong[0]}")
    results = _find(
        open_database(),
        control_id=control_id,
        patient=patient,
        since=_moment(since),
        until=_moment(until),
        statuses=status or None,
        limit=limit,
    )
    if json:
        for one in results:
            typer.echo(orjson.dumps(_form(one)).decode())
        return
    table = Table(title=counted(len(results), "message"), title_justify="left")
    for name in ("id", "received", "kind", "control id", "status", "what"):
        table.add_column(name, overflow="fold")
    for one in results:
        first = one.issues[0] if one.issues else None
        table.add_row(
            str(one.key),
            f"{one.received:%Y-%m-%d %H:%M:%S}",
            escape(one.kind),
            escape(one.control_id),
            one.status + (f" ({one.copies} times)" if one.copies > 1 else ""),
            escape(f"{first['message']} ({first['code']})") if first else "",
        )
    stdout.print(table)


def message(
    key: Annotated[int, typer.Argument(metavar="ID", help="As `inbox messages` lists it.")],
    site: Annotated[
        Path | None, typer.Option("--site", envvar="FHIR_BRIDGE_SITE", help="The site file.", exists=True)
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option("--html", dir_okay=False, help="Write one page: source left, resources right."),
    ] = None,
) -> None:
    """Show a received message: the message itself, the rules that read it, and the resources it became.

    It shows VALUES OF PATIENTS: that is its purpose.
    """
    from fhir_bridge.mapping import Site

    url = open_database()
    known = next(iter(_find(url, keys=[key])), None)
    if known is None:
        raise UsageError(f"there is no received message {key}")
    content, results = _content(url, known)
    form: dict[str, Any] = {**_form(known), "results": results}
    typer.echo(orjson.dumps(form, option=orjson.OPT_INDENT_2).decode())
    typer.echo()
    for line in content.decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n").splitlines():
        typer.echo(line)
    if html is None:
        return
    from fhir_bridge.workshop import TracedRun, explain_record, page

    settings = Site.load(site) if site else Site()
    run = TracedRun.of(known.mapping.partition(" ")[0] or "ehr/hl7v2", settings)
    with tempfile.TemporaryDirectory(prefix="fhir-bridge-inbox-") as folder:
        path = Path(folder) / f"received-{key}.hl7"
        path.write_bytes(content)
        html.write_text(page([explain_record(traced) for traced in run.records([path])]), encoding="utf-8")
    stderr.print(f"wrote {html}", soft_wrap=True, highlight=False)


def _content(url: str, known: ReceivedMessage) -> tuple[bytes, list[str]]:
    from fhir_bridge.storage import Store
    from fhir_bridge.storage.received import ReceivedMessages

    async def read() -> tuple[bytes, list[str]]:
        async with await Store.open(url, max_size=2) as store:
            kept = ReceivedMessages(store.pool)
            results = await kept.results(known)
            return (await kept.contents([known.key]))[known.key], ["/".join(one) for one in results]

    return run_async(read())


def replay_messages(url: str, site: Path | None, keys: Sequence[int]) -> int:
    """Process received messages again; the exit code: 1 where one of them still is not stored.

    Raises:
        UsageError: one is not kept.
    """
    from fhir_bridge.pipeline.receiving import Receiver

    known = _find(url, keys=list(keys), limit=_MOST)
    missing = set(keys) - {one.key for one in known}
    if missing:
        raise UsageError(f"not kept: {', '.join(map(str, sorted(missing)))}")
    mapping = {one.mapping.partition(" ")[0] for one in known} - {""}
    receiver = Receiver(url, site, mapping=mapping.pop() if len(mapping) == 1 else None)
    with receiver:
        receipts = receiver.replay(keys)
    skipped = [one for one in receipts if one.status == "skipped"]
    waiting = [one for one in receipts if one.status not in ("converted", "partial", "skipped")]
    # One that should name a patient and does not waits as well as what could not be converted.
    waiting += [one for one in skipped if any(issue["severity"] == "error" for issue in one.issues)]
    stored = sum(one.status in ("converted", "partial") for one in receipts)
    stderr.print(f"{stored} stored, {len(skipped)} skipped, {len(receipts) - stored - len(skipped)} not")
    return 1 if waiting else 0

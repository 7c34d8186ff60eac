"""`demo`: the main job on a sample cohort."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table

from fhir_bridge.cli.database import open_database, run_async
from fhir_bridge.cli.output import UsageError, stderr, stdout, steps

if TYPE_CHECKING:
    from fhir_bridge.demo.access import Access
    from fhir_bridge.demo.run import Demonstration

__all__ = ["demo"]


def demo(
    no_serve: Annotated[bool, typer.Option("--no-serve", help="Do everything but stay and serve.")] = False,
    port: Annotated[int, typer.Option(help="Port to serve on; 0 takes a free one.")] = 8000,
    folder: Annotated[
        Path | None,
        typer.Option(
            help="Where the cohort lives, and its database unless the environment names one "
            "(default: the user's data folder)."
        ),
    ] = None,
    export: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write everything that was stored as NDJSON, too.")
    ] = None,
) -> None:
    """Create a synthetic cohort, load it, predict, and serve it.

    24 synthetic cardiology patients as a hospital hands them over (CSV extracts, HL7 v2 messages, DICOM studies, a VCF)
    become FHIR; two published risk equations run over them, and (with the extra `onnx`) two demonstration models of ECG
    and of all modalities together. Doing it again changes nothing but the passwords.
    """
    from fhir_bridge.plugins.extras import require

    require("demo")
    # With highdicom and the web framework; imported only when asked for.
    import platformdirs

    from fhir_bridge.demo.run import STEPS, prepare
    from fhir_bridge.server import Settings
    from fhir_bridge.server import serve as run_server
    from fhir_bridge.storage import default_data_dir

    home = folder or Path(platformdirs.user_data_dir("fhir-bridge")) / "demo"
    url = open_database(default=folder / "postgres" if folder else default_data_dir("demo"))
    if not no_serve:
        port = _free_port(port)
    with steps("the demonstration is ready", STEPS) as advance:
        advance("migrating the database")
        demonstration = run_async(prepare(home / "cohort", url, advance))
    if export is not None:
        counts = run_async(_export(url, export))
        stderr.print(f"{sum(counts.values()):,} resources in {export}")
    _print(demonstration)
    if no_serve:
        return
    settings = Settings(
        database_url=url,
        port=port,
        host="127.0.0.1",
        base_url=f"http://127.0.0.1:{port}",
        site=demonstration.site,
        sample_app=True,
    )
    base = settings.root
    clinician = next(login.username for login in demonstration.logins if login.role == "clinician")
    access = run_async(_give_access(url, base, clinician))
    stdout.print("Read with curl (as the clinician, nothing can be changed; the token ends in an hour):")
    for command in access.commands(settings.fhir_base):
        # Never wrapped: the lines are to be pasted.
        stdout.print(command, soft_wrap=True, markup=False, highlight=False)
    stdout.print(
        Panel(
            f"open [bold]{base}{demonstration.link}[/]\n(once, on this machine, within 15 minutes)\n\n"
            f"sign-in page {base}/login    FHIR {base}/fhir\n"
            f"sample SMART app {base}/sample-app/ (or the button on a patient's page)    stop with Ctrl-C",
            title="serving",
            expand=False,
        )
    )
    run_server(settings)


async def _give_access(url: str, base_url: str, clinician: str) -> Access:
    from fhir_bridge.demo.access import give_access
    from fhir_bridge.storage import Store

    async with await Store.open(url, max_size=1) as store:
        return await give_access(store, base_url, clinician)


async def _export(url: str, folder: Path) -> dict[str, int]:
    from fhir_bridge.pipeline import export_store
    from fhir_bridge.storage import Store

    async with await Store.open(url) as store:
        return await export_store(store, folder)


def _free_port(port: int) -> int:
    """`port` itself, or a free one for 0.

    Raises:
        UsageError: another program has it.
    """
    import socket

    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise UsageError(f"port {port} is taken; name another one with --port") from error
        return int(probe.getsockname()[1])


def _print(demonstration: Demonstration) -> None:
    table = Table(title="What the sources became", title_justify="left")
    for name in ("source", "records", "converted", "partial", "skipped", "rejected", "resources"):
        table.add_column(name, justify="left" if name == "source" else "right")
    for name, account in demonstration.accounts.items():
        counts = (account.read, account.converted, account.partial, account.skipped, account.rejected)
        table.add_row(name, *map(str, counts), str(account.resources.total()))
    stdout.print(table)
    issues = Table(title="What needs a look", title_justify="left")
    for name in ("source", "code", "what", "first place"):
        issues.add_column(name, overflow="fold")
    for name, account in demonstration.accounts.items():
        for (severity, code, message), (location, count) in account.issues.items():
            if severity != "information":
                issues.add_row(
                    name,
                    code,
                    escape(f"{message} ({count})" if count > 1 else message),
                    escape(Path(location).name),
                )
    if issues.rows:
        stdout.print(issues)
    results = Table(title="Predictions", title_justify="left")
    columns = {
        "predicted": ("predicted",),
        "declined: not applicable, or opted out of research": ("not-applicable", "opted-out"),
        "missing input": ("missing-input",),
        "out of range": ("out-of-range",),
        "failed": ("failed",),
    }
    for name in ("model", *columns):
        results.add_column(name, justify="left" if name == "model" else "right")
    for name, counts_of in demonstration.predictions.items():
        results.add_row(name, *(str(sum(counts_of[item] for item in named)) for named in columns.values()))
    stdout.print(results)
    logins = Table(title="Logins (random, shown once)", title_justify="left")
    for name in ("role", "user", "password"):
        logins.add_column(name)
    for login in demonstration.logins:
        logins.add_row(login.role, login.username, login.password)
    stdout.print(logins)

"""`client` and `user`: who may sign in, and which apps may ask."""

from __future__ import annotations

import re
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import orjson
import typer
from rich.markup import escape
from rich.table import Table

from fhir_bridge.cli.database import open_database, run_async
from fhir_bridge.cli.output import UsageError, stderr, stdout

if TYPE_CHECKING:
    from fhir_bridge.storage.accounts import Accounts, Authentication, Role, User

__all__ = ["clients", "users"]

users = typer.Typer(help="People who may sign in.", no_args_is_help=True)
clients = typer.Typer(help="Apps and systems that may ask for tokens.", no_args_is_help=True)

T = TypeVar("T")

_PERSON = re.compile(
    r"(?:https?://[^\s?#]+/)?(?:Practitioner|PractitionerRole|Patient|RelatedPerson|Person)/[A-Za-z0-9.-]{1,64}"
)
"""What `fhirUser` may refer to (SMART App Launch 2.2, Scopes for requesting identity data)."""


def _with_accounts(run: Callable[[Accounts], Awaitable[T]]) -> T:
    from fhir_bridge.storage import Store  # most commands never need the database driver
    from fhir_bridge.storage.accounts import AccountError, Accounts

    url = open_database()

    async def opened() -> T:
        async with await Store.open(url, max_size=1) as store:
            return await run(Accounts(store))

    try:
        return run_async(opened())
    except AccountError as error:
        raise UsageError(str(error)) from error


@users.command("add")
def add_user(
    username: Annotated[str, typer.Argument(help="Name to sign in with.")],
    role: Annotated[str, typer.Option(help="clinician, patient or admin.")] = "clinician",
    display: Annotated[str | None, typer.Option(help="Name shown on pages.")] = None,
    patient: Annotated[
        str | None, typer.Option(metavar="ID", help="Patient id of an account of role patient.")
    ] = None,
    fhir_user: Annotated[
        str | None, typer.Option(metavar="REFERENCE", help="Who this is in FHIR, e.g. Practitioner/123.")
    ] = None,
) -> None:
    """Add a person; the password is asked for, or the first line of standard input where that is no terminal."""
    if role not in ("clinician", "patient", "admin"):
        raise UsageError(f"--role is clinician, patient or admin, not {role}")
    checked: Role = role  # type: ignore[assignment]  # just checked
    if fhir_user is not None and not _PERSON.fullmatch(fhir_user):
        raise UsageError(
            f"--fhir-user {fhir_user} is no reference to a person: write Practitioner/ID, or PractitionerRole, "
            "Patient, RelatedPerson or Person"
        )
    password = _password()

    async def add(accounts: Accounts) -> tuple[User, list[str]]:
        user = await accounts.add_user(
            username, password, checked, display=display, fhir_user=fhir_user, patient=patient
        )
        named = [user.fhir_user, f"Patient/{user.patient}" if user.patient else None]
        return user, await accounts.unknown_people(item for item in named if item is not None)

    user, unknown = _with_accounts(add)
    stderr.print(f"added {user.username} ({user.role})")
    for name in unknown:
        stderr.print(
            f"[yellow]warning:[/] there is no {escape(name)} here: what {escape(user.username)} does "
            "will refer to nobody, and a review or withdrawal of a model's result is refused until it is loaded",
            soft_wrap=True,
        )


def _password() -> str:
    """What is typed twice, or one line of a pipe or file: there nobody can mistype it unseen."""
    if sys.stdin.isatty():
        return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))
    password = sys.stdin.readline().rstrip("\r\n")
    if not password:
        raise UsageError("standard input holds no password: send it as the first line")
    return password


@users.command("list")
def list_users() -> None:
    """List the people who may sign in."""
    table = Table()
    for name in ("user", "role", "FHIR", "patient"):
        table.add_column(name)
    for user in _with_accounts(lambda accounts: accounts.users()):
        table.add_row(user.username, user.role, user.fhir_user or "", user.patient or "")
    stdout.print(table)


@users.command("remove")
def remove_user(username: Annotated[str, typer.Argument(help="Name to remove.")]) -> None:
    """Remove a person, with open sessions and grants."""
    _with_accounts(lambda accounts: accounts.remove_user(username))
    stderr.print(f"removed {username}")


@clients.command("list")
def list_clients() -> None:
    """List the registered apps."""
    table = Table()
    for name in ("client", "name", "authentication", "scope", "redirects"):
        table.add_column(name, overflow="fold")
    for client in _with_accounts(lambda accounts: accounts.clients()):
        table.add_row(
            client.id, client.name, client.authentication, client.scope, "\n".join(client.redirect_uris)
        )
    stdout.print(table)


@clients.command("remove")
def remove_client(client_id: Annotated[str, typer.Argument(help="Client to remove.")]) -> None:
    """Remove an app; its tokens end with it."""
    _with_accounts(lambda accounts: accounts.remove_client(client_id))
    stderr.print(f"removed {client_id}")


@clients.command("add")
def add_client(
    client_id: Annotated[str, typer.Argument(help="Id that the app sends.")],
    name: Annotated[str, typer.Option(help="Name shown when a person is asked to approve it.")],
    scope: Annotated[str, typer.Option(help="The scopes it may be granted at most, divided by spaces.")],
    redirect_uri: Annotated[
        list[str], typer.Option("--redirect-uri", help="Exact redirect URI; repeats.")
    ] = [],  # noqa: B006
    launch_uri: Annotated[str | None, typer.Option(help="Where an EHR launch starts the app.")] = None,
    secret: Annotated[
        bool, typer.Option("--secret", help="A confidential client: make and print a secret.")
    ] = False,
    jwks_uri: Annotated[str | None, typer.Option(help="Where the keys of a backend service are.")] = None,
    jwks: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="File with the public keys (JWKS).")
    ] = None,
    purpose: Annotated[
        str | None,
        typer.Option(help="Purpose of use that a backend service acts for (v3-ActReason, e.g. HRESCH)."),
    ] = None,
) -> None:
    """Register an app: public (PKCE) by default, confidential with --secret, a backend service with --jwks[-uri].

    fhir-bridge client add growth-chart --name "Growth chart" --scope "launch/patient patient/*.rs openid fhirUser"
        --redirect-uri https://app.example.net/
    """
    if secret and (jwks or jwks_uri):
        raise UsageError("a client authenticates by --secret or by --jwks/--jwks-uri, not by both")
    authentication: Authentication = "secret" if secret else ("key" if jwks or jwks_uri else "none")
    try:
        keys = orjson.loads(jwks.read_bytes()) if jwks else None
    except orjson.JSONDecodeError as error:
        raise UsageError(f"{jwks} is not JSON: {error}") from error
    client, result = _with_accounts(
        lambda accounts: accounts.add_client(
            client_id,
            name,
            authentication,
            scope,
            redirect_uris=redirect_uri,
            launch_uri=launch_uri,
            jwks=keys,
            jwks_uri=jwks_uri,
            purpose=purpose,
        )
    )
    stderr.print(f"added {client.id} (authentication: {client.authentication})")
    if result:
        stderr.print("its secret, shown once:")
        stdout.print(result, highlight=False, markup=False)

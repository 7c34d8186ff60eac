"""What can be guessed at, and how often at no cost: then the answer is 429, after waits that double.

Passwords, secrets, codes and refresh tokens of one name from one network: who has failed too often waits, also with
the right one, for else each guess would still be looked at. Access tokens, introspected tokens and signatures are
beyond guessing, and a network that many share must not be closed by one of them: what is valid is always answered, and
only what was never given out, or signed by another key, costs a wait.
"""

from __future__ import annotations

from fhir_bridge.storage.attempts import Subject, network

__all__ = [
    "client",
    "code",
    "introspection",
    "launch",
    "link",
    "password",
    "refresh",
    "token",
    "unknown_client",
]

FREE = 5
"""Passwords of one name from one network, which people choose and mistype."""
FREE_SECRETS = 10
"""Random secrets of one application or account from one network."""
FREE_OF_NETWORK = 30
"""Failures from one network, whatever the name."""


def password(name: str, address: str) -> tuple[Subject, Subject]:
    """A person's password from a network, and any password from it."""
    kind, where = "password", network(address)
    # Stripped and lowered as the account is looked up: else variants of a name would each have free attempts.
    return Subject((kind, name.strip().lower(), where), FREE), Subject((kind, where), FREE_OF_NETWORK)


def client(client_id: str, address: str) -> Subject:
    """The secret or key of an application."""
    return Subject(("client", client_id, network(address)), FREE_SECRETS)


def unknown_client(address: str) -> Subject:
    """Applications that are not registered, or have to authenticate and do not."""
    return Subject(("client", network(address)), FREE_OF_NETWORK)


def code(client_id: str, address: str) -> Subject:
    """An application's authorization codes."""
    return Subject(("code", client_id, network(address)), FREE_SECRETS)


def refresh(client_id: str, address: str) -> Subject:
    """An application's refresh tokens."""
    return Subject(("refresh", client_id, network(address)), FREE_SECRETS)


def unowned_refresh(address: str) -> Subject:
    """Refresh tokens that come without a client and are nobody's."""
    return Subject(("refresh", network(address)), FREE_OF_NETWORK)


def launch(account: str, address: str) -> Subject:
    """Handles of EHR launches, by a person who is signed in."""
    return Subject(("launch", account, network(address)), FREE_SECRETS)


def link(address: str) -> Subject:
    """One-time sign-in links."""
    return Subject(("link", network(address)), FREE_SECRETS)


def token(address: str) -> Subject:
    """Access tokens at the FHIR API."""
    return Subject(("token", network(address)), FREE_OF_NETWORK)


def introspection(client_id: str, address: str) -> Subject:
    """Tokens that a resource server asks about."""
    return Subject(("introspection", client_id, network(address)), FREE_OF_NETWORK)

"""Scopes in plain words, for the person who is asked."""

from __future__ import annotations

from fhir_bridge.server.smart.scopes import parse

__all__ = ["meaning"]

_CONTEXT = {
    "openid": "Know who you are",
    "fhirUser": "Know your own record in this system",
    "profile": "Know your own record in this system",
    "launch": "Know for which patient it was opened",
    "launch/patient": "Know which patient you choose",
    "launch/encounter": "Know the current encounter",
    "offline_access": "Keep access when you are away, for 90 days",
    "online_access": "Keep access while you are signed in",
}
_LETTERS = {"c": "create", "r": "read", "u": "change", "d": "delete", "s": "search"}
_WHOSE = {"patient": "of the chosen patient", "user": "that you may see", "system": "of all patients"}


def meaning(text: str) -> str:
    """One scope as a sentence; a text that is no scope stays as it is."""
    if text in _CONTEXT:
        return _CONTEXT[text]
    scope = parse(text)
    if scope is None:
        return text
    verbs = [_LETTERS[letter] for letter in scope.letters]
    verb = verbs[0] if len(verbs) == 1 else ", ".join(verbs[:-1]) + " and " + verbs[-1]
    what = "all records" if scope.type == "*" else f"{scope.type} records"
    limit = "".join(f", only {name} {value.rpartition('|')[2]}" for name, value in scope.criteria)
    return f"{verb.capitalize()} {what} {_WHOSE[scope.level]}{limit}"

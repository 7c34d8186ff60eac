"""SMART scopes: reading, intersecting, and turning them into access rules.

SMART App Launch 2.2 scopes-and-launch-context.html. Scopes of version 1 (`.read`, `.write`, `.*`) and version 2
(`.cruds`, letters in order, `?category=` as granular restriction) are understood; anything else is no scope at all.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal
from urllib.parse import parse_qsl

from fhir_bridge.fhir import definitions
from fhir_bridge.fhir.access import AccessFilter, AccessRule
from fhir_bridge.storage.accounts import User

__all__ = [
    "CONTEXT_SCOPES",
    "SHARED_TYPES",
    "Scope",
    "access_of",
    "grant",
    "parse",
    "parse_all",
    "user_access",
]

Level = Literal["patient", "user", "system"]

LETTERS = "cruds"
READING = frozenset("rs")
VERSION_1 = {"read": "rs", "write": "cud", "*": "cruds"}
# Letters in this order only (SMART 2.2): `.sr` is no scope.
_SHAPE = re.compile(r"(patient|user|system)/(\*|[A-Z][A-Za-z]{1,63})\.(read|write|\*|c?r?u?d?s?)(?:\?(.+))?")

CONTEXT_SCOPES = frozenset(
    {
        "openid",
        "fhirUser",
        "profile",
        "launch",
        "launch/patient",
        "launch/encounter",
        "offline_access",
        "online_access",
    }
)
"""Scopes without a resource type that this server grants."""

SHARED_TYPES = (
    "CodeSystem", "ConceptMap", "HealthcareService", "Location", "Medication", "Organization", "Practitioner",
    "PractitionerRole", "Questionnaire", "StructureDefinition", "ValueSet",
)  # fmt: skip
"""Types about no patient (`fhir.record`): a patient-level scope reads them without the bound of the record."""

TOKEN_CRITERIA = ("category",)
"""Search parameters that a granular scope may restrict by."""

MAX_CRITERIA = 4
"""Each criterion of a granular scope is a condition in every statement made for its token."""


@dataclass(frozen=True, slots=True)
class Scope:
    """One scope for FHIR resources.

    Attributes:
        letters: a subset of `cruds`, in that order.
        criteria: granular restriction as (parameter, `system|code`) pairs; all must hold.
        version: 1 where it was written in the syntax of SMART 1; only for writing it back.
    """

    level: Level
    type: str
    letters: str
    criteria: tuple[tuple[str, str], ...] = ()
    version: Literal[1, 2] = 2

    def __str__(self) -> str:
        if self.version == 1:
            for name, letters in VERSION_1.items():
                if letters == self.letters:
                    return f"{self.level}/{self.type}.{name}"
        query = "&".join(f"{name}={_escape(value)}" for name, value in self.criteria)
        return f"{self.level}/{self.type}.{self.letters}" + (f"?{query}" if query else "")


def _escape(value: str) -> str:
    """A criterion's value as it is in a scope: readable, and read back as the same value."""
    # Readable on the approval page, so no more is escaped than reading back needs.
    return value.replace("%", "%25").replace("&", "%26").replace("+", "%2B")


def parse(text: str) -> Scope | None:
    """Read one resource scope; None for what is not exactly one (letters out of order, unknown type, …)."""
    match = _SHAPE.fullmatch(text)
    if match is None:
        return None
    level, resource_type, verbs, query = match.groups()
    if not verbs or (resource_type != "*" and resource_type not in definitions.resource_types()):
        return None
    criteria: tuple[tuple[str, str], ...] = ()
    if query is not None:
        criteria = tuple(parse_qsl(query, keep_blank_values=True))
        # A granular scope names its type: R4 has no `category` that all types share.
        known = definitions.search_parameters(resource_type) if resource_type != "*" else {}
        if verbs in VERSION_1 or not 0 < len(criteria) <= MAX_CRITERIA:
            return None
        for name, value in criteria:
            # `system|code` in full: by code alone a site's own code of the same letters would count.
            if (
                name not in TOKEN_CRITERIA
                or name not in known
                or not re.fullmatch(r"[^|,\s]+\|[^|,\s]+", value)
            ):
                return None
    if verbs in VERSION_1:
        return Scope(level, resource_type, VERSION_1[verbs], (), 1)  # type: ignore[arg-type]
    return Scope(level, resource_type, verbs, criteria)  # type: ignore[arg-type]


def parse_all(text: str) -> tuple[list[Scope], list[str]]:
    """The resource scopes and the context scopes of a scope string, without repeats; what is neither is left out."""
    items = list(dict.fromkeys(text.split()))
    scopes = [scope for item in items if (scope := parse(item)) is not None]
    return list(dict.fromkeys(scopes)), [item for item in items if item in CONTEXT_SCOPES]


def _both(wanted: Scope, allowed: Scope) -> Scope | None:
    """What two scopes have in common; narrower on every side than both."""
    if wanted.level != allowed.level:
        return None
    if wanted.type == "*" or allowed.type == wanted.type:
        resource_type = allowed.type
    elif allowed.type == "*":
        resource_type = wanted.type
    else:
        return None
    letters = "".join(letter for letter in LETTERS if letter in wanted.letters and letter in allowed.letters)
    if not letters:
        return None
    # Both restrictions hold, since each side allows no more than its own.
    criteria = tuple(dict.fromkeys(wanted.criteria + allowed.criteria))
    if len(criteria) > MAX_CRITERIA:
        return None
    # Written back as it was asked for only where nothing was taken away.
    version = wanted.version if letters == wanted.letters and not criteria else 2
    return replace(wanted, type=resource_type, letters=letters, criteria=criteria, version=version)


def grant(requested: str, allowed: str) -> str:
    """The part of the requested scopes that is allowed, in the order requested; never wider than either."""
    wanted, wanted_context = parse_all(requested)
    may, may_context = parse_all(allowed)
    granted = [name for name in wanted_context if name in may_context]
    for scope in wanted:
        results = [both for other in may if (both := _both(scope, other)) is not None]
        # A scope that is allowed whole is not split into what narrower grants allow.
        whole = [
            both
            for both in results
            if (both.type, both.letters, both.criteria) == (scope.type, scope.letters, scope.criteria)
        ]
        granted += map(str, whole or results)
    return " ".join(dict.fromkeys(granted))


def _shared(rule: AccessRule) -> Iterable[AccessRule]:
    """A rule bound to a patient, and its reach into types that are about no patient."""
    yield rule
    # Bounded scopes must still read who treated and where; granular ones grant nothing beside themselves.
    letters = rule.interactions & READING
    if rule.patient is None or not letters or rule.criteria:
        return
    for name in SHARED_TYPES:
        if rule.type in ("*", name):
            yield AccessRule(name, letters)


def access_of(
    scope: str, *, user: User | None, patient: str | None, purpose: str | None, subject: str
) -> AccessFilter:
    """What a token may do: its scopes, within what its user may do.

    A clinician may reach all patients; a patient only reads, and only the own record, whatever the scope says. A
    patient's account that is linked to no Patient, a patient-level scope without a patient in context, and a
    system-level scope with a user, grant nothing.
    """
    rules: list[AccessRule] = []
    for item in parse_all(scope)[0]:
        letters, bound = frozenset(item.letters), None
        if item.level == "patient":
            if not patient:
                continue
            bound = patient
        elif (item.level == "system") != (user is None):
            # A system scope is for a client without person, a user scope for one with;
            # each grants nothing to the other.
            continue
        if user is not None and user.role == "patient":
            # Whatever the scope: a patient writes nothing.
            letters &= READING
            if not user.patient or bound not in (None, user.patient):
                continue
            bound = user.patient
        if letters:
            rules.extend(_shared(AccessRule(item.type, letters, bound, item.criteria)))
    return AccessFilter.of(rules, purpose=purpose, subject=subject)


def user_access(user: User) -> AccessFilter:
    """What a person may see on the pages: a clinician all patients, a patient the own record."""
    if user.role == "patient":
        rules = _shared(AccessRule("*", READING, user.patient)) if user.patient else ()
        return AccessFilter.of(rules, purpose="PATRQT", subject=f"user:{user.id}")
    return AccessFilter.of([AccessRule("*", frozenset("cruds"))], purpose="TREAT", subject=f"user:{user.id}")

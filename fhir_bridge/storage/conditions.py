"""Pieces of SQL with their parameters."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from fhir_bridge.fhir import definitions
from fhir_bridge.storage.errors import NotFound

__all__ = ["FALSE", "TRUE", "Condition", "all_of", "any_of", "live", "negation", "of_type", "person"]


@dataclass(frozen=True, slots=True)
class Condition:
    """A boolean SQL expression over the row `r` of `resource`, and the values of its placeholders in order.

    The text is built from constants of this package alone; whatever a caller gave is in the values.

    Attributes:
        rows: where it is that some row `i` of an index meets a condition, the table and that condition.
    """

    text: str
    values: tuple[Any, ...] = ()
    rows: tuple[str, Condition] | None = None


# `all_of` and `any_of` leave these two out, by identity; a `Condition("TRUE")` of one's own is written.
TRUE = Condition("TRUE")
FALSE = Condition("FALSE")


def of_type(resource_type: str, row: str = "r") -> str:
    """SQL of whether a row of `resource` is of a type, as the indexes of a type in an order have it (0036).

    No two types of R4 have one number. The type is in the text, as numbers of parameters and limits do, so that
    PostgreSQL plans with its statistics even where it keeps one plan for many values.

    Raises:
        NotFound: R4 has no such type.
    """
    if resource_type not in definitions.resource_types():
        raise NotFound(f"{resource_type!r} is no resource type of R4")
    return f"hashtext({row}.type) = hashtext('{resource_type}')"


def live(resource_type: str) -> Condition:
    """The current resources of a type.

    Raises:
        NotFound: R4 has no such type.
    """
    return Condition(f"{of_type(resource_type)} AND NOT r.deleted")


def person(ids: Sequence[str], *more: int) -> Condition:
    """An array of the keys of these patients and of whoever is linked to them (not a boolean), worked out once."""
    keys = "linked_patients(ARRAY(SELECT p.key FROM resource p WHERE p.type = 'Patient' AND p.id = ANY(%s)))"
    # The numbers are our own (internal keys), so they may be in the text.
    added = f" || '{{{','.join(map(str, more))}}}'::bigint[]" if more else ""
    # A sub-select is computed once, not for each row; without the cast ANY would take it for a set of rows.
    return Condition(f"(SELECT {keys}{added})::bigint[]", (list(ids),))


def all_of(conditions: Iterable[Condition]) -> Condition:
    """AND."""
    parts = [condition for condition in conditions if condition is not TRUE]
    if any(part is FALSE for part in parts):
        return FALSE
    if not parts:
        return TRUE
    if len(parts) == 1:
        return parts[0]
    return Condition(
        "(" + " AND ".join(part.text for part in parts) + ")",
        tuple(value for part in parts for value in part.values),
    )


def any_of(conditions: Iterable[Condition]) -> Condition:
    """OR."""
    parts = [condition for condition in conditions if condition is not FALSE]
    if any(part is TRUE for part in parts):
        return TRUE
    if not parts:
        return FALSE
    if len(parts) == 1:
        return parts[0]
    return Condition(
        "(" + " OR ".join(part.text for part in parts) + ")",
        tuple(value for part in parts for value in part.values),
    )


def negation(condition: Condition) -> Condition:
    """NOT; a condition here is never null."""
    if condition is TRUE:
        return FALSE
    if condition is FALSE:
        return TRUE
    return Condition(f"(NOT {condition.text})", condition.values)

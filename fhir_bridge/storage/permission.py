"""The access filter: as SQL over stored resources, and in Python over content that is about to be stored."""

from __future__ import annotations

from psycopg import AsyncConnection

from fhir_bridge.fhir.access import AccessFilter, AccessRule
from fhir_bridge.fhir.search.entries import TokenEntry, indexable
from fhir_bridge.storage.conditions import FALSE, TRUE, Condition, all_of, any_of, person
from fhir_bridge.storage.dictionaries import Dictionaries
from fhir_bridge.storage.errors import Forbidden
from fhir_bridge.storage.indexed import find
from fhir_bridge.storage.indexing import Indexed

__all__ = ["allowed", "compile_access", "linked_ids", "refuse_content", "require"]


def require(access: AccessFilter, resource_type: str, interaction: str) -> None:
    """Refuse where no grant allows the interaction on this type at all. Says nothing of any resource.

    Raises:
        Forbidden: no grant does.
    """
    if not access.permits(resource_type, interaction):
        raise Forbidden(f"no grant allows {_WORDS[interaction]} of {resource_type}")


_WORDS = {"c": "create", "r": "read", "u": "update", "d": "delete", "s": "search"}


async def compile_access(
    access: AccessFilter, resource_type: str, interaction: str, dictionaries: Dictionaries
) -> Condition:
    """What of the stored resources of a type the caller may reach, as a condition on the row `r`."""
    grants = [
        await _rule(rule, resource_type, dictionaries)
        for rule in access.rules_for(resource_type, interaction)
    ]
    return all_of([any_of(grants), await _unlabelled(access, dictionaries)])


async def _unlabelled(access: AccessFilter, dictionaries: Dictionaries) -> Condition:
    if not access.withheld_labels:
        return TRUE
    withheld = await dictionaries.find_labels(sorted(access.withheld_labels))
    if not withheld:
        return TRUE
    return Condition("(r.labels IS NULL OR NOT r.labels && %s::int[])", (withheld,))


async def _rule(rule: AccessRule, resource_type: str, dictionaries: Dictionaries) -> Condition:
    conditions = [await _criterion(code, value, resource_type, dictionaries) for code, value in rule.criteria]
    if rule.patient is not None:
        keys = person([rule.patient])
        conditions.insert(
            0,
            Condition(
                f"EXISTS (SELECT FROM compartment c WHERE c.resource = r.key AND c.patient = ANY({keys.text}))",
                keys.values,
            ),
        )
    return all_of(conditions)


async def _criterion(code: str, value: str, resource_type: str, dictionaries: Dictionaries) -> Condition:
    """A granular scope's criterion. One that can't be searched by grants nothing."""
    parameter = find(resource_type, code, dictionaries.definitions)
    if parameter is None or parameter.type != "token":
        return FALSE
    number = await dictionaries.find_parameter(resource_type, code)
    exists = f"EXISTS (SELECT FROM token t WHERE t.resource = r.key AND t.parameter = {number:d}"
    system, bar, token = value.rpartition("|")
    if not bar:
        return Condition(f"{exists} AND t.code = %s)", (indexable(token),))
    known = await dictionaries.find_system(system)
    if known is None:
        return FALSE
    if not token:
        return Condition(f"{exists} AND t.system = %s)", (known,))
    return Condition(f"{exists} AND t.code = %s AND t.system = %s)", (indexable(token), known))


def allowed(access: AccessFilter, item: Indexed, interaction: str, people: dict[str, frozenset[str]]) -> bool:
    """Whether the caller may do this with content that is at hand.

    Args:
        people: for the id of each patient that a rule names, all ids of that person (`linked_ids`).
    """
    if any(f"{system}|{code}" in access.withheld_labels for system, code in item.labels):
        return False
    patients = set(item.patients)
    return any(
        (rule.patient is None or not patients.isdisjoint(people.get(rule.patient, {rule.patient})))
        and all(_meets(item, code, value) for code, value in rule.criteria)
        for rule in access.rules_for(item.type, interaction)
    )


def _meets(item: Indexed, code: str, value: str) -> bool:
    system, bar, token = value.rpartition("|")
    return any(
        type(entry) is TokenEntry
        and entry.parameter == code
        and (not bar or (entry.system or "") == system)
        and (not token or entry.code == indexable(token))
        and bool(bar or token)
        for entry in item.entries
    )


async def linked_ids(connection: AsyncConnection, access: AccessFilter) -> dict[str, frozenset[str]]:
    """For each patient that a rule is bounded by: the ids of the same person, by Patient.link."""
    patients = sorted({rule.patient for rule in access.rules if rule.patient is not None})
    people: dict[str, frozenset[str]] = {}
    for patient in patients:
        rows = await connection.execute(
            "SELECT id FROM resource WHERE key = ANY((SELECT linked_patients(ARRAY(SELECT key FROM resource"
            " WHERE type = 'Patient' AND id = %s)))::bigint[])",
            (patient,),
        )
        people[patient] = frozenset(row[0] for row in await rows.fetchall()) | {patient}
    return people


def refuse_content(
    access: AccessFilter, item: Indexed, interaction: str, people: dict[str, frozenset[str]]
) -> None:
    """Refuse content that would lie outside what the caller may write.

    Raises:
        Forbidden: it would.
    """
    if not allowed(access, item, interaction, people):
        raise Forbidden(f"no grant allows {_WORDS[interaction]} of a {item.type} with this content")

"""The access filter: as SQL over stored resources, and in Python over content that is about to be stored."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from psycopg import AsyncConnection

from fhir_bridge.fhir.access import EVERYTHING, AccessFilter, AccessRule
from fhir_bridge.fhir.consent import UNASSERTED
from fhir_bridge.fhir.record import OTHER_PERSON, is_followed, patient_types
from fhir_bridge.fhir.search.entries import TokenEntry, indexable
from fhir_bridge.storage.conditions import FALSE, TRUE, Condition, all_of, any_of, person
from fhir_bridge.storage.dictionaries import Dictionaries
from fhir_bridge.storage.errors import Forbidden
from fhir_bridge.storage.facets import faceted
from fhir_bridge.storage.indexed import find
from fhir_bridge.storage.indexing import Identity, Indexed

__all__ = [
    "People",
    "allowed",
    "anybody_denies",
    "compile_access",
    "is_unbounded",
    "named_by_contents",
    "not_denied",
    "owners_of_contents",
    "people_of",
    "purpose_of",
    "refuse_content",
    "require",
    "who_deny",
]


def require(access: AccessFilter, resource_type: str, interaction: str) -> None:
    """Refuse where no grant allows the interaction on this type at all. Says nothing of any resource.

    Raises:
        Forbidden: no grant does.
    """
    if not access.permits(resource_type, interaction):
        raise Forbidden(f"no grant allows {_WORDS[interaction]} of {resource_type}")


_WORDS = {"c": "create", "r": "read", "u": "update", "d": "delete", "s": "search"}


async def compile_access(
    access: AccessFilter,
    resource_type: str,
    interaction: str,
    dictionaries: Dictionaries,
    *,
    past: bool = False,
) -> Condition:
    """What of the stored resources of a type the caller may reach, as a condition on the row `r`.

    Args:
        past: deletions are reached whatever the criteria of a grant, for which nothing is left of them in the index:
            who asks so decides by the last content (`histories.visible_rows`).
    """
    grants: list[Condition] = []
    for rule in access.rules_for(resource_type, interaction):
        grant = await _rule(rule, resource_type, interaction, dictionaries, past=past)
        if grant not in grants:  # an OR of equals would keep PostgreSQL from beginning at the patient
            grants.append(grant)
    return all_of(
        [
            any_of(grants),
            await _unlabelled(access, dictionaries),
            _not_denied(access, resource_type),
            await _context_permitted(access, resource_type, dictionaries),
        ]
    )


async def _context_permitted(
    access: AccessFilter, resource_type: str, dictionaries: Dictionaries
) -> Condition:
    """That the caller may reach what stands for a Binary: its securityContext (R4 binary-definitions.html), and one of
    the resources that have it as an attachment, where there are any.

    Whose record it is in, `_rule` has decided. Here it is the type, which a grant without criteria must allow, and the
    labels.
    """
    if resource_type != "Binary":
        return TRUE
    plain = {rule.type for rule in access.rules if not rule.criteria and "r" in rule.interactions}
    withheld = (
        await dictionaries.find_labels(sorted(access.withheld_labels)) if access.withheld_labels else []
    )
    tests: list[str] = []
    values: list[object] = []
    if "*" not in plain:
        tests.append("q.type = ANY(%s)")
        values.append(sorted(plain))
    if withheld:
        tests.append("(q.labels IS NULL OR NOT q.labels && %s::int[])")
        values.append(withheld)
    if not tests:
        return TRUE
    reached = " AND ".join(tests)
    return Condition(
        "(NOT EXISTS (SELECT FROM (SELECT x.target FROM record_through x WHERE x.resource = r.key UNION ALL "  # noqa: S608
        "SELECT o.patient FROM record o WHERE o.resource = r.key AND o.patient <> 0) c (key) "
        f"JOIN resource q ON q.key = c.key WHERE NOT ({reached})) "
        "AND (NOT EXISTS (SELECT FROM attachment a WHERE a.target = r.key) OR EXISTS (SELECT FROM attachment a "
        f"JOIN resource q ON q.key = a.referrer WHERE a.target = r.key AND {reached})))",
        (*values, *values),
    )


PATIENT_REQUEST = "PATRQT"
"""The patient's own purpose: what one denies others one may still see."""


def _not_denied(access: AccessFilter, resource_type: str) -> Condition:
    if resource_type not in patient_types():
        return TRUE
    if resource_type == "Binary":
        return not_denied(access, _WITH_FORMER)
    return not_denied(access, "named_owners(r.key)", first=None if is_followed(resource_type) else _DIRECT)


# Of a Binary that is no attachment any more nothing else says whom it is about.
_WITH_FORMER = (
    "(SELECT named_owners(r.key) UNION ALL SELECT b.patient FROM attached_before b WHERE b.target = r.key)"
)


def not_denied(access: AccessFilter, owners: str, *, first: str | None = None) -> Condition:
    """That no patient whom something is about, or names, denies the caller's purpose now: asked by each statement anew.

    Args:
        owners: SQL of the keys of these patients, among which others may be.
        first: SQL of those who are all of them where `r` names nobody else, as most do not.
    """
    purpose = purpose_of(access)
    if purpose is None:
        return TRUE
    none, values = "NOT " + _DENYING.format(owners), [purpose, purpose]
    if first is not None:
        # OFFSET, so that it stays a look into the index: without it the whole table is hashed for a page.
        named = "NOT EXISTS (SELECT FROM named x WHERE x.resource = r.key OFFSET 0)"
        none, values = f"NOT {_DENYING.format(first)} AND ({named} OR {none})", values * 2
    # The first part is worked out once: where nobody denies the purpose, rows are not looked at.
    return Condition(
        "((SELECT NOT EXISTS (SELECT FROM consent_denial denying WHERE denying.purpose = %s AND denying.low "  # noqa: S608
        f"<= now() AND denying.high > now())) OR ({none}))",
        (purpose, *values),
    )


# The array holds those alone who are linked to somebody who denies it, and did not deny it themselves.
_DENYING = (
    "EXISTS (SELECT FROM {} AS o (patient) WHERE EXISTS (SELECT FROM consent_denial n WHERE n.patient = o.patient "
    "AND n.purpose = %s AND n.low <= now() AND n.high > now()) "
    "OR o.patient = ANY((SELECT linked_to_denial(%s))::bigint[]))"
)


async def _unlabelled(access: AccessFilter, dictionaries: Dictionaries) -> Condition:
    if not access.withheld_labels:
        return TRUE
    # NULL labels: most resources have none, and no array is kept for them.
    withheld = await dictionaries.find_labels(sorted(access.withheld_labels))
    if not withheld:
        return TRUE
    return Condition("(r.labels IS NULL OR NOT r.labels && %s::int[])", (withheld,))


async def _rule(
    rule: AccessRule, resource_type: str, interaction: str, dictionaries: Dictionaries, *, past: bool
) -> Condition:
    conditions = [await _criterion(code, value, resource_type, dictionaries) for code, value in rule.criteria]
    if past and conditions:
        conditions = [any_of([Condition("r.deleted"), all_of(conditions)])]
    if rule.patient is not None:
        await dictionaries.require_records()
        conditions.insert(0, _in_record(rule.patient, resource_type, interaction))
    return all_of(conditions)


def _in_record(patient: str, resource_type: str, interaction: str) -> Condition:
    """Whether `r` is about this person, linked Patients included, and about nobody else."""
    keys = person([patient])
    # A search reads many rows, so it starts from the record; a read has its row,
    # so it starts from the resource.
    if interaction != "s":  # one resource: its owners are looked at
        owners = "record_owners(r.key)" if is_followed(resource_type) else _DIRECT
        # An aggregate of nothing is null: about nobody.
        return Condition(
            f"(SELECT coalesce(bool_and(o = ANY({keys.text})), false) FROM {owners} AS o (o))",  # noqa: S608
            keys.values,
        )
    if is_followed(resource_type):
        # An array of all that is in the record, computed once: a correlated call of the
        # function would walk it for each row.
        return Condition(f"r.key = ANY(ARRAY(SELECT in_record({keys.text})))", keys.values)
    owner = "SELECT FROM record o WHERE o.resource = r.key AND o.patient"
    return Condition(
        f"(EXISTS ({owner} = ANY({keys.text})) AND NOT EXISTS ({owner} <> ALL({keys.text})))",
        (*keys.values, *keys.values),
    )


_DIRECT = "(SELECT d.patient FROM record d WHERE d.resource = r.key)"


async def _criterion(code: str, value: str, resource_type: str, dictionaries: Dictionaries) -> Condition:
    """A granular scope's criterion. One that can't be searched by grants nothing."""
    parameter = find(resource_type, code, dictionaries.definitions)
    # A scope whose criterion can't be tested must grant less, never more.
    if parameter is None or parameter.type != "token":
        return FALSE
    system, bar, token = value.rpartition("|")
    met = [Condition("i.code = %s", (indexable(token),))] if token or not bar else []
    if bar:
        known = await dictionaries.find_system(system)
        if known is None:
            return FALSE
        met.append(Condition("i.system = %s", (known,)))
    if code in faceted(resource_type, dictionaries.definitions):
        return await dictionaries.with_facets(resource_type, code, all_of(met))
    rows = Condition("i.resource = r.key AND i.parameter " + await dictionaries.rows_of(resource_type, code))
    wanted = all_of([rows, *met])
    return Condition(f"EXISTS (SELECT FROM token i WHERE {wanted.text})", wanted.values)


def purpose_of(access: AccessFilter) -> str | None:
    """The purpose by which Consents decide about a caller; None where none does."""
    # The bridge itself has no purpose: it keeps what others may see or not.
    if access.subject == EVERYTHING.subject or access.purpose == PATIENT_REQUEST:
        return None
    return access.purpose or UNASSERTED


def is_unbounded(access: AccessFilter, resource_type: str, interaction: str) -> bool:
    """Whether a grant allows the interaction on all resources of the type, but for labels and Consents."""
    # Who may read a Binary is decided by more than grants.
    return resource_type != "Binary" and any(
        rule.patient is None and not rule.criteria for rule in access.rules_for(resource_type, interaction)
    )


async def anybody_denies(connection: AsyncConnection, access: AccessFilter) -> bool:
    """Whether any patient denies the caller's purpose now."""
    purpose = purpose_of(access)
    if purpose is None:
        return False
    rows = await connection.execute(
        "SELECT EXISTS (SELECT FROM consent_denial WHERE purpose = %s AND low <= now() AND high > now())",
        (purpose,),
    )
    row = await rows.fetchone()
    return row is not None and bool(row[0])


async def who_deny(connection: AsyncConnection, access: AccessFilter, patients: Iterable[str]) -> set[str]:
    """Which of these patients deny the caller's purpose now, or are one person with somebody who does."""
    purpose = purpose_of(access)
    if purpose is None:
        return set()
    rows = await connection.execute(
        "SELECT p.id FROM resource p WHERE p.type = 'Patient' AND p.id = ANY(%s) AND (EXISTS (SELECT FROM "
        "consent_denial n WHERE n.patient = p.key AND n.purpose = %s AND n.low <= now() AND n.high > now()) "
        "OR p.key = ANY((SELECT linked_to_denial(%s))::bigint[]))",
        (sorted(set(patients)), purpose, purpose),
    )
    return {row[0] for row in await rows.fetchall()}


People = Mapping[str, frozenset[str]]
"""For the id of each patient that a rule is bounded by: all ids of that person, by Patient.link."""


def allowed(
    access: AccessFilter, item: Indexed, interaction: str, people: People, owners: frozenset[str]
) -> bool:
    """Whether the caller may do this with content that is available.

    Args:
        people: see `people_of`.
        owners: whom the content is about, see `owners_of_contents`.
    """
    # Withheld labels go before every grant: no rule can give what they take.
    if any(f"{system}|{code}" in access.withheld_labels for system, code in item.labels):
        return False
    # An empty set of owners is in nobody's record: without `bool(owners)` it would be within everyone's.
    return any(
        (rule.patient is None or (bool(owners) and owners <= people[rule.patient]))
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
        and bool(bar or token)  # an empty value is no criterion
        for entry in item.entries
    )


async def people_of(connection: AsyncConnection, access: AccessFilter) -> People:
    """The persons that the caller's rules are bounded by."""
    patients = sorted({rule.patient for rule in access.rules if rule.patient is not None})
    people: dict[str, frozenset[str]] = {}
    for patient in patients:
        # Those that only links name count too: what is about the person by another
        # record's number is the person's.
        rows = await connection.execute(
            "SELECT id FROM resource WHERE key = ANY((SELECT linked_patients(ARRAY(SELECT key FROM resource"
            " WHERE type = 'Patient' AND id = %s)))::bigint[])",
            (patient,),
        )
        people[patient] = frozenset(row[0] for row in await rows.fetchall())
    return people


# coalesce: patient 0 has no row, and stands for someone who is no Patient here.
_OWNERS = (
    "SELECT w.type, w.id, coalesce(p.id, %s) FROM unnest(%s::text[], %s::text[]) AS w (type, id) "
    "JOIN resource t ON t.type = w.type AND t.id = w.id, LATERAL record_owners(t.key) o "
    "LEFT JOIN resource p ON p.key = o"
)


_NAMED = (
    "SELECT w.type, w.id, p.id FROM unnest(%s::text[], %s::text[]) AS w (type, id) "
    "JOIN resource t ON t.type = w.type AND t.id = w.id, LATERAL named_owners(t.key) o "
    "JOIN resource p ON p.key = o AND p.type = 'Patient'"
)


async def named_by_contents(connection: AsyncConnection, items: Sequence[Indexed]) -> list[frozenset[str]]:
    """Whose denial counts for contents that are not current: all whom they are about, or name."""
    pairs = sorted({target for item in items for target in (*item.owners.through, *item.named)})
    stored: dict[Identity, set[str]] = {}
    rows = await connection.execute(
        _NAMED, ([kind for kind, _ in pairs], [identity for _, identity in pairs])
    )
    for kind, identity, patient in await rows.fetchall():
        stored.setdefault((kind, identity), set()).add(patient)
    return [
        frozenset(item.owners.patients).union(
            *(stored.get(target, ()) for target in (*item.owners.through, *item.named))
        )
        for item in items
    ]


async def owners_of_contents(
    connection: AsyncConnection, items: Sequence[Indexed], beside: Mapping[Identity, Indexed]
) -> list[frozenset[str]]:
    """Whom contents that are not stored, or not current, are about: by themselves and through what they name.

    Args:
        beside: contents that will be stored together with them; each counts in place of what is stored of it.
    """
    # `beside` goes before what is stored of the same resource: both are written together or not at all.
    named = {target for item in (*items, *beside.values()) for target in item.owners.through} - set(beside)
    stored: dict[Identity, set[str]] = {}
    if named:
        pairs = sorted(named)
        rows = await connection.execute(
            _OWNERS, (OTHER_PERSON, [kind for kind, _ in pairs], [identity for _, identity in pairs])
        )
        for kind, identity, patient in await rows.fetchall():
            stored.setdefault((kind, identity), set()).add(patient)

    def of(item: Indexed) -> frozenset[str]:
        results: set[str] = set()
        seen: set[Identity] = set()
        waiting = [item]
        while waiting:
            entry = waiting.pop()
            results.update(entry.owners.patients)
            for target in set(entry.owners.through) - seen:
                seen.add(target)
                results |= stored.get(target, set())
                if target in beside:
                    waiting.append(beside[target])
        return frozenset(results)

    return [of(item) for item in items]


def refuse_content(
    access: AccessFilter, item: Indexed, interaction: str, people: People, owners: frozenset[str]
) -> None:
    """Refuse content that would lie outside what the caller may write.

    Raises:
        Forbidden: it would.
    """
    if not allowed(access, item, interaction, people, owners):
        raise Forbidden(f"no grant allows {_WORDS[interaction]} of a {item.type} with this content")

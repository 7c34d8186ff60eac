"""Chained and reverse-chained parameters (R4 search.html#chaining, #has): conditions on other resources.

Every resource on the way must be one that the caller may find: else a chain would give away what it says.
"""

from __future__ import annotations

from collections.abc import Sequence

from fhir_bridge.fhir import definitions
from fhir_bridge.fhir.access import AccessFilter
from fhir_bridge.storage.canonicals import NAMES, is_canonical, joined, named
from fhir_bridge.storage.conditions import FALSE, Condition, all_of, any_of, live
from fhir_bridge.storage.contained import contained_parameter, inner_code
from fhir_bridge.storage.dictionaries import Dictionaries
from fhir_bridge.storage.errors import BadSearch
from fhir_bridge.storage.indexed import find_reference, reference_targets, why_apart
from fhir_bridge.storage.permission import compile_access
from fhir_bridge.storage.search_conditions import CodeSets, parameter_condition
from fhir_bridge.storage.search_support import refuse_unsupported

__all__ = ["chained", "is_chain"]

DEEPEST = 8
"""Steps of a chain; each is a sub-select, and eight lead through every model of care that R4 has."""
MOST_WAYS = 64
"""Combinations of types along a chain that names none."""

_HAS = "_has:"


def is_chain(name: str) -> bool:
    """Whether a parameter's name leads to other resources."""
    return "." in name or name.startswith(_HAS)


async def chained(
    resource_type: str,
    name: str,
    value: str,
    access: AccessFilter,
    dictionaries: Dictionaries,
    codes: CodeSets | None = None,
) -> Condition:
    """The condition on `resource_type` of one `code:Type.…=value` or `_has:Type:code:…=value`.

    Raises:
        BadSearch: a step that R4 does not have, a value that can't be read, or more steps or types than are followed.
    """
    return await _Chain(name, value, access, dictionaries, codes).of(resource_type, name, DEEPEST)


class _Chain:
    def __init__(
        self,
        name: str,
        value: str,
        access: AccessFilter,
        dictionaries: Dictionaries,
        codes: CodeSets | None,
    ) -> None:
        self._codes = codes
        self._whole = name[:80]
        self._value = value
        self._access = access
        self._dictionaries = dictionaries
        self._ways = 0

    async def of(self, resource_type: str, name: str, steps: int) -> Condition:
        """The condition on a type of what is left of the name."""
        if is_chain(name):
            if not steps:
                raise BadSearch(f"{self._whole}: has more than {DEEPEST} steps")
            follow = self._has if name.startswith(_HAS) else self._chain
            return await follow(resource_type, name, steps - 1)
        refuse_unsupported(resource_type, name, self._dictionaries.definitions)
        code, _, modifier = name.partition(":")
        condition = await parameter_condition(
            resource_type,
            code,
            modifier,
            self._value,
            self._dictionaries,
            codes=self._codes,
            access=self._access,
        )
        if condition is None:
            raise BadSearch(f"{self._whole}: {code} is not a search parameter of {resource_type} here")
        return condition

    async def _chain(self, resource_type: str, name: str, steps: int) -> Condition:
        head, _, rest = name.partition(".")
        code, _, wanted = head.partition(":")
        parameter = self._reference(resource_type, code)
        targets = reference_targets(parameter)
        if wanted:
            if wanted not in targets:
                raise BadSearch(f"{self._whole}: {code} of {resource_type} never points to {wanted}")
            targets = (wanted,)
        ways: list[Condition] = []
        problem: BadSearch | None = None
        for target in targets:
            try:
                ways.append(await self._pointing(target, rest, steps))
            except BadSearch as error:  # of several types, those count that have the parameter
                problem = problem or error
                continue
            self._ways += 1
            if self._ways > MOST_WAYS:
                raise BadSearch(
                    f"{self._whole}: may lead to too many types; name them, as in {code}:{target}.…"
                )
        if not ways and problem is not None:
            raise (
                problem
                if len(targets) == 1
                else BadSearch(f"{self._whole}: no type that {code} points to has it")
            )
        condition = any_of(ways)
        inside = await self._contained(resource_type, code, targets, rest)
        contained = f"SELECT r.key FROM resource r WHERE {inside.text}"  # noqa: S608
        if condition is FALSE:
            return FALSE if inside is FALSE else Condition(f"r.key IN ({contained})", inside.values)
        rows = await self._dictionaries.rows_of(resource_type, code)
        if inside is FALSE:
            return Condition(
                f"EXISTS (SELECT FROM reference i WHERE i.resource = r.key AND i.parameter {rows} "
                f"AND {condition.text})",
                condition.values,
            )
        # One list of keys: of two conditions with OR between them, neither could be begun with.
        stored = f"SELECT i.resource FROM reference i WHERE i.parameter {rows} AND {condition.text}"  # noqa: S608
        return Condition(f"r.key IN ({stored} UNION ALL {contained})", (*condition.values, *inside.values))

    async def _contained(self, resource_type: str, code: str, targets: Sequence[str], rest: str) -> Condition:
        """That the reference leads to a contained resource that meets the rest: whoever finds `r` may read that."""
        if is_chain(rest):
            return FALSE
        inner, _, modifier = rest.partition(":")
        numbers = await self._dictionaries.stored_parameters(
            resource_type, [inner_code(code, target) for target in targets]
        )
        ways: list[Condition] = []
        for target in targets:
            start = inner_code(code, target)
            known = self._dictionaries.definitions
            if start not in numbers or contained_parameter(target, inner, modifier, known) is None:
                continue
            try:
                condition = await parameter_condition(
                    target,
                    inner,
                    modifier,
                    self._value,
                    self._dictionaries,
                    codes=self._codes,
                    within=(resource_type, start),
                )
            except BadSearch:  # which of several types count is known by what is stored (`_chain`)
                continue
            there = Condition(
                f"EXISTS (SELECT FROM token i WHERE i.resource = r.key AND i.parameter = {numbers[start]:d})"
            )
            if condition is not None:
                ways.append(all_of([there, condition]))
        return any_of(ways)

    async def _pointing(self, target: str, rest: str, steps: int) -> Condition:
        """That the row `i` of the index points to a resource that meets the rest, and that the caller may find."""
        inner = await self.of(target, rest, steps)
        keys = await self._keys(target, inner)
        if keys is None:
            return FALSE
        chosen = keys.text
        if target == "Patient":  # a patient is meant with whoever is linked to it, as in a reference
            chosen = f"SELECT unnest(linked_patients(ARRAY({keys.text})))"
        ways = [Condition(f"i.target IN ({chosen})", keys.values)]
        if is_canonical(target, self._dictionaries.definitions):
            rows = await joined(target, self._dictionaries)
            names = f"SELECT unnest({NAMES}) FROM {rows} AND u.resource IN ({keys.text})"  # noqa: S608
            ways.append(Condition(f"i.url IN ({names})", keys.values))
        return any_of(ways)

    async def _has(self, resource_type: str, name: str, steps: int) -> Condition:
        parts = name.split(":", 3)
        if len(parts) < 4 or not all(parts):
            raise BadSearch(f"{self._whole}: expected _has:Type:reference:parameter")
        _, source, code, rest = parts
        if source not in definitions.resource_types():
            raise BadSearch(f"{self._whole}: {source!r} is no resource type of R4")
        parameter = self._reference(source, code)
        if resource_type not in reference_targets(parameter):
            raise BadSearch(f"{self._whole}: {code} of {source} never points to {resource_type}")
        inner = await self.of(source, rest, steps)
        keys = await self._keys(source, inner)
        if keys is None:
            return FALSE
        rows = await self._dictionaries.rows_of(source, code)
        pointed = (
            f"SELECT i.target FROM reference i WHERE i.parameter {rows} "  # noqa: S608
            f"AND i.target IS NOT NULL AND i.resource IN ({keys.text})"
        )
        if is_canonical(resource_type, self._dictionaries.definitions):
            url = await self._dictionaries.find_parameter(resource_type, "url")
            version = await self._dictionaries.find_parameter(resource_type, "version")
            # Each once: many refer to few.
            ends = (
                f"SELECT DISTINCT i.target, i.url FROM reference i WHERE i.parameter {rows} "  # noqa: S608
                f"AND i.resource IN ({keys.text})"
            )
            pointed = (
                f"SELECT coalesce(i.target, u.resource) FROM ({ends}) i "  # noqa: S608
                f"LEFT JOIN uri u ON u.parameter = {url:d} AND {named(version)}"
            )
        if resource_type == "Patient":
            pointed = f"SELECT unnest(linked_patients(ARRAY({pointed})))"
        return Condition(f"r.key IN ({pointed})", keys.values)

    async def _keys(self, resource_type: str, inner: Condition) -> Condition | None:
        """A select of the keys of the resources that meet a condition and that the caller may find; None: of none."""
        permitted = await compile_access(self._access, resource_type, "s", self._dictionaries)
        where = all_of([inner, permitted, live(resource_type)])
        if where is FALSE:
            return None
        # Names of tables within hide those around: the condition speaks of its own `r`.
        return Condition(f"SELECT r.key FROM resource r WHERE {where.text}", where.values)  # noqa: S608

    def _reference(self, resource_type: str, code: str) -> definitions.SearchParameter:
        if reason := why_apart(resource_type):
            raise BadSearch(f"{self._whole}: {reason}")
        parameter = find_reference(resource_type, code, self._dictionaries.definitions)
        if parameter is None:
            raise BadSearch(
                f"{self._whole}: {code[:40]!r} of {resource_type} is no reference that can be followed here"
            )
        return parameter

"""Search parameters as conditions on the index tables (R4 search.html)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from fhir_bridge.fhir import definitions
from fhir_bridge.fhir.access import AccessFilter
from fhir_bridge.fhir.search.entries import PRESENT, indexable, normalise
from fhir_bridge.fhir.search.values import UCUM, canonical_quantity, split_reference
from fhir_bridge.fhir.search_parameters import is_of_resource
from fhir_bridge.storage.bundles import relative
from fhir_bridge.storage.conditions import FALSE, TRUE, Condition, all_of, any_of, negation, person
from fhir_bridge.storage.dictionaries import Dictionaries
from fhir_bridge.storage.errors import BadSearch
from fhir_bridge.storage.facets import faceted
from fhir_bridge.storage.hierarchies import has_parts, related_keys
from fhir_bridge.storage.indexed import WORDS, find, included, reference_targets
from fhir_bridge.storage.indexing import DATED, MANY
from fhir_bridge.storage.search_text import (
    date_value,
    number_value,
    prefixed,
    split_composite,
    split_list,
    split_token,
    unescaped,
)
from fhir_bridge.storage.search_words import in_words, of_text

__all__ = ["CodeSets", "ValueRows", "code_rows", "ends_within", "equal_rows", "parameter_condition"]

_TABLES = {
    "token": "token",
    "string": "string",
    "date": "date",
    "quantity": "quantity",
    "number": "number",
    "reference": "reference",
    "uri": "uri",
}
# Greater than any text that begins alike. LIKE would need escapes, and an index serves it only for a
# pattern that is known when planning.
_LAST = "\U0010ffff"


def _begins(column: str, start: str) -> Condition:
    """A text that begins so, by the order of an index."""
    return Condition(f"({column} >= %s AND {column} < %s)", (start, start + _LAST))


class CodeSets(Protocol):
    """What terminology says of the modifiers `:in`, `:not-in`, `:below` and `:above`."""

    async def codes(self, modifier: str, value: str) -> Mapping[str, Sequence[str]]:
        """Codes by system: of the value set named, or of the code `system|code` with all below or above it.

        Raises:
            BadSearch: it is not known here, or has more codes than a search takes.
        """
        ...


_IN = frozenset({"in", "not-in"})
_SETS = _IN | {"below", "above"}


class _Query:
    """One parameter of a search, being compiled."""

    def __init__(
        self,
        resource_type: str,
        parameter: definitions.SearchParameter,
        modifier: str,
        dictionaries: Dictionaries,
        patients: Sequence[str],
        codes: CodeSets | None,
        access: AccessFilter | None = None,
        moments: Condition = TRUE,
        within: tuple[str, str] | None = None,
    ) -> None:
        self.access = access
        self.within = within
        self.moments = moments
        self.codes = codes
        self.type = resource_type
        self.parameter = parameter
        self.code = parameter.code
        self.modifier = modifier
        self.dictionaries = dictionaries
        self.patients = patients
        # Of a component of a composite: what the same element also meets, or that it is the one met.
        self.together: tuple[Condition, ...] = ()
        self.is_beside = False

    @property
    def is_faceted(self) -> bool:
        """Whether what it finds is in the row of the resource itself."""
        return self.code in faceted(self.type, self.dictionaries.definitions)

    def refuse_modifier(self) -> BadSearch:
        return BadSearch(
            f"{self.code}: the modifier :{self.modifier} is not supported for {self.parameter.type}"
        )

    async def exists(self, inner: Condition, code: str = "") -> Condition:
        """Some index row of the parameter meets `inner`, a condition on the row `i`."""
        if inner is FALSE:
            # What can never match costs no number: `rows_of` would give one to a
            # parameter that nothing stored has.
            return FALSE
        if not code and self.within is None and self.is_faceted:
            return await self.dictionaries.with_facets(self.type, self.code, inner)
        table = _TABLES["token" if code else self.parameter.type]
        if self.together or self.is_beside:
            parameter = await self._rows_of_elements(table)
        elif self.within is not None:
            owner, start = self.within
            number = await self.dictionaries.find_parameter(owner, f"{start}.{code or self.code}")
            parameter = f"i.parameter = {number:d}"
        else:
            parameter = "i.parameter " + await self.dictionaries.rows_of(self.type, code or self.code)
        inner = all_of([inner, *self.together])
        where = "" if inner.text == "TRUE" else f" AND {inner.text}"
        if self.is_beside:
            # Within it `i` is this component's row, before it that of the first component.
            rows = f"SELECT i.resource, coalesce(i.element, 0) FROM {table} i WHERE {parameter}{where}"  # noqa: S608
            return Condition(f"(i.resource, coalesce(i.element, 0)) IN ({rows})", inner.values)
        # Every condition correlates by resource: PostgreSQL chooses whether to begin
        # at the value or at the resource.
        met = Condition(f"{parameter}{where}", inner.values)
        return Condition(
            f"EXISTS (SELECT FROM {table} i WHERE i.resource = r.key AND {met.text})",
            inner.values,
            (table, met),
        )

    async def _rows_of_elements(self, table: str) -> str:
        """The rows of a composite's component: those of included ones where a resource has no own (`indexing`)."""
        own, *others = await self.dictionaries.find_parameters(self.type, self.code)
        if not others:
            return f"i.parameter = {own:d}"
        has = f"SELECT FROM {table} o WHERE o.resource = i.resource AND o.parameter = {own:d}"
        listed = ", ".join(map(str, others))
        return f"(i.parameter = {own:d} OR (i.parameter IN ({listed}) AND NOT EXISTS ({has})))"


async def parameter_condition(
    resource_type: str,
    code: str,
    modifier: str,
    value: str,
    dictionaries: Dictionaries,
    patients: Sequence[str] = (),
    codes: CodeSets | None = None,
    access: AccessFilter | None = None,
    moments: Condition = TRUE,
    within: tuple[str, str] | None = None,
) -> Condition | None:
    """The condition of one `code:modifier=value`; None where the type has no such parameter here.

    Args:
        patients: ids of patients to whose records the whole search is bounded anyway: the index of tokens leads
            straight to a patient's.
        codes: terminology; without it the modifiers that ask it are not supported.
        access: the caller's; without it no hierarchy is followed, which leads through other resources.
        within: the type of what contains the resources that are meant, and the code of their rows (`contained`).
        moments: what the row of a code of `DATED` types meets where the whole search is met (`ends_within`).

    Raises:
        BadSearch: a value that can't be read, or a modifier that is not supported.
    """
    if code == "_id":
        if modifier:
            raise BadSearch(f"_id: the modifier :{modifier} is not supported")
        # Without a join on the index: id and lastUpdated are columns of the resource itself.
        wanted = split_list(value)
        if not wanted:
            raise BadSearch("_id: no value")
        return Condition("r.id = ANY(%s)", (wanted,))
    if code == "_lastUpdated":
        if modifier:
            raise BadSearch(f"_lastUpdated: the modifier :{modifier} is not supported")
        if not split_list(value):
            raise BadSearch("_lastUpdated: no value")
        return any_of(
            [_date("r.last_updated", "r.last_updated", code, part, point=True) for part in split_list(value)]
        )
    parameter = find(resource_type, code, dictionaries.definitions)
    if parameter is None:
        return None
    if code == "_filter":  # which is read before (`storage.search_filter`)
        raise BadSearch("_filter: takes no modifier, and is no part of a chain or of another filter")
    if code in WORDS:
        if modifier:
            raise BadSearch(f"{code}: the modifier :{modifier} is not supported")
        return in_words(code, value)
    query = _Query(resource_type, parameter, modifier, dictionaries, patients, codes, access, moments, within)
    if modifier == "missing" and not parameter.components:
        if value not in ("true", "false"):
            raise BadSearch(f"{code}:missing: expected true or false")
        present = await _present(query)
        return negation(present) if value == "true" else present
    values = split_list(value)
    if not values:
        raise BadSearch(f"{code}: no value")
    if parameter.components:
        if modifier:
            raise query.refuse_modifier()
        combine = _composite if is_of_resource(parameter) else _of_one_element
        return any_of([await combine(query, value) for value in values])
    return await _BY_TYPE[parameter.type](query, values)


async def _present(query: _Query) -> Condition:
    """The element is there: it has a value in the index, or an entry of what has none (`PRESENT`)."""
    codes = (query.code, *included(query.type, query.dictionaries.definitions).get(query.code, ()))
    rows = await query.dictionaries.rows_of_stored(
        query.type, [code + end for code in codes for end in (PRESENT, ":identifier")]
    )
    with_value = await query.exists(Condition("TRUE"))
    if not rows:
        return with_value
    without = f"EXISTS (SELECT FROM token i WHERE i.resource = r.key AND i.parameter {rows})"
    return any_of([with_value, Condition(without)])


def _parts_of(query: _Query, value: str) -> list[tuple[str, str]]:
    """Each component of a composite with its part of the value."""
    parts = split_composite(value)
    components = query.parameter.components
    if len(parts) != len(components):
        raise BadSearch(f"{query.code}: {value[:80]!r} has not the {len(components)} parts that $ separates")
    return [(code, part) for (code, _), part in zip(components, parts, strict=True)]


async def _of_one_element(query: _Query, value: str) -> Condition:
    """Parts that are in the same repeating element: the same component of an Observation."""
    await query.dictionaries.require_index()
    conditions: list[Condition] = []
    # The first goes last: it holds what the others are to meet together with it.
    for number, (code, part) in reversed(list(enumerate(_parts_of(query, value)))):
        parameter = find(query.type, code, query.dictionaries.definitions)
        if parameter is None:
            raise BadSearch(f"{query.code}: {code} of {query.type} is not indexed here")
        component = _Query(query.type, parameter, "", query.dictionaries, query.patients, query.codes)
        component.is_beside = number > 0
        component.together = () if number else tuple(conditions)
        values = split_list(part)
        if not values:
            raise BadSearch(f"{query.code}: {code} has no value")
        try:
            conditions.append(await _BY_TYPE[parameter.type](component, values))
        except BadSearch as error:
            raise BadSearch(f"{query.code}: {error.message}") from error
    return FALSE if FALSE in conditions else conditions[-1]


async def _composite(query: _Query, value: str) -> Condition:
    """A pair whose parts are elements of the resource itself (R4 search.html#combining)."""
    conditions = []
    for code, part in _parts_of(query, value):
        condition = await parameter_condition(query.type, code, "", part, query.dictionaries, query.patients)
        if condition is None:
            raise BadSearch(f"{query.code}: {code} of {query.type} is not indexed here")
        conditions.append(condition)
    return all_of(conditions)


async def _token(query: _Query, values: Sequence[str]) -> Condition:
    if query.modifier == "of-type":
        return await _of_type(query, values)
    if query.modifier == "text":
        return of_text(query.type, query.parameter, [unescaped(value) for value in values])
    if query.modifier in _SETS and query.codes is not None:
        wanted = any_of([await _code_set(value, query, query.codes) for value in values])
    elif query.modifier in ("", "not"):
        wanted = any_of([await _token_value(value, query) for value in values])
    else:
        raise query.refuse_modifier()
    if query.modifier in ("not", "not-in"):
        # R4 search.html#token: `:not` matches also where the element is absent, so the whole
        # EXISTS is negated, not the value.
        return negation(await query.exists(wanted))
    if query.patients and not query.is_faceted:
        # MANY: a resource of more patients than have rows of their own may be about this
        # one; the other conditions decide.
        keys = person(query.patients, MANY)
        wanted = all_of([wanted, Condition(f"i.patient = ANY({keys.text})", keys.values)])
    elif query.code == "code" and query.type in DATED:
        # One row of each code has a moment; their index holds the resource, too, so that it alone counts them.
        wanted = all_of([wanted, Condition("i.moment IS NOT NULL"), query.moments])
    return await query.exists(wanted)


async def code_rows(resource_type: str, value: str, dictionaries: Dictionaries) -> Condition:
    """The rows `i` of the index that a code of a `DATED` type is found by, those that carry a moment.

    Raises:
        BadSearch: the value can't be read.
    """
    parameter = find(resource_type, "code", dictionaries.definitions)
    assert parameter is not None
    wanted = await _token_value(value, _Query(resource_type, parameter, "", dictionaries, (), None))
    rows = await dictionaries.rows_of(resource_type, "code")
    return all_of([Condition(f"i.parameter {rows} AND i.moment IS NOT NULL"), wanted])


def ends_within(value: str, end: str = "i.moment") -> Condition:
    """What the end of a date, in a column, meets where the date meets `value`; TRUE where nothing follows from it."""
    wanted = date_value("date", value)
    # As `_date` compares: above, the end is behind the start; within, no later than the end as well.
    match wanted.prefix:
        case "eq":
            return Condition(
                f"({end} > %s AND {end} <= %s::timestamptz)", (wanted.low, wanted.high or "infinity")
            )
        case "ge":
            return Condition(f"{end} > %s", (wanted.low,))
        case "gt" | "sa":
            return Condition(f"{end} > %s::timestamptz", (wanted.high or "infinity",))
        case _:
            return TRUE


@dataclass(frozen=True, slots=True)
class ValueRows:
    """The rows `i` of an index that one value is found by, and the column whose order the index has them in."""

    table: str
    column: str
    rows: Condition


async def equal_rows(
    resource_type: str, code: str, value: str, dictionaries: Dictionaries
) -> ValueRows | None:
    """The rows that `code=value` is found by, of a date, number or quantity; None of anything but one equal value.

    Raises:
        BadSearch: the value can't be read.
    """
    parameter = find(resource_type, code, dictionaries.definitions)
    if parameter is None or parameter.components or parameter.type not in ("date", "number", "quantity"):
        return None
    values = split_list(value)
    if code == "_lastUpdated" or len(values) != 1 or prefixed(values[0])[0] != "eq":
        return None
    number, *others = await dictionaries.find_parameters(resource_type, code)
    if others:  # several ranges of the index, which are in no common order
        return None
    if parameter.type == "date":
        inner = _date("i.low", "i.high", code, values[0])
    elif parameter.type == "number":
        wanted = number_value(code, values[0])
        inner = _compare("i.low", "i.high", "eq", wanted.value, wanted.low, wanted.high)
    else:
        inner = await _quantity(values[0], _Query(resource_type, parameter, "", dictionaries, (), None))
    column = "canonical_low" if "canonical_low" in inner.text else "low"
    rows = all_of([Condition(f"i.parameter = {number:d}"), inner])
    return ValueRows(_TABLES[parameter.type], column, rows)


async def _of_type(query: _Query, values: Sequence[str]) -> Condition:
    """Identifiers by the system and code of their type and by their value (R4 search.html#token)."""
    if "identifier" not in query.parameter.expression.lower():
        raise query.refuse_modifier()
    await query.dictionaries.require_index()
    ways: list[Condition] = []
    for value in values:
        parts = split_token(value)
        if len(parts) != 3 or not parts[1] or not parts[2]:
            raise BadSearch(f"{query.code}:of-type: {value[:80]!r} is not system|code|value")
        system = await query.dictionaries.find_system(parts[0])
        if system is not None:
            code = indexable(f"{parts[1]}|{parts[2]}")
            ways.append(Condition("(i.code = %s AND i.system = %s)", (code, system)))
    return await query.exists(any_of(ways), code=f"{query.code}:of-type")


async def _code_set(value: str, query: _Query, known: CodeSets) -> Condition:
    ways = []
    text = split_token(value)[0] if query.modifier in _IN else value
    for url, codes in (await known.codes(query.modifier, text)).items():
        system = await query.dictionaries.find_system(url)
        if system is not None:
            listed = [indexable(code) for code in codes]
            ways.append(Condition("(i.system = %s AND i.code = ANY(%s))", (system, listed)))
    return any_of(ways)


async def _token_value(value: str, query: _Query) -> Condition:
    parts = split_token(value)
    if len(parts) > 2:
        raise BadSearch(f"{query.code}: {value!r} is not code, system|code, system| or |code")
    code = parts[-1]
    if len(parts) == 1:
        return Condition("i.code = %s", (indexable(code),))
    system = await query.dictionaries.find_system(parts[0])
    # A system without a number is in no stored code.
    if system is None:
        return FALSE
    if not code:
        return Condition("i.system = %s", (system,))
    return Condition("(i.code = %s AND i.system = %s)", (indexable(code), system))


async def _string(query: _Query, values: Sequence[str]) -> Condition:
    results = []
    for value in values:
        text = unescaped(value)  # in strings a bar is a character like others
        normal = normalise(text)
        if query.modifier == "exact":
            # The index is on the normalised value; the exact text is compared among those few.
            results.append(Condition("(i.value = %s AND i.exact = %s)", (indexable(normal), text)))
        elif query.modifier == "=":  # of `_filter`; in an address the name would end before it
            results.append(Condition("i.value = %s", (indexable(normal),)))
        elif query.modifier == "contains":
            # No index serves it; strpos knows no wildcards.
            results.append(Condition("strpos(i.value, %s) > 0", (normal,)))
        elif query.modifier:
            raise query.refuse_modifier()
        else:
            results.append(_begins("i.value", normal))
    return await query.exists(any_of(results))


async def _uri(query: _Query, values: Sequence[str]) -> Condition:
    values = [unescaped(value) for value in values]
    if query.modifier == "below":
        # What is below begins behind a slash: `http://a/b` does not match `http://a/bc`.
        conditions = [
            any_of([Condition("i.value = %s", (value,)), _begins("i.value", value.rstrip("/") + "/")])
            for value in values
        ]
    elif query.modifier == "above":
        listed = [indexable(above) for value in values for above in _above(value)]
        conditions = [Condition("i.value = ANY(%s)", (listed,))]
    elif query.modifier:
        raise query.refuse_modifier()
    else:
        conditions = [Condition("i.value = %s", (indexable(value),)) for value in values]
    return await query.exists(any_of(conditions))


def _above(url: str) -> list[str]:
    """A URL and those that it is below: `http://a/b` and `http://a` of `http://a/b/c`, each with a slash or not."""
    start = url.find("://") + 3 if "://" in url else 0
    ends = [at for at in range(start, len(url)) if url[at] == "/"]
    return list(
        dict.fromkeys([url, *(url[:at] for at in ends if at > start), *(url[: at + 1] for at in ends)])
    )


async def _dates(query: _Query, values: Sequence[str]) -> Condition:
    if query.modifier:
        # No modifier of R4 applies to dates; `:missing` was handled before.
        raise query.refuse_modifier()
    return await query.exists(any_of([_date("i.low", "i.high", query.code, value) for value in values]))


def _date(low: str, high: str, parameter: str, text: str, *, point: bool = False) -> Condition:
    """Compare the target's range [low, high) with the searched one (R4 search.html#prefix); a point has low = high."""
    wanted = date_value(parameter, text)
    # The end of a range is exclusive: a day ends where the next one begins.
    start, end = wanted.low, wanted.high or "infinity"
    # A point lies in a range before its end; a range does as far as to its end.
    inside = f"({low} >= %s AND {high} {'<' if point else '<='} %s::timestamptz)"
    above = f"{high} {'>=' if point else '>'} %s::timestamptz"
    match wanted.prefix:
        case "eq":
            # That it begins no later than at the end follows, and bounds what the index reads.
            return Condition(f"({inside} AND {low} <= %s::timestamptz)", (start, end, end))
        case "ne":
            return Condition(f"(NOT {inside})", (start, end))
        case "gt":
            return Condition(above, (end,))
        case "lt":
            return Condition(f"{low} < %s", (start,))
        # R4 search.html#prefix: `ge` is what is above, or where the searched range contains the target's.
        case "ge":
            return (
                Condition(f"({inside} OR {above})", (start, end, end))
                if not point
                else Condition(f"{low} >= %s", (start,))
            )
        case "le":
            return (
                Condition(f"({inside} OR {low} < %s)", (start, end, start))
                if not point
                else Condition(f"{low} < %s::timestamptz", (end,))
            )
        case "sa":
            return Condition(f"{low} >= %s::timestamptz", (end,))
        case "eb":
            return Condition(f"{high} {'<' if point else '<='} %s", (start,))
        case _:
            first, last = wanted.approximate()
            return Condition(f"({low} < %s AND {high} > %s)", (last, first))


def _compare(low: str, high: str, prefix: str, value: Decimal, start: Decimal, end: Decimal) -> Condition:
    match prefix:
        case "eq":
            # R4 search.html#number: the implicit precision counts for `eq` and `ne`; with gt, lt,
            # ge, le, sa and eb it is ignored.
            # `low` before `end` follows, and bounds what the index reads.
            return Condition(f"({low} >= %s AND {low} < %s AND {high} < %s)", (start, end, end))
        case "ne":
            return Condition(f"(NOT ({low} >= %s AND {high} < %s))", (start, end))
        case "gt":
            return Condition(f"{high} > %s", (value,))
        case "lt":
            return Condition(f"{low} < %s", (value,))
        case "ge":
            return Condition(f"{high} >= %s", (value,))
        case "le":
            return Condition(f"{low} <= %s", (value,))
        case "sa":
            return Condition(f"{low} > %s", (value,))
        case "eb":
            return Condition(f"{high} < %s", (value,))
        case _:
            return Condition(f"({low} <= %s AND {high} >= %s)", (end, start))


async def _numbers(query: _Query, values: Sequence[str]) -> Condition:
    if query.modifier:
        raise query.refuse_modifier()
    results = []
    for value in values:
        number = number_value(query.code, value)
        results.append(_compare("i.low", "i.high", number.prefix, number.value, number.low, number.high))
    return await query.exists(any_of(results))


async def _quantities(query: _Query, values: Sequence[str]) -> Condition:
    if query.modifier:
        raise query.refuse_modifier()
    return await query.exists(any_of([await _quantity(value, query) for value in values]))


async def _quantity(value: str, query: _Query) -> Condition:
    parts = split_token(value)
    if len(parts) not in (1, 3):
        raise BadSearch(f"{query.code}: {value!r} is not number, number|system|code or number||code")
    number = number_value(query.code, parts[0])
    if len(parts) == 1 or not (parts[1] or parts[2]):
        return _compare("i.low", "i.high", number.prefix, number.value, number.low, number.high)
    _, system, code = parts
    if system == UCUM and code:
        # In the base units of UCUM: 5.4 mmol/L and 5400 umol/L are one value.
        base = [canonical_quantity(end, code) for end in (number.value, number.low, number.high)]
        if base[0] is not None and base[1] is not None and base[2] is not None:
            compare = _compare(
                "i.canonical_low", "i.canonical_high", number.prefix, base[0][0], base[1][0], base[2][0]
            )
            return all_of([Condition("i.canonical_code = %s", (base[0][1],)), compare])
    # A unit that can't be converted is compared as it is written.
    compare = _compare("i.low", "i.high", number.prefix, number.value, number.low, number.high)
    if not system:
        # R4 search.html#quantity: without a system the code matches either the code or the unit.
        return all_of([Condition("(i.code = %s OR i.unit = %s)", (code, code)), compare])
    known = await query.dictionaries.find_system(system)
    if known is None:
        return FALSE
    unit = Condition("(i.code = %s AND i.system = %s)", (code, known))
    return all_of([unit if code else Condition("i.system = %s", (known,)), compare])


async def _references(query: _Query, values: Sequence[str]) -> Condition:
    if query.modifier == "identifier":
        results = [await _token_value(value, query) for value in values]
        return await query.exists(any_of(results), code=f"{query.code}:identifier")
    targets = reference_targets(query.parameter)
    if query.modifier in ("above", "below"):
        return await query.exists(any_of([await _family(value, targets, query) for value in values]))
    if query.modifier:
        if query.modifier not in targets:
            raise query.refuse_modifier()
        targets = (query.modifier,)
    return await query.exists(
        any_of([_reference(value, targets, query.dictionaries.base) for value in values])
    )


async def _family(value: str, targets: Sequence[str], query: _Query) -> Condition:
    """References to a resource and to all that is below (or above) it; of a canonical the versions that begin alike."""
    known, local = query.dictionaries.definitions, relative(value, query.dictionaries.base)
    kind, identity, url = split_reference(local)
    if kind is None and url is not None and "://" in url:
        if query.modifier == "above":
            raise query.refuse_modifier()
        name, bar, version = url.partition("|")
        # `|4` has 4.2 below it, and not 42.
        below = [_begins("i.url", f"{name}|{version}.")] if bar else []
        return any_of([_canonical(url), *below])
    types = [target for target in targets if has_parts(target, known) and kind in (None, target)]
    if not types or query.access is None or not (identity or "/" not in local):
        raise query.refuse_modifier()
    keys = await related_keys(
        types, identity or local, query.dictionaries, query.access, below=query.modifier == "below"
    )
    return Condition(f"i.target = ANY({keys.text})", keys.values)


def _reference(value: str, targets: Sequence[str], base: str) -> Condition:
    """A reference by `Type/id`, by id alone, or by URL. A patient is meant with whoever is linked to it.

    This server's own address means the relative reference (R4 search.html#reference), which is how one is stored; a
    canonical is stored as it was written.
    """
    # Once only: what is left is compared by its own form, so that no address is shortened twice.
    local = relative(value, base)
    if local != value:
        return any_of([_reference(local, targets, ""), _canonical(value)])
    resource_type, identity, url = split_reference(value)
    if resource_type is None and "/" not in value and ":" not in value and "|" not in value:
        types, identity = list(targets), value
    elif resource_type is not None and resource_type in definitions.resource_types():
        types = [resource_type] if resource_type in targets else []
    else:
        return _canonical(url or value)
    if not types:
        return FALSE
    # Merged patients are one person: either id means the results of both.
    if types == ["Patient"]:
        keys = person([identity or ""])
        return Condition(f"i.target = ANY({keys.text})", keys.values)
    chosen = "SELECT p.key FROM resource p WHERE p.type = ANY(%s) AND p.id = %s"
    if "Patient" in types:
        # Other types among the targets have no links; the function gives their keys back as they are.
        chosen = f"SELECT unnest(linked_patients(ARRAY({chosen})))"
    return Condition(f"i.target = ANY(ARRAY({chosen}))", (types, identity))


def _canonical(url: str) -> Condition:
    """A reference by URL; one without `|version` means every version, as R5 has it."""
    exact = Condition("i.url = %s", (indexable(url),))
    if "|" in url:
        return exact
    return any_of([exact, _begins("i.url", f"{url}|")])


_BY_TYPE: dict[str, Callable[[_Query, Sequence[str]], Awaitable[Condition]]] = {
    "token": _token,
    "string": _string,
    "uri": _uri,
    "date": _dates,
    "number": _numbers,
    "quantity": _quantities,
    "reference": _references,
}

"""From a FHIR value to index entries, by search type and data type (R4 search.html#ptypes)."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any

from fhir_bridge.fhir.search.dates import date_range
from fhir_bridge.fhir.search.entries import (
    MAX_INDEXED,
    PRESENT,
    DateEntry,
    IndexEntry,
    ReferenceEntry,
    StringEntry,
    TokenEntry,
    UriEntry,
    indexable,
    normalise,
)
from fhir_bridge.fhir.search.quantities import (
    UCUM,
    canonical_quantity,
    money,
    number,
    number_range,
    quantity,
    quantity_range,
    sampled_data,
)

__all__ = ["UCUM", "Converter", "canonical_quantity", "converter", "date_range", "marked", "split_reference"]

Append = Callable[[IndexEntry], object]
Converter = Callable[[tuple[str, ...], Any, Append], None]
"""Takes the parameters' codes, a value and where to put its entries, one for each parameter: a value is read once,
however many parameters lead to it. A value of a wrong shape gives none: checking is validation's work, and what can't
be searched can still be stored."""

SHORT = 50
"""Texts below this length are kept, once normalised."""

SPECIAL_VALUES = "http://terminology.hl7.org/CodeSystem/special-values"

_new = tuple.__new__
"""Makes an entry in half the time that its class takes to be called."""


def split_reference(reference: str) -> tuple[str | None, str | None, str | None]:
    """`Type/id` (perhaps with a version) as type, id, None; anything else as None, None, url without version."""
    # A versioned reference is to the same resource: a search for it must match.
    if "/_history/" in reference:
        reference = reference.partition("/_history/")[0]
    resource_type, slash, identity = reference.partition("/")
    if slash and "/" not in identity and identity and resource_type[:1].isupper() and resource_type.isalpha():
        return resource_type, identity, None
    return None, None, reference


def _token_code(system: str | None) -> Converter:
    def convert(parameters: tuple[str, ...], value: Any, append: Append) -> None:
        if isinstance(value, str):
            code = value if len(value) <= MAX_INDEXED else indexable(value)
            for parameter in parameters:
                append(_new(TokenEntry, (parameter, system, code)))

    return convert


def _token_boolean(parameters: tuple[str, ...], value: Any, append: Append) -> None:
    if isinstance(value, bool):
        for parameter in parameters:
            append(TokenEntry(parameter, SPECIAL_VALUES, "true" if value else "false"))


def _token_of(part: str) -> Converter:
    """A Coding by its code, an Identifier by its value."""

    def convert(parameters: tuple[str, ...], value: Any, append: Append) -> None:
        if isinstance(value, dict):
            text = value.get(part)
            if isinstance(text, str):
                system = value.get("system")
                if not isinstance(system, str):
                    system = None
                if len(text) > MAX_INDEXED:
                    text = indexable(text)
                for parameter in parameters:
                    append(_new(TokenEntry, (parameter, system, text)))

    return convert


_token_coding = _token_of("code")
_token_value = _token_of("value")


def _token_identifier(parameters: tuple[str, ...], value: Any, append: Append) -> None:
    """An Identifier by its value, and under `:of-type` by its type together with that (R4 search.html#token)."""
    _token_value(parameters, value, append)
    # Most have no type, and no entry for it.
    if isinstance(value, dict) and "type" in value:
        _token_of_type(tuple(f"{parameter}:of-type" for parameter in parameters), value, append)


def _token_of_type(parameters: tuple[str, ...], identifier: dict[str, Any], append: Append) -> None:
    kind, text = identifier["type"], identifier.get("value")
    codings = kind.get("coding") if isinstance(kind, dict) else None
    if not isinstance(text, str) or not isinstance(codings, list):
        return
    for coding in codings:
        if isinstance(coding, dict) and isinstance(coding.get("code"), str):
            typed = {"system": coding.get("system"), "code": f"{coding['code']}|{text}"}
            _token_coding(parameters, typed, append)


def _token_concept(parameters: tuple[str, ...], value: Any, append: Append) -> None:
    if isinstance(value, dict):
        codings = value.get("coding")
        if isinstance(codings, list):
            for coding in codings:
                _token_coding(parameters, coding, append)


def _token_contact(parameters: tuple[str, ...], value: Any, append: Append) -> None:
    if isinstance(value, dict) and isinstance(value.get("value"), str):
        code = indexable(value["value"])
        for parameter in parameters:
            append(_new(TokenEntry, (parameter, None, code)))


# Kept by text: names and units repeat over all resources of a load.
@lru_cache(4096)
def _short(text: str) -> str:
    """A short text as it is compared; most of a resource's are sought by several parameters."""
    return normalise(text)


def _string(parameters: tuple[str, ...], value: Any, append: Append) -> None:
    if isinstance(value, str):
        normal = _short(value) if len(value) < SHORT else indexable(normalise(value))
        # A text of combining marks or white space alone leaves nothing to compare.
        if normal:
            for parameter in parameters:
                append(_new(StringEntry, (parameter, normal, value)))


def _string_parts(*names: str) -> Converter:
    def convert(parameters: tuple[str, ...], value: Any, append: Append) -> None:
        if not isinstance(value, dict):
            return
        for name in names:
            part = value.get(name)
            if part is None:
                continue
            if isinstance(part, list):
                for text in part:
                    _string(parameters, text, append)
            else:
                _string(parameters, part, append)

    return convert


def _date(parameters: tuple[str, ...], value: Any, append: Append) -> None:
    if isinstance(value, str):
        try:
            low, high = date_range(value)
        except ValueError:
            return
        for parameter in parameters:
            append(_new(DateEntry, (parameter, low, high)))


def _period(parameters: tuple[str, ...], value: Any, append: Append) -> None:
    # Open ends are infinite (R4 search.html#date); a Period with neither end is about no time.
    if not isinstance(value, dict):
        return
    start, end = value.get("start"), value.get("end")
    try:
        low = date_range(start)[0] if isinstance(start, str) else None
        high = date_range(end)[1] if isinstance(end, str) else None
    except ValueError:
        return
    if low is not None or high is not None:
        for parameter in parameters:
            append(DateEntry(parameter, low, high))


def _timing(parameters: tuple[str, ...], value: Any, append: Append) -> None:
    """One entry from the first begin to the last end: only the outer limits matter (R4 search.html#date)."""
    if not isinstance(value, dict):
        return
    spans: list[Any] = []
    events = value.get("event")
    for event in events if isinstance(events, list) else ():
        _date(("",), event, spans.append)
    repeat = value.get("repeat")
    if isinstance(repeat, dict):
        _period(("",), repeat.get("boundsPeriod"), spans.append)
    if spans:
        lows, highs = [span.low for span in spans], [span.high for span in spans]
        low, high = None if None in lows else min(lows), None if None in highs else max(highs)
        for parameter in parameters:
            append(DateEntry(parameter, low, high))


def _reference(parameters: tuple[str, ...], value: Any, append: Append) -> None:
    if not isinstance(value, dict):
        return
    reference = value.get("reference")
    # `#` is contained: no search finds a contained resource here.
    if isinstance(reference, str) and reference[:1] != "#":
        resource_type, _, identity = reference.partition("/")
        if identity and "/" not in identity and resource_type.isalpha() and resource_type[0].isupper():
            for parameter in parameters:  # as `split_reference` has it, without its call
                append(_new(ReferenceEntry, (parameter, resource_type, identity, None)))
        else:
            kind, name, url = split_reference(reference)
            for parameter in parameters:
                append(ReferenceEntry(parameter, kind, name, None if url is None else indexable(url)))
    identifier = value.get("identifier")
    if identifier is not None:
        _token_value(tuple(f"{parameter}:identifier" for parameter in parameters), identifier, append)


def _resource(targets: tuple[str, ...]) -> Converter:
    """A resource inside another (Bundle.entry[0].resource): the reference to it, where it is of a wanted type."""

    def convert(parameters: tuple[str, ...], value: Any, append: Append) -> None:
        if isinstance(value, dict):
            resource_type, identity = value.get("resourceType"), value.get("id")
            if isinstance(identity, str) and isinstance(resource_type, str) and resource_type in targets:
                for parameter in parameters:
                    append(ReferenceEntry(parameter, resource_type, identity, None))

    return convert


def _canonical(parameters: tuple[str, ...], value: Any, append: Append) -> None:
    if isinstance(value, str) and not value.startswith("#"):
        # As for a Reference: a canonical to a contained resource names nothing that is stored.
        for parameter in parameters:
            append(ReferenceEntry(parameter, None, None, indexable(value)))


def _uri(parameters: tuple[str, ...], value: Any, append: Append) -> None:
    if isinstance(value, str):
        text = value if len(value) <= MAX_INDEXED else indexable(value)
        for parameter in parameters:
            append(_new(UriEntry, (parameter, text)))


_CONVERTERS: dict[tuple[str, str], Converter] = {
    ("token", "boolean"): _token_boolean,
    ("token", "Coding"): _token_coding,
    ("token", "CodeableConcept"): _token_concept,
    ("token", "Identifier"): _token_identifier,
    ("token", "ContactPoint"): _token_contact,
    ("string", "HumanName"): _string_parts("text", "family", "given", "prefix", "suffix"),
    ("string", "Address"): _string_parts(
        "text", "line", "city", "district", "state", "postalCode", "country"
    ),
    ("string", "CodeableConcept"): _string_parts("text"),
    ("date", "Period"): _period,
    ("date", "Timing"): _timing,
    ("quantity", "Money"): money,
    ("quantity", "Range"): quantity_range,
    ("quantity", "SampledData"): sampled_data,
    ("number", "Range"): number_range,
    ("reference", "Reference"): _reference,
}
for _type in ("string", "markdown", "code", "id"):
    _CONVERTERS["string", _type] = _string
_token_plain = _token_code(None)
for _type in ("string", "code", "id", "uri", "url", "canonical", "oid", "uuid"):
    _CONVERTERS["token", _type] = _token_plain
for _type in ("uri", "url", "canonical", "oid", "uuid"):
    _CONVERTERS["uri", _type] = _uri
    _CONVERTERS["reference", _type] = _canonical
for _type in ("date", "dateTime", "instant"):
    _CONVERTERS["date", _type] = _date
for _type in ("Quantity", "SimpleQuantity", "MoneyQuantity", "Age", "Duration", "Distance", "Count"):
    _CONVERTERS["quantity", _type] = quantity
for _type in ("decimal", "integer", "positiveInt", "unsignedInt"):
    _CONVERTERS["number", _type] = number


# Cached, so that equal parameters share a converter and a value is read once for all of them.
_codes_of = cache(_token_code)
_resources_of = cache(_resource)


def converter(
    search_type: str, fhir_type: str, system: str | None = None, targets: tuple[str, ...] = ()
) -> Converter | None:
    """How values of a FHIR type become entries of a search type; None where they can't. The same for equal arguments.

    Args:
        search_type: `token`, `string`, `date`, `quantity`, `number`, `reference` or `uri`.
        fhir_type: type of the value.
        system: for a `code`: the code system that its required binding implies.
        targets: types that the parameter may refer to.
    """
    if system is not None and (search_type, fhir_type) == ("token", "code"):
        return _codes_of(system)
    if search_type == "reference" and (fhir_type == "Resource" or fhir_type in targets):
        return _resources_of(targets)
    return _CONVERTERS.get((search_type, fhir_type))


@cache
def marked(convert: Converter) -> Converter:
    """As a converter, with an entry `:present` where an element is there and gives none: a code that is text alone."""
    if convert in _NEVER_EMPTY:
        return convert

    def converted(parameters: tuple[str, ...], value: Any, append: Append) -> None:
        entries: list[IndexEntry] = []
        convert(parameters, value, entries.append)
        for entry in entries:
            append(entry)
        # As with a primitive, extensions alone are no value.
        if not entries and isinstance(value, dict) and not value.keys() <= _NO_VALUE:
            for parameter in parameters:
                append(TokenEntry(parameter + PRESENT, None, ""))

    return converted


_NO_VALUE = frozenset({"id", "extension"})
_NEVER_EMPTY = {
    *(convert for (_, fhir_type), convert in _CONVERTERS.items() if not fhir_type[:1].isupper()),
}
"""Those of primitives, which have no value where they have no entry."""

"""What a resource says, as pairs of an element and a value that can be compared over two engines."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

__all__ = ["Index", "Statement", "all_forms", "index", "statements", "words"]

Resource = Mapping[str, Any]

_ASIDE = frozenset(
    ("resourceType", "id", "meta", "text", "implicitRules", "fullUrl", "contained", "userSelected")
)
"""Names and narrative of the engine's own; of `meta` the security labels count."""
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)\Z")
_CODINGS = frozenset(("coding", "security", "class", "valueCoding", "eventCoding", "type"))


@dataclass(frozen=True, slots=True)
class Statement:
    """A value of an element.

    Attributes:
        element: path without positions; an extension by the end of its url (`extension(patient-religion).valueCode`).
        keys: what the value is known by; two say the same where they share one. A reference has several: the resource
            it leads to, identifiers, names.
        shown: the value for people.
    """

    element: str
    keys: frozenset[str]
    shown: str


class Index:
    """The resources of one side by their names, `contained` ones too."""

    def __init__(self, resources: Sequence[Resource]) -> None:
        self.resources = list(resources)
        self.by_name: dict[str, Resource] = {}
        self.identity: dict[int, str] = {}
        """What a resource is called where it is referred to, by `id()`: the same on both sides once aligned."""
        for resource in resources:
            for inner in resource.get("contained", ()):
                self.by_name[f"{id(resource)}#{inner.get('id')}"] = inner
            self.by_name[f"{resource.get('resourceType')}/{resource.get('id')}"] = resource

    def target(self, reference: str, holder: Resource) -> Resource | None:
        """The resource that a reference leads to."""
        if reference.startswith("#"):
            return self.by_name.get(f"{id(holder)}{reference}")
        name = reference.removeprefix("urn:uuid:")
        return self.by_name.get("/".join(name.split("/")[-2:]))


def index(resources: Sequence[Resource]) -> Index:
    """The index of one side; contained resources are resources of it."""
    inner = [each for resource in resources for each in resource.get("contained", ())]
    result = Index(resources)
    result.resources += inner
    return result


def statements(resource: Resource, side: Index) -> list[Statement]:
    """What a resource says, its references by what is known of their targets."""
    head = str(resource.get("resourceType"))
    results = list(_of_object(resource, head, side, resource))
    for label in resource.get("meta", {}).get("security", ()):
        results += _of_coding(label, f"{head}.meta.security")
    return results


def _of_object(value: Resource, path: str, side: Index, holder: Resource) -> Iterator[Statement]:
    for name, inner in value.items():
        if name in _ASIDE and (name != "text" or isinstance(inner, Mapping)):
            continue
        for each in inner if isinstance(inner, list) else (inner,):
            yield from _of_value(each, name, path, side, holder)


def _of_value(value: Any, name: str, path: str, side: Index, holder: Resource) -> Iterator[Statement]:
    if name in ("extension", "modifierExtension") and isinstance(value, Mapping):
        url = str(value.get("url", "")).rstrip("/").rpartition("/")[2]
        inner = {key: each for key, each in value.items() if key != "url"}
        yield from _of_object(inner, f"{path}.{name}({url})", side, holder)
        return
    path = f"{path}.{name}"
    if isinstance(value, Mapping):
        if _is_reference(value, name):
            yield _reference(value, path, side, holder)
        elif _is_coding(value, name):
            yield from _of_coding(value, path)
        else:
            yield from _of_object(value, path, side, holder)
    elif value is not None:
        key = _normal(value)
        if key:
            yield Statement(path, frozenset((key,)), str(value))


def _is_coding(value: Resource, name: str) -> bool:
    return name in _CODINGS and not value.keys() - {"system", "code", "display", "version", "userSelected"}


def _of_coding(value: Resource, path: str) -> Iterator[Statement]:
    if value.get("code"):
        key = f"{value.get('system', '')}|{value['code']}"
        yield Statement(path, frozenset((key,)), key)
    elif value.get("system"):
        yield Statement(f"{path}.system", frozenset((str(value["system"]),)), str(value["system"]))
    for name in ("display", "version"):
        if value.get(name):
            yield Statement(f"{path}.{name}", frozenset((_normal(value[name]),)), str(value[name]))


def _is_reference(value: Resource, name: str) -> bool:
    if value.keys() - {"reference", "identifier", "display", "type", "extension", "id"}:
        return False
    return (
        "reference" in value
        or isinstance(value.get("identifier"), Mapping)
        or ("display" in value and name not in _CODINGS)
    )


def _reference(value: Resource, path: str, side: Index, holder: Resource) -> Statement:
    keys, shown = set(), str(value.get("display") or value.get("reference") or "")
    target = side.target(str(value["reference"]), holder) if value.get("reference") else None
    if target is not None:
        if id(target) in side.identity:
            keys.add(side.identity[id(target)])
        keys.update(_names(target))
        shown = f"{target.get('resourceType')}: {', '.join(sorted(_names(target)))}"
    identifier = value.get("identifier")
    if isinstance(identifier, Mapping) and identifier.get("value"):
        keys.add(f"#{identifier['value']}")
        shown += f" #{identifier['value']}"
    if value.get("display"):
        keys.add(_name_key(str(value["display"])))
    return Statement(path, frozenset(keys) or frozenset((str(value.get("reference")),)), shown.strip())


def _names(resource: Resource) -> Iterator[str]:
    """Identifiers and names of a resource."""
    identifiers = resource.get("identifier", [])
    for identifier in identifiers if isinstance(identifiers, list) else [identifiers]:
        if identifier.get("value"):
            yield f"#{identifier['value']}"
    name = resource.get("name")
    if isinstance(name, str):
        yield _name_key(name)
    for each in name if isinstance(name, list) else ():
        parts = [*each.get("given", ()), each.get("family")]
        text = " ".join(part for part in parts if part) or each.get("text", "")
        if text:
            yield _name_key(text)
    for each in resource.get("deviceName", ()):
        yield _name_key(each.get("name", ""))
    if isinstance(resource.get("code"), Mapping):
        yield from (f"|{each['code']}" for each in resource["code"].get("coding", ()) if each.get("code"))


_TITLES = frozenset("dr mr mrs ms md phd jr sr ii iii iv v do rn prof".split())


def _name_key(text: str) -> str:
    """A name whatever the order of its words and its titles."""
    results = words(text).split()
    return "~" + " ".join(
        sorted(word for word in results if word not in _TITLES and len(word) > 1) or results
    )


_HL7_TIME = re.compile(r"(?<!\d)(\d{8})(\d{4}(?:\d\d)?)?(?:\.\d+)?([+-]\d{4})?(?!\d)")
_LONGEST = 9


def all_forms(text: str) -> set[str]:
    """All that a text says: its runs of words, and the times in it."""
    results = {words(text), _normal(text)}
    parts = words(text).split()
    results.update(
        " ".join(parts[start:end])
        for start in range(len(parts))
        for end in range(start + 1, min(start + _LONGEST, len(parts)) + 1)
    )
    for day, clock, zone in _HL7_TIME.findall(text):
        date = f"{day[:4]}-{day[4:6]}-{day[6:]}"
        results.add(date)
        if clock:
            seconds = clock[4:] or "00"
            offset = f"{zone[:3]}:{zone[3:]}" if zone else "Z"
            results.add(_normal(f"{date}T{clock[:2]}:{clock[2:4]}:{seconds}{offset}"))
    return results


def words(text: str) -> str:
    """A text's words in lower case."""
    return " ".join(re.findall(r"\w+(?:[.]\w+)*", text.casefold()))


def _normal(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float | Decimal):
        return f"{Decimal(str(value)).normalize():f}"
    text = " ".join(str(value).split())
    if _TIME.match(text):
        try:
            moment = datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone(UTC)
        except (ValueError, OverflowError):
            return text
        return moment.replace(microsecond=0).isoformat()
    return text

"""The table of elements that other versions of FHIR have (`versions.txt`), and how values become those of R4."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any, Final, NamedTuple

__all__ = ["Row", "apply_rows", "rows_of", "table"]

_SYSTEMS: Final = "http://terminology.hl7.org/CodeSystem"
_OTHER_SYSTEMS: Final = {"administrative-gender": "http://hl7.org/fhir/administrative-gender"}
_NOTHING: Final = object()


class Row(NamedTuple):
    """A line: an element of other versions, and what becomes of it.

    Attributes:
        versions: digits of DSTU2, STU3, R5.
        base: the path that both elements have in common; "" for the resource.
        source: the element from there; empty for what R4 requires and others do not have.
        targets: one element from there, or of a CodeableReference that of the concept and that of the reference.
    """

    versions: str
    kind: str
    base: str
    source: str
    targets: tuple[str, ...]
    how: str
    arguments: tuple[str, ...]


class _Table(NamedTuple):
    types: Mapping[str, str]
    rows: Mapping[str, Sequence[Row]]


@cache
def table() -> _Table:
    """The table, its data types where resources have them."""
    types: dict[str, str] = {}
    places: dict[str, list[str]] = {}
    lines: list[tuple[str, ...]] = []
    text = files(__package__).joinpath("versions.txt").read_text("utf-8")
    for line in text.splitlines():
        first, *rest = line.split() or ("#",)
        if first == "=":
            types[rest[0]] = rest[1]
        elif first == "@":
            places.setdefault(rest[0], []).extend(rest[1:])
        elif not first.startswith("#"):
            lines.append((first, *rest))
    rows: dict[str, list[Row]] = {}
    for versions, kind, source, targets, how, *arguments in lines:
        for place in places.get(kind, [kind]):
            of, _, within = place.partition(".")
            row = _row(versions, of, within, source, targets, how, tuple(arguments))
            rows.setdefault(of, []).append(row)
    return _Table(types, rows)


def _row(
    versions: str, kind: str, within: str, source: str, targets: str, how: str, arguments: tuple[str, ...]
) -> Row:
    """A row with the longest base that its paths share."""
    prefix = f"{within}." if within else ""
    origin = "" if source == "-" else prefix + source
    wanted = [prefix + name if name else "" for name in targets.split("|")]
    base = origin.rpartition(".")[0]
    while base and not all(name.startswith(f"{base}.") for name in wanted if name):
        base = base.rpartition(".")[0]
    skip = len(base) + 1 if base else 0
    return Row(versions, kind, base, origin[skip:], tuple(name[skip:] for name in wanted), how, arguments)


def rows_of(kind: str) -> Sequence[Row]:
    """The rows of a type of resource."""
    return table().rows.get(kind, ())


def apply_rows(kind: str, resource: dict[str, Any], *, earlier: bool) -> bool:
    """Bring a resource to R4 by the rows of its type; whether any changed it. `resource` and all in it may be changed.

    Args:
        earlier: it is known to be of another version, so that what R4 requires besides is stated.
    """
    changed = earlier
    used: list[tuple[dict[str, Any], str]] = []
    for row in rows_of(kind):
        if not row.source:
            continue
        for parent in _parents(resource, row.base):
            changed = _apply(row, parent, used) or changed
    for parent, name in used:
        parent.pop(name, None)
    if changed:
        for row in rows_of(kind):
            if not row.source:
                _state(row, resource)
    return changed


def _parents(node: Any, path: str) -> Iterator[dict[str, Any]]:
    """The objects at a path."""
    if isinstance(node, list):
        for item in node:
            yield from _parents(item, path)
    elif isinstance(node, dict):
        if not path:
            yield node
            return
        name, _, rest = path.partition(".")
        if name in node:
            yield from _parents(node[name], rest)


def _apply(row: Row, parent: dict[str, Any], used: list[tuple[dict[str, Any], str]]) -> bool:
    *within, name = row.source.split(".")
    holders = [one for one in _parents(parent, ".".join(within)) if name in one]
    if not holders:
        return False
    changed = False
    same = row.targets == (row.source,)
    for holder in holders:
        value = holder[name]
        results = _CONVERSIONS[row.how](value, row, parent)
        if results is None:
            continue
        values, left = results if isinstance(results, tuple) else ([results], _NOTHING)
        if same:
            if values[0] is _NOTHING:
                continue
            holder[name] = values[0]
            _keep(holder, name, left)
            changed = True
            continue
        wanted = [
            (target, one) for target, one in zip(row.targets, values, strict=False) if one is not _NOTHING
        ]
        if not all(target for target, _ in wanted):
            continue
        replaced = any(_root(target) == name and not within for target, _ in wanted)
        if replaced:
            del parent[name]
        put = [_put(parent, target, one) for target, one in wanted]
        if not all(put):
            if replaced:
                parent[name] = value
            continue
        changed = True
        if replaced:
            _keep(parent, name, left)
        elif left is not _NOTHING:
            holder[name] = left
        else:
            used.append((holder, name))
    return changed


def _keep(holder: dict[str, Any], name: str, left: Any) -> None:
    """Keep what R4 has no element for under a name that no element has, so that it is reported."""
    if left is not _NOTHING:
        holder[f"{name}.reference"] = left


def _root(target: str) -> str:
    return target.split(".")[0].split("[")[0]


def _put(parent: dict[str, Any], target: str, value: Any) -> bool:
    """Put a value at a path, beside what a list has; False where another value is there."""
    *within, name = target.split(".")
    node: Any = parent
    for step in within:
        bare = step.removesuffix("[0]")
        if bare != step:
            listed = node.setdefault(bare, [{}])
            node = listed[0] if isinstance(listed, list) and listed else {}
        else:
            node = node.setdefault(bare, {})
        if not isinstance(node, dict):
            return False
    if name.endswith("[]"):
        name = name.removesuffix("[]")
        value = value if isinstance(value, list) else [value]
    present = node.get(name)
    if isinstance(present, list) and isinstance(value, list):
        node[name] = [*present, *(item for item in value if item not in present)]
        return True
    if name in node and present != value:
        return False
    node[name] = value
    return True


def _state(row: Row, resource: dict[str, Any]) -> None:
    target = row.targets[0].removesuffix("[]")
    if target in resource:
        return
    value: Any = row.arguments[0]
    if row.how == "default-concept":
        value = {"coding": [{"system": row.arguments[0], "code": row.arguments[1]}]}
    resource[target] = [value] if row.targets[0].endswith("[]") else value


def _codes(arguments: Sequence[str]) -> dict[str, str]:
    pairs = (argument.partition("=") for argument in arguments)
    return {old: new or old for old, _, new in pairs}


def _as_is(value: Any, row: Row, parent: dict[str, Any]) -> Any:  # noqa: ARG001
    return value


def _listed(value: Any, row: Row, parent: dict[str, Any]) -> Any:  # noqa: ARG001
    if not isinstance(value, list):
        return [value]
    return None if row.targets == (row.source,) else value


def _if_list(value: Any, row: Row, parent: dict[str, Any]) -> Any:  # noqa: ARG001
    return value if isinstance(value, list) else None


def _one(value: Any, row: Row, parent: dict[str, Any]) -> Any:  # noqa: ARG001
    if isinstance(value, list):
        return value[0] if len(value) == 1 else None
    return None if row.targets == (row.source,) else value


def _unless(value: Any, row: Row, parent: dict[str, Any]) -> Any:
    if value is True and row.arguments[0] in parent:
        return [], _NOTHING  # the other says it
    return value


def _note(value: Any, row: Row, parent: dict[str, Any]) -> Any:  # noqa: ARG001
    return [{"text": value}] if isinstance(value, str) else None


def _words(value: Any, row: Row, parent: dict[str, Any]) -> Any:  # noqa: ARG001
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        return " ".join(value)
    return None


def _string(value: Any, row: Row, parent: dict[str, Any]) -> Any:  # noqa: ARG001
    return value if isinstance(value, str) else None


def _integer(value: Any, row: Row, parent: dict[str, Any]) -> Any:  # noqa: ARG001
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else None


def _not(value: Any, row: Row, parent: dict[str, Any]) -> Any:  # noqa: ARG001
    return not value if isinstance(value, bool) else None


def _label(value: Any, row: Row, parent: dict[str, Any]) -> Any:  # noqa: ARG001
    return {"text": value} if isinstance(value, str) else None


def _labels(value: Any, row: Row, parent: dict[str, Any]) -> Any:  # noqa: ARG001
    return {"text": value} if value in row.arguments else None


def _plain(value: Any, row: Row, parent: dict[str, Any]) -> Any:  # noqa: ARG001
    if not isinstance(value, dict):
        return None
    displays = [coding.get("display") for coding in value.get("coding") or () if isinstance(coding, dict)]
    return value.get("text") or next((text for text in displays if text), None)


def _coded(value: Any, row: Row, parent: dict[str, Any]) -> Any:  # noqa: ARG001
    return _codes(row.arguments).get(value) if isinstance(value, str) else None


def _concept(value: Any, row: Row, parent: dict[str, Any]) -> Any:  # noqa: ARG001
    name, *codes = row.arguments
    code = value if codes == ["*"] else _codes(codes).get(str(value))
    if not isinstance(value, str) or code is None:
        return None
    return {"coding": [{"system": _OTHER_SYSTEMS.get(name, f"{_SYSTEMS}/{name}"), "code": code}]}


def _act(value: Any, row: Row, parent: dict[str, Any]) -> Any:  # noqa: ARG001
    code = _codes(row.arguments).get(value) if isinstance(value, str) else None
    return {"system": f"{_SYSTEMS}/v3-ActCode", "code": code} if code else None


def _concepts(value: Any, row: Row, parent: dict[str, Any]) -> Any:  # noqa: ARG001
    items = value if isinstance(value, list) else [value]
    good = all(isinstance(item, dict) and ("coding" in item or "text" in item) for item in items)
    return items if good else None


def _coding(value: Any, row: Row, parent: dict[str, Any]) -> Any:  # noqa: ARG001
    item = value[0] if isinstance(value, list) and len(value) == 1 else value
    codings = item.get("coding") if isinstance(item, dict) else None
    return codings[0] if isinstance(codings, list) and len(codings) == 1 else None


def _codings(value: Any, row: Row, parent: dict[str, Any]) -> Any:
    items = [_coding(item, row, parent) for item in value] if isinstance(value, list) else []
    return items if items and None not in items else None


def _code(value: Any, row: Row, parent: dict[str, Any]) -> Any:
    coding = _coding(value, row, parent)
    return coding.get("code") if isinstance(coding, dict) else None


def _of_coding(value: Any, row: Row, parent: dict[str, Any]) -> Any:  # noqa: ARG001
    is_coding = isinstance(value, dict) and "code" in value and "coding" not in value
    return {"coding": [value]} if is_coding else None


def _of_codings(value: Any, row: Row, parent: dict[str, Any]) -> Any:
    items = [_of_coding(item, row, parent) for item in value] if isinstance(value, list) else []
    return items if items and None not in items else None


def _codeable(value: Any, row: Row, parent: dict[str, Any]) -> Any:  # noqa: ARG001
    """The concepts and references of CodeableReferences, as far as R4 has an element for them."""
    items = value if isinstance(value, list) else [value]
    flat = [part for item in items for part in (item if isinstance(item, list) else [item])]
    if not flat or not all(_is_codeable(item) for item in flat):
        return None
    lists = [target.endswith("[]") for target in row.targets]
    concepts = [item["concept"] for item in flat if isinstance(item.get("concept"), dict)]
    references = [item["reference"] for item in flat if isinstance(item.get("reference"), dict)]
    groups = [concepts, references][: len(row.targets)]
    left = [] if len(row.targets) > 1 else [{"reference": one} for one in references]
    results: list[Any] = []
    for name, group, is_list in zip(row.targets, groups, lists, strict=True):
        key = "concept" if group is concepts else "reference"
        if not name:
            left += [{key: one} for one in group]
            group = []
        elif not is_list and len(group) > 1:
            return None
        results.append(_NOTHING if not group else group if is_list else group[0])
    if row.targets == (row.source.removesuffix("[]"),) and not left and results[0] is not _NOTHING:
        return results[0]
    if all(one is _NOTHING for one in results):
        return None
    return results, left or _NOTHING


def _is_codeable(item: Any) -> bool:
    if not isinstance(item, dict) or not item:
        return False
    return isinstance(item.get("concept"), dict) or isinstance(item.get("reference"), dict)


def _item(value: Any, row: Row, parent: dict[str, Any]) -> Any:
    """A member of each object; what else these have is left to be reported."""
    name, items = row.arguments[0], value if isinstance(value, list) else [value]
    if not items or not all(isinstance(item, dict) and name in item for item in items):
        return None
    for item in items:
        _report_others(item, name, row, parent)
    return [item[name] for item in items]


def _agent(value: Any, row: Row, parent: dict[str, Any]) -> Any:
    if not isinstance(value, dict) or not isinstance(value.get("agent"), dict):
        return None
    _report_others(value, "agent", row, parent)
    return value["agent"]


def _report_others(item: dict[str, Any], name: str, row: Row, parent: dict[str, Any]) -> None:
    for other, value in item.items():
        if other != name:
            parent.setdefault(f"{row.source}.{other}", value)


def _into(value: Any, row: Row, parent: dict[str, Any]) -> Any:  # noqa: ARG001
    name, items = row.arguments[0], value if isinstance(value, list) else [value]
    if not all(isinstance(item, dict) and name not in item for item in items):
        return None
    return [{name: item} for item in items]


def _diagnosis(value: Any, row: Row, parent: dict[str, Any]) -> Any:  # noqa: ARG001
    use = {"coding": [{"system": f"{_SYSTEMS}/diagnosis-role", "code": row.arguments[0]}]}
    items = value if isinstance(value, list) else [value]
    return [{"condition": item, "use": use} for item in items]


def _diagnoses(value: Any, row: Row, parent: dict[str, Any]) -> Any:  # noqa: ARG001
    """Of R5, where a diagnosis has several conditions and uses."""
    if not isinstance(value, list) or not any(
        isinstance(item, dict) and isinstance(item.get("condition"), list) for item in value
    ):
        return None
    results: list[Any] = []
    for item in value:
        conditions = item.get("condition") if isinstance(item, dict) else None
        references = [one.get("reference") for one in conditions or () if isinstance(one, dict)]
        if not references or not all(isinstance(one, dict) for one in references):
            results.append(item)
            continue
        uses = item.get("use")
        use = {"use": uses[0]} if isinstance(uses, list) and len(uses) == 1 else {}
        results += [{"condition": one, **use} for one in references]
    return results


def _evidence(value: Any, row: Row, parent: dict[str, Any]) -> Any:  # noqa: ARG001
    if not isinstance(value, list) or not value or not all(_is_codeable(item) for item in value):
        return None
    return [
        {"code": [item["concept"]]}
        if isinstance(item.get("concept"), dict)
        else {"detail": [item["reference"]]}
        for item in value
    ]


def _participant(value: Any, row: Row, parent: dict[str, Any]) -> Any:  # noqa: ARG001
    """The actor of the one participant who has a function; the others are left."""
    items = value if isinstance(value, list) else []
    chosen = [
        item for item in items if isinstance(item, dict) and _has_code(item.get("function"), row.arguments)
    ]
    if len(chosen) != 1 or not isinstance(chosen[0].get("actor"), dict):
        return None
    left = [item for item in items if item is not chosen[0]]
    return [chosen[0]["actor"]], left or _NOTHING


def _has_code(concept: Any, codes: Sequence[str]) -> bool:
    codings = concept.get("coding") if isinstance(concept, dict) else None
    return any(isinstance(one, dict) and one.get("code") in codes for one in codings or ())


def _related(value: Any, row: Row, parent: dict[str, Any]) -> Any:  # noqa: ARG001
    items = value if isinstance(value, list) else []
    of_type = [item for item in items if isinstance(item, dict) and item.get("type") == row.arguments[0]]
    targets = [item["target"] for item in of_type if isinstance(item.get("target"), dict)]
    if not targets or len(targets) != len(of_type):
        return None
    left = [item for item in items if item not in of_type]
    return [targets], left or _NOTHING


def _encounters(value: Any, row: Row, parent: dict[str, Any]) -> Any:  # noqa: ARG001
    """References to visits, and the others."""
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        return None
    visits = [item for item in value if "Encounter/" in str(item.get("reference"))]
    others = [item for item in value if item not in visits]
    return [visits or _NOTHING, others or _NOTHING], _NOTHING


def _uid(value: Any, row: Row, parent: dict[str, Any]) -> Any:  # noqa: ARG001
    if not isinstance(value, str):
        return None
    return [{"system": "urn:dicom:uid", "value": f"urn:oid:{value.removeprefix('urn:oid:')}"}]


def _bare(value: Any, row: Row, parent: dict[str, Any]) -> Any:  # noqa: ARG001
    return value.removeprefix("urn:oid:") if isinstance(value, str) and value.startswith("urn:oid:") else None


def _oid(value: Any, row: Row, parent: dict[str, Any]) -> Any:  # noqa: ARG001
    if not isinstance(value, str):
        return None
    return {"system": "urn:ietf:rfc:3986", "code": f"urn:oid:{value.removeprefix('urn:oid:')}"}


def _reference(value: Any, row: Row, parent: dict[str, Any]) -> Any:  # noqa: ARG001
    return value if isinstance(value, dict) and isinstance(value.get("reference"), str) else None


def _canonical(value: Any, row: Row, parent: dict[str, Any]) -> Any:  # noqa: ARG001
    return value.get("reference") if isinstance(value, dict) else None


def _source(value: Any, row: Row, parent: dict[str, Any]) -> Any:
    return None if "reportedBoolean" in parent else _one(value, row, parent)


_POLICIES: Final = {
    "http://hl7.org/fhir/ConsentPolicy/opt-in": "OPTIN",
    "http://hl7.org/fhir/ConsentPolicy/opt-out": "OPTOUT",
}


def _rule(value: Any, row: Row, parent: dict[str, Any]) -> Any:  # noqa: ARG001
    if not isinstance(value, str):
        return None
    if code := _POLICIES.get(value):
        return {"coding": [{"system": f"{_SYSTEMS}/v3-ActCode", "code": code}]}
    return {"coding": [{"system": "urn:ietf:rfc:3986", "code": value}]}


def _value(value: Any, row: Row, parent: dict[str, Any]) -> Any:  # noqa: ARG001
    item = value[0] if isinstance(value, list) and len(value) == 1 else value
    return item.get("value") if isinstance(item, dict) else None


def _event(value: Any, row: Row, parent: dict[str, Any]) -> Any:  # noqa: ARG001
    """When an order was placed."""
    items = value if isinstance(value, list) else []
    times = [
        item.get("dateTime")
        for item in items
        if isinstance(item, dict) and item.get("status") in row.arguments
    ]
    left = [item for item in items if not (isinstance(item, dict) and item.get("status") in row.arguments)]
    return ([times[0]], left or _NOTHING) if len(times) == 1 and times[0] else None


_CONVERSIONS: Final[Mapping[str, Callable[[Any, Row, dict[str, Any]], Any]]] = {
    "-": _as_is, "act": _act, "agent": _agent, "bare": _bare, "canonical": _canonical, "code": _code,
    "codeable": _codeable, "codes": _coded, "coding": _coding, "codings": _codings, "concept": _concept,
    "concept-of-coding": _of_coding, "concepts": _concepts, "concepts-of-codings": _of_codings,
    "diagnoses": _diagnoses, "diagnosis": _diagnosis, "encounters": _encounters, "event": _event,
    "evidence": _evidence, "if-list": _if_list, "integer": _integer, "into": _into, "item": _item, "label": _label,
    "labels": _labels, "list": _listed, "not": _not, "oid": _oid, "one": _one, "participant": _participant,
    "plain": _plain, "reference": _reference, "related": _related, "rule": _rule, "source": _source,
    "string": _string, "text": _note, "uid": _uid, "unless": _unless, "value": _value, "words": _words,
}  # fmt: skip

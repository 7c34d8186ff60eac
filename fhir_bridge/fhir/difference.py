"""FHIR-aware difference: ids aside where asked, order where it means nothing aside, decimals by value.

Lists are compared without order but for those where R4 gives order a meaning (`HumanName.given`, `Address.line`,
`Bundle.entry`, sections, items …). With `ignore_ids`, resource ids may differ as long as one renaming explains all of
them and every reference follows it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from hashlib import blake2b
from typing import Any

from fhir_bridge.fhir.serialization import dumps, loads_exact

__all__ = ["ABSENT", "SERVER_META", "Difference", "difference", "difference_of_sets"]

SERVER_META = frozenset({"versionId", "lastUpdated"})
"""What a server writes into `meta`; left aside by default."""

_ORDERED = frozenset(
    "given prefix suffix line entry section item parameter part action element concept contains compose group "
    "dosageInstruction answer timeOfDay when rule parameterValue statement".split()
)
"""Lists whose order means something (R4: names and addresses are written in order; bundles, forms and so on)."""

_TOKENS = frozenset({"reference", "fullUrl"})
_NEAR = 400
"""Above this many candidates, unequal resources are paired in order and not by likeness."""


class _Absent:
    """Stands for a value that one side doesn't have."""

    def __repr__(self) -> str:
        return "absent"


ABSENT: Any = _Absent()


@dataclass(frozen=True, slots=True)
class Difference:
    """One place where two resources differ; `ABSENT` where a side has nothing."""

    path: str
    left: Any
    right: Any

    def __str__(self) -> str:
        return f"{self.path}: {_shown(self.left)} ≠ {_shown(self.right)}"


def _shown(value: Any) -> str:
    if value is ABSENT:
        return "absent"
    text = dumps(value).decode()
    return text if len(text) <= 200 else text[:200] + "…"


Resource = Mapping[str, Any]


def difference(
    left: Resource | bytes | str,
    right: Resource | bytes | str,
    *,
    ignore_ids: bool = True,
    ignore_meta: bool | Collection[str] = SERVER_META,
    precision: bool = False,
) -> list[Difference]:
    """Where two resources differ; empty where they say the same.

    Args:
        ignore_ids: ids may differ, if one renaming explains them and every reference follows it.
        ignore_meta: elements of `meta` to leave aside; True leaves all of it aside, False nothing.
        precision: `1.0` and `1.00` differ.
    """
    comparison = _Comparison(ignore_ids, ignore_meta, precision)
    first, second = comparison.read(left), comparison.read(right)
    comparison.bind(_own(first), _own(second))
    return comparison.compare(first, second, str(first.get("resourceType", "")))


def difference_of_sets(
    left: Iterable[Resource | bytes | str],
    right: Iterable[Resource | bytes | str],
    *,
    ignore_ids: bool = True,
    ignore_meta: bool | Collection[str] = SERVER_META,
    precision: bool = False,
) -> list[Difference]:
    """Where two sets of resources differ, in whatever order they come.

    Resources are paired by type and id, or with `ignore_ids` by content: two resources are alike where they and the
    resources they refer to say the same. What finds no partner is reported whole.
    """
    comparison = _Comparison(ignore_ids, ignore_meta, precision)
    first = [comparison.read(resource) for resource in left]
    second = [comparison.read(resource) for resource in right]
    pairs = _pair_by_content(first, second, comparison) if ignore_ids else _pair_by_id(first, second)
    for a, b in pairs:
        if a is not None and b is not None:
            comparison.bind(_own(a), _own(b))
    found: list[Difference] = []
    for a, b in pairs:
        if a is None or b is None:
            there = a if a is not None else b
            assert there is not None
            where = _own(there) or str(there.get("resourceType"))
            found.append(Difference(where, a if a is not None else ABSENT, b if b is not None else ABSENT))
        else:
            found += comparison.compare(a, b, _own(a) or str(a.get("resourceType")))
    return found


def _own(resource: Resource) -> str:
    kind, identifier = resource.get("resourceType"), resource.get("id")
    return f"{kind}/{identifier}" if kind and identifier else ""


class _Comparison:
    """Settings, and the renaming found so far: what one name on the left is on the right, and back."""

    def __init__(self, ignore_ids: bool, ignore_meta: bool | Collection[str], precision: bool) -> None:
        self.ignore_ids = ignore_ids
        self.ignore_meta = ignore_meta
        self.precision = precision
        self.there: dict[str, str] = {}
        self.back: dict[str, str] = {}
        self._bound: list[tuple[str, str]] = []

    def read(self, resource: Resource | bytes | str) -> dict[str, Any]:
        """A resource without what is left aside, numbers as decimals."""
        parsed = loads_exact(resource) if isinstance(resource, bytes | str) else dict(resource)
        meta = parsed.get("meta")
        if self.ignore_meta is True:
            parsed.pop("meta", None)
        elif self.ignore_meta and isinstance(meta, dict):
            kept = {key: value for key, value in meta.items() if key not in self.ignore_meta}
            parsed = {**parsed, "meta": kept}
            if not kept:
                del parsed["meta"]
        return parsed

    def bind(self, left: str, right: str) -> bool:
        """Whether the two names can be one thing, given the renaming so far; remembers them."""
        if not self.ignore_ids:
            return left == right
        if _kind(left) != _kind(right):
            return False
        known, back = self.there.get(left), self.back.get(right)
        if known is None and back is None:
            self.there[left], self.back[right] = right, left
            self._bound.append((left, right))
            return True
        return known == right and back == left

    def compare(self, left: Any, right: Any, path: str, name: str = "") -> list[Difference]:
        """Differences of two values below this path."""
        if isinstance(left, dict) and isinstance(right, dict):
            return self._objects(left, right, path)
        if isinstance(left, list) and isinstance(right, list):
            return (self._ordered if name in _ORDERED else self._unordered)(left, right, path, name)
        if self._same(left, right, name):
            return []
        return [Difference(path, left, right)]

    def _same(self, left: Any, right: Any, name: str) -> bool:
        if name in _TOKENS and isinstance(left, str) and isinstance(right, str):
            return self.bind(left, right)
        if isinstance(left, bool) or isinstance(right, bool):
            return left is right
        if _is_number(left) and _is_number(right):
            first, second = Decimal(str(left)), Decimal(str(right))
            return first == second and (not self.precision or first.as_tuple() == second.as_tuple())
        return bool(left == right) and (left is None) == (right is None)

    def _objects(self, left: dict[str, Any], right: dict[str, Any], path: str) -> list[Difference]:
        found: list[Difference] = []
        aside = "id" if self.ignore_ids and "resourceType" in left else ""
        for name in dict.fromkeys((*left, *right)):
            if name == aside:
                continue
            where = f"{path}.{name}"
            if name not in left:
                found.append(Difference(where, ABSENT, right[name]))
            elif name not in right:
                found.append(Difference(where, left[name], ABSENT))
            else:
                found += self.compare(left[name], right[name], where, name)
        return found

    def _ordered(self, left: list[Any], right: list[Any], path: str, name: str) -> list[Difference]:
        found: list[Difference] = []
        for index in range(max(len(left), len(right))):
            where = f"{path}[{index}]"
            if index >= len(left):
                found.append(Difference(where, ABSENT, right[index]))
            elif index >= len(right):
                found.append(Difference(where, left[index], ABSENT))
            else:
                found += self.compare(left[index], right[index], where, name)
        return found

    def _unordered(self, left: list[Any], right: list[Any], path: str, name: str) -> list[Difference]:
        """Items paired where equal, then by what they are about (url, code, system), then by likeness."""
        rest = list(range(len(right)))
        waiting: list[int] = []
        for index, item in enumerate(left):
            match = next((n for n in rest if self._try(item, right[n], name)), None)
            if match is None:
                waiting.append(index)
            else:
                rest.remove(match)
                self.compare(item, right[match], path, name)  # keeps the renaming it takes
        found: list[Difference] = []
        for index in waiting:
            where = f"{path}[{index}]"
            about = _about(left[index])
            near = [n for n in rest if about is not None and _about(right[n]) == about]
            if not near and about is None:
                near = rest[:1]
            if not near:
                found.append(Difference(where, left[index], ABSENT))
                continue
            best = min(near, key=lambda n: len(self.trial(left[index], right[n], where, name)))
            rest.remove(best)
            found += self.compare(left[index], right[best], where, name)
        found += [Difference(f"{path}[{n}]", ABSENT, right[n]) for n in rest]
        return found

    def trial(self, left: Any, right: Any, path: str, name: str = "") -> list[Difference]:
        """Differences, without keeping the renaming they would take."""
        mark = len(self._bound)
        found = self.compare(left, right, path, name)
        while len(self._bound) > mark:
            first, second = self._bound.pop()
            del self.there[first], self.back[second]
        return found

    def _try(self, left: Any, right: Any, name: str) -> bool:
        return not self.trial(left, right, "", name)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)


def _kind(name: str) -> str:
    """What a renaming keeps of a reference: its type, its base, or its kind."""
    if name.startswith("#"):
        return "#"
    if name.startswith("urn:uuid:"):
        return "urn:uuid:"
    return name.rpartition("/")[0]


def _about(item: Any) -> Any:
    """What an item of a list is about, so that two versions of it meet; None where nothing tells."""
    if not isinstance(item, dict):
        return None
    if "url" in item or "resourceType" in item:
        return (item.get("resourceType"), item.get("url"))
    code = item.get("code")
    if isinstance(code, dict):
        return tuple(sorted((str(c.get("system")), str(c.get("code"))) for c in code.get("coding", ())))
    if "system" in item or "code" in item:
        return (item.get("system"), code if "value" not in item else None)
    return None


# --- pairing two sets ---------------------------------------------------------------------------------------------

Pair = tuple[dict[str, Any] | None, dict[str, Any] | None]


def _pair_by_id(left: Sequence[dict[str, Any]], right: Sequence[dict[str, Any]]) -> list[Pair]:
    there: dict[str, list[dict[str, Any]]] = {}
    for resource in right:
        there.setdefault(_own(resource), []).append(resource)
    pairs: list[Pair] = []
    for resource in left:
        same = there.get(_own(resource))
        pairs.append((resource, same.pop(0) if same else None))
    pairs += [(None, resource) for rest in there.values() for resource in rest]
    return pairs


def _pair_by_content(
    left: Sequence[dict[str, Any]], right: Sequence[dict[str, Any]], comparison: _Comparison
) -> list[Pair]:
    """Equal resources first (by a hash that takes in what is around them), then the most alike of a type.

    Resources with few references come first: where several are equal, the names they settle decide for the rest.
    """
    by_colour: dict[bytes, list[int]] = {}
    for number, colour in enumerate(_colours(right)):
        by_colour.setdefault(colour, []).append(number)
    partner: dict[int, int] = {}
    ours = _colours(left)
    for number in sorted(range(len(left)), key=lambda n: sum(1 for _ in _references(left[n]))):
        same = by_colour.get(ours[number], [])
        if same:
            fits = (n for n in same if len(same) == 1 or not comparison.trial(left[number], right[n], ""))
            chosen = next(fits, same[0])
            same.remove(chosen)
            partner[number] = chosen
            comparison.bind(_own(left[number]), _own(right[chosen]))
    rest = sorted(set(range(len(right))) - set(partner.values()))
    waiting = len(left) - len(partner)
    for number, resource in enumerate(left):
        if number in partner:
            continue
        candidates = [n for n in rest if right[n].get("resourceType") == resource.get("resourceType")]
        if candidates:
            best = candidates[0]
            if len(candidates) * waiting <= _NEAR:
                best = min(candidates, key=lambda n: len(comparison.trial(resource, right[n], "")))
            rest.remove(best)
            partner[number] = best
    pairs: list[Pair] = [
        (resource, right[partner[n]] if n in partner else None) for n, resource in enumerate(left)
    ]
    pairs += [(None, right[n]) for n in rest]
    return pairs


def _colours(resources: Sequence[dict[str, Any]], rounds: int = 3) -> list[bytes]:
    """A hash of each resource's content without ids, refined by what it refers to and what refers to it."""
    number_of = {_own(resource): n for n, resource in enumerate(resources) if _own(resource)}
    referrers: list[list[int]] = [[] for _ in resources]
    for n, resource in enumerate(resources):
        for name in _references(resource):
            if name in number_of:
                referrers[number_of[name]].append(n)
    colours = [b""] * len(resources)
    for _ in range(rounds):
        names = {name: colours[n] for name, n in number_of.items()}
        own = [_digest(resource, names) for resource in resources]
        around = [b"".join(sorted(colours[r] for r in referrers[n])) for n in range(len(resources))]
        colours = [blake2b(a + b, digest_size=16).digest() for a, b in zip(own, around, strict=True)]
    return colours


def _references(value: Any) -> Iterator[str]:
    """The literal references below a value."""
    if isinstance(value, dict):
        for key, content in value.items():
            if key == "reference" and isinstance(content, str):
                yield content
            else:
                yield from _references(content)
    elif isinstance(value, list):
        for item in value:
            yield from _references(item)


def _digest(value: Any, names: Mapping[str, bytes], name: str = "") -> bytes:
    hashed = blake2b(digest_size=16)
    if isinstance(value, dict):
        for key in sorted(value):
            if key != "id" or "resourceType" not in value:
                hashed.update(key.encode() + b"\0" + _digest(value[key], names, key))
    elif isinstance(value, list):
        parts = [_digest(item, names, name) for item in value]
        for part in parts if name in _ORDERED else sorted(parts):
            hashed.update(part)
    elif name in _TOKENS and isinstance(value, str):
        hashed.update(names.get(value, b"") + b"@" + _kind(value).encode())
    elif _is_number(value):
        hashed.update(b"n" + str(Decimal(str(value)).normalize()).encode())
    else:
        hashed.update(dumps(value))
    return hashed.digest()

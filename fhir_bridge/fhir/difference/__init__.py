"""FHIR-aware difference: ids aside where asked, order where it means nothing aside, decimals by value.

What counts, and what does not, is expressed in docs/difference.md.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from fhir_bridge.fhir.difference.comparing import Comparison
from fhir_bridge.fhir.difference.forms import Settings
from fhir_bridge.fhir.difference.graphs import Graph, own_name
from fhir_bridge.fhir.difference.pairing import Pairing
from fhir_bridge.fhir.difference.results import ABSENT, Difference, render
from fhir_bridge.fhir.serialization import loads_exact

__all__ = ["ABSENT", "SERVER_META", "Difference", "difference", "difference_of_sets", "render"]

SERVER_META = frozenset({"versionId", "lastUpdated"})
"""What a server writes into `meta`; left aside by default."""

Resource = Mapping[str, Any]


def difference(
    left: Resource | bytes | str,
    right: Resource | bytes | str,
    *,
    ignore_ids: bool = True,
    ignore_meta: bool | Collection[str] = SERVER_META,
    precision: bool = False,
    instants: bool = False,
    narrative: bool = True,
    ordered: bool = False,
    empty: bool = False,
) -> list[Difference]:
    """Where two resources differ; empty where they say the same.

    Args:
        left: R4 JSON as an object or text; Bundles and contained resources are looked into.
        right: the other.
        ignore_ids: ids, fullUrls and `urn:uuid:` names may differ, if one renaming explains them and every reference
            follows it.
        ignore_meta: elements of `meta` to leave aside; True leaves all of it aside, False nothing.
        precision: `1.0` and `1.00` differ.
        instants: times that are one instant in two zones, or of two precisions below the second, are the same.
        narrative: narratives count.
        ordered: the order of every list counts.
        empty: an empty text, list or object, and null, are the same as nothing.

    Raises:
        JsonError: a text is not JSON.
        ValueError: a text is no JSON object.
    """
    settings = Settings(ignore_ids, precision, instants, narrative, ordered, empty)
    first, second = (Graph([_read(side, ignore_meta)], settings) for side in (left, right))
    pairing = Pairing(first, second, by_id=False)
    pairing.force(0, 0)
    pairing.find()
    path = str((first.nodes[0].value or {}).get("resourceType", ""))
    return list(Comparison(pairing).nodes(0, 0, path))


def difference_of_sets(
    left: Iterable[Resource | bytes | str],
    right: Iterable[Resource | bytes | str],
    *,
    ignore_ids: bool = True,
    ignore_meta: bool | Collection[str] = SERVER_META,
    precision: bool = False,
    instants: bool = False,
    narrative: bool = True,
    ordered: bool = False,
    empty: bool = False,
) -> list[Difference]:
    """Where two sets of resources differ, in whatever order they come; see `difference` for what counts.

    Resources are paired by type and id, or with `ignore_ids` by content: two resources are alike where they and the
    resources they refer to say the same. What finds no partner is reported whole.

    Raises:
        JsonError: a text is not JSON.
        ValueError: a text is no JSON object.
    """
    settings = Settings(ignore_ids, precision, instants, narrative, ordered, empty)
    first, second = (Graph([_read(r, ignore_meta) for r in side], settings) for side in (left, right))
    pairing = Pairing(first, second, by_id=not ignore_ids)
    pairing.find()
    return list(_of_sets(pairing))


def _of_sets(pairing: Pairing) -> Iterator[Difference]:
    left, right = pairing.left, pairing.right
    comparison = Comparison(pairing)
    partners = frozenset(right.roots)
    results = set()
    for number in left.roots:
        value = left.nodes[number].value or {}
        path = own_name(value) or str(value.get("resourceType"))
        other = pairing.there.get(number)
        if other in partners and other is not None:
            results.add(other)
            yield from comparison.nodes(number, other, path)
        else:
            yield Difference(path, value, ABSENT)
    for number in right.roots:
        if number not in results:
            value = right.nodes[number].value or {}
            yield Difference(own_name(value) or str(value.get("resourceType")), ABSENT, value)


def _read(resource: Resource | bytes | str, ignore_meta: bool | Collection[str]) -> dict[str, Any]:
    """A resource without what of `meta` is left aside."""
    parsed = loads_exact(resource) if isinstance(resource, bytes | str) else resource
    if not isinstance(parsed, Mapping):
        raise ValueError(f"expected the JSON object of a resource, found {type(parsed).__name__}")
    results = dict(parsed)
    meta = results.get("meta")
    if ignore_meta is True:
        results.pop("meta", None)
    elif ignore_meta and isinstance(meta, dict):
        kept = {key: value for key, value in meta.items() if key not in ignore_meta}
        if kept:
            results["meta"] = kept
        else:
            del results["meta"]
    return results

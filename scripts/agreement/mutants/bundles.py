"""Mutants of Bundles: entries against the rules of each Bundle type (R4 bundle.html)."""

from __future__ import annotations

from typing import Any

from scripts.agreement.mutants.registry import Draft, mutator


def _entries(draft: Draft) -> list[dict[str, Any]]:
    if draft.resource.get("resourceType") != "Bundle":
        return []
    return [e for e in draft.resource.get("entry", []) if isinstance(e, dict)]


@mutator("bundle/full-url")
def full_url(draft: Draft) -> str | None:
    """fullUrl wrong, relative, versioned, missing, twice."""
    entry = draft.pick(_entries(draft))
    if entry is None:
        return None
    others = [e["fullUrl"] for e in _entries(draft) if "fullUrl" in e and e is not entry]
    value = draft.random.choice(
        [
            None, "https://hospital.org/fhir/Patient/another", "Patient/1",
            "urn:uuid:c757873d-ec9a-4326-a141-556f43239520",
            "urn:uuid:nonsense", "https://hospital.org/fhir/Patient/1/_history/1", "x",
            "https://hospital.org/anything",
            "urn:oid:1.2.840.113619.1", *others[:2],
        ]
    )  # fmt: skip
    if value is None:
        entry.pop("fullUrl", None)
    else:
        entry["fullUrl"] = value
    return f"a fullUrl is {value!r}"


@mutator("bundle/duplicate-entry")
def duplicate_entry(draft: Draft) -> str | None:
    """An entry once more."""
    entry = draft.pick(_entries(draft))
    if entry is None:
        return None
    draft.resource["entry"].append(entry)
    return "an entry occurs twice"


@mutator("bundle/entry-part")
def entry_part(draft: Draft) -> str | None:
    """A part of an entry removed: resource, request, response, search."""
    pick = draft.pick(
        [(e, k) for e in _entries(draft) for k in ("resource", "request", "response", "search") if k in e]
    )
    if pick is None:
        return None
    entry, name = pick
    del entry[name]
    return f"an entry loses its {name}"


@mutator("bundle/entry-part-added")
def entry_part_added(draft: Draft) -> str | None:
    """A part of an entry that its Bundle's type may not have."""
    entry = draft.pick(_entries(draft))
    if entry is None:
        return None
    name, content = draft.random.choice(
        [
            ("request", {"method": "GET", "url": "Patient/1"}),
            ("response", {"status": "200 OK"}),
            ("search", {"mode": "match", "score": 1}),
            ("link", [{"relation": "self", "url": "https://hospital.org/x"}]),
        ]
    )
    entry[name] = content
    return f"an entry gets {name}"


@mutator("bundle/type")
def bundle_type(draft: Draft) -> str | None:
    """Another type of Bundle around the same entries."""
    if draft.resource.get("resourceType") != "Bundle":
        return None
    kinds = [
        "document",
        "message",
        "transaction",
        "transaction-response",
        "batch",
        "batch-response",
        "history",
        "searchset",
        "collection",
    ]
    draft.resource["type"] = value = draft.random.choice(kinds)
    return f"type is {value}"


@mutator("bundle/head")
def head(draft: Draft) -> str | None:
    """Total, timestamp, identifier, links."""
    if draft.resource.get("resourceType") != "Bundle":
        return None
    what = draft.random.choice(
        ["total", "no timestamp", "no identifier", "two self links", "odd link", "first entry last"]
    )
    if what == "total":
        draft.resource["total"] = 3
    elif what == "no timestamp":
        draft.resource.pop("timestamp", None)
    elif what == "no identifier":
        draft.resource.pop("identifier", None)
    elif what == "two self links":
        draft.resource["link"] = [{"relation": "self", "url": "https://hospital.org/x"}] * 2
    elif what == "odd link":
        draft.resource["link"] = [{"relation": "nonsense", "url": "x y"}]
    elif len(_entries(draft)) > 1:
        draft.resource["entry"].append(draft.resource["entry"].pop(0))
    return what


@mutator("bundle/reference")
def reference(draft: Draft) -> str | None:
    """A reference inside a Bundle to something that isn't in it."""
    if draft.resource.get("resourceType") != "Bundle":
        return None
    spot = draft.pick([s for s in draft.spots("Reference") if "entry" in s.path])
    if spot is None:
        return None
    kinds = next((t.targets for t in spot.element.types if t.code == "Reference"), ())
    name = next((k for k in kinds if not k.startswith("http") and k != "Resource"), "Patient")
    text = draft.random.choice(
        [
            "urn:uuid:00000000-0000-4000-8000-000000000000",
            f"{name}/nobody",
            f"https://elsewhere.org/fhir/{name}/1",
            "urn:oid:1.2.840.113619.1",
        ]
    )
    spot.put({"reference": text})
    return f"{spot.path} is {text}"


@mutator("bundle/inner-id")
def inner_id(draft: Draft) -> str | None:
    """The id of an entry's resource changed or removed, against its fullUrl."""
    entry = draft.pick([e for e in _entries(draft) if isinstance(e.get("resource"), dict)])
    if entry is None:
        return None
    if draft.random.random() < 0.5:
        entry["resource"].pop("id", None)
        return "an entry's resource loses its id"
    entry["resource"]["id"] = "another"
    return "an entry's resource has another id"

"""What holds between a Bundle's entries beyond its invariants (R4 bundle.html, documents.html, messaging.html)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from fhir_bridge.fhir import definitions
from fhir_bridge.fhir.validation.documents import check_document, check_message
from fhir_bridge.fhir.validation.run import Path, Run
from fhir_bridge.fhir.validation.walking import objects_of

__all__ = ["check_entries", "full_urls"]

_RESTFUL = re.compile(r"https?://.+/([A-Z][A-Za-z]+)/[A-Za-z0-9\-.]{1,64}(?:/_history/[A-Za-z0-9\-.]{1,64})?")
_WITHOUT_URL = frozenset({"transaction", "transaction-response", "batch", "batch-response"})
"""Bundle types whose entries may have no fullUrl: what they create has none yet."""
_PAGING = frozenset({"first", "previous", "next", "last"})
_PAGED = frozenset({"searchset", "history"})


def full_urls(bundle: dict[str, Any]) -> dict[str, str]:
    """The full URLs of a Bundle's entries, and the resource types behind them."""
    results = {}
    for _, entry in _objects(bundle, "entry"):
        resource = entry.get("resource")
        if isinstance(entry.get("fullUrl"), str) and isinstance(resource, dict):
            results[entry["fullUrl"]] = str(resource.get("resourceType"))
    return results


def _objects(owner: dict[str, Any], name: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """The objects of a list, with their places."""
    items = owner.get(name)
    for index, item in enumerate(items if isinstance(items, list) else ()):
        if isinstance(item, dict):
            yield index, item


def check_entries(bundle: dict[str, Any], path: Path, run: Run) -> None:
    """Full URLs, links, and what searches, documents and messages ask of their entries."""
    kind = bundle.get("type")
    for index, entry in _objects(bundle, "entry"):
        _full_url(entry, kind, (path, "entry", index), run)
    _links(bundle, kind, path, run)
    if kind == "searchset":
        _search(bundle, path, run)
    elif kind == "document":
        check_document(bundle, path, run)
    elif kind == "message":
        check_message(bundle, path, run)


def _full_url(entry: dict[str, Any], kind: Any, here: Path, run: Run) -> None:
    """A full URL is there, absolute, and agrees with the resource it stands for (Bundle.entry.fullUrl)."""
    full_url, content = entry.get("fullUrl"), entry.get("resource")
    resource: dict[str, Any] = content if isinstance(content, dict) else {}
    if not isinstance(full_url, str):
        # An OperationOutcome says something of the request, and is stored nowhere.
        anonymous = resource.get("resourceType") == "OperationOutcome"
        if "fullUrl" not in entry and isinstance(kind, str) and not anonymous:
            if kind not in _WITHOUT_URL:
                run.add("FB-FHIR-080", f"an entry of a {kind} has no fullUrl", here)
            elif kind in ("transaction", "batch") and not _creates(entry) and _refers(resource):
                # R4 bundle.html#references: relative references are resolved
                # against the fullUrl of their entry.
                run.add(
                    "FB-FHIR-080",
                    "an entry with relative references has no fullUrl that they count from",
                    here,
                )
        return
    if ":" not in full_url:
        run.add("FB-FHIR-080", "the fullUrl is not absolute", here)
    if not full_url.startswith(("http://", "https://")) or not resource:
        return
    match = _RESTFUL.fullmatch(full_url)
    # Only URLs of the RESTful form carry type and id (R4 bundle.html#references); others may end in anything.
    of_server = match is not None and match.group(1) in definitions.resource_types()
    identifier = resource.get("id")
    if isinstance(identifier, str):
        end = f"{resource.get('resourceType')}/{identifier}" if of_server else identifier
        if not full_url.endswith(f"/{end}"):
            run.add("FB-FHIR-080", f"the fullUrl does not end with the resource's {end}", here)
    elif "id" not in resource and of_server:
        run.add("FB-FHIR-080", "the fullUrl is a server's URL with an id, but the resource has no id", here)


def _creates(entry: dict[str, Any]) -> bool:
    """Whether the entry is a POST, whose resource has no URL yet."""
    request = entry.get("request")
    return isinstance(request, dict) and request.get("method") == "POST"


def _refers(resource: dict[str, Any]) -> bool:
    """Whether a relative reference is in the resource."""
    for node in objects_of(resource):
        text = node.get("reference")
        if isinstance(text, str) and text[:1] != "#" and ":" not in text and "?" not in text:
            return True
    return False


def _links(bundle: dict[str, Any], kind: Any, path: Path, run: Run) -> None:
    """Links to pages are in searches and histories alone, and each once (R4 http.html#paging)."""
    seen = set()
    for index, link in _objects(bundle, "link"):
        relation = link.get("relation")
        # Other relations may repeat (IANA's link relations).
        if not isinstance(relation, str) or (relation != "self" and relation not in _PAGING):
            continue
        here = ((path, "link", index), "relation", -1)
        if relation in _PAGING and kind not in _PAGED:
            run.add("FB-FHIR-083", f"a {kind} has no pages, so no link to the {relation}", here)
        elif relation in seen:
            run.add("FB-FHIR-083", f"a second link with the relation {relation}", here)
        seen.add(relation)


def _search(bundle: dict[str, Any], path: Path, run: Run) -> None:
    """Search results are resources with ids, of the type searched for (R4 search.html, bundle.html#searchset)."""
    types = _searched(bundle)
    for index, entry in _objects(bundle, "entry"):
        here = (path, "entry", index)
        resource, search = entry.get("resource"), entry.get("search")
        if not isinstance(resource, dict):
            if "resource" not in entry:
                run.add("FB-FHIR-080", "an entry of a searchset has no resource", here)
            continue
        mode = search.get("mode") if isinstance(search, dict) else None
        name = resource.get("resourceType")
        if mode in ("match", "include") and "id" not in resource:
            run.add("FB-FHIR-080", "a resource that was found has no id", (here, "resource", -1))
        if mode == "match" and types and name not in types:
            wanted = " or ".join(sorted(types))
            run.add("FB-FHIR-080", f"a match of the search for {wanted} is {name}", (here, "resource", -1))
        if mode == "outcome" and name != "OperationOutcome":
            run.add("FB-FHIR-080", f"an outcome is {name}, expected OperationOutcome", (here, "resource", -1))


def _searched(bundle: dict[str, Any]) -> frozenset[str]:
    """The types that the self link searches for; empty where it doesn't state it."""
    for _, link in _objects(bundle, "link"):
        url = link.get("url")
        if link.get("relation") == "self" and isinstance(url, str):
            head, _, query = url.partition("?")
            last = head.rpartition("/")[2]
            if last in definitions.resource_types():
                return frozenset({last})
            listed = [p.removeprefix("_type=") for p in query.split("&") if p.startswith("_type=")]
            return frozenset(name for part in listed for name in part.split(","))
    return frozenset()

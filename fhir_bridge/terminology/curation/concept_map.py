"""The ConceptMap that a review comes to."""

from __future__ import annotations

import re
from typing import Any

from fhir_bridge.terminology.curation.review import Entry, Review

__all__ = ["concept_map"]


def concept_map(review: Review, url: str, *, name: str = "", status: str = "draft") -> dict[str, Any]:
    """The decided terms as a ConceptMap (R4 conceptmap.html), in the order of the catalogue.

    A term without a local code is mapped by its name, as text (a group without source). Terms without a code are
    `unmatched`, with the reviewer's note; open ones are left out. Each target says who chose it and when.

    Raises:
        ValueError: nothing is decided yet.
    """
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    latest = ""
    for entry in review:
        decision = entry.decision
        if decision is None or entry.open:
            continue
        latest = max(latest, decision.at)
        target = decision.target.system if decision.target else _usual_target(entry)
        source = entry.term.system if entry.term.code else ""
        groups.setdefault((source, target), []).append(_element(entry))
    if not latest:
        raise ValueError("nothing is decided yet")
    identifier = url.rstrip("/").rpartition("/")[2][:64]
    return {
        "resourceType": "ConceptMap",
        "id": identifier,
        "url": url,
        "name": name or _machine_name(identifier),
        "status": status,
        "date": latest,
        "group": [
            {
                **({"source": source} if source else {}),
                **({"target": target} if target else {}),
                "element": elements,
            }
            for (source, target), elements in groups.items()
        ],
    }


def _machine_name(identifier: str) -> str:
    """A name that programs can use, as cmd-0 asks: `lab-to-loinc` becomes `LabToLoinc`."""
    name = "".join(part.capitalize() for part in re.split(r"[^A-Za-z0-9]+", identifier))
    return name if name[:1].isalpha() else f"Map{name}"


def _usual_target(entry: Entry) -> str:
    return entry.candidates[0].system if entry.candidates else ""


def _element(entry: Entry) -> dict[str, Any]:
    decision = entry.decision
    assert decision is not None
    text = f"{'chosen' if decision.target else 'no code'}: {decision.by}, {decision.at[:10]}"
    comment = f"{text}; {decision.note}" if decision.note else text
    element: dict[str, Any] = {"code": entry.term.code or entry.term.name, "display": entry.term.name}
    if decision.target is None:
        element["target"] = [{"equivalence": "unmatched", "comment": comment}]
    else:
        element["target"] = [
            {
                "code": decision.target.code,
                "display": decision.target.display,
                "equivalence": decision.equivalence,
                "comment": comment,
            }
        ]
    return element

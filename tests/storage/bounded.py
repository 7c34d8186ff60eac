"""Resources of three patients, random grants on them, and what those let through by brute force."""

from __future__ import annotations

import asyncio
from typing import Any

from hypothesis import strategies as st

from fhir_bridge.fhir.access import AccessFilter, AccessRule
from fhir_bridge.storage import Store
from tests.storage.cohort import observation

LABEL = {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}
PURPOSE = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
PERSON = {"anna": {"anna"}, "bea": {"bea", "clara"}, "clara": {"bea", "clara"}}


def _make() -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = [{"resourceType": "Patient", "id": name} for name in PERSON]
    made[2]["link"] = [{"other": {"reference": "Patient/bea"}, "type": "replaced-by"}]
    for number in range(18):
        patient = ("anna", "bea", "clara")[number % 3]
        meta = {"security": [LABEL]} if number % 4 == 0 else {"tag": [{"code": "x"}]}
        if number % 2:
            result = observation(f"o{number}", patient, f"{number % 2 + number % 3}-0", meta=meta)
            result["effectiveDateTime"] = f"202{number % 4}-01-01"
            made.append({**result, "performer": [{"reference": "Patient/anna"}]})
        else:
            subject = {"subject": {"reference": f"Patient/{patient}"}}
            made.append({"resourceType": "Condition", "id": f"c{number}", "meta": meta, **subject})
    made.append(
        {
            "resourceType": "Consent",
            "id": "no-research",
            "status": "active",
            "scope": {"coding": [{"code": "research"}]},
            "category": [{"text": "research"}],
            "patient": {"reference": "Patient/anna"},
            "provision": {"type": "deny", "purpose": [{"system": PURPOSE, "code": "HRESCH"}]},
        }
    )
    made.append({"resourceType": "Organization", "id": "h", "meta": {"tag": [{"code": "x"}]}})
    return made


RESOURCES = _make()


def about(resource: dict[str, Any]) -> set[str]:
    if resource["resourceType"] == "Patient":
        return {resource["id"]}
    subject = resource.get("subject", resource.get("patient"))
    return {subject["reference"].partition("/")[2]} if subject else set()


def may(access: AccessFilter, resource: dict[str, Any]) -> bool:
    named = {performer["reference"] for performer in resource.get("performer", [])}
    if access.purpose == "HRESCH" and ("anna" in about(resource) or "Patient/anna" in named):
        return False  # she denies it, also of what only names her
    if access.withheld_labels and LABEL in resource.get("meta", {}).get("security", []):
        return False
    return any(
        "s" in rule.interactions
        and rule.type in ("*", resource["resourceType"])
        and (rule.patient is None or set() < about(resource) <= PERSON[rule.patient])
        for rule in access.rules
    )


FILTERS = st.builds(
    AccessFilter,
    rules=st.lists(
        st.builds(
            AccessRule,
            type=st.sampled_from(["*", "Observation", "Condition", "Patient"]),
            interactions=st.sampled_from([frozenset("rs"), frozenset("s"), frozenset("r")]),
            patient=st.sampled_from([None, *PERSON]),
        ),
        max_size=3,
    ).map(tuple),
    withheld_labels=st.sampled_from([frozenset(), frozenset({f"{LABEL['system']}|R"})]),
    purpose=st.sampled_from([None, "TREAT", "HRESCH"]),
    subject=st.sampled_from(["someone", "another"]),
)


class Opened:
    def __init__(self, url: str) -> None:
        self.runner = asyncio.Runner()
        self.store = self.runner.run(Store.open(url))
        self.runner.run(self.store.load(RESOURCES))

"""No input makes the server fail: whatever is sent, the answer is below 500. Seeded, so that a failure repeats."""

from __future__ import annotations

import copy
import json
import random
from typing import Any
from urllib.parse import quote

from fhir_bridge.storage import searchable
from tests.server.conftest import RECORDS, Hospital, observation

VALUES = (
    "", "x", "|", "a|", "|b", "a|b|c", "1", "-1", "1e999", "1e5|http://unitsofmeasure.org|mmol", "gt2026", "2026-13-45",
    "9999-12-31", "0001-01-01", "2026-02-30", "Patient/", "Patient/x/y", "urn:uuid:x", "\\,", "a,b", "$", "%", "'", '"',
    "\u202e", "😀", "eq", "sa2026", "ap1", "lt", "true", "5.40", "<5", "1" * 400, "gt1e309", "nan", "1e-400",
)  # fmt: skip
MODIFIERS = (
    "",
    "",
    ":exact",
    ":missing",
    ":not",
    ":text",
    ":in",
    ":above",
    ":of-type",
    ":identifier",
    ":Patient",
    ".name",
    ":x",
    ":",
)
CONTROLS = (
    "_id", "_lastUpdated", "_sort", "_count", "_total", "_summary", "_cursor", "_has:Observation:patient:code",
    "_include", "_filter", "_elements", "_text", "_tag",
)  # fmt: skip
JUNK: tuple[Any, ...] = (
    None, True, 0, -1, 1.5, "", "x", [], {}, [None], [[]], {"a": 1}, "2026-13-40", {"reference": "Device/x"},
    {"reference": 5}, {"coding": "x"}, [{"code": {}}], "\u202e",
)  # fmt: skip


def test_no_search_makes_it_fail(hospital: Hospital) -> None:
    headers = hospital.token("user/*.cruds")
    chance = random.Random(5)
    for _ in range(250):
        kind = chance.choice(
            ["Patient", "Observation", "ImagingStudy", "AuditEvent", "MolecularSequence", "Bundle"]
        )
        names = [parameter.code for parameter in searchable(kind)] + list(CONTROLS)
        query = "&".join(
            f"{quote(chance.choice(names) + chance.choice(MODIFIERS))}={quote(chance.choice(VALUES))}"
            for _ in range(chance.randint(1, 3))
        )
        assert hospital.http.get(f"/fhir/{kind}?{query}", headers=headers).status_code < 500, query
        since = f"_count={quote(chance.choice(VALUES))}&_since={quote(chance.choice(VALUES))}"
        assert hospital.http.get(f"/fhir/{kind}/_history?{since}", headers=headers).status_code < 500, since


def spoiled(chance: random.Random, value: dict[str, Any]) -> dict[str, Any]:
    """A copy with something wrong at one to three places."""
    result = copy.deepcopy(value)
    for _ in range(chance.randint(1, 3)):
        node: Any = result
        while node:
            key = chance.choice(list(node) if isinstance(node, dict) else range(len(node)))
            if isinstance(node[key], dict | list) and node[key] and chance.random() < 0.6:
                node = node[key]
                continue
            node[key] = copy.deepcopy(chance.choice(JUNK))
            break
    return result


def test_no_body_makes_it_fail(hospital: Hospital) -> None:
    headers = hospital.token("user/*.cruds")
    chance = random.Random(7)
    bases = [RECORDS[0], observation("f", "anna"), RECORDS[5]]
    for _ in range(120):
        base = chance.choice(bases)
        kind, body = base["resourceType"], spoiled(chance, base)
        entry = {"fullUrl": "urn:uuid:1", "resource": body, "request": {"method": "POST", "url": kind}}
        bundle = {"resourceType": "Bundle", "type": chance.choice(["transaction", "batch"]), "entry": [entry]}
        answers = [
            hospital.http.post(f"/fhir/{kind}", json=body, headers=headers),
            hospital.http.put(f"/fhir/{kind}/{base['id']}", json=body, headers=headers),
            hospital.http.post("/fhir", json=spoiled(chance, bundle), headers=headers),
        ]
        for answer in answers:
            assert answer.status_code < 500, json.dumps(body)
            assert '"status":"5' not in answer.text, json.dumps(body)

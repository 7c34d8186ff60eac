"""AuditEvents and Provenances are valid R4 and say what they must."""

from __future__ import annotations

import base64
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_bridge.fhir.purposes import PURPOSES, UnknownPurpose, coding, covers
from fhir_bridge.fhir.serialization import dumps
from fhir_bridge.fhir.validation import get_validator
from fhir_bridge.governance import audit
from fhir_bridge.governance.event_rows import read_row, search_row, write_records
from fhir_bridge.governance.provenance import ProvenanceAgent, ProvenanceEntity, provenance
from fhir_bridge.storage.audit_contents import whole
from fhir_bridge.storage.audit_rows import AuditRecord, AuditRow

CONTEXT = audit.Context(
    "https://fhir.example/fhir",
    "app",
    audit.Agent("u1", "Clara", "Practitioner/c"),
    "203.0.113.5",
    "TREAT",
    "r-1",
)


NOW = "2026-03-05T08:00:00.000+00:00"


def errors(resource: dict[str, object]) -> list[object]:
    return [issue for issue in get_validator().validate(resource) if issue.severity in ("error", "fatal")]


@given(st.lists(st.integers(0, 40).map(str), max_size=60), st.integers(1, 50), st.integers(1, 7))
def test_every_patient_is_in_one_event_and_of_very_many_some_share_one(
    patients: list[str], most: int, together: int
) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(audit, "MOST_EVENTS", most)
        patched.setattr(audit, "TOGETHER", together)
        records = audit.records(audit.search(CONTEXT, "GET Group"), patients)
        assert all(record.size <= max(most, together) for record in records)
    groups = [part for record in records for part in record.parts]
    events = [audit.search(CONTEXT, "GET Group", patient=part) for part in groups]
    assert {AuditRecord.of(event).parts for event in events} == {(part,) for part in groups}
    named = [
        [entity["what"]["reference"] for entity in event["entity"] if "role" in entity and "what" in entity]
        for event in events
    ]
    distinct = dict.fromkeys(f"Patient/{patient}" for patient in patients)
    assert [one for some in named for one in some] == list(distinct)
    if len(distinct) <= most:
        assert len(events) == max(1, len(distinct))
    else:
        assert len(events) == -(-len(distinct) // together)
    assert all(errors(event) == [] for event in events[:2])


@given(st.text(max_size=30), st.booleans(), st.sampled_from(["create", "update", "delete"]))
def test_an_event_of_a_write_is_stored_as_it_is(number: str, known: bool, interaction: audit.Write) -> None:
    """Made of the parts that all events of a caller share; whatever the client calls its request."""
    user = audit.Agent("u", number) if known else None
    context = audit.Context("https://fhir.example/fhir", "app", user, None, "TREAT", number or None)
    (record,) = write_records(context)(interaction, "Observation/1", ["p"])
    event = audit.write(context, interaction, "Observation/1") | {"recorded": record.event["recorded"]}
    assert record.row is not None
    assert (whole(record.row.content), record.event, record.parts) == (dumps(event), event, [("p",)])
    assert replace(record.row, form=None) == AuditRow.of(event)


@given(st.text(max_size=30), st.booleans(), st.sampled_from(["read", "vread"]))
def test_an_event_of_a_read_or_search_is_stored_as_it_is(text: str, known: bool, interaction: str) -> None:
    user = audit.Agent("u", text) if known else None
    context = audit.Context("https://fhir.example/fhir", "app", user, "::1", None, text or None)
    query = f"GET Patient?name={text}"
    pairs = [
        (read_row(context, "A/1", interaction), audit.read(context, "A/1", interaction=interaction)),
        (search_row(context, query, "search-type"), audit.search(context, query)),
    ]
    for row, event in pairs:
        event["recorded"] = row.moment.isoformat(timespec="milliseconds")
        assert whole(row.content) == dumps(event)
        assert replace(row, form=None) == AuditRow.of(event)


def test_every_kind_of_event_is_valid() -> None:
    events = [
        audit.read(CONTEXT, "Observation/1", patient="p"),
        audit.search(CONTEXT, "GET Patient?name=x"),
        audit.search(CONTEXT, "GET Patient?name=x", patient=["p", "q"]),
        audit.write(CONTEXT, "create", "Observation/1", patient=None),
        audit.write(audit.Context("https://fhir.example/fhir"), "delete", "Observation/1", patient=None),
        audit.operation(CONTEXT, "predict", "Patient/p", patient="p"),
        audit.operation(CONTEXT, "run", "", patient=None),
        audit.login(CONTEXT.user, address="203.0.113.5"),
        audit.refusal(CONTEXT, "read", "Observation/1", status=404, code="FB-STORE-002"),
        audit.refusal(
            CONTEXT, "search-type", "Observation", status=403, code="FB-SMART-002", count=7, since=NOW
        ),
        audit.refusal(audit.Context("https://fhir.example"), "login", "", status=429, code="slow_down"),
        audit.authorization(audit.Agent("u", "U"), "app", "openid", patient="p", address="::1"),
    ]
    assert len(events) == 12
    for event in events:
        assert errors(event) == []


def test_data_flows_to_the_client_on_a_read_and_from_it_otherwise() -> None:
    def roles(event: dict[str, object]) -> list[str]:
        return [agent["type"]["coding"][0]["code"] for agent in event["agent"]][:2]  # type: ignore[attr-defined]

    assert roles(audit.read(CONTEXT, "Patient/p", patient="p")) == ["110152", "110153"]
    assert roles(audit.write(CONTEXT, "update", "Patient/p", patient="p")) == ["110153", "110152"]
    assert roles(audit.search(CONTEXT, "GET Patient")) == ["110153", "110152"]


def test_a_query_is_kept_in_base64() -> None:
    event = audit.search(CONTEXT, "GET Patient?name=Müller")
    assert base64.b64decode(event["entity"][0]["query"]).decode() == "GET Patient?name=Müller"


def test_a_provenance_names_targets_agents_and_inputs() -> None:
    resource = provenance(
        ["Observation/1"],
        "2026-03-05T08:00:00Z",
        [
            ProvenanceAgent(
                "Device/model", "assembler", (("http://example.org/roles", "ai"),), "Organization/o"
            )
        ],
        [ProvenanceEntity("Observation/2/_history/3"), ProvenanceEntity("Patient/p", "derivation")],
        occurred="2026-03-05",
        activity=("http://terminology.hl7.org/CodeSystem/v3-DataOperation", "CREATE"),
        policy=["https://example.org/policy"],
        security=[("http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "AIAST")],
    )
    assert errors(resource) == []
    assert resource["entity"][0]["what"]["reference"] == "Observation/2/_history/3"
    with pytest.raises(ValueError, match="at least one"):
        provenance([], "2026-03-05T08:00:00Z", [ProvenanceAgent("Device/model")])


def test_purposes_are_those_of_v3() -> None:
    for code in PURPOSES:
        assert coding(code)["code"] == code
    assert covers("HRESCH", "CLINTRCH")
    assert not covers("CLINTRCH", "HRESCH")
    with pytest.raises(UnknownPurpose):
        coding("SPYING")

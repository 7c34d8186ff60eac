"""A record becomes resources with identity, business time and source; what fails is lost alone, and reported."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from fhir_bridge.fhir.canonical import SOURCE_EXTENSION
from fhir_bridge.fhir.ids import DEMO_KEY, IdKey
from fhir_bridge.fhir.issues import declared
from fhir_bridge.mapping import CLEARED, Context, Conversion, Record
from tests.mapping.conftest import HEAD, load
from tests.mapping.sources import Row, moment

Rows = Callable[..., Conversion]
KEY = IdKey(DEMO_KEY)

ORGANIZATION = "- rule: r\n  as: Organization\n  key: [row.id]\n"


def test_an_id_is_built_from_type_rule_and_key(rows: Rows) -> None:
    rule = '- rule: r\n  as: Organization\n  key: [row.id, row.n, "row.x?"]\n  name: x\n'
    output = rows(rule, {"id": " a ", "n": 5}).outputs[0]
    assert output.id == KEY.id("Organization", "r", "a", "5", None, optional=frozenset({4}))
    assert output.id == output.resource["id"]


def test_an_empty_part_of_a_key_rejects_the_output_and_names_the_part(rows: Rows) -> None:
    result = rows(
        "- rule: r\n  as: Organization\n  key: [row.id, '=trim(row.n)']\n  name: x\n", {"id": "1", "n": "  "}
    )
    assert (result.outputs, result.outcome) == ([], "rejected")
    assert [(i.severity, i.code, i.message, i.source) for i in result.issues] == [
        ("error", "FB-MAP-105", "the part trim(row.n) of the key is empty [rule r, m.yaml:7:17]", "lab.csv:1")
    ]


def test_a_resource_says_where_and_of_when_it_is(context: Callable[..., Context]) -> None:
    run = context()
    mapping = load(HEAD + ORGANIZATION + "  name: x\n  meta: {tag: [{code: t}]}\n")
    output = mapping.convert(Row({"id": "1"}, source="a b", time=moment("2024-07-02T10:00:00")), run).outputs[
        0
    ]
    assert output.time is not None
    assert output.time.isoformat() == "2024-07-02T10:00:00+02:00"
    assert output.resource["meta"] == {
        "extension": [
            {
                "url": SOURCE_EXTENSION,
                "extension": [{"url": "time", "valueDateTime": "2024-07-02T10:00:00+02:00"}],
            }
        ],
        "source": "urn:fhir-bridge:csv:a%20b",
        "tag": [{"code": "t"}],
    }


@pytest.mark.parametrize(
    ("time", "zone", "expected"),
    [
        (None, "Europe/Rome", None),
        (
            datetime(2024, 1, 2, 10, tzinfo=UTC),
            None,
            {"url": "time", "valueDateTime": "2024-01-02T10:00:00+00:00"},
        ),
        (datetime(2024, 1, 2, 10), None, {"url": "time", "valueString": "2024-01-02T10:00:00"}),
    ],
)
def test_the_records_time_is_the_business_time(
    time: Any, zone: Any, expected: Any, context: Callable[..., Context]
) -> None:
    result = load(HEAD + ORGANIZATION + "  name: x\n").convert(
        Row({"id": "1"}, time=time), context(zone=zone)
    )
    extensions = result.outputs[0].resource["meta"].get("extension")
    assert (extensions[0]["extension"][0] if extensions else None) == expected
    assert result.outputs[0].time == time


def test_a_rule_may_have_its_own_time_and_a_record_its_own_zone(context: Callable[..., Context]) -> None:
    mapping = load(HEAD + ORGANIZATION + "  time: coalesce(row.t, row.u)\n  name: x\n")
    record = Row({"id": "1", "u": "20240102101500"}, time=moment("2023-01-01T00:00:00"))
    assert str(mapping.convert(record, context()).outputs[0].time) == "2024-01-02 10:15:00+01:00"
    record.zone = "America/New_York"  # type: ignore[attr-defined]
    assert str(mapping.convert(record, context()).outputs[0].time) == "2024-01-02 10:15:00-05:00"
    assert (
        str(mapping.convert(Row({"id": "1"}, time=record.time), context()).outputs[0].time)[:10]
        == "2023-01-01"
    )


def test_a_delta_names_what_the_source_cleared(rows: Rows) -> None:
    rule = (
        "- rule: r\n  as: Patient\n  key: [row.id]\n  update: delta\n  birthDate: =date(row.born)\n"
        "  name: [{family: =row.family}]\n  telecom: =row.phone\n  address: [=row.address]\n"
        "  deceased[x]: =row.dead\n  gender: =row.sex\n"
    )
    cells = {
        "id": "1",
        "born": CLEARED,
        "family": CLEARED,
        "dead": CLEARED,
        "phone": CLEARED,
        "address": CLEARED,
    }
    cells["sex"] = "female"
    result = rows(rule, cells).outputs[0].resource
    assert {key for key in result if key not in ("resourceType", "id", "meta")} == {"gender"}
    assert result["meta"]["extension"][0]["extension"] == [
        {"url": "update", "valueCode": "delta"},
        {"url": "cleared", "valueString": "name.family"},
        {"url": "cleared", "valueString": "telecom"},
        {"url": "cleared", "valueString": "birthDate"},
        {"url": "cleared", "valueString": "deceased"},
        {"url": "cleared", "valueString": "address"},
    ]
    snapshot = rows(rule.replace("  update: delta\n", ""), cells).outputs[0].resource
    assert "extension" not in snapshot["meta"]


def test_the_same_record_gives_the_same_bytes(rows: Rows) -> None:
    rule = "- rule: r\n  as: Patient\n  key: [row.id]\n  name: [{given: =row.g}]\n"
    assert rows(rule, {"id": "1", "g": ["a", "b"]}) == rows(rule, {"id": "1", "g": ["a", "b"]})


# Failures


def test_a_failing_output_is_lost_alone(rows: Rows) -> None:
    rules = (
        ORGANIZATION + "  name: =row.n * 2\n" + ORGANIZATION.replace("rule: r", "rule: q") + "  name: kept\n"
    )
    result = rows(rules, {"id": "1", "n": "x"})
    assert [output.rule for output in result.outputs] == ["q"]
    assert result.outcome == "partial"
    assert [(i.severity, i.code, i.message, i.source) for i in result.issues] == [
        ("error", "FB-MAP-101", "* needs numbers; decimal(x) makes one [rule r, m.yaml:8:9]", "lab.csv:1")
    ]


def test_on_error_record_rejects_all_of_it(rows: Rows) -> None:
    rules = ORGANIZATION.replace("rule: r", "rule: q") + "  name: kept\n" + ORGANIZATION
    result = rows(rules + "  on_error: record\n  name: =row.n * 2\n", {"id": "1", "n": "x"})
    assert (result.outputs, result.outcome) == ([], "rejected")


def test_on_error_record_rejects_all_of_it_where_what_the_rule_needs_is_lost(rows: Rows) -> None:
    lost = "- rule: lost\n  as: Device\n  key: [row.id]\n  status: {match: row.n, y: active, else: reject}\n"
    metric = (
        "- rule: metric\n  as: DeviceMetric\n  key: [row.id]\n  on_error: record\n  type: {text: x}\n"
        "  category: measurement\n  source: =ref('lost')\n"
    )
    mandatory = (
        "- rule: m\n  as: DeviceUseStatement\n  key: [row.id]\n  on_error: record\n  status: active\n"
        "  subject: {reference: Patient/1}\n  device: =ref('lost')\n"
    )
    assert rows(lost + metric, {"id": "1", "n": "x"}).outcome == "partial"
    result = rows(lost + ORGANIZATION + "  name: kept\n" + mandatory, {"id": "1", "n": "x"})
    assert (result.outputs, result.outcome) == ([], "rejected")
    assert "FB-MAP-104" in [issue.code for issue in result.issues]


def test_what_an_adapter_function_raises_becomes_an_issue_without_its_words(rows: Rows) -> None:
    result = rows(ORGANIZATION + "  name: =broken(row.secret)\n", {"id": "1", "secret": "Jane Doe"})
    (issue,) = result.issues
    assert issue.code == "FB-MAP-101"
    assert issue.message.startswith("KeyError in the adapter's code (tests.mapping.sources, line ")
    assert issue.message.endswith("[rule r, m.yaml:8:9]")
    assert "Jane" not in issue.message


def test_an_adapter_may_reject_a_part_with_its_own_issue(rows: Rows) -> None:
    result = rows(ORGANIZATION + "  name: =refuse(row.id)\n", {"id": "1"})
    assert [(i.code, i.message) for i in result.issues] == [
        ("FB-CSV-900", "refused by the adapter [rule r, m.yaml:8:9]")
    ]


def test_an_output_that_lacks_a_required_element_is_rejected(rows: Rows) -> None:
    rule = "- rule: r\n  as: Observation\n  key: [row.id]\n  status: =row.status\n  code: {text: x}\n"
    result = rows(rule, {"id": "1"})
    assert [(i.code, i.message, i.expression) for i in result.issues] == [
        (
            "FB-MAP-104",
            "Observation.status is required and came out empty [rule r, m.yaml:5:9]",
            "Observation.status",
        )
    ]
    assert result.outcome == "rejected"


def test_a_failing_variable_of_the_document_rejects_the_record(context: Callable[..., Context]) -> None:
    text = HEAD.replace("rules:", "let: {n: =row.n * 2}\nrules:") + ORGANIZATION + "  name: x\n"
    result = load(text).convert(Row({"id": "1", "n": "x"}), context())
    assert (result.outputs, result.outcome, result.issues[0].code) == ([], "rejected", "FB-MAP-101")
    assert "[the mapping, m.yaml:4:10]" in result.issues[0].message


def test_a_reader_that_fails_on_a_group_loses_the_group(context: Callable[..., Context]) -> None:
    class Broken(Record):
        def scope(self, name: str) -> Any:
            raise OSError("truncated")

    result = load(HEAD + ORGANIZATION + "  name: x\n").convert(Broken("f:1", source="f"), context())
    assert (result.outcome, result.issues[0].code, result.issues[0].source) == (
        "rejected",
        "FB-MAP-101",
        "f:1",
    )


def test_a_record_that_no_rule_takes_is_reported(rows: Rows) -> None:
    result = rows(ORGANIZATION + "  when: row.id == '2'\n  name: x\n", {"id": "1"})
    assert (result.outcome, [(i.severity, i.code) for i in result.issues]) == (
        "converted",
        [("information", "FB-MAP-110")],
    )


def test_variables_are_computed_in_order_and_only_where_the_rule_applies(rows: Rows) -> None:
    rule = (
        "- rule: r\n  as: Organization\n  key: [b]\n  when: c == 'go'\n"
        "  let: {a: row.id, b: a + '!', c: row.c, late: row.n * 2, table: {x: 1}, word: \"'w'\"}\n"
        "  name: =word + string(table.x) + string(late)\n"
    )
    assert rows(rule, {"id": "1", "c": "stop", "n": "x"}).outputs == []
    output = rows(rule, {"id": "1", "c": "go", "n": 2}).outputs[0]
    assert (output.resource["name"], output.id) == ("w14", KEY.id("Organization", "r", "1!"))


def test_issues_carry_declared_codes_and_no_values(rows: Rows) -> None:
    rules = (
        "- rule: r\n  as: Patient\n  key: [row.id]\n  birthDate: =date(row.v)\n  gender: =row.v\n  active: =row.v\n"
        "  maritalStatus: =concept(row.v, 'LN')\n  multipleBirthInteger: =row.v\n"
    )
    result = rows(rules, {"id": "1", "v": "Jane Doe was here and there and everywhere"})
    assert len(result.issues) >= 4
    assert all(issue.code in declared() for issue in result.issues)
    assert not any("Jane" in issue.message for issue in result.issues)


# Trace


def test_a_trace_names_rule_element_and_expression_of_each_write(context: Callable[..., Context]) -> None:
    rule = (
        "- rule: r\n  as: Observation\n  key: [row.id]\n  status: final\n  code: =concept(row.code)\n"
        "  valueQuantity: {value: =row.v, unit: x}\n  note: [{text: =row.none}]\n"
    )
    mapping = load(HEAD + rule)
    plain = mapping.convert(Row({"id": "1", "code": "K", "v": 5}), context())
    traced = mapping.convert(Row({"id": "1", "code": "K", "v": 5}), context(trace=True))
    assert [(t.rule, t.element, t.text, str(t.position)) for t in traced.outputs[0].trace] == [
        ("r", "Observation.status", "literal", "m.yaml:8:11"),
        ("r", "Observation.code", "concept(row.code)", "m.yaml:9:9"),
        ("r", "Observation.valueQuantity.value", "row.v", "m.yaml:10:26"),
        ("r", "Observation.valueQuantity.unit", "literal", "m.yaml:10:40"),
    ]
    assert traced.outputs[0].resource == plain.outputs[0].resource
    assert plain.outputs[0].trace == []


def test_generated_source_can_be_read_and_is_in_tracebacks(context: Callable[..., Context]) -> None:
    import linecache

    mapping = load(HEAD + ORGANIZATION + "  name: =row.n\n")
    mapping.convert(Row({"id": "1", "n": "x"}), context())
    assert "def rule_r_" in mapping.source
    assert any(line.strip().startswith("def rule_r_") for line in linecache.getlines("<compiled m.yaml>"))
    assert (mapping.name, mapping.version, mapping.adapter, mapping.rules) == ("m", "1.0.0", "csv", ("r",))

"""Outputs of a record refer to each other by rule, nearest group first; what is lost is not referred to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fhir_bridge.mapping import Context, Conversion
from tests.mapping.conftest import load
from tests.mapping.sources import Coded, Message, moment

HEAD = """mapping: m
version: 1.0.0
source: {adapter: hl7v2}
let: {sender: "=MSH-3"}
rules:
"""
RULES = (
    HEAD
    + """
- rule: report
  for: ORDER
  as: DiagnosticReport
  key: [OBR-3]
  status: final
  code: {text: x}
  result: "=ref('result')"
  specimen: "=ref('specimen')"
- rule: result
  for: RESULT
  as: Observation
  key: [sender, OBR-3, OBX-3.1, "OBX-4?"]
  when: OBX-11 != 'X'
  status: "=OBX-11 | translate('v2-0085')"
  code: "=concept(OBX-3)"
  valueString: =OBX-5
  specimen: "=ref('specimen')"
  derivedFrom: "=ref('result', where(OBR-3 == outer.OBR-29 and OBX-3.1 == outer.OBR-26))"
- rule: specimen
  for: SPECIMEN
  as: Specimen
  key: [SPM-2]
"""
)


def obx(code: str, status: str | None = "F", **fields: Any) -> dict[str, Any]:
    return {"3": Coded(code, code, "L"), "3.1": code, "11": status, **fields}


def convert(context: Callable[..., Context], orders: Any, rules: str = RULES) -> Conversion:
    return load(rules).convert(Message({"MSH": {"3": "LAB"}}, orders), context("hl7v2"))


def by_rule(conversion: Conversion, rule: str) -> list[dict[str, Any]]:
    return [output.resource for output in conversion.outputs if output.rule == rule]


def ids(references: list[dict[str, Any]]) -> list[str]:
    return [reference["reference"] for reference in references]


def test_a_report_refers_to_the_results_of_its_own_order(context: Callable[..., Context]) -> None:
    result = convert(
        context,
        [
            ({"3": "o1"}, [obx("K"), obx("NA")], [{"2": "s1"}]),
            ({"3": "o2"}, [obx("K")], [{"2": "s2"}]),
        ],
    )
    first, second = by_rule(result, "report")
    results = [f"Observation/{resource['id']}" for resource in by_rule(result, "result")]
    specimens = [f"Specimen/{resource['id']}" for resource in by_rule(result, "specimen")]
    assert (ids(first["result"]), ids(second["result"])) == (results[:2], results[2:])
    assert (ids(first["specimen"]), ids(second["specimen"])) == (specimens[:1], specimens[1:])
    assert [resource["specimen"]["reference"] for resource in by_rule(result, "result")] == [
        specimens[0], specimens[0], specimens[1],
    ]  # fmt: skip


def test_a_susceptibility_refers_to_the_organism_of_its_parent_order(context: Callable[..., Context]) -> None:
    """OBR-26 and OBR-29 of the child name code and order of the parent (HL7 v2.5.1 §4.5.3.26)."""
    result = convert(
        context,
        [
            ({"3": "culture"}, [obx("ORG")], []),
            ({"3": "suscept", "29": "culture", "26": "ORG"}, [obx("AMP")], []),
        ],
    )
    organism, susceptibility = by_rule(result, "result")
    assert ids(susceptibility["derivedFrom"]) == [f"Observation/{organism['id']}"]
    assert "derivedFrom" not in organism


def test_a_rule_that_does_not_apply_is_not_referred_to(context: Callable[..., Context]) -> None:
    result = convert(context, [({"3": "o1"}, [obx("K", "X"), obx("NA")], [])])
    assert len(by_rule(result, "report")[0]["result"]) == 1
    assert result.outcome == "converted"


def test_an_empty_status_differs_from_x_so_its_result_is_not_passed_over(
    context: Callable[..., Context],
) -> None:
    result = convert(context, [({"3": "o1"}, [obx("K", None)], [])])
    assert [issue.code for issue in result.issues] == ["FB-MAP-104", "FB-MAP-108"]
    assert result.outcome == "partial"


def test_a_lost_result_leaves_no_reference_behind(context: Callable[..., Context]) -> None:
    result = convert(context, [({"3": "o1"}, [obx("K", "Q"), obx("NA")], [])])
    (report,) = by_rule(result, "report")
    assert ids(report["result"]) == [f"Observation/{by_rule(result, 'result')[0]['id']}"]
    assert [(issue.severity, issue.code) for issue in result.issues] == [
        ("error", "FB-MAP-203"),
        ("warning", "FB-MAP-108"),
    ]
    assert result.issues[0].source == "oru.hl7#1 OBX 1"
    assert result.issues[1].expression == "DiagnosticReport.result"


def test_an_output_whose_required_reference_is_lost_is_lost_too(context: Callable[..., Context]) -> None:
    rules = (
        HEAD
        + "- rule: patient\n  as: Patient\n  key: [PID-3]\n  contact: {name: {text: =PID-9}}\n"
        + "  birthDate: =date(row_broken(PID-7))\n".replace("row_broken(PID-7)", "PID-7 + 1 - 1")
        + "- rule: condition\n  as: Condition\n  key: [PID-3]\n  subject: \"=ref('patient')\"\n"
        + "- rule: list\n  as: List\n  key: [PID-3]\n  status: current\n  mode: working\n"
        + "  entry: [{flag: {text: x}, item: \"=ref('condition')\"}]\n"
    )
    record = Message({"MSH": {"3": "LAB"}, "PID": {"3": "1", "7": "x"}})
    result = load(rules).convert(record, context("hl7v2"))
    assert [output.rule for output in result.outputs] == ["list"]
    assert "entry" not in result.outputs[0].resource  # List.entry.item is required, so the entry goes with it
    assert [issue.code for issue in result.issues] == ["FB-MAP-101", "FB-MAP-108", "FB-MAP-104", "FB-MAP-108"]


def test_keyed_names_what_a_rule_makes_of_another_record(context: Callable[..., Context]) -> None:
    rules = (
        HEAD
        + "- rule: visit\n  when: MSH-9 == 'ADT'\n  as: Encounter\n  key: [PV1-19]\n"
        + "  status: planned\n  class: {code: AMB}\n"
        + "- rule: note\n  when: MSH-9 != 'ADT'\n  as: Composition\n  key: [MSH-10]\n  status: final\n"
        + "  type: {text: x}\n  date: =datetime(MSH-7)\n  author: {display: x}\n  title: x\n"
        + "  encounter: =keyed('Encounter', 'visit', PV1-19)\n"
    )
    mapping, run = load(rules), context("hl7v2")
    pv1 = {"19": "V1"}
    visit = mapping.convert(Message({"MSH": {"9": "ADT"}, "PV1": pv1}), run).outputs[0]
    note = mapping.convert(
        Message({"MSH": {"9": "MDM", "10": "7", "7": "20240101"}, "PV1": pv1}), run
    ).outputs[0]
    assert note.resource["encounter"] == {"reference": f"Encounter/{visit.id}"}
    without = mapping.convert(Message({"MSH": {"9": "MDM", "10": "7", "7": "20240101"}}), run).outputs[0]
    assert "encounter" not in without.resource


def test_the_same_output_twice_counts_once_and_another_content_is_refused(
    context: Callable[..., Context],
) -> None:
    rules = HEAD + "- rule: p\n  for: RESULT\n  as: Practitioner\n  key: [OBX-16]\n  name: {text: =OBX-17}\n"
    same = convert(context, [({}, [{"16": "1", "17": "A"}, {"16": "1", "17": "A"}], [])], rules)
    assert (len(same.outputs), same.issues) == (1, [])
    other = convert(context, [({}, [{"16": "1", "17": "A"}, {"16": "1", "17": "B"}], [])], rules)
    assert [output.resource["name"] for output in other.outputs] == [[{"text": "A"}]]
    assert [issue.code for issue in other.issues] == ["FB-MAP-109"]
    assert other.outcome == "partial"


def test_references_are_the_records_own(context: Callable[..., Context]) -> None:
    mapping, run = load(RULES), context("hl7v2")
    first = mapping.convert(Message({"MSH": {"3": "LAB"}}, [({"3": "o1"}, [obx("K")], [])]), run)
    second = mapping.convert(
        Message({"MSH": {"3": "LAB"}}, [({"3": "o9"}, [], [])], time=moment("2024-01-01T00:00:00")), run
    )
    assert "result" in by_rule(first, "report")[0]
    assert "result" not in by_rule(second, "report")[0]

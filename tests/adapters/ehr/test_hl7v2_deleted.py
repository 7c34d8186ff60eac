"""`""` deletes (HL7 v2.5.1 §2.5.3): it is a value of nothing, wherever it stands; and codes that say nothing known."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.adapters.ehr.conftest import Converted

Message = Callable[..., Converted]
EXAMPLES = ("adt-registered-in-full", "oru-results-of-every-type", "medication-orders", "siu-appointments")
PID = "PID|1||77^^^HOSP^MR||Keller^Ada^^^^^L||19600102|F"
HEAD = "MSH|^~\\&|KIS|HOSP|||20260301120000+0100||{kind}|M1|P|2.5.1"


def _deleting(segments: list[str]) -> Iterator[tuple[str, list[str]]]:
    """The message with each of its fields, and each of their components, deleted."""
    for place, segment in enumerate(segments):
        fields = segment.split("|")
        if fields[0] in ("MSH", "EVN"):
            continue
        for number, field in enumerate(fields):
            if not number or not field or (fields[0], number) == ("PID", 3):
                continue
            components = field.split("^")
            for at in range(len(components)) if len(components) > 1 else ():
                if components[at]:
                    changed = "^".join([*components[:at], '""', *components[at + 1 :]])
                    line = "|".join([*fields[:number], changed, *fields[number + 1 :]])
                    yield f"{fields[0]}-{number}.{at + 1}", [*segments[:place], line, *segments[place + 1 :]]
            line = "|".join([*fields[:number], '""', *fields[number + 1 :]])
            yield f"{fields[0]}-{number}", [*segments[:place], line, *segments[place + 1 :]]


@pytest.mark.parametrize("example", EXAMPLES)
def test_what_is_deleted_is_never_a_value(message: Message, repository: Path, example: str) -> None:
    (path,) = (repository / "mappings/ehr/hl7v2/examples" / example).glob("*.hl7")
    first = "MSH" + path.read_text().replace("\n", "\r").split("MSH")[1]
    segments = [line for line in first.split("\r") if line.strip()]
    variants = list(_deleting(segments))
    assert len(variants) > 20
    for place, variant in variants[:: 1 + len(variants) // 60]:
        for resource in message(*variant).resources:
            assert '\\"\\"' not in json.dumps(resource, default=str), place


def _given(kind: str, completion: str) -> list[str]:
    rxa = f"RXA|0|1|20260301|20260301|08^HepB^CVX|1|mL|||||||||||||{completion}|A"
    return [HEAD.format(kind=kind), PID, "ORC|RE||I1^KIS", rxa]


@pytest.mark.parametrize(
    ("completion", "status"),
    [("", "completed"), ("CP", "completed"), ("PA", "completed"), ("NA", "not-done"), ("RE", "not-done")],
)
def test_a_vaccination_is_as_its_completion_says(message: Message, completion: str, status: str) -> None:
    (one,) = message(*_given("VXU^V04", completion)).of("Immunization")
    assert one["status"] == status


def test_an_unknown_completion_is_not_completed(message: Message) -> None:
    vaccination = message(*_given("VXU^V04", "XX"))
    assert vaccination.of("Immunization") == []
    assert any(issue.code == "FB-MAP-203" and "XX" in issue.message for issue in vaccination.issues)
    assert {"08^HepB^CVX", "XX"} <= set(vaccination.remainder().values())
    administration = message(*_given("RAS^O17", "XX"))
    (given,) = administration.of("MedicationAdministration")
    assert given["status"] == "unknown"
    assert {"text": "Completion status: XX"} in given["note"]
    assert any(issue.code == "FB-MAP-205" for issue in administration.issues)

"""The account of a message: what no rule represents makes it partial, and is listed by its place."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fhir_bridge.adapters.ehr.hl7v2 import STANDARD
from fhir_bridge.adapters.ehr.hl7v2.composites import Components
from fhir_bridge.adapters.ehr.hl7v2.framing import messages
from fhir_bridge.adapters.ehr.hl7v2.transport import ENVELOPE, SILENT
from fhir_bridge.mapping import CompiledMapping, load_mapping
from fhir_bridge.plugins import adapters
from tests.adapters.ehr.conftest import SITE, Converted, Converter, convert
from tests.adapters.ehr.test_hl7v2_components import shown

Message = Callable[..., Converted]
ADT = "MSH|^~\\&|KIS|HOSP|||20260301120000+0100||ADT^A01|M1|P|2.5.1"
ORU = "MSH|^~\\&|LIS|HOSP|||20260301120000+0100||ORU^R01|M1|P|2.5.1"
PID = "PID|1||77^^^HOSP^MR||Keller^Ada^^^^^L||19600102|F"
OBR = "OBR|1|P1^KIS|F1^LIS|CHEM^Chemistry^L|||20260301110000+0100|||||||||||||||20260301115500+0100||LAB|F"
OBX = "OBX|1|NM|1^x^L||5|mg|||||F"


def left(converted: Converted) -> list[str]:
    """What no rule but that of the remainder represents: carried as text, or reported and the message partial."""
    results = [
        i.message.removesuffix(" is not represented")
        for i in converted.issues
        if i.code in ("FB-HL7-012", "FB-HL7-018")
    ]
    assert converted.outcomes[0][1] == ("partial" if results else "converted")
    carried = [
        text
        for i in converted.issues
        if i.code == "FB-HL7-019"
        for text in i.message.removeprefix("carried as text: ").split(", ")
    ]
    return [text.removeprefix("the ") for text in [*results, *carried]]


@pytest.mark.parametrize(
    ("lines", "places"),
    [
        ([ORU, PID, OBR, OBX], []),
        (
            [ORU, PID, OBR, OBX + "|" * 23 + "x"],
            ["message breaks its grammar: OBX-34 is beyond the 25 fields that OBX has in 2.5.1"],
        ),
        ([ORU, PID.replace("^L|", "^L^^Context|"), OBR, OBX], ["component PID-5.9"]),
        (
            [ORU, PID.replace("HOSP^MR", "HOSP^MR^^^^Here&There"), OBR, OBX],
            [],  # where who assigned the number belongs
        ),
        (
            [ORU, PID.replace("HOSP^MR", "HOSP^MR^^^^^^x"), OBR, OBX],
            ["message breaks its grammar: PID-3.11 is beyond the 10 components that CX has in 2.5.1"],
        ),
        ([ADT, PID, "PV1|1|I|||||4711^Doe~4712^Roe|||CAR~SUR|||||||||V1"], ["repetition PV1-10[2]"]),
        ([ADT, PID, "PV1|1|I||||||||||||||||V1", "PV1|2|I|W1"], ["a further segment PV1"]),
        ([ADT, PID, "PV1|1|O"], []),
        ([ORU, PID, "PV1|1|O", OBR, OBX], []),  # the order says how the patient was seen
        ([ORU, PID, "PV1|1|O", OBX], ["segment PV1 is not represented: its visit has no number"]),
        ([ORU, PID, "SPM|1|^S1||BLD"], []),
        ([ORU, PID, "SPM|1|^S1||BLD", OBR, OBX], []),
        ([ORU, PID, "ORC|RE|P1"], []),
        ([ORU, PID, "ORC|RE|||G1"], []),  # an order of the message alone
        (
            [ORU.replace("|M1|", "||"), PID, "ORC|RE|||G1"],
            ["segment ORC is not represented: its order has no OBR"],
        ),
        ([ORU, PID, "TQ1|1", OBR, OBX], []),
        ([ORU, PID, "TQ1|1|2", OBR, OBX], ["segment TQ1 is not represented: no order is before it"]),
        ([ORU, PID, "SAC|1|2", OBR, OBX], ["segment SAC is not represented: no order is before it"]),
        ([ORU, PID, OBR, "SAC|1|2", OBX], []),  # a container of an order whose specimen is not described
        ([ORU, PID, OBX, OBR, OBX], []),  # an observation of the patient
        ([ORU, "NTE|1||before all", PID, OBR, OBX], []),  # the message is about one patient
        ([ORU, "NTE|1||before all", PID, OBR, OBX, "PID|1||88^^^HOSP^MR||B^B"], ["comment (NTE) after MSH"]),
        (
            [ORU, PID, OBR, "NTE|1||of the order", OBX, "ZZZ|1|a", "NTE|1||of Z"],
            ["segment ZZZ", "comment (NTE) after ZZZ"],
        ),
        ([ADT, PID, "ORC|RE|P1", "OBR|1|P1||X^y^L"], []),
        (
            [ORU, PID, OBR, OBX, "SPM|1|^S1||BLD^Blood^HL70487" + "|" * 29 + "x"],
            ["message breaks its grammar: SPM-33 is beyond the 29 fields that SPM has in 2.5.1"],
        ),
        ([ORU, PID, "NTE|1||about her", OBR, OBX], []),
        ([ORU, PID, "ZPD|1|local", OBR, OBX], ["segment ZPD"]),
        ([ADT, PID, "EVN|A01|2026|||OP|20260301"], ["field EVN-6"]),
    ],
)
def test_what_no_rule_represents_is_listed_by_its_place(
    lines: list[str], places: list[str], message: Message
) -> None:
    assert left(message(*lines)) == places


def test_a_deleted_value_leaves_nothing(message: Message) -> None:
    assert left(message(ORU, PID, OBR, OBX + '|""')) == []


def test_a_rule_that_does_not_apply_represents_nothing(message: Message) -> None:
    """Whether a field is read depends on the branches that a message takes."""
    assert left(message(ADT, PID, "AL1|1|DA|P^Pollen^L|SV")) == []
    assert left(message(ADT, PID, "AL1|1|DA||SV")) == ["segment AL1"]
    assert left(message(ORU, PID, OBR, "OBX|1|NM|1^x^L||5|mg|||||F")) == []
    [text] = message(ORU, PID, OBR, "OBX|1|ST|1^x^L||5|mg|||||F").of("Observation")
    assert text["note"] == [{"text": "Unit: mg"}]
    assert left(message(ORU, PID, OBR, "OBX|1|NM|1^x^L|||mg|||||P")) == []


def test_a_code_that_no_case_takes_is_not_represented(message: Message) -> None:
    specimen = "SPM|1|^S1||BLD^Blood^HL70487" + "|" * 16
    assert left(message(ORU, PID, OBR, OBX, f"{specimen}Y")) == []
    assert left(message(ORU, PID, OBR, OBX, f"{specimen}Q")) == ["field SPM-20"]


def test_a_code_that_no_concept_map_has_is_reported(message: Message) -> None:
    assert left(message(ADT, PID, "AL1|1|DA|P^Pollen^L|SV")) == []
    [issue] = [i for i in message(ADT, PID, "AL1|1|DA|P^Pollen^L|ZZ").issues if i.severity == "error"]
    assert (issue.code, issue.message.partition(":")[0]) == ("FB-MAP-205", "AL1-4.1")


def test_a_kind_of_allergy_that_no_concept_map_has_is_kept_as_text(message: Message) -> None:
    converted = message(ADT, PID, "AL1|1|ZZ|P^Pollen^L")
    assert left(converted) == []
    assert converted.of("AllergyIntolerance")[0]["note"] == [{"text": "Kind: ZZ"}]


def test_what_another_field_says_already_is_represented(message: Message) -> None:
    assert left(message(ORU, PID, "ORC|RE|P1^KIS|F1^LIS", OBR, OBX)) == []
    converted = message(ORU, PID, "ORC|RE|P2^KIS|F1^LIS", OBR, OBX)
    assert left(converted) == []
    assert [i["value"] for i in converted.of("ServiceRequest")[0]["identifier"]] == ["P1", "F1", "P2"]
    lines = [f"OBX|{n}|TX|8251-1^Comment^LN||{text}||||||F" for n, text in enumerate(("one", "two"), 1)]
    assert left(message(ORU, PID, OBR, *lines)) == []
    assert left(message(ORU, PID, OBR, lines[0], lines[1].removesuffix("F") + "P")) == ["field OBX-11"]


def test_an_output_that_is_lost_represents_nothing(message: Message) -> None:
    converted = message(ADT, PID, "AL1|1|DA|^^L|SV")
    assert converted.outcomes[0][1] == "partial"
    assert converted.remainder()["AL1-4 Allergy severity code"] == "SV"
    assert "FB-MAP-105" in converted.codes()


SITE_MAPPING = """
mapping: own
version: 1.0.0
source: {adapter: hl7v2}
rules:
- rule: patient
  for: PATIENT_RESULT
  as: Patient
  key: "=patient(PID-3)"
  name: "=human_name(PID-5)"
  gender: {match: PID-8, F: female, M: male, else: ~}
  birthDate: "=date(coalesce(PID-7, PID-29))"
"""


def test_the_reads_of_a_site_s_own_mapping_are_computed(tmp_path: Path) -> None:
    file = tmp_path / "mapping.yaml"
    file.write_text(SITE_MAPPING)
    converter = Converter()
    converter.compiled = load_mapping(file, adapters=adapters())
    assert isinstance(converter.compiled, CompiledMapping)
    text = "\r".join([ADT, "PID|1||77^^^HOSP||Keller^Ada||1960|F|||||||||||||||||||||2020"])
    assert left(converter(text)) == ["field PID-3", "field PID-29"], (
        "an id is built from PID-3, and says nothing"
    )
    assert left(converter(text.replace("|1960|F|", "||X|"))) == ["field PID-3", "field PID-8"]


def test_the_fields_that_do_not_count_are_documented(repository: Path) -> None:
    text = (repository / "docs/adapters/hl7v2.md").read_text()
    table = text.partition("| fields | why |")[2].partition("\n\n")[0]
    named: dict[str, set[int]] = {}
    rows = [line.strip("|").split("|")[0] for line in table.splitlines()[2:] if " where " not in line]
    assert {name.strip() for name in rows[0].split(",")} == ENVELOPE
    for row in rows[1:]:
        first, _, rest = row.partition(";") if row.strip().startswith("field 1 of") else ("", "", row)
        for name in re.findall(r"\b[A-Z][A-Z0-9]{2}\b", first):
            named.setdefault(name, set()).add(1)
        for name, number in re.findall(r"\b([A-Z][A-Z0-9]{2})-(\d+)", rest):
            named.setdefault(name, set()).add(int(number))
    assert named == {name: set(fields) for name, fields in SILENT.items()}


def leaves(text: str) -> Iterator[tuple[str, Callable[[str], str], str]]:
    """Every populated leaf of a message that counts: its place, what writes another text there, and its text."""
    lines = text.split("\r")
    for at, line in enumerate(lines):
        name, fields = line[:3], line.split("|")
        for number in range(1, len(fields)):
            if name in ENVELOPE or number in SILENT.get(name, ()) or not fields[number]:
                continue
            for repetition, part in enumerate(fields[number].split("~")):
                for component, sub in Components(part, STANDARD).populated():

                    def write(
                        other: str,
                        at: int = at,
                        number: int = number,
                        leaf: Any = (repetition, component, sub),
                    ) -> str:
                        own = lines[at].split("|")
                        repetitions = own[number].split("~")
                        pieces = [piece.split("&") for piece in repetitions[leaf[0]].split("^")]
                        pieces[leaf[1] - 1][leaf[2] - 1] = other
                        repetitions[leaf[0]] = "^".join("&".join(piece) for piece in pieces)
                        own[number] = "~".join(repetitions)
                        return "\r".join([*lines[:at], "|".join(own), *lines[at + 1 :]])

                    text_ = part.split("^")[component - 1].split("&")[sub - 1]
                    yield f"{name}-{number}", write, text_


def others(text: str) -> list[str]:
    """Values that may be in place of a leaf's."""
    if re.fullmatch(r"\d{8,}.*", text):
        return [f"19{text[2:]}", text[:6] + ("11" if text[6:8] != "11" else "12") + text[8:]]
    return [
        re.sub(r"\d", lambda d: str((int(d[0]) + 1) % 10), text, count=1),
        f"{text}x",
        "ZZ9",
        "F" if text != "F" else "M",
    ]


def test_every_leaf_of_the_examples_changes_the_output_or_is_named(
    repository: Path, converter: Converter
) -> None:
    silent: list[str] = []
    count = 0
    for path in sorted((repository / "mappings/ehr/hl7v2/examples").glob("*/*.hl7")):
        text = (
            next(piece.raw for piece in messages(path) if piece.kind == "message")
            .decode()
            .strip()
            .replace("\n", "\r")
        )
        before = shown(converter(text))
        for number, (location, write, stated) in enumerate(leaves(text)):
            if number % (1 + len(text) // 500):
                continue  # of long messages some
            count += 1
            for other in others(stated):
                converted = converter(write(other))
                changed = other != stated and shown(converted) != before
                if changed or any(
                    location in i.message
                    or f"segment {location[:3]}" in i.message
                    or (location[:3] == "NTE" and "(NTE)" in i.message)
                    for i in converted.issues
                ):
                    break
            else:
                silent.append(f"{path.parent.name}: {location} {stated}")
    assert count > 300
    assert len(silent) <= count * 0.03, silent


@pytest.mark.shared
def test_a_real_message_is_converted_only_if_all_of_it_is(shared: Path) -> None:
    paths = sorted((shared / "data" / "hl7v2").rglob("*.hl7"))
    converted = convert("ehr/hl7v2", paths, SITE)
    incomplete = {issue.source for issue in converted.issues if issue.code == "FB-HL7-012"}
    outcomes = dict(converted.outcomes)
    assert {outcomes[source] for source in incomplete} <= {"partial"}
    # Three MDM announce a document and hold none of it: they are reported.
    assert list(outcomes.values()).count("converted") >= 203

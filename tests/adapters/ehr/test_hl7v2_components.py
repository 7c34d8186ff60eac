"""Every component of every composite type that the adapter reads changes the output, or an issue names its field."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.adapters.ehr.conftest import Converted, Converter

Message = Callable[..., Converted]
Leaf = tuple[int, int]

ADT = "MSH|^~\\&|KIS|HOSP|||20260301120000+0100||ADT^A01|M1|P|2.5.1"
ORU = "MSH|^~\\&|LIS|HOSP|||20260301120000+0100||ORU^R01|M1|P|2.5.1"
PID = {1: "1", 3: "77^^^HOSP^MR", 5: "Keller^Ada^^^^^L", 7: "19600102", 8: "F"}
PV1 = {1: "1", 2: "I", 19: "V1"}
OBR = {1: "1", 2: "P1^KIS", 3: "F1^LIS", 4: "CHEM^Chemistry^L", 22: "20260301115500+0100", 25: "F"}
OBX = {1: "1", 2: "ST", 3: "1^x^L", 5: "5", 11: "F"}

TYPES: dict[str, int] = {
    "CWE": 22, "CWE in OBX-6": 22, "CX": 12, "XPN": 15, "XPN in PID-6": 15, "XAD": 23, "XTN": 18, "XCN": 25, "XON": 10,
    "PL": 11, "EI": 4, "EIP": 2, "NDL": 11, "SN": 5, "NM": 3, "DLD": 2, "CQ": 2, "DR": 2,
}  # fmt: skip
"""Types that the rules read, with the number of their components."""

PLACES = [
    ("CWE", "AL1-3"), ("CWE", "AL1-5"), ("CWE", "DG1-3"), ("CWE", "PR1-3"), ("CWE", "PID-10"), ("CWE", "PID-15"),
    ("CWE", "PID-17"), ("CWE", "PID-26"), ("CWE", "PV1-10"), ("CWE", "PV1-36"), ("CWE", "PV2-3"), ("CWE", "PV2-38"),
    ("CWE", "NK1-3"), ("CWE", "NK1-7"), ("CWE", "OBR-4"), ("CWE", "OBX-3"), ("CWE", "OBX-5"), ("CWE in OBX-6", "OBX-6"),
    ("CWE", "OBX-8"), ("CWE", "OBX-17"), ("CWE", "SPM-4"), ("CWE", "SPM-8"),
    ("CX", "PID-3"), ("CX", "PID-18"), ("CX", "PV1-5"), ("CX", "PV1-19"), ("CX", "PV1-54"), ("CX", "MRG-1"),
    ("XPN", "PID-5"), ("XPN in PID-6", "PID-6"), ("XPN", "PID-9"), ("XPN", "NK1-2"), ("XPN", "MRG-7"),
    ("XAD", "PID-11"), ("XAD", "NK1-4"), ("XTN", "PID-13"), ("XTN", "NK1-5"),
    ("XCN", "PV1-7"), ("XCN", "DG1-16"), ("XCN", "PR1-11"), ("XCN", "OBR-16"), ("XCN", "OBX-16"), ("XCN", "PD1-4"),
    ("XON", "OBX-23"), ("XON", "PD1-3"), ("XON", "NK1-13"), ("PL", "PV1-3"), ("PL", "PV1-6"), ("PL", "PV1-42"),
    ("EI", "OBR-2"), ("EI", "OBR-3"), ("EI", "OBX-18"), ("EI", "OBX-21"), ("EI", "DG1-20"), ("EIP", "SPM-2"),
    ("NDL", "OBR-32"), ("SN", "OBX-5"), ("NM", "OBX-5"), ("DLD", "PV1-37"), ("CQ", "SPM-12"), ("DR", "SPM-17"),
]  # fmt: skip

TOKENS = st.one_of(
    st.text("ABCabc0123 ü.", min_size=1, max_size=5).map(lambda text: f"T{text.strip()}"),
    st.sampled_from(
        [
            "5",
            "<",
            ">",
            "-",
            ":",
            "MR",
            "NPI",
            "ISO",
            "1.2.3.4",
            "L",
            "PRN",
            "NET",
            "a@b.c",
            "HL70078",
            "UCUM",
        ]
    ),
)


def segment(name: str, fields: dict[int, str]) -> str:
    return "|".join([name, *(fields.get(number, "") for number in range(1, max(fields) + 1))])


def message_with(kind: str, location: str, content: str) -> str:
    """A message of a patient, a visit and a result, with a value in one place."""
    name, number = location.split("-")
    own = {int(number): content}
    if name in ("OBR", "OBX", "SPM"):
        value_type = {2: kind} if location == "OBX-5" else {2: "NM"} if location == "OBX-6" else {}
        lines = [
            segment("OBR", OBR | (own if name == "OBR" else {})),
            segment("OBX", OBX | ({**value_type, **own} if name == "OBX" else {})),
        ]
        return "\r".join(
            [ORU, segment("PID", PID), *lines, *([segment("SPM", own)] if name == "SPM" else [])]
        )
    others = {
        "PID": PID,
        "PV1": PV1,
        "AL1": {3: "P^Pollen^L"},
        "DG1": {3: "I10^Hypertension^I10"},
        "PR1": {3: "1^x^L"},
    }
    others |= {"NK1": {2: "Keller^Jo"}, "MRG": {1: "88^^^HOSP^MR"}}
    head = ADT.replace("A01", "A40") if name == "MRG" else ADT
    base = {"PID": PID, "PV1": PV1} | ({} if name in ("PID", "PV1") else {name: others.get(name, {})})
    base[name] = {**base[name], **own}
    return "\r".join([head, "EVN|A01|20260301120000+0100", *(segment(*item) for item in base.items())])


def written(leaves: dict[Leaf, str]) -> str:
    """The value of a field as it is in a message."""
    parts = []
    for component in range(1, max((c for c, _ in leaves), default=1) + 1):
        subs = [leaves.get((component, sub), "") for sub in range(1, 5)]
        parts.append("&".join(subs).rstrip("&"))
    return "^".join(parts)


def shown(converted: Converted) -> str:
    """The output without ids, which tell nothing of what they are built from."""

    def plain(part: Any) -> Any:
        if isinstance(part, dict):
            return {
                key: plain(value) for key, value in part.items() if key not in ("id", "meta", "reference")
            }
        return [plain(item) for item in part] if isinstance(part, list) else str(part)

    return json.dumps(sorted(json.dumps(plain(resource), sort_keys=True) for resource in converted.resources))


def named(converted: Converted, location: str) -> bool:
    """Whether an issue names the field, or all of its segment."""
    name, number = location.split("-")
    words = re.compile(rf"\b{location}\b|\b{name}\[\*\]\.{number}\b|segment {name}\b")
    return any(words.search(issue.message) for issue in converted.issues)


@cache
def exempt(repository: Path) -> dict[str, set[Leaf]]:
    """Components that docs/adapters/hl7v2.md says not to count, by type."""
    text = (repository / "docs/adapters/hl7v2.md").read_text()
    table = text.partition("| type | components |")[2].partition("\n\n")[0]
    results: dict[str, set[Leaf]] = {}
    for line in table.splitlines()[2:]:
        names, components, _ = (cell.strip() for cell in line.strip("|").split("|"))
        leaves = {
            (int(c), int(s)) if s else (int(c), sub)
            for c, s in re.findall(r"(\d+)(?:\.(\d+))?", components)
            for sub in range(1, 5)
        }
        for name in names.split(", "):
            results.setdefault(name, set()).update(leaves)
    return results


@pytest.mark.parametrize(("kind", "place"), PLACES, ids=[f"{kind} {place}" for kind, place in PLACES])
@settings(max_examples=8, deadline=None)
@given(data=st.data())
def test_a_component_changes_the_output_or_an_issue_names_its_field(
    kind: str, place: str, data: st.DataObject, converter: Converter, repository: Path
) -> None:
    leaf = st.tuples(st.integers(1, TYPES[kind]), st.sampled_from([1, 1, 1, 2, 3]))
    leaves = data.draw(st.dictionaries(leaf, TOKENS, min_size=1, max_size=5))
    assume(len(set(leaves.values())) == len(leaves))  # what is said twice is said by either
    converted = converter(message_with(kind, place, written(leaves)))
    if converted.outcomes[0][1] == "rejected" or named(converted, place):
        return  # the field is named: the place of each component is a matter of other tests
    with_all = shown(converted)
    for position in leaves.keys() - exempt(repository).get(kind, set()):
        rest = {key: text for key, text in leaves.items() if key != position}
        without = converter(message_with(kind, place, written(rest) if rest else ""))
        assert shown(without) != with_all, (
            f"{place}.{position[0]}.{position[1]} of {written(leaves)!r} is lost"
        )


@pytest.mark.parametrize(("kind", "place"), PLACES, ids=[f"{kind} {place}" for kind, place in PLACES])
def test_each_component_alone_changes_the_output_or_is_named(
    kind: str, place: str, converter: Converter, repository: Path
) -> None:
    empty = shown(converter(message_with(kind, place, "")))
    for component in range(1, TYPES[kind] + 1):
        for sub in (1, 2):
            text = written({(component, sub): "T1"})
            converted = converter(message_with(kind, place, text))
            rejected = converted.outcomes[0][1] == "rejected"
            assert shown(converted) != empty or named(converted, place) or rejected, f"{place} {text} is lost"


@pytest.mark.parametrize(
    ("line", "kind", "path", "text"),
    [
        ("AL1|1|DA|^PENICILLIN", "AllergyIntolerance", ("code", "text"), "PENICILLIN"),
        ("AL1|1|DA|^^^^PENICILLIN", "AllergyIntolerance", ("code", "text"), "PENICILLIN"),
        ("AL1|1|DA|^^^^^^^^PENICILLIN", "AllergyIntolerance", ("code", "text"), "PENICILLIN"),
        ("DG1|1||^Pneumonia", "Condition", ("code", "text"), "Pneumonia"),
        ("PR1|1||^Colonoscopy", "Procedure", ("code", "text"), "Colonoscopy"),
        (
            "PV1|1|I|^^^HOSP||||^Doe^Jo||||||||||||V1",
            "Encounter",
            ("participant", 0, "individual", "display"),
            "Jo Doe",
        ),
        ("PV1|1|I|^2^3||||||||||||||||V1", "Encounter", ("location", 0, "location", "display"), "2 3"),
        ("NK1|1|^Ada", "Patient", ("contact", 0, "name", "given", 0), "Ada"),
        ("NK1|1|Keller||^Back yard", "Patient", ("contact", 0, "address", "line", 0), "Back yard"),
    ],
)
def test_a_field_without_first_component_arrives(
    line: str, kind: str, path: tuple[Any, ...], text: str, message: Message
) -> None:
    (resource, *_) = message(ADT, segment("PID", PID), line).of(kind)
    result: Any = resource
    for part in path:
        result = result[part]
    assert result == text


def test_a_result_without_code_is_the_text_that_it_says(message: Message) -> None:
    lines = [segment("OBR", OBR), "OBX|1|CWE|^Organism||^Staph aureus||||||F"]
    (result,) = message(ORU, segment("PID", PID), *lines).of("Observation")
    assert result["code"]["text"] == "Organism"
    assert result["valueCodeableConcept"] == {"text": "Staph aureus"}


@pytest.mark.parametrize("identifier", ["^^^HOSP^MR", "^^^HOSP&1.2.3&ISO", "^^^^MR"])
def test_an_identifier_without_number_is_reported_and_no_identity(identifier: str, message: Message) -> None:
    converted = message(ADT, segment("PID", PID | {3: identifier, 2: "4711"}))
    assert {i["value"] for i in converted.of("Patient")[0]["identifier"]} == {"4711"}
    assert any("PID-3" in issue.message for issue in converted.issues if issue.code == "FB-HL7-019")
    alone = message(ADT, segment("PID", PID | {3: identifier}))
    assert "FB-HL7-013" in alone.codes()


@pytest.mark.parametrize("value", ["^", "^^&^", "&", '^""', " ^ ", "~^~"])
def test_a_field_is_empty_only_if_all_its_components_are(value: str, message: Message) -> None:
    converted = message(ADT, segment("PID", PID), f"AL1|1|DA|{value}")
    assert not converted.of("AllergyIntolerance")
    assert not any("AL1-3" in issue.message for issue in converted.issues)

"""Acknowledgments in the form of the version that the sender speaks."""

from __future__ import annotations

import pytest

from fhir_bridge.adapters.ehr.hl7v2.acknowledgment import acknowledgments

CUT = ("E", "FB-HL7-020", "the message | was cut off")
UNNUMBERED = ("W", "FB-HL7-022", "no number")


def segments(version: str, *errors: tuple[str, str, str], code: str = "AR") -> dict[str, list[str]]:
    message = f"MSH|^~\\&|A|B|C|D|20260101||ADT^A01|1|P|{version}\r".encode()
    (answer,) = acknowledgments(message, code, 1, errors)  # type: ignore[arg-type]
    return {line[:3]: line.split("|") for line in answer.decode().rstrip("\r").split("\r")}


@pytest.mark.parametrize(
    ("version", "kind"),
    [
        ("2.1", "ACK^A01"),
        ("2.3", "ACK^A01"),
        ("2.3.1", "ACK^A01^ACK"),
        ("2.5.1^DEU", "ACK^A01^ACK"),
        ("", "ACK^A01^ACK"),
    ],
)
def test_kind_has_the_components_of_the_version(version: str, kind: str) -> None:
    assert segments(version)["MSH"][8] == kind


@pytest.mark.parametrize("version", ["2.2", "2.3", "2.3.1", "2.4"])
def test_errors_before_2_5_are_in_one_field_and_the_text_in_the_answer(version: str) -> None:
    answer = segments(version, CUT, UNNUMBERED)
    assert answer["MSA"] == ["MSA", "AR", "1", "the message \\F\\ was cut off"]
    assert answer["ERR"] == [
        "ERR",
        "^^^100&Segment sequence error&HL70357&FB-HL7-020&the message \\F\\ was cut off&FHIR_BRIDGE"
        "~MSH^1^10^101&Required field missing&HL70357&FB-HL7-022&no number&FHIR_BRIDGE",
    ]


@pytest.mark.parametrize("version", ["2.5", "2.5.1", "2.8"])
def test_errors_from_2_5_have_fields_of_their_own(version: str) -> None:
    answer = segments(version, CUT)
    assert answer["MSA"] == ["MSA", "AR", "1"]
    assert answer["ERR"][3:6] == [
        "100^Segment sequence error^HL70357",
        "E",
        "FB-HL7-020^the message \\F\\ was cut off^FHIR_BRIDGE",
    ]


@pytest.mark.parametrize("version", ["2.3", "2.5.1"])
def test_accepted_message_has_no_error_of_its_content(version: str) -> None:
    answer = segments(version, CUT, code="AA")
    assert answer["MSA"] == ["MSA", "AA", "1"]
    assert "ERR" not in answer


@pytest.mark.parametrize(
    ("accept", "application", "code", "kept", "expected"),
    [
        ("", "", "AA", True, ["AA"]),
        ("", "", "AR", False, ["AR"]),
        ("AL", "", "AA", True, ["CA"]),
        ("AL", "NE", "AE", True, ["CA"]),
        ("AL", "AL", "AA", True, ["CA", "AA"]),
        ("AL", "AL", "AE", True, ["CA", "AE"]),
        ("AL", "AL", "AR", True, ["CR"]),
        ("AL", "ER", "AA", True, ["CA"]),
        ("AL", "ER", "AE", True, ["CA", "AE"]),
        ("AL", "SU", "AE", True, ["CA"]),
        ("NE", "AL", "AA", True, ["AA"]),
        ("", "AL", "AE", True, ["AE"]),
        ("", "NE", "AA", True, []),
        ("ER", "NE", "AA", True, []),
        ("ER", "AL", "AR", False, ["CR"]),
        ("SU", "SU", "AA", True, ["CA", "AA"]),
        ("SU", "AL", "AR", True, []),
        ("NE", "NE", "AR", True, []),
    ],
)
def test_enhanced_mode_has_the_answers_that_its_sender_asks_for(
    accept: str, application: str, code: str, kept: bool, expected: list[str]
) -> None:
    message = f"MSH|^~\\&|A|B|C|D|20260101||ADT^A01|1|P|2.5.1|||{accept}|{application}\r".encode()
    answers = acknowledgments(message, code, 7, [CUT], kept=kept)  # type: ignore[arg-type]
    assert [answer.split(b"MSA|")[1][:2].decode() for answer in answers] == expected
    assert all(answer.split(b"MSA|")[1][2:4] == b"|1" for answer in answers)
    ids = {answer.split(b"|")[9] for answer in answers}
    assert len(ids) == len(answers)
    assert all(len(identity) == 20 for identity in ids)

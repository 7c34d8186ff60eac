"""Notes in files: text, PDF and RTF; what they state is derived and preliminary, with its span."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.adapters.ehr.conftest import Converted, convert

Write = Callable[..., Path]
TEXT = "Heart failure, NYHA class II. LVEF 45 %. If LVEF falls below 35 %, refer for ICD."


def pdf(text: str) -> bytes:
    """A PDF of one page with a text."""
    stream = b"BT /F1 12 Tf 72 720 Td (" + text.encode("latin-1") + b") Tj ET"
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R"
        b" /Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    file = io.BytesIO(b"%PDF-1.4\n")
    file.seek(0, 2)
    places = []
    for number, content in enumerate(objects, 1):
        places.append(file.tell())
        file.write(b"%d 0 obj\n%s\nendobj\n" % (number, content))
    start = file.tell()
    file.write(b"xref\n0 6\n0000000000 65535 f \n")
    for place in places:
        file.write(b"%010d 00000 n \n" % place)
    file.write(b"trailer << /Size 6 /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF" % start)
    return file.getvalue()


def codes(result: Converted) -> list[str]:
    return [o["code"]["coding"][0]["code"] for o in result.of("Observation")]


@pytest.mark.parametrize(
    ("name", "content", "media_type"),
    [
        ("P-1_20260301_Letter.txt", TEXT.encode(), "text/plain"),
        ("P-1_20260301_Letter.pdf", pdf(TEXT), "application/pdf"),
        ("P-1_20260301_Letter.rtf", rb"{\rtf1\ansi " + TEXT.encode() + rb"\par}", "application/rtf"),
    ],
    ids=["text", "pdf", "rtf"],
)
def test_a_note_is_kept_and_what_it_states_is_derived(
    write: Write, name: str, content: bytes, media_type: str
) -> None:
    result = convert("ehr/notes", [write(name, content)])
    (document,) = result.of("DocumentReference")
    assert document["content"][0]["attachment"]["contentType"] == media_type
    assert len(result.of("Composition")) == 1
    assert sorted(codes(result)) == ["10230-1", "88020-3"]
    for observation in result.of("Observation"):
        assert observation["status"] == "preliminary"
        assert observation["method"]["text"].startswith("Derived from text, not measured")
        assert observation["derivedFrom"] == [{"reference": f"DocumentReference/{document['id']}"}]
        span = {part["url"]: part for part in observation["extension"][0]["extension"]}
        assert span["end"]["valueInteger"] > span["start"]["valueInteger"]
        assert span["text"]["valueString"] in TEXT


@pytest.mark.parametrize(
    ("sentence", "found"),
    [
        ("Echo of 28.02.2026: LVEF 35 %.", 1),
        ("Echo vom 20.12.2025: LVEF 35 %.", 0),
        ("Echo 12.03.2018: EF 65 %.", 0),
        ("EF was 60 % in 2019.", 0),
        ("EF im Vorjahr 52 %.", 0),
        ("NYHA II last year.", 0),
        ("NYHA III in 2026.", 1),
        ("Vor drei Jahren NYHA II.", 0),
    ],
)
def test_finding_of_another_time_is_none_of_the_note(sentence: str, found: int, write: Write) -> None:
    result = convert("ehr/notes", [write("P-1_20260301_Letter.txt", sentence.encode())])
    assert len(codes(result)) == found


@pytest.mark.parametrize(
    ("stated", "line"),
    [("LVEF 45-40 %", 2), ("LVEF 5.5%", 2), ("EF 0 %", 2), ("LVEF 350 %", 2), ("NYHA V", 2)],
)
def test_a_value_that_can_be_none_is_reported_and_makes_nothing(stated: str, line: int, write: Write) -> None:
    result = convert(
        "ehr/notes", [write("P-1_20260301_Letter.txt", f"Seen today.\n{stated}.\nNon-smoker.".encode())]
    )
    assert codes(result) == ["72166-2"]
    (issue,) = [issue for issue in result.issues if issue.code == "FB-NOTE-006"]
    assert issue.source == f"P-1_20260301_Letter.txt:{line}"
    assert not any(character.isdigit() for character in issue.message)


def test_two_conditions_in_the_same_words_are_two_facts(write: Write) -> None:
    text = "Keine Mamma- oder Ovarialkarzinome in der Familie bekannt."
    result = convert("ehr/notes", [write("P-1_20260301_Letter.txt", text.encode())])
    stated = [observation["valueString"] for observation in result.of("Observation")]
    assert stated == ["No family history of Mammakarzinom", "No family history of Ovarialkarzinom"]
    assert len({observation["id"] for observation in result.of("Observation")}) == 2


def test_a_cut_rtf_is_converted_and_reported(write: Write) -> None:
    whole = rb"{\rtf1\ansi{\fonttbl{\f0 Arial;}} Seen today. \{x\par}"
    results = [convert("ehr/notes", [write("P-1_20260301_Letter.rtf", text)]) for text in (whole, whole[:-6])]
    assert ["FB-NOTE-005" in {issue.code for issue in result.issues} for result in results] == [False, True]
    assert results[1].of("DocumentReference")


def test_the_same_note_again_is_the_same_resources(write: Write) -> None:
    path = write("P-1_20260301_Letter.txt", TEXT)
    assert convert("ehr/notes", [path]).resources == convert("ehr/notes", [path]).resources


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("letter.txt", b"LVEF 45 %", "FB-NOTE-001"),
        ("P-1_20260301.txt", b"\x00\x01\x02\x03", "FB-NOTE-002"),
        ("P-1_20260301.txt", b"  \n", "FB-NOTE-002"),
        ("P-1_20260301.pdf", b"%PDF-1.4 cut", "FB-NOTE-002"),
        ("P-1_20260301.pdf", b"not a PDF", "FB-NOTE-002"),
    ],
    ids=["name", "binary", "empty", "cut", "none"],
)
def test_what_is_no_note_is_refused_with_the_reason(
    write: Write, name: str, content: bytes, code: str
) -> None:
    result = convert("ehr/notes", [write(name, content)])
    assert [outcome for _, outcome in result.outcomes] == ["rejected"]
    assert result.codes() == {code}

"""`mapping mutate` lists what no example would miss; `mapping shrink` keeps an issue and nothing of a patient."""

from __future__ import annotations

import gzip
import json
import re
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhir_bridge.workshop.scrubbing import Scrubber
from fhir_bridge.workshop.source_forms import form_of
from tests.command import run_command

MAPPING = """\
mapping: walks
version: 1.0.0
source: {adapter: csv, columns: [Patient, Metres], optional: [Note, Done]}
rules:
- rule: walk
  as: Observation
  key: [row.Patient]
  status: "='final' if row.Done else 'preliminary'"
  code: {text: walk}
  subject: "=patient(row.Patient)"
  valueQuantity: "=row.Metres | quantity('m')"
  note:
  - when: row.Note
    text: =row.Note
- rule: never
  when: row.Metres == 'x'
  as: Basic
  key: [row.Patient]
  code: {text: nothing}
"""


@pytest.fixture
def walks(tmp_path: Path) -> Path:
    folder = tmp_path / "walks"
    case = folder / "examples" / "one"
    case.mkdir(parents=True)
    (folder / "mapping.yaml").write_text(MAPPING)
    (case / "walks.csv").write_text("Patient,Metres,Note,Done\n1,410,,yes\n2,300,,\n")
    (case / "site.yaml").write_text("site: t\ndemo_key: true\n")
    assert run_command("mapping", "test", "--update", folder).returncode == 0
    return folder


def test_rules_that_no_example_would_miss_are_listed_with_their_line(walks: Path) -> None:
    done = run_command("mapping", "mutate", walks, "--format", "json")
    (result,) = json.loads(done.stdout)
    assert done.returncode == 0
    assert result["idle"] == [{"rule": "never", "file": str(walks / "mapping.yaml"), "line": 15}]
    assert {(m["line"], m["what"]) for m in result["survived"]} == {
        (12, "note is dropped"),
        (13, "the condition of note is removed"),
        (13, "the condition of note is negated"),
    }
    assert result["noticed"] >= 5
    assert result["left"] == 0


def test_fail_under_is_an_exit_code(walks: Path) -> None:
    assert run_command("mapping", "mutate", walks, "--fail-under", 99).returncode == 1
    assert run_command("mapping", "mutate", walks, "--fail-under", 20).returncode == 0


def test_an_example_with_a_note_notices_it(walks: Path) -> None:
    case = walks / "examples" / "one"
    (case / "walks.csv").write_text("Patient,Metres,Note,Done\n1,410,tired,yes\n2,300,,\n")
    (result,) = json.loads(run_command("mapping", "mutate", walks, "--format", "json").stdout)
    assert "note is dropped" not in {m["what"] for m in result["survived"]}


def test_what_a_mapping_includes_is_changed_once_for_all_its_rules(walks: Path) -> None:
    (walks / "parts.yaml").write_text(
        "fragments:\n  walk:\n    status: final\n    method: {text: unseen}\n    code: {text: walk}\n"
    )
    rule = (
        "- {{rule: {0}, as: Observation, key: [row.Patient], subject: '=patient(row.Patient)', when: {1},"
        " fragment: walk}}\n"
    )
    (walks / "mapping.yaml").write_text(
        MAPPING[: MAPPING.index("rules:")]
        + "include: [parts.yaml]\nrules:\n"
        + rule.format("one", "row.Metres == '410'")
        + rule.format("other", "row.Metres == '300'")
    )
    assert run_command("mapping", "test", "--update", "--all", walks).returncode == 0
    (result,) = json.loads(run_command("mapping", "mutate", walks, "--format", "json").stdout)
    assert result["survived"] == []
    assert result["noticed"] >= 6
    expected = walks / "examples" / "one"
    (expected / "walks.csv").write_text("Patient,Metres,Note,Done\n1,5,,yes\n")
    assert run_command("mapping", "test", "--update", "--all", walks).returncode == 0
    (result,) = json.loads(run_command("mapping", "mutate", walks, "--format", "json").stdout)
    assert [item["rule"] for item in result["idle"]] == ["one", "other"]
    assert result["score"] == 0


@pytest.mark.parametrize("text", ["mapping: walks\nrules: [\n", MAPPING.replace("quantity(", "qantity(")])
def test_a_mapping_that_does_not_compile_is_reported_with_its_place(walks: Path, text: str) -> None:
    (walks / "mapping.yaml").write_text(text)
    done = run_command("mapping", "mutate", walks)
    assert done.returncode == 2
    assert "mapping.yaml:" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_time_bounds_it(repository: Path) -> None:
    done = run_command(
        "mapping", "mutate", repository / "mappings/genomics/vcf", "--seconds", 1, "--format", "json"
    )
    (result,) = json.loads(done.stdout)
    assert result["left"] > 0


MESSAGE = "\r".join(
    (
        "MSH|^~\\&|LAB|NORTH|EHR|HOSP|20260301101500+0100||ORU^R01^ORU_R01|M-77123|P|2.5.1",
        "PID|1||9944771^^^NORTH^MR||Mustermann^Annalena||19710304|F|||Bahnhofweg 17^^Kirchberg^^3422||031 555 12 34",
        "OBR|1|ORD-5551|LAB-8822|24323-8^Chemistry^LN|||20260301080000+0100|||||||||||||||20260301094500+0100|||F",
        "OBX|1|NM|2823-3^Potassium^LN||4.15|mmol/L|3.5-5.1||||F|||20260301080000+0100",
        "OBX|2|DT|11368-8^Illness onset^LN||20261345||||||F",
        "NTE|1||Frau Mustermann \\T\\ family phoned about this",
        "ZZZ|1|private remark of the ward",
    )
)


def pieces(text: str) -> set[str]:
    """What a message says of its patient."""
    kept = {
        "LN",
        "NM",
        "DT",
        "ORU",
        "R01",
        "ORU_R01",
        "F",
        "P",
        "MR",
        "mmol/L",
        "2.5.1",
        "LAB",
        "NORTH",
        "EHR",
        "HOSP",
    }
    found = set(re.split(r"[|^~&\r]", text)) - kept
    return {
        piece for piece in found if len(piece) > 4 and not re.fullmatch(r"\d{4,5}-\d|[A-Z][a-z]+", piece)
    } | (found & {"Mustermann", "Annalena", "Kirchberg"})


def test_a_message_shrinks_to_what_the_issue_needs_and_says_nothing_of_the_patient(tmp_path: Path) -> None:
    source, out = tmp_path / "m.hl7", tmp_path / "small.hl7"
    second = MESSAGE.replace("M-77123", "M-77124").replace("20261345", "20260228")
    source.write_text(f"{second}\r{MESSAGE}", newline="")
    done = run_command("mapping", "shrink", source, "--code", "FB-MAP-208", "--out", out)
    assert done.returncode == 0, done.stderr
    small = out.read_bytes().decode()
    assert [line[:3] for line in small.split("\r")] == ["MSH", "PID", "OBX"]
    assert not pieces(MESSAGE) & pieces(small)
    again = run_command("mapping", "shrink", out, "--code", "FB-MAP-208", "--out", tmp_path / "again.hl7")
    assert again.returncode == 0


def test_a_table_shrinks_to_a_row(walks: Path, tmp_path: Path) -> None:
    source, out = tmp_path / "t.csv", tmp_path / "small.csv"
    rows = "\n".join(f"P-88{n:03},{300 + n},all well today,yes" for n in range(40))
    source.write_text(f"Patient,Metres,Note,Done\n{rows}\nP-99123,far,could not walk,yes\n")
    done = run_command("mapping", "shrink", source, "--mapping", walks, "--code", "FB-MAP-207", "--out", out)
    assert done.returncode == 0, done.stderr
    header, *body = out.read_text().splitlines()
    assert header == "Patient,Metres,Note,Done"
    assert len(body) == 1
    assert not {"P-99123", "far", "could not walk"} & set(body[0].split(","))


def test_a_value_that_the_issue_is_about_is_not_written_unless_allowed(walks: Path, tmp_path: Path) -> None:
    (walks / "mapping.yaml").write_text(MAPPING.replace("row.Metres == 'x'", "row.Note == 'secret word'"))
    other = tmp_path / "other.yaml"
    other.write_text(MAPPING)
    source, out = tmp_path / "t.csv", tmp_path / "small.csv"
    source.write_text("Patient,Metres,Note,Done\nP1,3,secret word,yes\nP2,4,nothing much,no\n")
    arguments = ["mapping", "shrink", source, "--mapping", walks, "--differs-from", other, "--out", out]
    done = run_command(*arguments)
    assert done.returncode == 1
    assert "Note" in done.stderr
    assert not out.exists()
    assert run_command(*arguments, "--keep", "Note").returncode == 0
    assert "secret word" in out.read_text()
    assert "P1" not in out.read_text()


def test_names_that_the_site_lists_are_of_no_patient_and_may_stay(tmp_path: Path) -> None:
    source, out, site = tmp_path / "m.hl7", tmp_path / "small.hl7", tmp_path / "site.yaml"
    source.write_text(MESSAGE, newline="")
    site.write_text(
        "demo_key: true\nidentity: {unlinked: hold, authorities: {NORTH: 'urn:oid:2.25.7', HOSP: 'urn:oid:2.25.8'}}\n"
    )
    done = run_command("mapping", "shrink", source, "--code", "FB-MAP-208", "--site", site, "--out", out)
    assert done.returncode == 0, done.stderr
    assert pieces(MESSAGE) & pieces(out.read_bytes().decode()) <= {"Illness onset", "NORTH", "HOSP"}


def test_a_packed_variant_file_and_a_table_of_excel_are_reduced(
    repository: Path, walks: Path, tmp_path: Path
) -> None:
    calls, out = tmp_path / "c.vcf.gz", tmp_path / "small.vcf"
    panel = repository / "mappings/genomics/vcf/examples/cardiology/panel.vcf"
    calls.write_bytes(gzip.compress(panel.read_bytes()))
    done = run_command("mapping", "shrink", calls, "--code", "FB-VCF-060", "--out", out)
    assert done.returncode == 0, done.stderr
    assert len(out.read_text().splitlines()) == 4
    assert "LAB-1" not in out.read_text()
    table, small = tmp_path / "t.csv", tmp_path / "small.csv"
    table.write_text("sep=;\nPatient;Metres;Note;Done\nP-1;12;x;yes\nP-2;far;y;yes\n")
    (walks / "mapping.yaml").write_text(
        (walks / "mapping.yaml").read_text().replace("adapter: csv", "adapter: csv, header: 2", 1)
    )
    done = run_command("mapping", "shrink", table, "--mapping", walks, "--code", "FB-MAP-207", "--out", small)
    assert done.returncode == 0, done.stderr
    assert small.read_text().startswith("sep=;\nPatient;Metres;Note;Done\n")
    assert len(small.read_text().splitlines()) == 3


def test_an_input_that_does_not_give_the_issue_is_a_wrong_call(tmp_path: Path) -> None:
    source = tmp_path / "m.hl7"
    source.write_text(MESSAGE, newline="")
    done = run_command("mapping", "shrink", source, "--code", "FB-HL7-010", "--out", tmp_path / "x.hl7")
    assert done.returncode == 2
    assert "does not give FB-HL7-010" in done.stderr
    assert run_command("mapping", "shrink", source, "--out", tmp_path / "x.hl7").returncode == 2


def test_a_variant_file_is_cut_at_line_ends_alone(tmp_path: Path) -> None:
    """U+2028, U+0085, form feed and vertical tab are text within a line (VCF 4.3 §1.2)."""
    text = "##fileformat=VCFv4.3\r\n##note=a\u2028b\x0bc\x85d\x1ce\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
    file = tmp_path / "a.vcf"
    file.write_text(text, newline="")
    form = form_of(file, "vcf")
    assert len(form.pieces(0)) == 1
    assert form.text().decode() == text.replace("\r", "")


@given(
    # The letter of an escape sequence (HL7 v2 §2.7) is no letter of the value, and stays.
    value=st.text(st.characters(exclude_characters="\\"), min_size=1, max_size=20),
    seed=st.integers(0, 1000),
)
def test_a_replacement_has_the_form_and_nothing_of_the_value(value: str, seed: int) -> None:
    scrubber = Scrubber(seed)
    made = scrubber.replace(value)
    assert scrubber.replace(value) == made
    if any(c.isalnum() for c in value):
        plain = [c for c in value if c.isdecimal() and c.isascii()]
        assert made != value or not (plain or any(c.isalpha() for c in value))
    assert len(made) == len(value)
    assert [c for c in made if not c.isalnum()] == [c for c in value if not c.isalnum()]


@settings(max_examples=60)
@given(
    days=st.lists(st.dates(), min_size=2, max_size=4),
    seed=st.integers(0, 1000),
    form=st.sampled_from(["%Y%m%d", "%Y-%m-%d", "%d.%m.%Y"]),
)
def test_dates_keep_their_order_and_distance(days: list[object], seed: int, form: str) -> None:
    from datetime import datetime

    known = sorted(day for day in days if 1900 < day.year < 2100)  # type: ignore[attr-defined]
    scrubber = Scrubber(seed)
    made = [datetime.strptime(scrubber.replace(day.strftime(form)), form).date() for day in known]  # type: ignore[attr-defined]
    assert [b - a for a, b in pairwise(made)] == [
        b - a  # type: ignore[operator]
        for a, b in pairwise(known)
    ]
    assert not set(made) & {day for day in known if len(known) == 1}


WORD = st.text(st.characters(codec="ascii", categories=("L", "Nd")), min_size=5, max_size=12)


@settings(max_examples=25)
@given(family=WORD, number=WORD, street=WORD, remark=WORD, seed=st.integers(0, 99))
def test_nothing_of_a_patient_is_in_a_scrubbed_message(
    tmp_path_factory: pytest.TempPathFactory, family: str, number: str, street: str, remark: str, seed: int
) -> None:
    text = MESSAGE.replace("Mustermann", family).replace("9944771", number).replace("Bahnhofweg 17", street)
    file = tmp_path_factory.mktemp("scrub") / "m.hl7"
    file.write_text(text.replace("phoned", remark), newline="")
    form, scrubber = form_of(file, "hl7v2"), Scrubber(seed)
    form.replace({value: scrubber.replace(value) for _, value in form.values()})
    left = form.text().decode()
    words = set(re.split(r"[^A-Za-z0-9]+", left))
    assert not {family, number, street, remark, "Annalena", "9944771", "19710304"} & words

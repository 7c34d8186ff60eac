"""Slips of an integration engineer, written down before looking at what `mapping check` finds: each is found, with
file, line, and a suggestion that names the right thing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fhir_bridge.cli.main import app
from fhir_bridge.mapping import check_mapping
from fhir_bridge.plugins import adapters, shipped

TABLE = """mapping: laboratory
version: 1.0.0
source:
  adapter: csv
  delimiter: ";"
  encoding: cp1252
  decimal: ","
  date: "dd.MM.yyyy HH:mm"
  missing: ["-"]
  columns: [Patient, Order, Code, Name, Value, Unit, Time, Born, Status]
  optional: [Pulse bpm, Temp °C]
let:
  scheme: "'LAB'"
rules:
- rule: patient
  as: Patient
  key: "=patient(row.Patient)"
  birthDate: "=date(row.Born, format='dd.MM.yyyy')"
- rule: result
  as: Observation
  key: [row.Order, row.Code]
  time: row.Time
  when: decimal(row.Value) > 0
  status: "=row.Status | translate('v2-0085', else='unknown+flag')"
  category:
  - coding: [{system: "http://terminology.hl7.org/CodeSystem/observation-category", code: laboratory}]
  code: "=row.Code | concept(to=['http://loinc.org'], system=scheme, text=row.Name, else='keep+flag')"
  subject: "=patient(row.Patient)"
  effectiveDateTime: "=datetime(row.Time, zone='Europe/Berlin')"
  valueQuantity: "=quantity(row.Value, row.Unit)"
  note: [{text: =row.Name}]
- rule: pressure
  as: Observation
  key: [row.Patient, row.Time]
  status: final
  code: {text: pressure}
  subject: "=patient(row.Patient)"
  valueQuantity: "=quantity(row.Value, 'mm[Hg]')"
- rule: vital
  unpivot:
    Pulse bpm: {code: 8867-4, unit: /min}
    Temp °C: {code: 8310-5, unit: Cel}
  as: Observation
  key: [row.Patient, row.Time, column]
  status: {match: upper(row.Status), F: final, P: preliminary, else: unknown, empty: unknown}
  code: {coding: [{system: "http://loinc.org", code: =spec.code}]}
  subject: "=patient(row.Patient)"
  effectiveDateTime: "=datetime(row.Time, zone=site.zone)"
  valueQuantity: "=quantity(value, spec.unit)"
"""

MESSAGE = """mapping: messages
version: 1.0.0
source: {adapter: hl7v2, require: [PID]}
let:
  facility: "=coalesce(MSH-4.1, MSH-3.1, 'hl7v2')"
rules:
- rule: patient
  for: PATIENT_RESULT
  when: MSH-9.1 == 'ADT'
  as: Patient
  key: "=patient(PID-3)"
  name: "=human_name(PID-5)"
  gender: {match: PID-8, M: male, F: female, else: flag, empty: null}
  birthDate: "=date(PID-7)"
  address: [{city: =PID-11.3}]
  extension:
  - {url: "http://hl7.org/fhir/StructureDefinition/patient-religion", valueCodeableConcept: "=PID-17 | concept()"}
  communication:
  - for: l in PID-15
    language: "=l | concept()"
- rule: order
  for: ORDER_OBSERVATION
  as: ServiceRequest
  key: [facility, OBR-3.1]
  status: active
  intent: order
  subject: "=patient(PID-3)"
- rule: result
  for: ORDER_OBSERVATION.OBSERVATION
  as: Observation
  key: [facility, OBR-3.1, OBX-3.1]
  status: {match: OBX-11, F: final, C: corrected, P: preliminary, else: unknown, empty: unknown}
  code: "=OBX-3 | concept()"
  subject: "=patient(PID-3)"
  basedOn: "=ref('order')"
  effectiveDateTime: "=datetime(OBX-14)"
  valueQuantity: {when: OBX-2 == 'NM', value: "=decimal(OBX-5)"}
"""

VARIANTS = "mapping: v\nversion: 1\nsource: {adapter: vcf, assembly: GRCh38}\nrules: []\n"
IMAGES = "mapping: v\nversion: 1\nsource: {adapter: dicom, name: PACS}\nrules: []\n"

SLIPS = [
    # Tables
    ("a column", TABLE, "time: row.Time\n", "time: row.Tiem\n", 'did you mean "Time"'),
    ("a column of an unpivot", TABLE, "    Pulse bpm: {", "    Puls bpm: {", 'did you mean "Pulse bpm"'),
    ("a column that only resembles nothing", TABLE, "{text: =row.Name}", "{text: =row.Remark}", "source.columns"),
    ("an option", TABLE, "  delimiter:", "  delimeter:", 'did you mean "delimiter"'),
    ("an encoding", TABLE, "encoding: cp1252", "encoding: cp1225", 'did you mean "cp1252"'),
    ("a delimiter", TABLE, 'delimiter: ";"', "delimiter: tabulator", "one character"),
    ("a date format of the source", TABLE, 'date: "dd.MM.yyyy HH:mm"', 'date: "DD.MM.YYYY HH:mm"', "dd.MM.yyyy HH:mm"),
    ("minutes in place of months", TABLE, "format='dd.MM.yyyy'", "format='dd.mm.yyyy'", "dd.MM.yyyy"),
    ("the name of a ConceptMap", TABLE, "'v2-0085'", "'v2-085'", 'did you mean "v2-0085"'),
    ("the url of a ConceptMap", TABLE, "'v2-0085'", "'https://fhir-bridge.org/fhir/ConceptMap/v2-85'",
     'did you mean "https://fhir-bridge.org/fhir/ConceptMap/v2-0085"'),
    ("a ConceptMap of other codes", TABLE, "'v2-0085', else='unknown+flag'", "'v2-0001', else='unknown'",
     "outside the required binding of Observation.status"),
    ("the system to map to", TABLE, "to=['http://loinc.org']", "to=['http://loinc.com']",
     'did you mean "http://loinc.org"'),
    ("the system of a literal", TABLE, "CodeSystem/observation-category", "CodeSystem/observation-categories",
     'did you mean "http://terminology.hl7.org/CodeSystem/observation-category"'),
    ("a code of a literal", TABLE, "code: laboratory}", "code: laboratry}", 'did you mean "laboratory"'),
    ("a unit", TABLE, "'mm[Hg]'", "'mmHg'", "mm[Hg]"),
    ("a unit of an unpivot", TABLE, "unit: /min}", "unit: bpm}", "/min"),
    ("a key of an unpivot's entries", TABLE, "spec.unit", "spec.units", 'did you mean "unit"'),
    ("the column in the key of an unpivot", TABLE, ", column]", "]", "column"),
    ("an argument", TABLE, "else='keep+flag'", "elze='keep+flag'", 'did you mean "else"'),
    ("what an argument may be", TABLE, "else='keep+flag'", "else='keep+flg'", 'did you mean "keep+flag"'),
    ("double quotes in an expression", TABLE, "zone='Europe/Berlin')\"", "zone='Europe/Berlin)\"", "closing quote"),
    ("a zone", TABLE, "'Europe/Berlin'", "'Europe/Berln'", 'did you mean "Europe/Berlin"'),
    ("a setting of the site", TABLE, "site.zone", "site.zoen", 'did you mean "zone"'),
    ("a text without quotes", TABLE, "  status: final", "  status: =final", "'final'"),
    ("an expression without =", TABLE, "{text: =row.Name}", "{text: row.Name}", "=row.Name"),
    ("a function without =", TABLE, 'valueQuantity: "=quantity(row.Value, row.Unit)"',
     'valueString: "string(row.Value)"', "=string(row.Value)"),
    ("a variable that nothing uses", TABLE, "let:\n", "let:\n  lab: \"'LAB'\"\n", 'nothing uses the variable "lab"'),
    ("a rule's name twice", TABLE, "- rule: pressure", "- rule: result", 'two rules are named "result"'),
    ("a case in the wrong letters", TABLE, "F: final, P: preliminary, else", "f: final, P: preliminary, else", '"F"'),
    ("text compared with a number", TABLE, "when: decimal(row.Value) > 0", "when: row.Value > 0", "decimal(row.Value)"),
    ("text calculated with", TABLE, "when: decimal(row.Value) > 0", "when: 10 - row.Value > 0", "decimal(row.Value)"),
    ("text that can't be equal to a number", TABLE, "when: decimal(row.Value) > 0", "when: row.Value == 0", "'0'"),
    ("the type of a choice", TABLE, "valueQuantity: \"=quantity(row.Value, row.Unit)\"",
     "valueString: \"=quantity(row.Value, row.Unit)\"", "string"),
    ("an element", TABLE, "  birthDate:", "  birthdate:", 'did you mean "birthDate"'),
    ("a code outside the binding", TABLE, "  status: final", "  status: finl", 'did you mean "final"'),
    ("a required element", TABLE, "  code: {text: pressure}\n", "", "Observation.code is required"),
    ("the key", TABLE, '  key: "=patient(row.Patient)"\n', "", "key"),
    # Messages
    ("a field that the segment does not have", MESSAGE, "PID-7", "PID-77", "PID"),
    ("a component that the type does not have", MESSAGE, "PID-11.3", "PID-11.33", "XAD"),
    ("a component of a primitive", MESSAGE, "when: OBX-2 == 'NM'", "when: OBX-2.2 == 'NM'", "OBX-2"),
    ("a segment of another group", MESSAGE, "when: MSH-9.1 == 'ADT'", "when: OBX-3.1 == 'ADT'",
     "for: ORDER_OBSERVATION.OBSERVATION"),
    ("a segment", MESSAGE, "=date(PID-7)", "=date(PDI-7)", "PID"),
    ("a group", MESSAGE, "for: ORDER_OBSERVATION\n", "for: ORDER_OBSERVATON\n", 'did you mean "ORDER_OBSERVATION"'),
    ("a code that the table does not have", MESSAGE, "OBX-2 == 'NM'", "OBX-2 == 'NUM'", "0125"),
    ("a case that the table does not have", MESSAGE, "C: corrected", "CORR: corrected", "0085"),
    ("an extension", MESSAGE, "patient-religion", "patient-relgion",
     'did you mean "http://hl7.org/fhir/StructureDefinition/patient-religion"'),
    ("the type of an extension's value", MESSAGE, 'valueCodeableConcept: "=PID-17 | concept()"',
     "valueString: =PID-17.1", "valueCodeableConcept"),
    ("the type that a reference is to", MESSAGE, "ref('order')", "ref('patient')", "ServiceRequest"),
    ("a rule that is referred to", MESSAGE, "ref('order')", "ref('oder')", 'did you mean "order"'),
    ("a key that is the same for all", MESSAGE, "key: [facility, OBR-3.1, OBX-3.1]", "key: [facility, OBR-3.1]", "OBX"),
    ("else of a match", MESSAGE, "else: flag", "els: flag", 'did you mean "else"'),
    ("a loop", MESSAGE, "for: l in PID-15", "for: l of PID-15", "name in expression"),
    ("a function", MESSAGE, "=human_name(PID-5)", "=humanname(PID-5)", 'did you mean "human_name"'),
    ("an option of messages", MESSAGE, "require: [PID]", "requires: [PID]", 'did you mean "require"'),
    # A second list
    ("a scheme to map to", TABLE, "to=['http://loinc.org']", "to=['loins']", 'did you mean "LOINC"'),
    ("a check digit", TABLE, "- rule: pressure", "- rule: p\n  as: Observation\n  key: [row.Order]\n  status: final\n"
     '  code: {coding: [{system: "http://loinc.org", code: 8867-5}]}\n- rule: pressure', "check digit"),
    ("a date as it is written", TABLE, '"=datetime(row.Time, zone=\'Europe/Berlin\')"', "=row.Time",
     "datetime(row.Time)"),
    ("a table", MESSAGE, "PID-17 | concept()", "PID-17 | concept(table='HL70O06')", 'did you mean "HL70006"'),
    ("the type of an identifier", MESSAGE, "  address:", "  identifier: \"=identifier(PID-3, type='MRM')\"\n  address:",
     '"MR"'),
    ("the use of an identifier", MESSAGE, "  address:",
     "  identifier: \"=identifier(PID-3, use='offical')\"\n  address:", 'did you mean "official"'),
    ("a rule of another record", MESSAGE, "=ref('order')", "=keyed('ServiceRequest', 'oder', facility, OBR-3.1)",
     'did you mean "order"'),
    ("the parts of a key of another record", MESSAGE, "=ref('order')", "=keyed('ServiceRequest', 'order', OBR-3.1)",
     "facility, OBR-3.1"),
    ("a date of a message as it is written", MESSAGE, '"=date(PID-7)"', "=PID-7", "date(PID-7)"),
    ("a code of a message as it is written", MESSAGE, "  status: {match: OBX-11, F: final, C: corrected, "
     "P: preliminary, else: unknown, empty: unknown}", "  status: =OBX-11", "translate(OBX-11, 'map')"),
    ("a regular expression", MESSAGE, "{when: OBX-2 == 'NM'", "{when: \"matches(OBX-2, '[NM')\"", "regular expression"),
    ("an option of variants", VARIANTS, "assembly:", "asembly:", 'did you mean "assembly"'),
    ("an option of images", IMAGES, "name:", "nam:", 'did you mean "name"'),
    # A third list
    ("minutes and months that changed places", TABLE, 'date: "dd.MM.yyyy HH:mm"', 'date: "dd.mm.yyyy HH:MM"',
     "dd.MM.yyyy HH:mm"),
    ("a check digit in an unpivot", TABLE, "{code: 8867-4,", "{code: 8867-5,", "check digit"),
    ("a decimal mark", TABLE, 'decimal: ","', 'decimal: ";"', "decimal mark"),
    ("text in place of a Quantity", TABLE, "quantity(row.Value, 'mm[Hg]')", "row.Value", "quantity(value, unit)"),
    ("two types of one choice", TABLE, "  effectiveDateTime: \"=datetime(row.Time, zone='Europe/Berlin')\"\n",
     "  effectiveDateTime: \"=datetime(row.Time, zone='Europe/Berlin')\"\n"
     '  effectivePeriod: "=period(datetime(row.Time), null)"\n', "effective[x]"),
    ("a segment of the site that no group has", MESSAGE, "key: [facility, OBR-3.1]\n",
     'key: [facility, OBR-3.1]\n  note: [{text: "=ZAB-1"}]\n', "groups: {ORDER_OBSERVATION: [ZAB]}"),
    ("a type in a reference", TABLE, "  note: [{text: =row.Name}]\n",
     "  note: [{text: =row.Name}]\n  performer: [{reference: Practitoner/1}]\n", "Practitioner"),
    ("a column twice", TABLE, "[Patient, Order, Code, Name, Value,", "[Patient, Order, Code, Value, Name, Value,",
     "more than once"),
    ("a code of a message", MESSAGE, "MSH-9.1 == 'ADT'", "MSH-9.1 == 'AD'", "ADT"),
]  # fmt: skip


def check(file: Path, *options: str) -> tuple[int, str]:
    """Exit code and output of `mapping check`."""
    result = CliRunner().invoke(app, ["mapping", "check", str(file), *options], env={"COLUMNS": "300"})
    return result.exit_code, result.output


@pytest.mark.parametrize("text", [TABLE, MESSAGE], ids=["table", "messages"])
def test_without_a_slip_nothing_is_found(tmp_path: Path, text: str) -> None:
    file = tmp_path / "m.yaml"
    file.write_text(text)
    code, output = check(file)
    assert code == 0, output


@pytest.mark.parametrize(
    ("text", "right", "slip", "suggestion"), [slip[1:] for slip in SLIPS], ids=[slip[0] for slip in SLIPS]
)
def test_a_slip_is_found_with_its_line_and_what_is_right(
    tmp_path: Path, text: str, right: str, slip: str, suggestion: str
) -> None:
    assert right in text
    file = tmp_path / "m.yaml"
    before = text[: text.index(right)]
    file.write_text(text.replace(right, slip, 1))
    first = before.count("\n") + 1
    lines = set(range(first, first + 1 + slip.removesuffix("\n").count("\n")))
    if not slip:  # what lacks something is named by its beginning
        lines |= {before[: before.rindex("- rule:")].count("\n") + 1}
    code, output = check(file)
    assert code == 1
    findings = re.findall(rf"^{re.escape(str(file))}:(\d+):\d+: (.*)$", output, re.MULTILINE)
    assert any(int(line) in lines and suggestion in message for line, message in findings), output


def test_a_line_that_a_person_has_checked_is_left_out(tmp_path: Path) -> None:
    file = tmp_path / "m.yaml"
    file.write_text(MESSAGE.replace('=date(PID-7)"', '=date(PID-77)"  # checked'))
    assert check(file)[0] == 0
    file.write_text(MESSAGE.replace('=date(PID-7)"', '=dat(PID-77)"  # checked'))
    assert 'did you mean "date"' in check(file)[1]  # what does not compile is never left out


def test_a_sample_and_the_examples_show_which_columns_there_are(tmp_path: Path) -> None:
    file = tmp_path / "m.yaml"
    undeclared = re.sub(r"  (columns|optional): .*\n", "", TABLE)
    file.write_text(undeclared.replace("time: row.Time", "time: row.Tiem"))
    assert check(file)[0] == 0  # nothing shows which columns there are
    header = "Patient;Order;Code;Name;Value;Unit;Time;Born;Status;Pulse bpm;Temp °C\n"
    (tmp_path / "sample.csv").write_text(header, encoding="cp1252")
    assert 'did you mean "Time"' in check(file, "--sample", str(tmp_path / "sample.csv"))[1]
    (tmp_path / "examples" / "one").mkdir(parents=True)
    (tmp_path / "sample.csv").rename(tmp_path / "examples" / "one" / "table.csv")
    assert 'did you mean "Time"' in check(file)[1]
    file.write_text(undeclared)
    assert check(file)[0] == 0


@pytest.mark.parametrize(
    ("slip", "right"),
    [
        (("columns: [Nr,", "columns: [Nrr,"), 'did you mean "Nr"'),
        (("key: id}", "key: idd}"), 'did you mean "id"'),
        (("file: people.csv", "file: peeple.csv"), 'did you mean "people.csv"'),
        (("file: people.csv", "file: tables/wards.txt"), "--set join.people=FILE"),
    ],
)
def test_the_files_beside_a_mapping_show_which_columns_and_tables_there_are(
    slip: tuple[str, str], right: str, tmp_path: Path
) -> None:
    text = (
        "mapping: joined\nversion: 1.0.0\nsource:\n  adapter: csv\n  columns: [Nr, Person]\n"
        "  join:\n    people: {file: people.csv, key: id}\nrules:\n- rule: patient\n  as: Patient\n"
        "  key: [row.Nr]\n  name: [{text: \"=joined('people', row.Person, 'name')\"}]\n"
    )
    (tmp_path / "people.csv").write_text("id,name\n7,Ada\n")
    (tmp_path / "examples/first").mkdir(parents=True)
    (tmp_path / "examples/first/visits.csv").write_text("Nr,Person\n1,7\n")
    mapping = tmp_path / "mapping.yaml"
    mapping.write_text(text)
    assert check(tmp_path) == (0, "1 mapping, 0 with mistakes\n")
    mapping.write_text(text.replace(*slip))
    code, output = check(tmp_path)
    line = next(number for number, each in enumerate(mapping.read_text().splitlines(), 1) if slip[1] in each)
    assert code == 1
    assert f"mapping.yaml:{line}:" in output
    assert right in output


def test_the_site_shows_which_parameters_there_are(tmp_path: Path) -> None:
    file, site = tmp_path / "m.yaml", tmp_path / "site.yaml"
    file.write_text(TABLE.replace("zone=site.zone", "zone=site.laboratory_zone"))
    site.write_text("demo_key: true\nparameters: {ward: x}\n")
    assert check(file)[0] == 0
    assert "the site has no laboratory_zone" in check(file, "--site", str(site))[1]
    site.write_text("demo_key: true\nparameters: {laboratory_zone: Europe/Rome}\n")
    assert check(file, "--site", str(site))[0] == 0


def test_what_is_extended_is_checked_by_itself(tmp_path: Path) -> None:
    file = tmp_path / "m.yaml"
    file.write_text(MESSAGE.replace("PID-7)", "PID-77)"))
    site = tmp_path / "site.yaml"
    site.write_text(
        "mapping: s\nversion: 1\nextends: m.yaml\noverride: {patient: {active+: =boolean(PID-78)}}\n"
    )
    code, output = check(site)
    assert code == 1
    assert "PID-78" in output
    assert "PID-77" not in output


@pytest.mark.parametrize(
    "path", sorted(shipped("mappings").glob("*/*/mapping.yaml")), ids=lambda p: p.parent.name
)
def test_shipped_mappings_have_no_slip(path: Path) -> None:
    assert check_mapping(path, adapters=adapters()) == []

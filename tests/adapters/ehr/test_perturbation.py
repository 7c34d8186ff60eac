# ruff: noqa: E501 - a segment is a line
"""Every populated leaf of a message and every cell of a table changes the output, or a report says that it does not."""

from __future__ import annotations

import csv
import io
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from fhir_bridge.adapters.ehr.hl7v2.framing import messages
from tests.adapters.ehr.conftest import Converter
from tests.adapters.ehr.perturbation import Leaf, perturb
from tests.perturbation import Tally, compiled, convert, other_text

SILENT, REPORTED = 0.01, 0.20

ADT = r"""MSH|^~\&|KIS|HOSP|FB|HOSP|20260301120000+0100||ADT^A01^ADT_A01|M1|P|2.5.1||||||UNICODE UTF-8
EVN|A01|20260301120000+0100|20260302||4711^Doe^Jo|20260301115500+0100|WARD^1.2.3.4^ISO
PID|1||77^3^M10^MPI&1.2.3.4&ISO^MR^HOSP~88^^^HOSP^PI||Keller^Ada^M^^Dr.^^L|Stern^Eva|19600102|F||2106-3^White^HL70005|Via Roma 1^^Bozen^BZ^39100^IT^H||+39 0471 1^PRN^PH|0471 2^WPN^PH|ita^Italian^ISO639|M^Married^HL70002|CAT^Catholic^HL70006|A9^^^HOSP^AN|||55^^^HOSP^MR|H^Hispanic^HL70189|Meran|Y|2|IT^Italy^ISO3166|V^Veteran^HL70172|DE^German^ISO3166||||20260228100000+0100|HOSP
PD1|S^Spouse^HL70223|F^Family^HL70220|Praxis^^12|4712^Roe^R
NK1|1|Keller^Jo|SPO^Spouse^HL70063|Via Roma 2^^Bozen^^39100|0471 3^PRN^PH|0471 4^WPN^PH|C^Contact^HL70131|20200101||||N7^^^HOSP|||M|19610203
PV1|1|I|CARD^12^A^HOSP^^N^B1^2|E|P7^^^HOSP|SURG^3^B|4711^Doe^Jo|4712^Roe^R|4713^Poe^P|CAR||||7|||4714^Zoe^Z|IP|V-100^^^HOSP^VN|||||||||||||||||01|||||||20260301100000+0100
PV2|ICU^1^A|||||||20260310||||Chest pain|4715^Moe^M
ROL|1|AD|AT^Attending^HL70443|4711^Doe^Jo|20260301||||CARD^Cardiology|1^Hospital||Via 9^^Bozen|0471 5^WPN^PH|CARD^1^2|HOSP^^9
DB1|1|PT^Patient^HL70334|77^^^HOSP|Y|20200101|20300101
AL1|1|DA|P^Penicillin^L|SV|Rash|20100101
DG1|1||I10^Hypertension^I10||20260301|A||||||||||4711^Doe^Jo|||20260301|D7^KIS
PR1|1||3E0^Infusion^I10P||20260301103000+0100|D|||||4711^Doe^Jo
GT1|1|G1^^^HOSP|Keller^Jo||Via Roma 2^^Bozen|0471 3|0471 4|19610203|M||SPO^Spouse^HL70063
IN1|1|P1^Basic|C1^^^KV|Kasse|Via 8^^Bozen|Moe^M|0471 6|G7|Group|||20260101|20261231||HMO^HMO^HL70086|Keller^Jo|SPO^Spouse^HL70063|19610203|Via Roma 2^^Bozen|||||||||||||||||S-9|||||||M||||||I7^^^KV
ACC|20260228|W^Work^HL70050|Factory
""".strip().replace("\n", "\r")

ORU = r"""MSH|^~\&|LIS|HOSP|FB|HOSP|20260301130000+0100||ORU^R01^ORU_R01|R1|P|2.5.1||||||UNICODE UTF-8
PID|1||77^^^HOSP^MR||Keller^Ada^^^^^L||19600102|F
PV1|1|I|CARD^12^A||||||||||||||||V-100^^^HOSP^VN
ORC|RE|P1^KIS|F1^LIS||CM||^^^^^R||20260301100000+0100|||4711^Doe^Jo||0471 7^WPN^PH|||||||WARD^^12|Via 9^^Bozen|0471 8^WPN^PH|Via 10^^Bozen
OBR|1|P1^KIS|F1^LIS|CHEM^Chemistry^L|||20260301110000+0100|||||||||4711^Doe^Jo|0471 9^WPN^PH|||||20260301125500+0100||LAB|F
NTE|1||Slightly lipaemic
OBX|1|NM|2823-3^Potassium^LN||5.6|mmol/L|3.5-5.1|H|||F|||20260301110000+0100||4716^Lab^L|M1^Method^L|D1^DEV||20260301114000+0100||||LAB1^^7|Via 11^^Bozen|4717^Chief^C
OBX|2|SN|33914-3^eGFR^LN||>^90|mL/min|>= 60||||F
OBX|3|CWE|5778-6^Color^LN||YEL^yellow^99LIS||||||F
OBX|4|ST|X1^House test^99LIS||some text||||||F
SPM|1|S-1&LIS^S-2&LIS||BLD^Blood^HL70487||||||||||||20260301104000+0100|20260301113000+0100
""".strip().replace("\n", "\r")


def chosen(part: int, salt: str) -> Callable[[Leaf], bool]:
    """One of `part` leaves, the same ones each time."""

    def choose(leaf: Leaf) -> bool:
        digest = sha256(f"{salt} {leaf[:6]}".encode()).digest()
        return leaf.carries and not int.from_bytes(digest[:4], "big") % part

    return choose


@pytest.mark.parametrize("text", [ADT, ORU], ids=["ADT", "ORU"])
def test_each_leaf_of_a_full_message_changes_the_output_or_is_reported(
    text: str, converter: Converter
) -> None:
    tally = Tally()
    perturb(text, converter, tally, lambda leaf: leaf.carries)
    assert tally.total > 100
    assert tally.share("silent") <= SILENT, tally.silent
    assert tally.share("reported") <= REPORTED, tally.reported


def test_each_leaf_of_the_exchange_is_reported(converter: Converter) -> None:
    tally = Tally()
    for text in (ADT, ORU):
        perturb(text, converter, tally, lambda leaf: not leaf.carries)
    assert tally.share("silent") <= 0.05, tally.silent


def test_each_leaf_of_the_examples_changes_the_output_or_is_reported(
    repository: Path, converter: Converter
) -> None:
    tally = Tally()
    for path in sorted((repository / "mappings/ehr/hl7v2/examples").glob("*/*.hl7")):
        for piece in messages(path):
            if piece.kind == "message":
                text = piece.raw.decode()
                perturb(text, converter, tally, chosen(1 + len(text) // 500, path.parent.name))
    assert tally.total > 150
    assert tally.share("silent") <= SILENT, tally.silent
    assert tally.share("reported") <= REPORTED, tally.reported


def real_messages(shared: Path) -> Iterator[tuple[str, str, str]]:
    """Name, kind and text of the real messages of ADT and ORU that are alone in their file."""
    for path in sorted((shared / "data" / "hl7v2").rglob("*.hl7")):
        raw = path.read_bytes()
        try:
            text = raw.decode("utf-8-sig").strip()
        except UnicodeDecodeError:
            text = raw.decode("cp1252").strip()
        if not text.startswith("MSH") or re.search(r"[\r\n]MSH", text):
            continue
        kind = text.split(text[3])[8][:3]
        if kind in ("ADT", "ORU"):
            yield path.name, kind, text


def measure(shared: Path, converter: Converter, part: int) -> dict[str, Tally]:
    """The tally of each kind of message, of one in `part` leaves."""
    tallies: dict[str, Tally] = defaultdict(Tally)
    for name, kind, text in real_messages(shared):
        perturb(text, converter, tallies[kind], chosen(part, name))
    for kind, tally in tallies.items():
        print(kind, tally)
    return tallies


@pytest.mark.shared
def test_the_leaves_of_real_messages_change_the_output_or_are_reported(
    shared: Path, converter: Converter
) -> None:
    tallies = measure(shared, converter, 24)
    assert tallies["ORU"].total > 100
    for tally in tallies.values():
        assert tally.share("silent") <= SILENT, tally.silent
        assert tally.share("reported") <= REPORTED, tally.reported


@pytest.mark.soak
@pytest.mark.shared
def test_all_leaves_of_real_messages_change_the_output_or_are_reported(
    shared: Path, converter: Converter
) -> None:
    for tally in measure(shared, converter, 1).values():
        assert tally.share("silent") <= SILENT, tally.silent
        assert tally.share("reported") <= REPORTED, tally.reported


def perturb_table(mapping: str, path: Path, folder: Path, tally: Tally, rows: int) -> None:
    """Put another value into each cell of the first rows of a table."""
    options = compiled(mapping).source_options
    encoding = options.get("encoding") or "utf-8"
    text = path.read_bytes().decode(encoding).lstrip("\ufeff")
    delimiter = options.get("delimiter") or max(",;\t", key=text.split("\n")[0].count)
    table = list(csv.reader(io.StringIO(text), delimiter=delimiter))[: rows + 1]
    target = folder / path.name
    missing = ("", *options.get("missing", ()))

    def run(cells: list[list[str]]) -> object:
        written = io.StringIO()
        csv.writer(written, delimiter=delimiter).writerows(cells)
        target.write_bytes(written.getvalue().encode(encoding))
        return convert(mapping, [target])

    before = run(table)
    for row, cells in enumerate(table[1:], 1):
        for column, cell in enumerate(cells):
            if cell.strip() in missing:
                continue
            other = [list(each) for each in table]
            other[row][column] = other_text(cell)
            name = table[0][column].strip()
            words = (f'"{name}"', f"row.{name}", f"row.`{name}`")
            tally.compare(
                f"{mapping} {name}",
                before,  # type: ignore[arg-type]
                run(other),  # type: ignore[arg-type]
                lambda message, words=words: any(word in message for word in words),  # type: ignore[misc]
            )


def test_each_cell_of_the_examples_changes_the_output_or_is_reported(
    repository: Path, tmp_path: Path
) -> None:
    tally = Tally()
    for path in sorted((repository / "mappings/ehr").glob("*csv-*/examples/*/*.csv")):
        perturb_table(f"ehr/{path.parents[2].name}", path, tmp_path, tally, 12)
    assert tally.total > 80
    assert tally.share("silent") <= SILENT, tally.silent


BRANCHES = """
mapping: branches
version: 1.0.0
source: {adapter: csv, ignore: [Notiz]}
rules:
- rule: result
  as: Observation
  key: [row.Nr, row.Code]
  status: final
  code: {text: "=row.Code"}
  subject: "=patient('urn:oid:1.2.3', row.Person)"
  valueQuantity:
    when: row.Art == 'n'
    value: "=decimal(row.Wert)"
    unit: "=row.Einheit"
  note:
  - when: row.Art == 't'
    text: "=row.Text"
"""
TABLE = """Nr,Code,Person,Art,Wert,Einheit,Text,Notiz,Rest
1,K,7,n,5,mmol/L,hidden,x,a
2,K,7,t,5,mmol/L,shown,y,
3,K,7,t,,,shown,,b
"""


def test_a_cell_that_no_entered_branch_reads_is_reported(tmp_path: Path) -> None:
    mapping, table = tmp_path / "mapping.yaml", tmp_path / "t.csv"
    mapping.write_text(BRANCHES)
    table.write_text(TABLE)
    outcome = convert(str(mapping), [table])
    assert len(outcome.resources) == 3
    assert sorted(message for message in outcome.messages if "values:" in message) == [
        'no rule reads the column "Rest" (values: 2)',
        'no rule represents, in these rows, the column "Einheit" (values: 1)',
        'no rule represents, in these rows, the column "Nr" (values: 3)',
        'no rule represents, in these rows, the column "Text" (values: 1)',
        'no rule represents, in these rows, the column "Wert" (values: 1)',
        'the mapping leaves out the column "Notiz" (values: 2)',
    ]


@pytest.mark.shared
def test_the_cells_of_real_tables_change_the_output_or_are_reported(shared: Path, tmp_path: Path) -> None:
    tally = Tally()
    for name in (
        "allergies",
        "conditions",
        "encounters",
        "immunizations",
        "medications",
        "observations",
        "patients",
    ):
        path = shared / "data" / "synthea-csv-27nj" / f"{name}.csv"
        perturb_table(f"ehr/synthea-{name}", path, tmp_path, tally, 5)
    assert tally.total > 200
    assert tally.share("silent") <= SILENT, tally.silent

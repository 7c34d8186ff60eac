"""Sources and mappings of our own for the workshop's commands."""

from __future__ import annotations

from pathlib import Path

import pytest

SITE = "zone: Europe/Rome\ndemo_key: true\n"

MESSAGE = (
    "MSH|^~\\&|LAB|HOSP|||20260101120000+0100||ORU^R01|17|P|2.5.1||||||UNICODE UTF-8\r\n"
    "PID|1||77^^^HOSP&1.2.3.4&ISO^MR||Müller^Ada~<script>alert(1)</script>^\"'&x||19600102|F\r\n"
    "OBR|1|P1|F1|58410-2^CBC panel^LN|||20260101110000+0100|||||||||||||||20260101115900+0100||LAB|F\r\n"
    "OBX|1|NM|718-7^Hemoglobin^LN|1|13.1|g/dL|12.0-17.5|N|||F||ppp|20260101110000+0100\r\n"
    "OBX|2|NM|4544-3^Hematocrit^LN|1|40|%|||||F|||20260101110500+0100\r\n"
)

TABLE = (
    "Nr;Wert;Einheit;Datum;Rest\r\n"
    '1;"412,5";m;03.02.2026 09:30;x\r\n'
    "2;;;31.02.2026 10:00;\r\n"
    "3;99,0;km;04.02.2026 10:00;é\r\n"
)

MAPPING = """mapping: walks
version: 1.0.0
source: {adapter: csv, delimiter: ";", decimal: ",", date: "dd.MM.yyyy HH:mm", encoding: cp1252}
rules:
- rule: walk
  when: row.Nr != '9'
  as: Observation
  key: [row.Nr]
  status: final
  code: {text: walk}
  effectiveDateTime: =datetime(row.Datum)
  value[x]:
    match: row.Einheit
    m: "=quantity(row.Wert, row.Einheit)"
    empty: ~
    else: "=quantity(row.Wert, row.Einheit, else='keep')"
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A site file with the demonstration's key."""
    path = tmp_path / "site.yaml"
    path.write_text(SITE)
    return path


@pytest.fixture
def message(tmp_path: Path) -> Path:
    """An ORU with hostile content, and a byte order mark before it."""
    path = tmp_path / "lab.hl7"
    path.write_bytes(b"\xef\xbb\xbf" + MESSAGE.encode())
    return path


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Three rows in windows-1252."""
    path = tmp_path / "walks.csv"
    path.write_bytes(TABLE.encode("cp1252"))
    return path


@pytest.fixture
def mapping(tmp_path: Path) -> Path:
    """A mapping of the table, with one golden example that has no expected output yet."""
    folder = tmp_path / "walks"
    case = folder / "examples" / "three"
    case.mkdir(parents=True)
    (case / "walks.csv").write_bytes(TABLE.encode("cp1252"))
    (case / "site.yaml").write_text(SITE)
    (folder / "mapping.yaml").write_text(MAPPING)
    return folder / "mapping.yaml"

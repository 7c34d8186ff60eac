"""Rows that are converted several at a time become what they become one by one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fhir_bridge.pipeline import RunRequest, Selection, convert

HEAD = """
mapping: rows
version: 1.0.0
source: {adapter: csv, file: "rows*.csv"}
"""
RESULT = """
rules:
- rule: result
  as: Observation
  key: [row.id]
  status: =row.status | translate('v2-0085', else='unknown+flag')
  code: {text: =row.code}
  subject: "=patient('urn:oid:2.999.1', row.patient)"
  valueQuantity: =quantity(row.value, 'mmol/L')
  note:
  - {when: row.note, text: =row.note}
"""
REFERRING = """
rules:
- rule: order
  as: ServiceRequest
  when: row.kind == 'order'
  key: [row.id]
  status: active
  intent: order
  subject: "=patient('urn:oid:2.999.1', row.patient)"
- rule: result
  as: Observation
  when: row.kind == 'result'
  key: [row.id]
  status: final
  code: {text: =row.code}
  subject: "=patient('urn:oid:2.999.1', row.patient)"
  basedOn: =ref('order', where(row.code == outer.row.code))
"""
LETS = """
let:
  doubled: "=row.code + row.code"
rules:
- rule: result
  as: Observation
  key: [row.id]
  status: final
  code: {text: =doubled}
  subject: "=patient('urn:oid:2.999.1', row.patient)"
"""


def run(
    folder: Path, mapping: str, rows: list[str], *, together: bool
) -> tuple[dict[str, bytes], dict[str, Any]]:
    """What is written, and the account; a limit that none reaches makes rows go one by one."""
    folder.mkdir()
    home = folder.parent
    (home / "mapping.yaml").write_text(HEAD + mapping)
    (home / "site.yaml").write_text("demo_key: true\nzone: UTC\n")
    (folder / "rows.csv").write_text(
        "id,patient,kind,code,value,status,note,further\n" + "".join(f"{r}\n" for r in rows)
    )
    selection = Selection() if together else Selection(limit=10_000)
    request = RunRequest("csv", str(home / "mapping.yaml"), home / "site.yaml", selection=selection)
    account = convert(request, [str(folder / "rows.csv")], folder / "out").account
    counts = {
        name: getattr(account, name)
        for name in (
            "read",
            "converted",
            "partial",
            "skipped",
            "rejected",
            "withheld",
            "resources",
            "unmapped",
            "issues",
        )
    }
    files = {path.name: path.read_bytes() for path in (folder / "out").iterdir() if path.suffix == ".ndjson"}
    return files, counts


def table(count: int) -> list[str]:
    rows = [
        f"r{n},{n % 7},result,K{n % 3},{n % 9}.5,{'FPQ'[n % 3]},{'x' * (n % 2)},{n % 5}" for n in range(count)
    ]
    rows[10] = "r10,1,result,K1,not a number,F,,"
    rows[70] = "r70,1,result,too few"
    rows[140] = rows[139]  # the same row again
    rows[141] = "r139,5,result,another,1.5,F,,"  # another content under its id
    rows[200] = "r200,,result,K1,1.5,F,,"  # whose it is, is not said
    return rows


@pytest.mark.parametrize("mapping", [RESULT, REFERRING, LETS])
@pytest.mark.parametrize("count", [260, 2000])
def test_several_at_a_time_give_what_each_gives(tmp_path: Path, mapping: str, count: int) -> None:
    rows = table(count)
    assert run(tmp_path / "together", mapping, rows, together=True) == run(
        tmp_path / "single", mapping, rows, together=False
    )


def test_plain_rows_give_the_same(tmp_path: Path) -> None:
    rows = [f"r{n},{n % 7},result,K{n % 3},{n % 9}.5,F,," for n in range(500)]
    files, counts = run(tmp_path / "together", RESULT, rows, together=True)
    assert (files, counts) == run(tmp_path / "single", RESULT, rows, together=False)
    assert counts["converted"] == 500
    assert {code for _, code, _ in counts["issues"]} == {"FB-CSV-011"}


def test_a_row_is_based_on_no_order_of_another_row(tmp_path: Path) -> None:
    rows = [f"r{n},1,{'order' if n % 2 else 'result'},K1,,,," for n in range(128)]
    files, _ = run(tmp_path / "together", REFERRING, rows, together=True)
    assert b"basedOn" not in files["Observation.ndjson"]


def test_cells_that_no_rule_represents_are_counted_once(tmp_path: Path) -> None:
    rows = [f"r{n},1,result,K1,1.5,F,,{n}" for n in range(128)]
    rows[100] = "r100,1,result,K1,bad,F,,100"  # its block is converted row by row
    _, counts = run(tmp_path / "together", RESULT, rows, together=True)
    (message,) = [
        text for severity, code, text in counts["issues"] if code == "FB-CSV-011" and "further" in text
    ]
    assert "128" in message

"""Sheets of any length, and workbooks that are not as the standard has them."""

from __future__ import annotations

import tracemalloc
import zipfile
from contextlib import closing
from pathlib import Path

import pytest

from fhir_bridge.adapters.ehr.csv.binary import BinaryTable, BinaryTableError
from fhir_bridge.adapters.ehr.csv.dialect import Dialect

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
TYPES = "application/vnd.openxmlformats-officedocument.spreadsheetml"
FILL = '<fill><patternFill patternType="none"/></fill>'


def workbook(path: Path, rows: str, fill: str = FILL) -> Path:
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{PACKAGE}/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{TYPES}.sheet.main+xml"/>'
        f'<Override PartName="/xl/sheet.xml" ContentType="{TYPES}.worksheet+xml"/>'
        f'<Override PartName="/xl/styles.xml" ContentType="{TYPES}.styles+xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{PACKAGE}/relationships">'
        f'<Relationship Id="r1" Type="{OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{MAIN}" xmlns:r="{OFFICE}"><sheets>'
        '<sheet name="labs" sheetId="1" r:id="r1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{PACKAGE}/relationships">'
        f'<Relationship Id="r1" Type="{OFFICE}/worksheet" Target="sheet.xml"/>'
        f'<Relationship Id="r2" Type="{OFFICE}/styles" Target="styles.xml"/></Relationships>',
        "xl/styles.xml": f'<styleSheet xmlns="{MAIN}"><fonts><font/></fonts><fills>{fill}</fills><borders><border/>'
        '</borders><cellStyleXfs><xf/></cellStyleXfs><cellXfs><xf numFmtId="0"/></cellXfs></styleSheet>',
        "xl/sheet.xml": f'<worksheet xmlns="{MAIN}"><sheetData>{rows}</sheetData></worksheet>',
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in parts.items():
            archive.writestr(name, '<?xml version="1.0" encoding="UTF-8"?>' + text)
    return path


def row(number: int, *cells: str) -> str:
    listed = "".join(f'<c t="inlineStr"><is><t>{cell}</t></is></c>' for cell in cells)
    return f'<row r="{number}" ht="20" customHeight="1">{listed}</row>'


def peak(path: Path) -> int:
    table = BinaryTable(path, Dialect())
    tracemalloc.start()
    try:
        assert sum(1 for _ in table.rows) > 0
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
        table.close()


def test_a_sheet_ten_times_as_long_needs_no_more_memory(tmp_path: Path) -> None:
    few, many = (
        workbook(tmp_path / f"{count}.xlsx", "".join(row(n, "a", "b") for n in range(1, count)))
        for count in (500, 5_000)
    )
    assert peak(many) < peak(few) * 1.2


def test_rows_that_a_sheet_leaves_out_keep_the_numbers_of_the_others(tmp_path: Path) -> None:
    path = workbook(tmp_path / "labs.xlsx", row(1, "a", "b") + row(4, "1", "2") + row(9, "3"))
    with closing(BinaryTable(path, Dialect())) as table:
        assert table.names == ["a", "b"]
        assert [(raw.line, raw.cells) for raw in table.rows] == [(4, ["1", "2"]), (9, ["3"])]


@pytest.mark.parametrize("rows", [row(99_999_999_999, "x"), '<row r="2"><c r="ZZZ2"><v>1</v></c></row>'])
def test_a_cell_outside_of_any_sheet_ends_it_with_its_place(tmp_path: Path, rows: str) -> None:
    path = workbook(tmp_path / "labs.xlsx", row(1, "a") + rows)
    with (
        closing(BinaryTable(path, Dialect())) as table,
        pytest.raises(BinaryTableError, match="row 2 and after"),
    ):
        list(table.rows)


def test_a_workbook_that_states_its_styles_wrongly_is_refused(tmp_path: Path) -> None:
    path = workbook(tmp_path / "labs.xlsx", row(1, "a"), fill="<fill/>")
    with pytest.raises(BinaryTableError, match="no Excel workbook, or is cut off"):
        BinaryTable(path, Dialect())

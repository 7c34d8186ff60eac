"""Every span of a cell is the bytes of its text, in any encoding, quoting and line ends."""

from __future__ import annotations

import codecs
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhir_bridge.adapters.ehr.csv import Dialect, read_table
from fhir_bridge.mapping import Read

ENCODINGS = st.sampled_from(
    [("utf-8", b""), ("utf-8", codecs.BOM_UTF8), ("utf-16-le", codecs.BOM_UTF16_LE), ("cp1252", b""),
     ("utf-16-be", codecs.BOM_UTF16_BE)]
)  # fmt: skip


@st.composite
def tables(draw: st.DrawFn) -> tuple[bytes, str, list[int], str]:
    """A file, its encoding, physical lines of its rows, and its delimiter."""
    encoding, mark = draw(ENCODINGS)
    delimiter = draw(st.sampled_from([",", ";", "\t"]))
    end = draw(st.sampled_from(["\n", "\r\n", "\r"]))
    letters = "aéZ9 \"'," + ("😀汉" if encoding.startswith("utf") else "") + end
    text = st.text(st.sampled_from(letters), max_size=5)
    lines, number = [f"id{delimiter}Temp °C{delimiter}note"], 2
    begins = []
    for count in range(draw(st.integers(1, 4))):
        cells = [f"k{count}", draw(text), draw(text)]
        row = delimiter.join(
            '"' + cell.replace('"', '""') + '"'
            if draw(st.booleans()) or set('\r\n",;\t') & set(cell)
            else cell
            for cell in cells
        )
        begins.append(number)
        number += 1 + len(re.findall("\r\n|\r|\n", row))
        lines.append(row)
    return mark + end.join([*lines, ""]).encode(encoding), encoding, begins, delimiter


@settings(max_examples=60, deadline=None)
@given(tables())
def test_a_span_decodes_to_the_cell(
    tmp_path_factory: pytest.TempPathFactory, table: tuple[bytes, str, list[int], str]
) -> None:
    raw, encoding, begins, delimiter = table
    path = tmp_path_factory.getbasetemp() / "spans.csv"
    path.write_bytes(raw)
    rows = list(read_table(path, Dialect.of({"delimiter": delimiter, "encoding": encoding})))
    assert [row.locator for row in rows] == [f"spans.csv:{line}" for line in begins]
    for row in [*rows, *reversed(rows)]:
        for column, selector in (("id", "row.id"), ("Temp °C", "row.`Temp °C`"), ("note", "row.note")):
            spans = list(row.spans(row, Read("row", selector), {}))
            cell = row.cell(column)
            assert [span.text for span in spans] == ([cell] if cell is not None else [])
            for span in spans:
                assert raw[span.start : span.end].decode(encoding) in (cell, cell.replace('"', '""'))
        (passage,) = row.passages()
        assert raw[passage.start : passage.start + len(passage.raw)] == passage.raw

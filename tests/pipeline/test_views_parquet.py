"""Views as Parquet: typed, exact or reported, in row groups that bound memory."""

from __future__ import annotations

import sys
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from fhir_bridge.fhir.views import RecordError, View, compile_view
from fhir_bridge.pipeline.views import Types, ViewRun, open_sink, parquet_fields, run_view
from fhir_bridge.pipeline.views_sources import Record
from fhir_bridge.plugins.extras import MissingExtra

pq = pytest.importorskip("pyarrow.parquet")
pa = pytest.importorskip("pyarrow")


def view(resource: str, *columns: tuple[str, str, str], collection: bool = False) -> View:
    written = []
    for name, path, hint in columns:
        column: dict[str, Any] = {"name": name, "path": path, "collection": collection}
        if hint:
            column["tag"] = [{"name": "ansi/type", "value": hint}]
        written.append(column)
    return compile_view({"resource": resource, "select": [{"column": written}]})


def table(
    tmp_path: Path, compiled: View, *resources: dict[str, Any], types: Types = Types.both
) -> tuple[Any, ViewRun, list[str]]:
    out, refused = tmp_path / "out.parquet", []
    records = [Record(str(n), r, 100) for n, r in enumerate(resources)]
    with open_sink("parquet", compiled.columns, out, types=types) as sink:
        done = run_view(
            compiled, records, sink, on_reject=lambda _where, issue: refused.append(issue.message)
        )
    return pq.read_table(out), done, refused


def observation(**more: Any) -> dict[str, Any]:
    return {"resourceType": "Observation", "status": "final", **more}


class TestSchema:
    def test_each_fhir_type_has_a_native_one(self, tmp_path: Path) -> None:
        compiled = view(
            "Observation",
            ("text", "status", ""),
            ("flag", "value.ofType(boolean)", ""),
            ("whole", "value.ofType(integer)", ""),
            ("number", "value.ofType(Quantity).value", ""),
            ("moment", "effective.ofType(dateTime)", ""),
            ("issued", "issued", ""),
            ("clock", "value.ofType(time)", ""),
            ("bytes", "value.ofType(Quantity).extension('x').value.ofType(base64Binary)", ""),
            ("unknown", "value", ""),
        )
        schema = table(tmp_path, compiled)[0].schema
        assert {field.name: str(field.type) for field in schema} == {
            "text": "string",
            "flag": "bool",
            "whole": "int32",
            "number": "decimal128(38, 18)",
            "number_text": "string",
            "moment": "timestamp[us, tz=UTC]",
            "moment_text": "string",
            "issued": "timestamp[us, tz=UTC]",
            "clock": "string",
            "bytes": "binary",
            "unknown": "string",
        }

    @pytest.mark.parametrize(
        ("hint", "expected"),
        [
            ("VARCHAR(20)", "string"),
            ("character varying", "string"),
            ("DATE", "date32[day]"),
            ("TIMESTAMP WITH TIME ZONE", "timestamp[us, tz=UTC]"),
            ("DECIMAL(10,2)", "decimal128(10, 2)"),
            ("numeric( 8 )", "decimal128(8, 0)"),
            ("DECIMAL", "decimal128(38, 18)"),
            ("DOUBLE PRECISION", "double"),
            ("BIGINT", "int64"),
            ("SMALLINT", "int16"),
            ("INT", "int32"),
            ("BOOLEAN", "bool"),
            ("BINARY", "binary"),
            ("TIME", "time64[us]"),
        ],
    )
    def test_an_ansi_type_decides_alone(self, hint: str, expected: str) -> None:
        ((name, native, _),) = parquet_fields(view("Observation", ("c", "value", hint)).columns)
        assert (name, str(native.arrow(pa))) == ("c", expected)

    def test_an_ansi_type_that_is_not_understood_is_warned_of(self) -> None:
        compiled = view("Patient", ("c", "birthDate", "DECIMAL(99,2)"))
        assert [issue.code for issue in compiled.warnings] == ["FB-VIEW-017"]
        assert [name for name, _, _ in parquet_fields(compiled.columns)] == ["c", "c_text"]

    def test_a_name_that_is_taken_is_not_taken_again(self) -> None:
        compiled = view("Patient", ("c", "birthDate", ""), ("c_text", "id", ""))
        assert [name for name, _, _ in parquet_fields(compiled.columns)] == ["c", "c_text_", "c_text"]

    def test_collections_are_lists(self, tmp_path: Path) -> None:
        compiled = view(
            "Patient", ("given", "name.given", ""), ("start", "name.period.start", ""), collection=True
        )
        name = {"given": ["A", "B"], "period": {"start": "2020"}}
        result, _, _ = table(
            tmp_path, compiled, {"resourceType": "Patient", "name": [name]}, {"resourceType": "Patient"}
        )
        assert result.to_pylist() == [
            {"given": ["A", "B"], "start": [None], "start_text": ["2020"]},
            {"given": [], "start": [], "start_text": []},
        ]


class TestDates:
    VIEW = (("d", "effective.ofType(dateTime)", ""),)

    @pytest.mark.parametrize(
        ("written", "native"),
        [
            ("2020", None),
            ("2020-01", None),
            ("2020-01-02", None),
            ("2020-01-02T10:00:00+02:00", datetime(2020, 1, 2, 8, tzinfo=UTC)),
            ("2020-01-02T10:00:00.123456Z", datetime(2020, 1, 2, 10, 0, 0, 123456, tzinfo=UTC)),
            ("2020-01-02T10:00:00.120000000Z", datetime(2020, 1, 2, 10, 0, 0, 120000, tzinfo=UTC)),
            ("2020-01-02T10:00:00.123456789Z", None),
            ("2016-12-31T23:59:60Z", None),
            ("0001-01-01T00:00:00+14:00", None),
        ],
    )
    def test_a_moment_is_exact_or_null_and_its_text_stays(
        self, tmp_path: Path, written: str, native: datetime | None
    ) -> None:
        result, _, _ = table(
            tmp_path, view("Observation", *self.VIEW), observation(effectiveDateTime=written)
        )
        assert result.to_pylist() == [{"d": native, "d_text": written}]

    @pytest.mark.parametrize(
        ("written", "native"),
        [("1970-06", None), ("1970", None), ("1970-06-01", date(1970, 6, 1)), ("2023-02-30", None)],
    )
    def test_a_partial_date_is_not_made_whole(
        self, tmp_path: Path, written: str, native: date | None
    ) -> None:
        patient = {"resourceType": "Patient", "birthDate": written}
        compiled = view("Patient", ("d", "birthDate", ""))
        assert table(tmp_path, compiled, patient)[0].to_pylist() == [{"d": native, "d_text": written}]
        result, done, _ = table(tmp_path, compiled, patient, types=Types.native)
        assert result.to_pylist() == [{"d": native}]
        assert [issue["code"] for issue in done.report()["issues"]] == ([] if native else ["FB-VIEW-040"])
        assert table(tmp_path, compiled, patient, types=Types.text)[0].to_pylist() == [{"d": written}]

    def test_where_the_view_asks_for_a_date_a_partial_one_rejects_its_record(self, tmp_path: Path) -> None:
        compiled = view("Patient", ("d", "birthDate", "DATE"))
        resources = [{"resourceType": "Patient", "birthDate": d} for d in ("1970", "1970-06-01")]
        result, done, refused = table(tmp_path, compiled, *resources)
        assert result.to_pylist() == [{"d": date(1970, 6, 1)}]
        assert done.account.rejected == 1
        assert refused == ["column d: a value (text of 4 characters) has no exact date"]

    def test_an_instant_without_an_exact_moment_is_reported(self, tmp_path: Path) -> None:
        result, done, _ = table(
            tmp_path,
            view("Observation", ("i", "issued", "")),
            observation(issued="2020-01-02T10:00:00.1234567Z"),
        )
        assert result.to_pylist() == [{"i": None}]
        assert done.report()["issues"][0]["code"] == "FB-VIEW-040"

    def test_a_time_of_day(self, tmp_path: Path) -> None:
        compiled = view("Observation", ("t", "value.ofType(time)", "TIME"))
        assert table(tmp_path, compiled, observation(valueTime="10:20:30.5"))[0].to_pylist() == [
            {"t": time(10, 20, 30, 500_000)}
        ]


class TestDecimals:
    @pytest.mark.parametrize(
        ("number", "native"),
        [
            (Decimal("5.20"), Decimal("5.2")),
            (5.2, Decimal("5.2")),
            (7, Decimal(7)),
            (Decimal("1E-18"), Decimal("1E-18")),
            (Decimal("1E-19"), None),
            (Decimal("12345678901234567890.5"), Decimal("12345678901234567890.5")),
            (Decimal("123456789012345678901"), None),
            (
                Decimal("12345678901234567890.123456789012345678"),
                Decimal("12345678901234567890.123456789012345678"),
            ),
            (Decimal("0.1234567890123456789"), None),
            (
                Decimal("12345678901234567890.123456789012345678000"),
                Decimal("12345678901234567890.123456789012345678"),
            ),
            (Decimal("1.00000000000000000000000000000000000001"), None),
            (Decimal("-0.00"), Decimal(0)),
        ],
    )
    def test_a_decimal_is_exact_or_null_and_its_digits_stay(
        self, tmp_path: Path, number: Any, native: Any
    ) -> None:
        compiled = view("Observation", ("v", "value.ofType(Quantity).value", ""))
        ((row),) = table(tmp_path, compiled, observation(valueQuantity={"value": number}))[0].to_pylist()
        assert row["v"] == native
        assert Decimal(row["v_text"]).as_tuple() == Decimal(str(number)).as_tuple()

    @pytest.mark.parametrize(
        ("hint", "number", "fits"),
        [
            ("DECIMAL(5,2)", "123.45", True),
            ("DECIMAL(5,2)", "123.456", False),
            ("DECIMAL(5,2)", "1234", False),
            ("INTEGER", "3.0", True),
            ("INTEGER", "3.5", False),
        ],
    )
    def test_a_decimal_that_the_asked_type_can_not_hold_rejects_its_record(
        self, tmp_path: Path, hint: str, number: str, fits: bool
    ) -> None:
        compiled = view("Observation", ("v", "value.ofType(Quantity).value", hint))
        result, done, _ = table(tmp_path, compiled, observation(valueQuantity={"value": Decimal(number)}))
        assert (result.num_rows, done.account.rejected) == ((1, 0) if fits else (0, 1))


def test_bytes_are_decoded(tmp_path: Path) -> None:
    compiled = view("Patient", ("b", "photo.data.first()", ""))
    good, bad = ({"resourceType": "Patient", "photo": [{"data": data}]} for data in ("aGVs bG8=", "?"))
    result, done, _ = table(tmp_path, compiled, good, bad)
    assert result.to_pylist() == [{"b": b"hello"}]
    assert done.account.rejected == 1


def test_complex_values_are_their_json(tmp_path: Path) -> None:
    column = {"name": "q", "path": "value.ofType(Quantity)", "type": "Quantity"}
    compiled = compile_view({"resource": "Observation", "select": [{"column": [column]}]})
    result, _, _ = table(tmp_path, compiled, observation(valueQuantity={"value": Decimal("5.20")}))
    assert result.to_pylist() == [{"q": '{"value":5.20}'}]


def test_row_groups_are_bounded(tmp_path: Path) -> None:
    out = tmp_path / "out.parquet"
    compiled = view("Patient", ("t", "id", ""))
    text = "x" * 64_000
    records = (Record(str(n), {"resourceType": "Patient", "id": f"{text}{n}"}, 64_000) for n in range(1500))
    with open_sink("parquet", compiled.columns, out) as sink:
        run_view(compiled, records, sink)
    file = pq.ParquetFile(out)
    groups = [file.metadata.row_group(n).num_rows for n in range(file.metadata.num_row_groups)]
    assert sum(groups) == 1500
    assert max(groups) <= 1100, "about 32 MB each"


def test_an_empty_table_has_its_schema(tmp_path: Path) -> None:
    result, _, _ = table(tmp_path, view("Patient", ("d", "birthDate", "")))
    assert (result.num_rows, result.column_names) == (0, ["d", "d_text"])


def test_without_pyarrow_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtra, match=r"pip install .fhir-bridge\[parquet\]."):
        open_sink("parquet", view("Patient", ("d", "birthDate", "")).columns, tmp_path / "x.parquet")
    assert list(tmp_path.iterdir()) == []


def test_a_refused_row_names_its_column() -> None:
    ((_, native, _),) = parquet_fields(view("Patient", ("d", "birthDate", "DATE")).columns)
    with pytest.raises(RecordError):
        native.convert("1970")

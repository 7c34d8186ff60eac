"""Views over files to CSV and NDJSON: every record accounted for, digits kept, nothing half written."""

from __future__ import annotations

import csv
import io
import json
import tracemalloc
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhir_bridge.fhir import dumps, loads_exact
from fhir_bridge.fhir.views import View, compile_view
from fhir_bridge.pipeline import SourceError
from fhir_bridge.pipeline.views import ViewRun, file_records, open_sink, run_view
from fhir_bridge.pipeline.views_sources import parse_record

PATIENT = {"resourceType": "Patient", "id": "a", "name": [{"family": "A"}]}


def view(resource: str = "Patient", **paths: str) -> View:
    columns = [{"name": name, "path": path} for name, path in (paths or {"id": "id"}).items()]
    return compile_view({"resource": resource, "select": [{"column": columns}]})


def run(
    compiled: View, *sources: Path, to: str = "csv", out: Path | None = None, **options: Any
) -> tuple[ViewRun, str]:
    stream = io.BytesIO()
    with open_sink(to, compiled.columns, out, stream=stream) as sink:
        done = run_view(compiled, file_records([str(s) for s in sources], compiled.resource), sink, **options)
    assert done.account.balanced
    return done, stream.getvalue().decode()


def ndjson(path: Path, *resources: Any) -> Path:
    path.write_bytes(b"".join((r if isinstance(r, bytes) else dumps(r)) + b"\n" for r in resources))
    return path


class TestSources:
    def test_a_folder_of_files_and_bundles(self, tmp_path: Path) -> None:
        ndjson(tmp_path / "Patient.ndjson", PATIENT, {**PATIENT, "id": "b"})
        (tmp_path / "one.json").write_bytes(dumps({**PATIENT, "id": "c"}))
        entries = [
            {"resource": {**PATIENT, "id": "d"}},
            {"request": {}},
            {"resource": {"resourceType": "Group"}},
        ]
        for kind in ("collection", "document"):
            bundle = {"resourceType": "Bundle", "type": kind, "entry": entries}
            (tmp_path / f"{kind}.json").write_bytes(dumps(bundle))
        (tmp_path / "manifest.json").write_text("{}")
        done, text = run(view(), tmp_path)
        assert sorted(text.split()) == ["a", "b", "c", "d", "d", "id"]
        assert (done.account.converted, done.account.skipped, done.rows) == (5, 2, 5)

    def test_a_bundle_in_a_line_of_ndjson(self, tmp_path: Path) -> None:
        bundle = {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": PATIENT}]}
        assert run(view(), ndjson(tmp_path / "x.ndjson", bundle))[1] == "id\r\na\r\n"

    def test_a_view_over_bundle_has_the_bundle_itself(self, tmp_path: Path) -> None:
        bundle = {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": PATIENT}]}
        (tmp_path / "b.json").write_bytes(dumps(bundle))
        assert run(view("Bundle", type="type", n="entry.count()"), tmp_path)[1] == "type,n\r\nsearchset,1\r\n"

    def test_xml_is_read_with_its_digits(self, tmp_path: Path) -> None:
        value = '<valueQuantity><value value="5.20"/></valueQuantity>'
        observation = f'<Observation xmlns="http://hl7.org/fhir"><id value="o"/>{value}</Observation>'
        bundle = (
            f'<Bundle xmlns="http://hl7.org/fhir"><entry><resource>{observation}</resource></entry></Bundle>'
        )
        (tmp_path / "a.xml").write_text(observation)
        (tmp_path / "b.xml").write_text(bundle)
        (tmp_path / "c.xml").write_text('<Observation xmlns="http://hl7.org/fhir"><id')
        done, text = run(view("Observation", id="id", v="value.ofType(Quantity).value"), tmp_path)
        assert text == "id,v\r\no,5.20\r\no,5.20\r\n"
        assert done.account.rejected == 1

    def test_contained_resources_are_no_records(self, tmp_path: Path) -> None:
        resource = {"resourceType": "Observation", "contained": [PATIENT]}
        done, text = run(view(), ndjson(tmp_path / "x.ndjson", resource))
        assert (text, done.account.skipped) == ("id\r\n", 1)

    def test_a_source_that_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(SourceError, match=r"nothing\.ndjson does not exist"):
            run(view(), tmp_path / "nothing.ndjson")

    def test_records_that_are_no_resources_are_named_and_the_others_go_on(self, tmp_path: Path) -> None:
        broken = [
            b"{",
            b"[1]",
            b'{"id":"x"}',
            b'{"resourceType":"Pat',
            b"\xff",
            b'{"resourceType":"Patient","id":NaN}',
            b'""',
        ]
        source = ndjson(tmp_path / "x.ndjson", *broken, PATIENT)
        rejects: list[tuple[str, str]] = []
        done, text = run(view(), source, on_reject=lambda where, issue: rejects.append((where, issue.code)))
        assert text == "id\r\na\r\n"
        assert rejects == [(f"x.ndjson:{n}", "FB-VIEW-034") for n in range(1, 8)]
        assert done.account.rejected == 7

    def test_a_record_that_the_view_refuses_is_named_and_nothing_of_it_is_written(
        self, tmp_path: Path
    ) -> None:
        names = [{"family": "A"}, {"family": "B"}, {"family": {}}]
        compiled = compile_view(
            {
                "resource": "Patient",
                "select": [{"forEach": "name", "column": [{"name": "f", "path": "family"}]}],
            }
        )
        source = ndjson(tmp_path / "x.ndjson", {"resourceType": "Patient", "name": names}, PATIENT)
        rejects: list[str] = []
        done, text = run(
            compiled, source, on_reject=lambda where, issue: rejects.append(f"{where} {issue.message}")
        )
        assert text == "f\r\nA\r\n"
        assert rejects == ["x.ndjson:1 column f: expected string, found a complex value"]
        assert done.report()["issues"][0]["code"] == "FB-VIEW-031"

    def test_the_same_of_a_record_with_more_rows_than_are_held(self, tmp_path: Path) -> None:
        def resource(last: Any) -> dict[str, Any]:
            return {
                "resourceType": "Patient",
                "name": [*({"family": str(n)} for n in range(25_000)), {"family": last}],
            }

        compiled = compile_view(
            {
                "resource": "Patient",
                "select": [{"forEach": "name", "column": [{"name": "f", "path": "family"}]}],
            }
        )
        done, text = run(compiled, ndjson(tmp_path / "x.ndjson", resource({}), resource("z")))
        assert (done.rows, done.account.rejected) == (25_001, 1)
        assert text.count("\r\n") == 25_002

    def test_a_product_beyond_all_bounds_rejects_its_record(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("fhir_bridge.pipeline.views.MAX_ROWS", 20_000)
        names = [{"family": str(n)} for n in range(100)]
        each = [{"forEach": "name", "column": [{"name": f"f{n}", "path": "family"}]} for n in range(9)]
        compiled = compile_view({"resource": "Patient", "select": each})
        huge = {"resourceType": "Patient", "name": names}
        done, text = run(compiled, ndjson(tmp_path / "x.ndjson", huge, PATIENT))
        assert text.splitlines()[1:] == [",".join("A" * 9)]
        assert [issue["code"] for issue in done.report()["issues"]] == ["FB-VIEW-035"]
        assert run(compiled, ndjson(tmp_path / "x.ndjson", huge), limit=15_000)[0].rows == 15_000

    def test_memory_is_bounded_by_a_record(self, tmp_path: Path) -> None:
        source = ndjson(
            tmp_path / "x.ndjson",
            *({**PATIENT, "id": str(n), "text": {"div": "x" * 5000}} for n in range(4000)),
        )
        tracemalloc.start()
        done, _ = run(view(), source, out=tmp_path / "out.csv")
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert done.rows == 4000
        assert peak < 8 << 20, "20 MB are read"

    def test_a_limit_ends_the_run(self, tmp_path: Path) -> None:
        source = ndjson(tmp_path / "x.ndjson", *({**PATIENT, "id": str(n)} for n in range(10)))
        assert run(view(), source, limit=3)[1] == "id\r\n0\r\n1\r\n2\r\n"


class TestNumbers:
    @pytest.mark.parametrize(
        "number",
        [
            "5.2",
            "5.20",
            "0.0000001",
            "1E-7",
            "1e3",
            "123456789012345678901",
            "-0.0",
            "100.00",
            "3.141592653589793238462643",
        ],
    )
    @pytest.mark.parametrize("to", ["csv", "ndjson"])
    def test_decimals_are_written_with_the_digits_that_were_read(
        self, tmp_path: Path, number: str, to: str
    ) -> None:
        source = tmp_path / "x.ndjson"
        source.write_text('{"resourceType":"Observation","valueQuantity":{"value":' + number + "}}\n")
        _, text = run(view("Observation", v="value.ofType(Quantity).value"), source, to=to)
        written = text.split()[-1].removeprefix('{"v":').removesuffix("}")
        assert Decimal(written).as_tuple() == Decimal(number).as_tuple()

    def test_lists_of_numbers_too(self) -> None:
        assert dumps(parse_record(b'{"a":[1.50,2]}')) == b'{"a":[1.50,2]}'

    @settings(max_examples=200, deadline=None)
    @given(
        st.dictionaries(
            st.text(max_size=3),
            st.one_of(st.decimals(allow_nan=False, allow_infinity=False), st.text(), st.integers()),
            max_size=4,
        )
    )
    def test_what_was_parsed_is_written_back_as_it_was(self, content: dict[str, Any]) -> None:
        text = dumps(content)
        parsed = parse_record(text)
        shown = {
            key: Decimal(repr(value)) if isinstance(value, float) else value for key, value in parsed.items()
        }
        assert dumps(shown) == dumps(loads_exact(text))


_TEXT = st.one_of(
    st.none(),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    st.sampled_from(["", ",", '"', "\r\n", " a ", 'a"b', "a,b", "null"]),
)


class TestCsv:
    def test_null_is_nothing_and_an_empty_string_is_quoted(self, tmp_path: Path) -> None:
        source = ndjson(tmp_path / "x.ndjson", {"resourceType": "Patient", "active": False, "language": ""})
        assert run(view(a="active", b="language", c="gender"), source)[1] == 'a,b,c\r\nfalse,"",\r\n'

    def test_a_collection_is_json(self, tmp_path: Path) -> None:
        compiled = compile_view(
            {
                "resource": "Patient",
                "select": [{"column": [{"name": "c", "path": "name.family", "collection": True}]}],
            }
        )
        source = ndjson(
            tmp_path / "x.ndjson", {"resourceType": "Patient", "name": [{"family": 'A"'}, {"family": "B"}]}
        )
        ((_,), (cell,)) = csv.reader(io.StringIO(run(compiled, source)[1], newline=""))
        assert json.loads(cell) == ['A"', "B"]

    @settings(max_examples=150, deadline=None)
    @given(st.lists(st.tuples(_TEXT, _TEXT), min_size=1, max_size=5))
    def test_a_reader_of_csv_reads_what_was_written(self, rows: list[tuple[str | None, str | None]]) -> None:
        stream = io.BytesIO()
        with open_sink("csv", view(a="language", b="gender").columns, None, stream=stream) as sink:
            sink.write([sink.prepare(row) for row in rows], 0)
            sink.finish()
        read = list(csv.reader(io.StringIO(stream.getvalue().decode(), newline="")))
        assert read == [["a", "b"], *([cell or "" for cell in row] for row in rows)]


class TestNdjson:
    def test_every_column_in_order_and_null_where_there_is_no_value(self, tmp_path: Path) -> None:
        source = ndjson(tmp_path / "x.ndjson", {**PATIENT, "active": True})
        _, text = run(view(z="id", a="active", m="gender"), source, to="ndjson")
        assert text == '{"z":"a","a":true,"m":null}\n'

    def test_a_complex_type_is_given_whole(self, tmp_path: Path) -> None:
        column = {"name": "q", "path": "value.ofType(Quantity)", "type": "Quantity"}
        compiled = compile_view({"resource": "Observation", "select": [{"column": [column]}]})
        source = tmp_path / "x.ndjson"
        source.write_text('{"resourceType":"Observation","valueQuantity":{"value":5.20,"unit":"x"}}')
        assert run(compiled, source, to="ndjson")[1] == '{"q":{"value":5.20,"unit":"x"}}\n'


class TestFiles:
    def test_a_file_appears_when_it_is_complete(self, tmp_path: Path) -> None:
        source, out = ndjson(tmp_path / "x.ndjson", PATIENT), tmp_path / "out.csv"
        out.write_text("before")

        def records() -> Any:
            yield from file_records([str(source)], "Patient")
            assert out.read_text() == "before"

        compiled = view()
        with open_sink("csv", compiled.columns, out) as sink:
            run_view(compiled, records(), sink)
        assert out.read_bytes() == b"id\r\na\r\n"
        assert sorted(path.name for path in tmp_path.iterdir()) == ["out.csv", "x.ndjson"]

    @pytest.mark.parametrize("to", ["csv", "ndjson", "parquet"])
    def test_a_run_that_breaks_off_leaves_what_was_there(self, tmp_path: Path, to: str) -> None:
        pytest.importorskip("pyarrow")
        out = tmp_path / "out"
        out.write_text("before")

        def records() -> Any:
            raise OSError("the disk is gone")
            yield

        compiled = view()
        with pytest.raises(OSError, match="the disk"), open_sink(to, compiled.columns, out) as sink:
            run_view(compiled, records(), sink)
        assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("out", "before")]

"""Functions of the language: coded values, quantities, times, texts and lists."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from fhir_bridge.fhir.datatypes import CodeableConcept, Coding
from fhir_bridge.mapping import CLEARED, Context
from fhir_bridge.mapping.environment import Environment
from fhir_bridge.mapping.expression_code import ExpressionCompiler
from fhir_bridge.mapping.expressions import parse
from fhir_bridge.mapping.functions import times
from fhir_bridge.mapping.operators import OPERATORS
from fhir_bridge.mapping.registry import BUILTINS
from fhir_bridge.mapping.runtime import Reject
from tests.mapping.sources import LOINC, UCUM, Coded, Row, RowModel


@pytest.fixture
def value(context: Callable[..., Context]) -> Callable[..., Any]:
    """The value of an expression over a row, and the codes of what it flagged."""

    def evaluate(
        text: str, *, codes: list[str] | None = None, run: Context | None = None, **cells: Any
    ) -> Any:
        code = ExpressionCompiler(RowModel(), BUILTINS, {}).compile(parse(text), Environment("row"))
        ctx = run or context()
        record = Row(cells)
        ctx.begin(record)
        names: dict[str, Any] = {f"f_{name}": spec.call for name, spec in BUILTINS.items()}
        names |= {**OPERATORS, "ctx": ctx, "s": record, "CLEARED": CLEARED, "Decimal": Decimal}
        result = eval(code.source, names)
        assert [issue.code for issue in ctx.issues] == (codes or [])
        return result

    return evaluate


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("row.none == null", True),
        ("row.none != null", False),
        ("row.a == null", False),
        ("row.none == row.none", False),
        ("row.none == 'x'", False),
        ("row.none != 'x'", True),
        ("row.a == 'x'", True),
        ("null == row.a", False),
        ("row.n > 4 and row.n <= 5", True),
        ("row.none > 4", False),
        ("not (row.none > 4)", True),
        ("row.a in ['x', 'y']", True),
        ("row.none in ['x', null]", False),
        ("row.a not in row.list", True),
        ("row.n + 1.50", Decimal("6.50")),
        ("row.a + '-' + row.n", "x-5"),
        ("row.a + row.none", None),
        ("row.n / 2", Decimal("2.5")),
        ("-row.n * 2 - 1", -11),
        ("'yes' if row.zero else 'no'", "yes"),
        ("'yes' if row.empty else 'no'", "no"),
        ("row.none if true else 1", None),
        ("row.list[0]", "b"),
        ("row.list[7]", None),
        ("row.a[0]", "x"),
        ("row.coded.2", "Kalium"),
        ("row.coded.9", None),
        ("row.a.1", "x"),
        ("coalesce(row.none, row.empty, row.zero, row.a)", 0),
        ("coalesce(row.none)", None),
        ("coalesce(row.none, row.broken[0], 'z')", "z"),
        ("row.none | upper | trim", None),
        ("row.list | upper", ["B", "C"]),
        ("replace(row.a, 'x', '.')", "."),
        ("split('a; b;;c', ';') | join('+')", "a+b+c"),
        ("join([row.none, 'a', ''], ' ')", "a"),
        ("matches(row.a, '[a-z]')", True),
        ("contains('abc', 'b') and contains(row.list, 'c')", True),
        ("starts_with(row.none, 'a') or ends_with('ba', 'a')", True),
        ("length('abc')", 3),
        ("distinct(['b', 'a', 'b', null])", ["b", "a"]),
        ("first(row.list) + last(row.list)", "bc"),
        ("count(row.list)", 2),
        ("exists(row.empty) or exists(row.zero)", True),
        ("one(['a', 'a'])", "a"),
        ("one(['a', 'b'], else='first')", "a"),
        ("string(1.50) + string(true)", "1.50true"),
        ("integer('12') + integer('3.0')", 15),
        ("decimal('37.0')", Decimal("37.0")),
        ("[boolean('Y'), boolean('0')]", [True, False]),
        ("lookup(row.table, 'k')", "v"),
        ("site.zone", "Europe/Rome"),
        ("site.unknown", None),
        ("reference('Organization', row.n)", {"reference": "Organization/5"}),
        ("reference('Organization', row.none)", None),
        ("narrative('a<b\nc')", {"status": "generated",
         "div": '<div xmlns="http://www.w3.org/1999/xhtml"><p>a&lt;b<br/>c</p></div>'}),
    ],
)  # fmt: skip
def test_expressions_over_values(text: str, expected: Any, value: Callable[..., Any]) -> None:
    cells = {
        "a": "x",
        "n": 5,
        "zero": 0,
        "empty": "",
        "list": ["b", "c"],
        "coded": Coded("K", "Kalium", "L"),
        "table": {"k": "v"},
    }
    result = value(text, **cells)
    assert result == expected
    assert type(result) is not float


@pytest.mark.parametrize(
    "text",
    [
        "row.a < 1",
        "row.a * 2",
        "1 / 0",
        "row.a in 'abc'",
        "row.list['x']",
        "split('a', '')",
        "first(row.coded).secret",
    ],
)
def test_what_makes_no_sense_is_an_error_not_a_guess(text: str, value: Callable[..., Any]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the texts differ
        value(text, a="x", list=["b"], coded=Coded("K"))


@pytest.mark.parametrize(
    "name",
    sorted(set(BUILTINS) - {"patient", "sample", "coalesce", "lookup", "keyed", "reference", "joined"}),
)
def test_every_function_gives_null_or_false_for_null(name: str, value: Callable[..., Any]) -> None:
    spec = BUILTINS[name]
    extra = "".join(", '1'" for _ in range(max(spec.required - 1, 0)))
    assert value(f"{name}(row.none{extra})") in (None, False, 0)


@pytest.mark.parametrize(
    "name", ["concept", "code", "date", "datetime", "quantity", "upper", "decimal", "boolean", "instant"]
)
def test_functions_hand_on_what_the_source_clears(name: str, value: Callable[..., Any]) -> None:
    assert value(f"{name}(row.a)", a=CLEARED) is CLEARED
    assert value("row.a == null and not (row.a == '') and not (row.a < 'x')", a=CLEARED)


def test_a_field_that_is_text_and_coded_counts_as_coded(value: Callable[..., Any]) -> None:
    class Field(str):
        text = "Kalium"

        def codings(self) -> list[Any]:
            return [("urn:lab", "K", "Kalium", None)]

    assert value("concept(row.a, 'LN')", a=Field("K"))["coding"] == [MAPPED, LOCAL]
    assert value("quantity(1, row.a, else='keep')", a=Field("K"))["unit"] == "Kalium"


# Coded values

K = Coded("K", "Kalium", "urn:lab")
LOCAL = {"system": "urn:lab", "code": "K", "display": "Kalium"}
MAPPED = {"system": LOINC, "code": "2823-3", "display": "Potassium [Moles/volume] in Serum or Plasma"}


@pytest.mark.parametrize(
    ("text", "cell", "expected"),
    [
        ("concept(row.a)", K, {"coding": [LOCAL], "text": "Kalium"}),
        ("concept(row.a, to=['http://loinc.org'])", K, {"coding": [MAPPED, LOCAL], "text": "Kalium"}),
        ("concept(row.a, to='LN', text='mine')", K, {"coding": [MAPPED, LOCAL], "text": "mine"}),
        ("concept(row.a, 'LN')", Coded("2823-3", "Potassium", "LN"),
         {"coding": [{"system": LOINC, "code": "2823-3", "display": "Potassium"}], "text": "Potassium"}),
        ("concept(row.a, system='urn:lab', display='Kalium')", "K", {"coding": [LOCAL], "text": "Kalium"}),
        ("concept(row.a)", Coded("", "nur Text"), {"text": "nur Text"}),
        ("concept(row.a)", Coded("X", "", "HL70078"),
         {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0078", "code": "X"}]}),
        ("concept(row.a)", Coded("X", "", "2.16.840.1.113883.6.96"),
         {"coding": [{"system": "http://snomed.info/sct", "code": "X"}]}),
        ("concept(row.a)", Coded("X", "", "1.2.3"), {"coding": [{"system": "urn:oid:1.2.3", "code": "X"}]}),
        ("concept(row.a)", Coded("X", "", "99L"),
         {"coding": [{"system": "urn:fhir-bridge:scheme:lab.csv:99L", "code": "X"}]}),
        ("concept(row.a, schemes=row.schemes)", Coded("X", "", "99L"), {"coding": [{"system": "urn:99", "code": "X"}]}),
        ("concept(row.a)", Coded("X", "x"), {"coding": [{"code": "X", "display": "x"}], "text": "x"}),
        ("concept(row.a)", [K, None, K], [{"coding": [LOCAL], "text": "Kalium"}] * 2),
        ("concept(row.a)", 7, {"coding": [{"code": "7"}]}),
        ("concept(row.a)", CodeableConcept(coding=[Coding(code="1")]), {"coding": [{"code": "1"}]}),
        ("concept(row.a)", Coded("", ""), None),
        ("coding(row.a, 'LN')", K, MAPPED),
        ("code(row.a)", K, "K"),
        ("code(row.a)", [K, "B"], ["K", "B"]),
        ("translate(row.a, 'v2-0085')", "F", "final"),
        ("translate(row.a, 'sex', else='reject')", Coded("M"), "male"),
    ],
)  # fmt: skip
def test_coded_values(text: str, cell: Any, expected: Any, value: Callable[..., Any]) -> None:
    assert value(text, a=cell, schemes={"99L": "urn:99"}) == expected


def test_what_has_no_mapping_is_counted_and_treated_as_the_mapping_says(
    value: Callable[..., Any], context: Callable[..., Context]
) -> None:
    run = context()
    coded = Coded("Q", "Quecksilber", "urn:lab")
    kept = {"coding": [{"system": "urn:lab", "code": "Q", "display": "Quecksilber"}], "text": "Quecksilber"}
    assert value("concept(row.a, 'LN')", a=coded, run=run) == kept
    assert value("concept(row.a, 'LN', else='keep+flag')", a=coded, run=run, codes=["FB-MAP-201"]) == kept
    assert value("concept(row.a, 'LN', else='drop')", a=coded, run=run, codes=["FB-MAP-205"]) is None
    with pytest.raises(Reject, match=r"urn:lab\|Q has no mapping to http://loinc.org"):
        value("concept(row.a, 'LN', else='reject')", a=coded, run=run)
    assert run.unmapped == {("urn:lab", "Q", "Quecksilber"): 4}
    defaulted = value("concept(row.a, 'LN', default='2823-3')", a=coded, run=run, codes=["FB-MAP-201"])
    assert [c["code"] for c in defaulted["coding"]] == ["2823-3", *(c["code"] for c in kept["coding"])]
    with pytest.raises(ValueError, match=r"2823-4 is no code of http://loinc\.org"):
        value("concept(row.a, 'LN', default='2823-4')", a=coded, run=run)


def test_translate_never_makes_a_code_up(value: Callable[..., Any], context: Callable[..., Context]) -> None:
    run = context()
    assert (
        value("translate(row.a, 'sex', else='unknown+flag')", a="?", run=run, codes=["FB-MAP-204"])
        == "unknown"
    )
    assert value("translate(row.a, 'sex', else='other')", a="?", run=run) == "other"
    assert value("translate(row.a, 'sex', else='keep')", a="x", run=run) == "x"
    with pytest.raises(Reject, match='the map "sex" has no target for the code "x"'):
        value("translate(row.a, 'sex')", a="x", run=run)
    with pytest.raises(Reject, match='no ConceptMap "sexx" is loaded'):
        value("translate(row.a, 'sexx')", a="x", run=run)


# Quantities


@pytest.mark.parametrize(
    ("text", "cell", "unit", "expected"),
    [
        ("quantity(row.a, row.u)", "5.10", "mmol/l",
         {"value": Decimal("5.10"), "unit": "mmol/l", "system": UCUM, "code": "mmol/L"}),
        ("quantity(row.a, row.u)", "<5", "mg/dL",
         {"value": Decimal(5), "comparator": "<", "unit": "mg/dL", "system": UCUM, "code": "mg/dL"}),
        ("quantity(row.a)", "≥ 12.50 %", None,
         {"value": Decimal("12.50"), "comparator": ">=", "unit": "%", "system": UCUM, "code": "%"}),
        ("quantity(row.a, row.u)", Decimal("37.0"), "°C",
         {"value": Decimal("37.0"), "unit": "°C", "system": UCUM, "code": "Cel"}),
        ("quantity(row.a, row.u)", 3, Coded("mmol/L", "millimole", "UCUM"),
         {"value": Decimal(3), "unit": "millimole", "system": UCUM, "code": "mmol/L"}),
        ("quantity(row.a, row.u)", 3, Coded("mmol/l", "", "99U"),
         {"value": Decimal(3), "unit": "mmol/l", "system": UCUM, "code": "mmol/L"}),
        ("quantity(row.a, row.u, system='urn:u')", 3, "Stk", {"value": Decimal(3), "unit": "Stk", "system": "urn:u",
         "code": "Stk"}),
        ("quantity(row.a, row.u, else='keep')", 3, "Tabl.", {"value": Decimal(3), "unit": "Tabl."}),
        ("quantity(row.a)", "1e3", None, {"value": Decimal("1e3")}),
        ("quantity(row.a)", "+.5", None, {"value": Decimal(".5")}),
        ("quantity(row.a)", " ", None, None),
    ],
)  # fmt: skip
def test_quantities_keep_digits_and_get_ucum(
    text: str, cell: Any, unit: Any, expected: Any, value: Callable[..., Any]
) -> None:
    result = value(text, a=cell, u=unit)
    assert result == expected
    if result:
        assert str(result["value"]) == str(expected["value"])


@pytest.mark.parametrize("cell", ["5,1", "1,234.5", "negativ", "5 6", "NaN", "1.2.3", "<", Decimal("NaN")])
def test_what_is_no_number_is_left_out_and_reported(cell: Any, value: Callable[..., Any]) -> None:
    assert value("quantity(row.a, 'mg/dL')", a=cell, codes=["FB-MAP-207"]) is None


def test_marks_of_the_source_are_read_as_its_options_say(
    value: Callable[..., Any], context: Callable[..., Context]
) -> None:
    run = context()
    run.configure({"decimal": ",", "group": ".", "date": "dd.MM.yyyy HH:mm"})
    assert str(value("decimal('1.234,50')", run=run)) == "1234.50"
    assert str(value("quantity('37,0')", run=run)["value"]) == "37.0"
    assert value("datetime('02.01.2024 10:05')", run=run) == "2024-01-02T10:05:00+01:00"
    assert value("date('2024-01-02')", run=run) == "2024-01-02"


def test_an_unknown_unit_is_kept_as_text_and_reported(
    value: Callable[..., Any], context: Callable[..., Context]
) -> None:
    run = context()
    assert value("quantity(3, 'Tabl.')", run=run, codes=["FB-MAP-206"]) == {
        "value": Decimal(3),
        "unit": "Tabl.",
    }
    assert run.unmapped == {("unit", "Tabl.", ""): 1}
    assert value("quantity(3, 'Tabl.', else='drop')", codes=["FB-MAP-205"]) is None
    with pytest.raises(Reject):
        value("quantity(3, 'Tabl.', else='reject')")


# Times


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024", "2024"),
        ("202401", "2024-01"),
        ("20240102", "2024-01-02"),
        ("202401021015", "2024-01-02T10:15:00+01:00"),
        ("20240702101530.1250", "2024-07-02T10:15:30.1250+02:00"),
        ("20240102101530-0500", "2024-01-02T10:15:30-05:00"),
        ("20240102T101530Z", "2024-01-02T10:15:30Z"),
        ("2024-01-02 10:15", "2024-01-02T10:15:00+01:00"),
        ("2024-01-02T10:15:30+05", "2024-01-02T10:15:30+05:00"),
        (datetime(2024, 1, 2, 10, tzinfo=UTC), "2024-01-02T10:00:00+00:00"),
        (datetime(2024, 1, 2).date(), "2024-01-02"),
    ],
)
def test_times_keep_their_precision_and_get_the_sites_zone(
    text: Any, expected: str, value: Callable[..., Any]
) -> None:
    assert value("datetime(row.a)", a=text) == expected
    assert value("date(row.a)", a=text) == expected[:10]


@pytest.mark.parametrize(
    "text",
    ["00000000", "20240230", "2024-13-01", "2024-01-02T25:00", "soon", "20240102101530+9900", "1.2.24"],
)
def test_a_time_that_does_not_exist_is_left_out_and_reported(text: str, value: Callable[..., Any]) -> None:
    assert value("datetime(row.a)", a=text, codes=["FB-MAP-208"]) is None


def test_the_hours_of_a_clock_change_keep_the_date_only(value: Callable[..., Any]) -> None:
    """Europe/Rome: 2024-10-27 02:30 comes twice, 2024-03-31 02:30 never."""
    for text in ("20241027023000", "20240331023000"):
        assert value("datetime(row.a)", a=text, codes=["FB-MAP-210"]) == f"{text[:4]}-{text[4:6]}-{text[6:8]}"
    assert value("datetime(row.a)", a="20241027023000+0200") == "2024-10-27T02:30:00+02:00"
    assert value("datetime(row.a)", a="20241027033000") == "2024-10-27T03:30:00+01:00"


def test_a_zone_is_never_guessed(value: Callable[..., Any], context: Callable[..., Context]) -> None:
    run = context(zone=None)
    assert value("datetime(row.a)", a="20240102101500", run=run, codes=["FB-MAP-209"]) == "2024-01-02"
    assert (
        value("datetime(row.a, zone='America/New_York')", a="20240102101500", run=run)
        == "2024-01-02T10:15:00-05:00"
    )
    assert value("datetime(row.a)", a="2024010210", run=run, codes=["FB-MAP-209"]) == "2024-01-02"
    with pytest.raises(ValueError, match='"Rome" is not an IANA time zone'):
        value("datetime(row.a, 'Rome')", a="20240102101500")


@pytest.mark.parametrize(
    ("text", "cell", "expected", "codes"),
    [
        ("datetime(row.a, format='d.M.yy')", "2.1.24", "2024-01-02", []),
        ("date(row.a, format='MM/dd/yyyy')", "01/02/2024", "2024-01-02", []),
        ("date(row.a, format='dd-MMM-yyyy')", "13-Mar-2025", "2025-03-13", []),
        ("date(row.a, format='ddMMMyyyy')", "02OCT2025", "2025-10-02", []),
        ("date(row.a, format='d. MMM yyyy')", "3. März 2025", "2025-03-03", []),
        ("date(row.a, format='d MMM yyyy')", "1 août 2025", "2025-08-01", []),
        ("date(row.a, format='dd-MMM-yyyy')", "13-Mrr-2025", None, ["FB-MAP-208"]),
        ("datetime(row.a, format='M/d/yyyy H:mm a')", "3/4/2025 12:05 AM", "2025-03-04T00:05:00+01:00", []),
        ("datetime(row.a, format='M/d/yyyy H:mm a')", "3/4/2025 1:05 pm", "2025-03-04T13:05:00+01:00", []),
        ("datetime(row.a, format='M/d/yyyy H:mm a')", "3/4/2025 13:05 PM", None, ["FB-MAP-208"]),
        ("instant(row.a)", "20240102101500", "2024-01-02T10:15:00+01:00", []),
        ("instant(row.a)", "20240102", None, ["FB-MAP-208"]),
        ("time_of_day(row.a)", "1015", "10:15:00", []),
        ("time_of_day(row.a)", "202401021015", "10:15:00", []),
        ("time_of_day(row.a)", "25:00", None, ["FB-MAP-208"]),
        ("period(row.a, row.b)", "20240102", {"start": "2024-01-02"}, []),
        ("boolean(row.a)", "maybe", None, ["FB-MAP-211"]),
        ("integer(row.a)", "1.5", None, ["FB-MAP-207"]),
        ("one(['a', 'b'])", None, None, ["FB-MAP-112"]),
    ],
)
def test_more_of_times_and_what_is_reported(
    text: str, cell: Any, expected: Any, codes: list[str], value: Callable[..., Any]
) -> None:
    assert value(text, a=cell, codes=codes) == expected


def test_a_format_that_means_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match='"Q" in the date format'):
        times.parse("x", "Q.yyyy")
    with pytest.raises(ValueError, match="has no year"):
        times.parse("x", "dd.MM")


def test_business_time_is_aware_where_the_zone_is_known(context: Callable[..., Context]) -> None:
    run = context()
    moment, entry = times.business_time(run, "20240102101500")
    assert moment is not None
    assert (moment.isoformat(), entry) == (
        "2024-01-02T10:15:00+01:00",
        {"url": "time", "valueDateTime": "2024-01-02T10:15:00+01:00"},
    )
    moment, entry = times.business_time(context(zone=None), "20240102101500.5")
    assert moment == datetime(2024, 1, 2, 10, 15, 0, 500000)
    assert entry == {"url": "time", "valueString": "2024-01-02T10:15:00.5"}
    moment, entry = times.business_time(run, "20241027023000")
    assert (moment, entry) == (
        datetime(2024, 10, 27, 2, 30),
        {"url": "time", "valueString": "2024-10-27T02:30:00"},
    )


def test_a_business_time_that_does_not_exist_is_reported_and_nothing_is_lost(
    context: Callable[..., Context],
) -> None:
    run = context()
    run.begin(Row({}))
    assert times.business_time(run, "20240230") == (None, None)
    assert [(issue.severity, issue.code) for issue in run.issues] == [("warning", "FB-MAP-208")]

"""Outputs made as bytes: what is remembered of them, and what is not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from fhir_bridge.fhir.ids import DEMO_KEY, IdKey
from fhir_bridge.mapping import Context, Conversion, IdentityResolver, Site, function, runtime
from fhir_bridge.mapping.loading import load_text
from tests.mapping.conftest import HEAD
from tests.mapping.sources import Row, RowModel, Terminology

RULE = "- rule: r\n  as: Observation\n  key: [row.id]\n  status: final\n  code: {text: x}\n"
CALLS: list[str] = []


@function(returns="string", pure=True)
def known(x: str) -> str:
    CALLS.append(x)
    return f"{x}."


@function(returns="string")
def counted(x: str) -> str:
    CALLS.append(x)
    return f"{x} {len(CALLS)}"


@function(context=True, returns="string", pure=True)
def flagged(ctx: Any, x: str) -> str:
    CALLS.append(x)
    ctx.flag("FB-MAP-207", "flagged")
    return x


class KeyedModel(RowModel):
    def __init__(self) -> None:
        super().__init__()
        self.functions = {**self.functions, "known": known, "counted": counted, "flagged": flagged}

    def key(self, source: str, scope: str) -> str:
        return source

    def key_head(self, scope: str) -> list[str]:
        return []


class Adapter:
    name = "csv"
    model = KeyedModel()


Converter = Callable[..., list[Conversion]]


@pytest.fixture
def convert() -> Converter:
    """Convert rows in one context, as dicts and as bytes, and compare; gives what the bytes were."""

    def run(elements: str, *rows: Mapping[str, Any], **site: Any) -> list[Conversion]:
        body = "".join(f"  {line}\n" for line in elements.strip("\n").splitlines())
        mapping = load_text(HEAD + RULE + body, "m.yaml", adapters={"csv": Adapter()})
        settings = Site(**{"zone": "Europe/Rome", **site})
        given: dict[bool, list[Conversion]] = {}
        for form in (False, True):
            CALLS.clear()
            identity = IdentityResolver(settings, IdKey(DEMO_KEY))
            context = Context(settings, Terminology(), identity, "csv", bytes_=form)
            given[form] = [
                mapping.convert(Row({"id": str(number), **cells}, number), context)
                for number, cells in enumerate(rows, 1)
            ]
        for one, other in zip(given[False], given[True], strict=True):
            assert [output.json for output in one.outputs] == [output.json for output in other.outputs]
            assert (one.issues, one.outcome) == (other.issues, other.outcome)
        return given[True]

    return run


def test_an_element_is_made_once_for_equal_values(convert: Converter) -> None:
    convert('valueString: "=known(row.v)"', {"v": "a"}, {"v": "a"}, {"v": "b"})
    assert CALLS == ["a", "b"]


def test_labels_in_meta_are_remembered_too(convert: Converter) -> None:
    elements = """
meta:
  security:
  - when: row.w
    system: urn:s
    code: "=known(row.w)"
valueString: "=known(row.v)"
"""
    rows = ({"v": "a", "w": "x"}, {"v": "a"}, {"v": "b", "w": "x"}, {"v": "a", "w": "x"})
    made = convert(elements, *rows)
    assert CALLS.count("x") == 1
    assert [b'"security"' in output.json for conversion in made for output in conversion.outputs] == [
        True, False, True, True,
    ]  # fmt: skip


def test_what_a_condition_computed_is_not_remembered_by_the_fields_it_reads(convert: Converter) -> None:
    made = convert("""
let: {x: "=counted(row.v)"}
when: x
valueString: "=x"
note: [{text: "=known(row.v)"}]
""", {"v": "a"}, {"v": "a"})  # fmt: skip
    first, second = (output.resource["valueString"] for conversion in made for output in conversion.outputs)
    assert first != second


def test_what_recurs_stays_remembered_when_memory_is_full(
    convert: Converter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime, "_REMEMBERED", 60)
    rows = [{"a": "x", "b": f"v{number}"} for number in range(300)]
    convert("language: '=known(row.a)'\nvalueString: '=known(row.b)'", *rows)
    assert CALLS.count("x") == 1


def test_a_custom_function_is_called_for_each_record(convert: Converter) -> None:
    convert('valueString: "=counted(row.v)"', {"v": "a"}, {"v": "a"})
    assert CALLS == ["a", "a"]


def test_what_an_element_reported_is_reported_for_each_record(convert: Converter) -> None:
    given = convert('valueString: "=flagged(row.v)"', {"v": "a"}, {"v": "a"})
    assert CALLS == ["a"]
    assert [issue.source for one in given for issue in one.issues] == ["lab.csv:1", "lab.csv:2"]


def test_a_variable_that_reports_is_computed_once_a_record(convert: Converter) -> None:
    elements = """
let: {v: "=flagged(row.v)"}
valueString: "=v"
note: [{text: "=v + row.w"}]
bodySite: {text: "=v + row.w + row.x + row.y"}
"""
    cells = {"v": "a", "w": "b", "x": "c", "y": "d"}
    given = convert(elements, cells, cells)
    assert [len(one.issues) for one in given] == [1, 1]


@pytest.mark.parametrize("value", ["Ä\u2028\U0001f600", 'a"b\\c', "a\nb\tc", "</script>", "\x7f"])
def test_text_is_escaped_as_in_dicts(convert: Converter, value: str) -> None:
    given = convert("valueString: =row.v\nidentifier: [{system: urn:x, value: =row.v}]", {"v": value})
    assert given[0].outputs[0].resource["valueString"] == value


@pytest.mark.parametrize("value", ["1.50", "-0.0", "1E+2", "0.000001", "123456789012345678901234567890.10"])
def test_decimals_keep_their_digits(convert: Converter, value: str) -> None:
    given = convert('valueQuantity: "=quantity(row.v)"', {"v": value}, {"v": "1.5"})
    assert given[0].outcome == "converted"


def test_a_record_without_a_required_part_of_its_key_is_reported_alike(convert: Converter) -> None:
    given = convert("valueString: =row.v", {"v": "a", "id": ""}, {"v": "a"})
    assert [one.outcome for one in given] == ["rejected", "converted"]


def test_what_was_changed_in_a_resource_is_written(convert: Converter) -> None:
    output = convert("valueString: =row.v", {"v": "a"})[0].outputs[0]
    output.resource["valueString"] = "b"
    assert b'"valueString":"b"' in output.json
    output.resource["status"] = "amended"
    assert output.status == "amended"


def test_values_that_hardly_recur_are_not_kept(convert: Converter) -> None:
    given = convert('valueString: "=known(row.v)"', *({"v": str(n)} for n in range(4000)), {"v": "0"})
    assert CALLS.count("0") == 2
    assert given[-1].outputs[0].resource["valueString"] == "0."

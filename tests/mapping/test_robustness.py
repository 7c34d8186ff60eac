"""A damaged mapping is refused with errors, never with a crash; what compiles converts without raising."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fhir_bridge.mapping import CompiledMapping, Context, MappingError, MappingErrors
from tests.mapping.conftest import load
from tests.mapping.sources import Coded, Cx, Message

WHOLE = Path(__file__).with_name("whole.yaml").read_text(encoding="utf-8")
RECORD = Message(
    {"MSH": {"3": "LAB", "7": "20240101"}, "PID": {"3": [Cx("1", "HOSP")], "7": "19700101", "8": "F"}},
    [
        (
            {"3": "o1", "22": "202401011015"},
            [
                {
                    "2": "NM",
                    "3": Coded("K", "Kalium", "urn:lab"),
                    "3.1": "K",
                    "5": "5.1",
                    "6": "mmol/l",
                    "11": "F",
                },
                {
                    "2": "ST",
                    "3": Coded("T", "", "L"),
                    "3.1": "T",
                    "5": ["a", "b"],
                    "8": ["H", "A"],
                    "11": None,
                },
            ],
            [{"2": "s1"}],
        )
    ],
)


def attempt(text: str) -> CompiledMapping | None:
    statements: tuple[MappingError, ...] = ()
    mapping = None
    try:
        mapping = load(text)
    except MappingErrors as errors:
        statements = errors.errors
    assert bool(statements) == (mapping is None)
    assert all(error.position.line >= 1 and error.position.column >= 1 for error in statements)
    return mapping


def test_the_document_is_whole(context: Callable[..., Context]) -> None:
    mapping = attempt(WHOLE)
    assert mapping is not None
    result = mapping.convert(RECORD, context("hl7v2"))
    assert len(result.outputs) == 5
    assert [issue.code for issue in result.issues] == ["FB-MAP-107"]
    assert result.outcome == "partial"


@settings(
    max_examples=120,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    deadline=None,
)
@given(
    st.integers(0, len(WHOLE)),
    st.integers(0, 12),
    st.sampled_from(
        [
            "",
            "=",
            "'",
            "[",
            "{",
            "}",
            ": ",
            "\n",
            "\n  ",
            "~",
            "- ",
            "x",
            "=f(",
            "`",
            "&a ",
            "*a",
            "0",
            "outer.",
        ]
    ),
)
def test_a_damaged_document_is_refused_or_works(
    context: Callable[..., Context], place: int, size: int, put: str
) -> None:
    mapping = attempt(WHOLE[:place] + put + WHOLE[place + size :])
    if mapping is not None:
        for trace in (False, True):
            mapping.convert(RECORD, context("hl7v2", trace=trace))


LINES = WHOLE.splitlines(keepends=True)


@settings(
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    deadline=None,
)
@given(st.lists(st.sampled_from(LINES), max_size=12))
def test_lines_in_any_order_are_refused_or_work(context: Callable[..., Context], lines: list[str]) -> None:
    mapping = attempt("".join([*LINES[:5], *lines]))
    if mapping is not None:
        mapping.convert(RECORD, context("hl7v2"))


@pytest.mark.parametrize(
    "text", ["rules: x", "mapping: {}\nrules: {}", "source: 1", "let: 3\nrules: [1, [2], ~]"]
)
def test_what_is_no_mapping_at_all_is_refused(text: str) -> None:
    assert attempt(text) is None

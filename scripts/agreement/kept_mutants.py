"""Mutants kept with the verdict that R4 asks for, as a test that needs no Java."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from scripts.agreement.report import Case

__all__ = ["keep", "wrong_by_r4"]

WRONG, RIGHT = 2, 1
"""How many mutants of a kind are kept."""


def wrong_by_r4(case: Case) -> bool | None:
    """Whether the resource is wrong: as both say, or as the one says that is right; None where that is not ours."""
    if case.agree:
        return bool(case.ours.errors)
    if case.abstained or (case.reasons and all(reason.right == "ours" for reason in case.reasons)):
        return bool(case.ours.errors)
    return None


def keep(cases: Iterable[Case], file: Path) -> int:
    """Write the smallest mutants of each kind, wrong ones and right ones; gives their number."""
    by_kind: dict[str, list[Case]] = {}
    for case in cases:
        if case.group == "mutants" and wrong_by_r4(case) is not None:
            by_kind.setdefault(case.kind, []).append(case)
    lines = [_line(case) for _, result in sorted(by_kind.items()) for case in _chosen(result)]
    file.write_text("".join(lines), encoding="utf-8")
    return len(lines)


def _chosen(cases: Sequence[Case]) -> list[Case]:
    ordered = sorted(cases, key=lambda case: (len(case.text), case.text))
    wrong = [case for case in ordered if wrong_by_r4(case)][:WRONG]
    return wrong + [case for case in ordered if not wrong_by_r4(case)][:RIGHT]


def _line(case: Case) -> str:
    record = {
        "kind": case.kind,
        "done": case.done,
        "wrong": wrong_by_r4(case),
        "resource": case.text.decode(),
    }
    return json.dumps(record, ensure_ascii=False) + "\n"

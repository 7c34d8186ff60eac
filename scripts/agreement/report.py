"""What the two validators built from the same resources, as figures, a page and JSON lines."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.agreement.validators import ValidatorResult
from scripts.agreement.verdicts import Reason, reason_for

__all__ = ["Case", "Figures", "cases", "figures", "write"]

SHOWN = 8
"""Disagreements of each kind on the page; the JSON lines have all of them."""


@dataclass(frozen=True, slots=True)
class Case:
    """A resource, and what both said of it.

    Attributes:
        group: `r4`, `genomics`, `ips`, `adapters`, `bundles` or `mutants`.
        kind: the mutation kind; of what is no mutant, the group.
        done: what the mutation did.
        reasons: rows that explain a disagreement; None where there is none to explain, or it isn't explained.
    """

    group: str
    kind: str
    name: str
    done: str
    text: bytes
    ours: ValidatorResult
    official: ValidatorResult
    reasons: tuple[Reason, ...] | None = None

    @property
    def agree(self) -> bool:
        """Whether both find errors or neither does."""
        return bool(self.ours.errors) == bool(self.official.errors)

    @property
    def abstained(self) -> bool:
        """Whether the official validator says that it could not check any of what we call wrong."""
        return not self.agree and self.official.abstains_from(self.ours)


def with_reasons(case: Case, reasons: Sequence[Reason]) -> Case:
    """The case with the rows that explain its disagreement."""
    if case.agree or case.abstained:
        return case
    reason = reason_for(case.ours, case.official, reasons)
    return Case(case.group, case.kind, case.name, case.done, case.text, case.ours, case.official, reason)


@dataclass(frozen=True, slots=True)
class Figures:
    """Counts of one group of cases."""

    cases: int
    abstained: int
    agreed: int
    with_errors: int
    explained: int
    we_alone: int
    they_alone: int

    @property
    def raw(self) -> float:
        """The share of what both check on which both say the same."""
        return self.agreed / self._decided if self._decided else 1.0

    @property
    def reasoned(self) -> float:
        """The share on which both say the same, or the table says why not and who is right."""
        return (self.agreed + self.explained) / self._decided if self._decided else 1.0

    @property
    def _decided(self) -> int:
        return self.cases - self.abstained


def figures(cases: Iterable[Case]) -> Figures:
    """Count the cases."""
    every = list(cases)
    abstained = sum(c.abstained for c in every)
    apart = [c for c in every if not c.agree and not c.abstained]
    return Figures(
        cases=len(every),
        abstained=abstained,
        agreed=len(every) - len(apart) - abstained,
        with_errors=sum(bool(c.official.errors) for c in every),
        explained=sum(c.reasons is not None for c in apart),
        we_alone=sum(bool(c.ours.errors) for c in apart),
        they_alone=sum(bool(c.official.errors) for c in apart),
    )


def cases(results: Iterable[Case], reasons: Sequence[Reason]) -> list[Case]:
    """All cases with their reasons."""
    return [with_reasons(case, reasons) for case in results]


def write(every: Sequence[Case], folder: Path, head: str) -> str:
    """Write `agreement.md` and `agreement.jsonl` into the folder; gives the page's figures as text."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "agreement.jsonl").open("w", encoding="utf-8") as out:
        for case in every:
            out.write(json.dumps(_record(case), ensure_ascii=False) + "\n")
    summary = "\n".join([head, "", *_table(every)])
    (folder / "agreement.md").write_text(
        "\n".join(
            ["# Agreement with the official validator", "", summary, "", *_kinds(every), *_apart(every)]
        )
        + "\n",
        encoding="utf-8",
    )
    return summary


def _record(case: Case) -> dict[str, Any]:
    record: dict[str, Any] = {
        "group": case.group,
        "kind": case.kind,
        "name": case.name,
        "agree": case.agree,
        "abstained": case.abstained,
        "ours": bool(case.ours.errors),
        "official": bool(case.official.errors),
    }
    if case.done:
        record["done"] = case.done
    if not case.agree:
        record["ours_said"] = case.ours.findings
        record["official_said"] = case.official.findings
        record["reasons"] = [r.name for r in case.reasons] if case.reasons is not None else None
        record["resource"] = case.text.decode("utf-8", "replace")
    return record


def _table(every: Sequence[Case]) -> Iterator[str]:
    yield from _head("group")
    groups: dict[str, list[Case]] = defaultdict(list)
    for case in every:
        groups[case.group].append(case)
    for name, members in [*groups.items(), ("**all**", list(every))]:
        yield _row(name, figures(members))


def _head(what: str) -> Iterator[str]:
    columns = (
        "resources | with errors | they abstain | raw agreement | with reasons | only ours | only theirs"
    )
    yield f"| {what} | {columns} |"
    yield "|---|---|---|---|---|---|---|---|"


def _row(name: str, f: Figures) -> str:
    return (
        f"| {name} | {f.cases} | {f.with_errors} | {f.abstained} | {100 * f.raw:.2f} % | {100 * f.reasoned:.2f} % "
        f"| {f.we_alone} | {f.they_alone} |"
    )


def _kinds(every: Sequence[Case]) -> Iterator[str]:
    yield "## Mutation kinds"
    yield ""
    yield from _head("kind")
    kinds: dict[str, list[Case]] = defaultdict(list)
    for case in every:
        if case.group == "mutants":
            kinds[case.kind].append(case)
    for name, members in sorted(kinds.items(), key=lambda item: (figures(item[1]).raw, item[0])):
        yield _row(name, figures(members))
    yield ""


def _apart(every: Sequence[Case]) -> Iterator[str]:
    apart = [c for c in every if not c.agree and not c.abstained]
    yield "## Reasons"
    yield ""
    yield "| reason | cases | who is right | why |"
    yield "|---|---|---|---|"
    counts: Counter[Reason] = Counter(r for c in apart for r in c.reasons or ())
    for reason, count in counts.most_common():
        yield f"| {reason.name} | {count} | {reason.right} | {reason.why.strip().replace(chr(10), ' ')} |"
    yield ""
    yield "## Disagreements without a reason"
    yield ""
    kinds: dict[str, list[Case]] = defaultdict(list)
    for case in apart:
        if case.reasons is None:
            kinds[case.kind].append(case)
    for kind, members in sorted(kinds.items(), key=lambda item: -len(item[1])):
        yield f"### {kind} ({len(members)})"
        yield ""
        for case in members[:SHOWN]:
            yield f"- `{case.name}` {_code(case.done)}"
            side, errors = (
                ("ours", case.ours.errors) if case.ours.errors else ("official", case.official.errors)
            )
            for _, code, path, message in errors[:4]:
                yield f"    - {side} {code} `{path}`: {_code(message)}"
        yield ""


def _code(text: str) -> str:
    return " ".join(text.split())[:300].replace("<", "&lt;")

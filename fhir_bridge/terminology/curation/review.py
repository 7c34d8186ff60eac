"""A review: suggestions for a catalogue, and what people decided on them, kept as a log that is only added to.

The file holds JSON lines: first a `term` for each row of the catalogue with its candidates, then a `decision` for each
choice with who made it and when. The last decision on a term counts; the earlier ones stay readable. A line is written
at once and whole, so an interrupted review loses nothing.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from fhir_bridge.terminology.concept_maps import EQUIVALENCES
from fhir_bridge.terminology.files import TerminologyFileError
from fhir_bridge.terminology.suggest import ENOUGH, LocalTerm, Suggestion, Suggestions
from fhir_bridge.terminology.suggest.text import words

__all__ = ["VERDICTS", "Decision", "Entry", "Review"]

VERDICTS = ("accepted", "none", "postponed", "reopened")
"""What can be decided: this code, no code, later, and to take a decision back."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided on a term.

    Attributes:
        verdict: one of `VERDICTS`.
        target: the chosen code, with `accepted`.
        equivalence: R4 concept-map-equivalence of the chosen code, seen from the local one.
        by, at: who decided, and when (UTC, ISO 8601).
        note: why, for those who come later.
    """

    verdict: str
    by: str
    at: str
    target: Suggestion | None = None
    equivalence: str = "equivalent"
    note: str = ""


@dataclass(slots=True)
class Entry:
    """A term with its candidates and its decision, None while it is open."""

    key: str
    term: LocalTerm
    candidates: tuple[Suggestion, ...]
    decision: Decision | None = None

    @property
    def open(self) -> bool:
        """Whether a decision is still to be made."""
        return self.decision is None or self.decision.verdict in ("reopened", "postponed")

    @property
    def suggested(self) -> bool:
        """Whether a candidate was near enough to be suggested; else those that there are came nearest."""
        return bool(self.candidates) and self.candidates[0].score >= ENOUGH


class Review:
    """The review that a file holds. Made by `create`, taken up again by `load`."""

    def __init__(
        self, path: Path, entries: Iterable[Entry], now: Callable[[], datetime] | None = None
    ) -> None:
        self.path = path
        self._entries = {entry.key: entry for entry in entries}
        self._now = now or (lambda: datetime.now(UTC))

    @classmethod
    def create(cls, path: Path, suggested: Iterable[Suggestions]) -> Review:
        """A new review of these suggestions.

        Raises:
            FileExistsError: the file is there: a review is never written over.
        """
        entries = [
            Entry(str(number), item.term, item.suggestions or item.near)
            for number, item in enumerate(suggested, 1)
        ]
        with path.open("x", encoding="utf-8") as file:
            for entry in entries:
                line: dict[str, Any] = {"event": "term", "key": entry.key, "term": asdict(entry.term)}
                line["candidates"] = [asdict(candidate) for candidate in entry.candidates]
                file.write(json.dumps(line, ensure_ascii=False) + "\n")
        return cls(path, entries)

    @classmethod
    def load(cls, path: Path) -> Review:
        """The review as it is.

        Raises:
            TerminologyFileError: the file is not a review; the line is named.
        """
        entries: dict[str, Entry] = {}
        try:
            content = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise TerminologyFileError(path, f"can't be read as a review: {error}") from error
        # Not `splitlines`, which also splits at U+2028 and U+0085 within a text.
        for number, line in enumerate(content.split("\n"), 1):
            try:
                _apply(json.loads(line), entries)
            except (ValueError, KeyError, TypeError) as error:
                if number == content.count("\n") + 1:
                    break  # the line that an interruption cut short was never a decision
                raise TerminologyFileError(path, f"line {number} is no line of a review: {error}") from error
        if not entries:
            raise TerminologyFileError(path, "holds no terms; make a review with `terminology suggest`")
        return cls(path, entries.values())

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries.values())

    def __len__(self) -> int:
        return len(self._entries)

    def __getitem__(self, key: str) -> Entry:
        return self._entries[key]

    def pending(self) -> list[Entry]:
        """What is still to be decided: what is used most first."""
        return sorted((entry for entry in self if entry.open), key=lambda entry: -entry.term.count)

    def accept(
        self, key: str, target: Suggestion, by: str, equivalence: str = "equivalent", note: str = ""
    ) -> Decision:
        """Choose a code for a term.

        Raises:
            KeyError: the review has no such term.
            ValueError: the equivalence leads to no target, or nobody is named.
        """
        return self._decide(key, "accepted", by, target, equivalence, note)

    def decide(self, key: str, verdict: str, by: str, note: str = "") -> Decision:
        """Decide without a code: `none`, `postponed` or `reopened`.

        Raises:
            KeyError: the review has no such term.
            ValueError: no such verdict, or nobody is named.
        """
        if verdict == "accepted":
            raise ValueError("to accept, name the code")
        return self._decide(key, verdict, by, None, "equivalent", note)

    def approve(self, score: float, by: str, lead: float = 0.05) -> list[Entry]:
        """Accept the first candidate of every open term that reaches this score and leads the second by `lead`."""
        note = f"approved in bulk at {score:g}"
        chosen = []
        for entry in self.pending():
            scores = [candidate.score for candidate in entry.candidates]
            if scores and scores[0] >= score and (len(scores) == 1 or scores[0] - scores[1] >= lead):
                chosen.append(
                    (entry, self._decision("accepted", by, entry.candidates[0], "equivalent", note))
                )
        self._keep(chosen)
        return [entry for entry, _ in chosen]

    def dismiss(self, by: str, note: str = "") -> list[Entry]:
        """Decide that no code fits, for every term that has no suggestion and no decision yet."""
        decision = self._decision("none", by, None, "equivalent", note or "dismissed in bulk: no suggestion")
        chosen = [(entry, decision) for entry in self if entry.decision is None and not entry.suggested]
        self._keep(chosen)
        return [entry for entry, _ in chosen]

    def remember(self, earlier: Iterable[Review]) -> list[Entry]:
        """Take over what earlier reviews decided for the same code, or the same name, unit and specimen."""
        known: dict[tuple[str, ...], tuple[Decision, Path]] = {}
        for review in earlier:
            for entry in review:
                if entry.decision is not None and not entry.open:
                    for identity in _identities(entry.term):
                        known[identity] = (entry.decision, review.path)
        taken = []
        for entry in self.pending():
            for identity in _identities(entry.term):
                if identity in known:
                    old, path = known[identity]
                    note = f"as in {path.name}, decided by {old.by} on {old.at[:10]}"
                    taken.append(
                        (entry, self._decision(old.verdict, old.by, old.target, old.equivalence, note))
                    )
                    break
        self._keep(taken)
        return [entry for entry, _ in taken]

    def _decide(
        self, key: str, verdict: str, by: str, target: Suggestion | None, equivalence: str, note: str
    ) -> Decision:
        entry = self._entries[key]
        decision = self._decision(verdict, by, target, equivalence, note)
        self._keep([(entry, decision)])
        return decision

    def _decision(
        self, verdict: str, by: str, target: Suggestion | None, equivalence: str, note: str
    ) -> Decision:
        if verdict not in VERDICTS:
            raise ValueError(f"{verdict!r} is none of {', '.join(VERDICTS)}")
        if not by.strip():
            raise ValueError("a decision names who made it")
        if target is not None and equivalence not in EQUIVALENCES:
            raise ValueError(f"{equivalence!r} is none of {', '.join(EQUIVALENCES)}")
        at = self._now().astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        return Decision(verdict, by.strip(), at, target, equivalence, note)

    def _keep(self, decided: Sequence[tuple[Entry, Decision]]) -> None:
        """Write decisions to the file, all at once, and hold them."""
        events = ({"event": "decision", "key": entry.key, **asdict(decision)} for entry, decision in decided)
        _append(self.path, [json.dumps(event, ensure_ascii=False) for event in events])
        for entry, decision in decided:
            entry.decision = decision


_BLOCK = 64 * 1024


def _apply(event: dict[str, Any], entries: dict[str, Entry]) -> None:
    if event["event"] == "term":
        candidates = tuple(_suggestion(candidate) for candidate in event["candidates"])
        entries[event["key"]] = Entry(event["key"], LocalTerm(**event["term"]), candidates)
    elif event["event"] == "decision":
        target = _suggestion(event["target"]) if event.get("target") else None
        values = {name: event[name] for name in ("verdict", "by", "at", "equivalence", "note")}
        entries[event["key"]].decision = Decision(target=target, **values)
    else:
        raise ValueError(f"an event {event['event']!r}")


def _append(path: Path, lines: Sequence[str]) -> None:
    """Add lines, after cutting off one that an interruption left unfinished."""
    if not lines:
        return
    with path.open("rb+") as file:
        file.seek(_end_of_last_line(file))
        file.truncate()
        file.write("".join(f"{line}\n" for line in lines).encode())
        file.flush()
        os.fsync(file.fileno())


def _end_of_last_line(file: BinaryIO) -> int:
    """Where the last whole line ends, looked for from the end of the file."""
    location = file.seek(0, os.SEEK_END)
    while location:
        start = max(0, location - _BLOCK)
        file.seek(start)
        result = file.read(location - start).rfind(b"\n")
        if result >= 0:
            return start + result + 1
        location = start
    return 0


def _suggestion(value: dict[str, Any]) -> Suggestion:
    return Suggestion(**{**value, "evidence": tuple(value.get("evidence", ()))})


def _identities(term: LocalTerm) -> Iterator[tuple[str, ...]]:
    """What makes two terms the same: the local code, else name, unit and specimen."""
    if term.code and term.system:
        yield ("code", term.system, term.code)
    yield ("name", *words(term.name), "|", term.unit.strip(), "|", *words(term.specimen))

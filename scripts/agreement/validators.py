"""The two validators: ours, and the official validator behind a cache of what it said."""

from __future__ import annotations

import hashlib
import json
import re
import sqlite3
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from fhir_bridge.fhir.issues import Issue
from fhir_bridge.fhir.validation import Validator
from scripts import referee

__all__ = ["UNJUDGED", "ValidatorResult", "official", "ours"]

UNJUDGED = "unjudged"
"""The severity of what the official validator says it could not check."""
OWN = b"fhir-bridge.org"
FAILED = "java.lang.NullPointerException"
BATCH = 1500
"""Resources that one JVM checks before its findings are kept."""


@dataclass(frozen=True, slots=True)
class ValidatorResult:
    """What one validator said of one resource: (severity, kind, path, message) of each finding.

    The official one also indicates what it could not check (severity `UNJUDGED`).
    """

    findings: tuple[tuple[str, str, str, str], ...]

    @property
    def errors(self) -> tuple[tuple[str, str, str, str], ...]:
        """The findings that make the resource wrong."""
        return tuple(f for f in self.findings if f[0] in ("error", "fatal"))

    def abstains_from(self, other: ValidatorResult) -> bool:
        """Whether each error of the other is at a place that this one says it could not check."""
        locations = [_plain(f[2]) for f in self.findings if f[0] == UNJUDGED]
        return bool(other.errors) and all(
            any(_within(_plain(error[2]), location) for location in locations) for error in other.errors
        )


_COMMENT = re.compile(r"/\*.*?\*/|\.ofType\([A-Za-z]+\)")


def _plain(path: str) -> str:
    """A path as both write it: without the official validator's comments and types of choices."""
    return _COMMENT.sub("", path)


def _within(name: str, other: str) -> bool:
    """Whether one place is the other or inside it, or the other way round; no place is the whole resource."""
    return (
        not other
        or name == other
        or name.startswith((other + ".", other + "["))
        or other.startswith((name + ".", name + "["))
    )


def ours(texts: Sequence[bytes], validator: Validator) -> Iterator[ValidatorResult]:
    """Our verdict of each text."""
    for text in texts:
        yield ValidatorResult(tuple(map(_finding, validator.validate(text))))


def _finding(issue: Issue) -> tuple[str, str, str, str]:
    return issue.severity, issue.code, issue.expression, issue.message


def official(texts: Sequence[bytes], cache: Path) -> list[ValidatorResult]:
    """The official validator's verdict of each text, asked only for what the cache doesn't hold.

    Texts that are a line of NDJSON each are given to it in one file; the validator is deterministic, so what it said of
    a text, with the same definitions, program and options, holds.
    """
    marks = _marks()
    keys = [hashlib.sha256(marks[OWN in text] + text).digest() for text in texts]
    cache.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(cache)) as database:
        database.execute("CREATE TABLE IF NOT EXISTS judged (key BLOB PRIMARY KEY, findings TEXT NOT NULL)")
        known = {key for (key,) in database.execute("SELECT key FROM judged")}
        waiting = list({k: t for k, t in zip(keys, texts, strict=True) if k not in known}.items())
        for start in range(0, len(waiting), BATCH):
            part = waiting[start : start + BATCH]
            result = _run_with_retry([text for _, text in part])
            database.executemany(
                "INSERT OR REPLACE INTO judged VALUES (?, ?)",
                [(key, json.dumps(f)) for (key, _), f in zip(part, result, strict=True)],
            )
            database.commit()
            print(f"{start + len(part)} of {len(waiting)} new ones checked", file=sys.stderr)
        answer = "SELECT findings FROM judged WHERE key = ?"
        rows = (json.loads(database.execute(answer, (key,)).fetchone()[0]) for key in keys)
        return [ValidatorResult(tuple((f[0], f[1], f[2], f[3]) for f in row)) for row in rows]


Findings = list[list[str]]


def _run_with_retry(texts: Sequence[bytes]) -> list[Findings]:
    """Its verdict; where it failed of itself, it is asked once more."""
    result = _run(texts)
    failed = [n for n, findings in enumerate(result) if any(FAILED in f[3] for f in findings)]
    if failed:
        again = _run([texts[n] for n in failed])
        for n, findings in zip(failed, again, strict=True):
            result[n] = findings
    return result


def _run(texts: Sequence[bytes]) -> list[Findings]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "resources.ndjson"
        file.write_bytes(b"".join(text.replace(b"\n", b" ").replace(b"\r", b" ") + b"\n" for text in texts))
        verdict = referee.validate([file], agreement=True)
    if verdict.resources != len(texts):
        raise SystemExit(f"the official validator checked {verdict.resources} of {len(texts)} resources")
    result: list[Findings] = [[] for _ in texts]
    for message in verdict.messages:
        failed = message["severity"] == "fatal" and FAILED in message["message"]
        severity = UNJUDGED if failed or referee.is_unchecked(message) else message["severity"]
        if severity != "information":
            kind, path = str(message.get("messageId") or ""), str(message.get("path") or "")
            result[message["line"] - 1].append([severity, kind, path, str(message["message"])[:2000]])
    return result


def _marks() -> tuple[bytes, bytes]:
    """What its verdict depends on beside a resource: the program; for one that names ours, our definitions too."""
    program = (referee.FOLDER / "compiled").read_bytes() + UNJUDGED.encode()
    content = hashlib.sha256(program)
    for path in sorted((referee.ROOT / "terminology").rglob("*.json")):
        content.update(path.read_bytes())
    return hashlib.sha256(program).digest(), content.digest()

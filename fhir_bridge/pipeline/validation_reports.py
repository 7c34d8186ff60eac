"""The outcome of `validate` in the formats that tools read: JSON lines, SARIF 2.1.0 and JUnit XML."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, Protocol
from urllib.parse import quote
from xml.sax.saxutils import escape, quoteattr

import orjson

from fhir_bridge import __version__
from fhir_bridge.fhir.issues import Issue, declared
from fhir_bridge.pipeline.validate import Validated

__all__ = ["FORMATS", "JUnit", "JsonLines", "Report", "Sarif"]

Write = Callable[[str], Any]


class Report(Protocol):
    """Takes what was validated, in order, and writes text."""

    def add(self, validated: Validated) -> None:
        """Take a resource with its issues."""
        ...

    def close(self) -> None:
        """Write what is left. A document is whole only then."""
        ...


class JsonLines:
    """A JSON object a line for each issue: source, severity, code, expression, message."""

    def __init__(self, write: Write) -> None:
        self._write = write

    def add(self, validated: Validated) -> None:
        """Write its issues."""
        for issue in validated.issues:
            results = {
                "source": validated.locator,
                "severity": issue.severity,
                "code": issue.code,
                "expression": issue.expression,
                "message": issue.message,
            }
            self._write(f"{_json(results)}\n")

    def close(self) -> None:
        """Nothing is left."""


_LEVELS = {"fatal": "error", "error": "error", "warning": "warning", "information": "note"}


class Sarif:
    """SARIF 2.1.0, which code hosts and editors show: a result for each issue, a rule for each issue code."""

    def __init__(self, write: Write) -> None:
        self._write = write
        self._codes: set[str] = set()
        self._any = False
        write(
            '{"$schema":"https://json.schemastore.org/sarif-2.1.0.json","version":"2.1.0","runs":[{"results":['
        )

    def add(self, validated: Validated) -> None:
        """Write its issues as results."""
        for issue in validated.issues:
            self._write(f"{',' if self._any else ''}\n{_json(self._result(validated, issue))}")
            self._any = True
            self._codes.add(issue.code)

    def _result(self, validated: Validated, issue: Issue) -> dict[str, Any]:
        physical: dict[str, Any] = {"artifactLocation": {"uri": _uri(validated.file)}}
        if validated.line is not None:
            physical["region"] = {"startLine": validated.line}
        location: dict[str, Any] = {"physicalLocation": physical}
        if issue.expression:
            location["logicalLocations"] = [{"fullyQualifiedName": issue.expression, "kind": "element"}]
        return {
            "ruleId": issue.code,
            "level": _LEVELS[issue.severity],
            "message": {"text": issue.message or issue.code},
            "locations": [location],
        }

    def close(self) -> None:
        """Write the tool and its rules."""
        known = declared()
        rules = [
            {
                "id": code,
                "shortDescription": {"text": known[code].title if code in known else code},
                "help": {"text": known[code].remedy if code in known else code},
            }
            for code in sorted(self._codes)
        ]
        driver = {"name": "fhir-bridge", "semanticVersion": __version__, "rules": rules}
        self._write(f'\n],"tool":{_json({"driver": driver})},"columnKind":"unicodeCodePoints"}}]}}\n')


class JUnit:
    """JUnit XML, which build servers show: a suite for each file, a case for each resource; one with an error fails."""

    def __init__(self, write: Write) -> None:
        self._write = write
        self._file: Path | None = None
        self._cases: IO[str] = self._spool()
        self._tests = self._failures = 0
        write('<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name="fhir-bridge validate">\n')

    @staticmethod
    def _spool() -> IO[str]:
        return tempfile.SpooledTemporaryFile(8 << 20, "w+", encoding="utf-8", newline="\n")

    def add(self, validated: Validated) -> None:
        """Keep its case until the suite's file is at its end, since the counts go before the cases."""
        if validated.file != self._file:
            self._end_suite()
            self._file = validated.file
        self._tests += 1
        name = f"<testcase classname={_attribute(validated.file.as_posix())} name={_attribute(validated.locator)}"
        if not validated.issues:
            self._cases.write(f"  {name}/>\n")
            return
        text = escape(_printable("\n".join(map(_line, validated.issues))))
        if validated.is_valid:
            self._cases.write(f"  {name}>\n   <system-out>{text}</system-out>\n  </testcase>\n")
            return
        self._failures += 1
        first = next(i for i in validated.issues if i.severity in ("fatal", "error"))
        failure = (
            f"<failure type={_attribute(first.code)} message={_attribute(_line(first))}>{text}</failure>"
        )
        self._cases.write(f"  {name}>\n   {failure}\n  </testcase>\n")

    def _end_suite(self) -> None:
        if self._file is None:
            return
        self._write(
            f' <testsuite name={_attribute(self._file.as_posix())} tests="{self._tests}"'
            f' failures="{self._failures}" errors="0" skipped="0">\n'
        )
        self._cases.seek(0)
        for line in self._cases:
            self._write(line)
        self._write(" </testsuite>\n")
        self._cases.close()
        self._cases, self._tests, self._failures = self._spool(), 0, 0

    def close(self) -> None:
        """Write the last suite."""
        self._end_suite()
        self._cases.close()
        self._write("</testsuites>\n")


FORMATS: dict[str, Callable[[Write], Report]] = {"json": JsonLines, "sarif": Sarif, "junit": JUnit}
"""Formats by the name that `--format` has."""

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def _json(value: Any) -> str:
    try:
        return orjson.dumps(value).decode()
    except TypeError:  # a lone surrogate, out of text that is no Unicode
        return orjson.dumps(_scrubbed(value)).decode()


def _scrubbed(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {key: _scrubbed(item) for key, item in value.items()}
    return [_scrubbed(item) for item in value] if isinstance(value, list) else value


def _uri(file: Path) -> str:
    return file.as_uri() if file.is_absolute() else quote(file.as_posix())


def _printable(text: str) -> str:
    """Without the characters that XML 1.0 has no way to write."""
    return _NOT_XML.sub("\ufffd", text)


def _attribute(text: str) -> str:
    return quoteattr(_printable(text))


def _line(issue: Issue) -> str:
    where = f"{issue.expression}: " if issue.expression else ""
    return f"{where}{issue.severity} {issue.message} ({issue.code})"

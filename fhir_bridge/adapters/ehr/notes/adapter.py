"""The `notes` adapter: a file with a text in, one record out."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from fhir_bridge.adapters.ehr.issues import new_issue
from fhir_bridge.adapters.ehr.notes.extracted import FACT_NAMES
from fhir_bridge.adapters.ehr.notes.reading import MEDIA_TYPES, UnreadableText, is_cut, text_of
from fhir_bridge.adapters.ehr.notes.record import Note
from fhir_bridge.adapters.ehr.sharding import together
from fhir_bridge.mapping import Scope, nearest
from fhir_bridge.plugins import OptionError, ReadContext, SourceModel

__all__ = ["NotesAdapter", "NotesModel"]

PATTERN: Final = r"(?P<patient>[^_]+)_(?P<time>\d{8}(?:\d{4}(?:\d{2})?)?)(?:_(?P<type>.+))?"
"""`P-77_20260301_discharge.txt`: whose it is, when it was written, what it is."""
_NAMED: Final = ("patient", "authority", "time", "type", "encounter", "author")
_NOTE: Final = ("text", "data", "size", "plain", "media_type", "name", "key")
_OPTIONS: Final = ("file_name", "authority", "max_document_mb", "join", "decimal", "group", "date")


class NotesModel:
    """Two scopes: the note (`note.text`, `note.patient`, …), and each fact that it states (`fact.value`, …)."""

    root: str = "note"
    scopes: Mapping[str, Scope] = {"note": Scope("note"), "Fact": Scope("Fact", "note")}
    functions: Mapping[str, Callable[..., Any]] = {}
    token: str = ""
    pure: bool = True
    texts: bool = True
    foreign: frozenset[str] = frozenset(("times",))

    def with_options(self, options: Mapping[str, Any]) -> NotesModel:
        """The model of a `source:` block.

        Raises:
            OptionError: an option is unknown or wrong.
        """
        for key in options:
            if key not in _OPTIONS and not str(key).startswith("join."):
                advice = nearest(str(key), _OPTIONS) or f"there are {', '.join(_OPTIONS)}"
                raise OptionError(str(key), f"source.{key} is no option of notes", advice)
        _pattern(options)
        return self

    def selector(self, text: str, scope: str) -> str:
        """Python source that reads a selector.

        Raises:
            LookupError: there is no such name.
        """
        start, _, name = text.replace("`", "").strip().partition(".")
        note = "s" if scope == "note" else "s.outer"
        if start == "note" and name in _NAMED:
            return f"{note}.named.get({name!r})"
        if start == "note" and name in _NOTE:
            return f"{note}.{name}"
        if start == "fact" and name in FACT_NAMES and scope == "Fact":
            return f"s.{name}"
        known = [*(f"note.{each}" for each in (*_NAMED, *_NOTE)), *(f"fact.{each}" for each in FACT_NAMES)]
        meant = nearest(text, known, cutoff=0.5)
        raise LookupError(f'notes have no "{text}"{f"; {meant}" if meant else ""}')


def _pattern(options: Mapping[str, Any]) -> re.Pattern[str]:
    """The pattern of file names.

    Raises:
        OptionError: it is no regular expression, or does not say whose a note is.
    """
    text = str(options.get("file_name") or PATTERN)
    try:
        pattern = re.compile(text)
    except re.error as error:
        raise OptionError("file_name", f"source.file_name is no regular expression ({error})") from None
    if "patient" not in pattern.groupindex:
        raise OptionError("file_name", "source.file_name has no group (?P<patient>…)")
    return pattern


class NotesAdapter:
    """Notes in plain text, PDF and RTF, one a file. The file's name says whose it is and when it was written.

    Options in a mapping's `source:` block: `file_name` (a regular expression with the groups `patient`, and where there
    are `time`, `type`, `authority`, `encounter`, `author`), `authority` (of the patient's number),
    `max_document_mb` (default 32).
    """

    name = "notes"
    title = "Clinical notes (text, PDF, RTF)"
    model: SourceModel = NotesModel()
    suffixes: tuple[str, ...] = tuple(MEDIA_TYPES)

    def choose_mapping(self, paths: Sequence[Path]) -> str:  # noqa: ARG002 - one mapping takes all notes
        """`ehr/notes`."""
        return "ehr/notes"

    def shards(self, paths: Sequence[Path], jobs: int) -> list[list[Path]]:
        """A file each; where there are many, neighbours together."""
        return together(paths, jobs)

    def read(self, paths: Sequence[Path], context: ReadContext) -> Iterator[Note]:
        """Read notes in order, one in memory at a time."""
        limit = int(context.options.get("max_document_mb") or 32)
        for path in paths:
            try:
                with path.open("rb") as file:
                    content = file.read((limit << 20) + 1)
            except OSError as error:
                text = f"{path.name}: {error.strerror or 'it can not be read'}"
                yield _refused(path, new_issue("FB-NOTE-004", text, path.name))
                continue
            if len(content) > limit << 20:
                text = f"the file is larger than {limit} MB (source.max_document_mb)"
                yield _refused(path, new_issue("FB-NOTE-003", text, path.name))
                continue
            yield _read(path, content, context.options)


def _refused(path: Path, issue: Any) -> Note:
    return Note(path.name, issues=[issue], outcome="rejected")


def _read(path: Path, content: bytes, options: Mapping[str, Any]) -> Note:
    named = _pattern(options).fullmatch(path.stem)
    if named is None:
        text = "the file's name does not say whose note it is (source.file_name)"
        return _refused(path, new_issue("FB-NOTE-001", text, path.name))
    try:
        text = text_of(content, path.suffix.lower())
    except UnreadableText as error:
        return _refused(path, new_issue("FB-NOTE-002", str(error), path.name))
    groups = named.groupdict()
    groups.setdefault("authority", options.get("authority"))
    kind = (
        "application/pdf"
        if content.startswith(b"%PDF")
        else "application/rtf"
        if content.startswith(b"{\\rtf")
        else "text/plain"
    )
    cut = "the RTF ends within a group: what follows is missing"
    issues = [new_issue("FB-NOTE-005", cut, path.name)] if is_cut(content) else []
    return Note(path.name, content=content, text=text, media_type=kind, named=groups, issues=issues)

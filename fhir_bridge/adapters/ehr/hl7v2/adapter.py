"""The `hl7v2` adapter: files of messages in, one record a message out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterator, Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Any, Final, NamedTuple

from fhir_bridge.adapters.ehr.dtm import timestamp
from fhir_bridge.adapters.ehr.hl7v2.charsets import UnknownCharset, decode, is_wide, seems_utf8
from fhir_bridge.adapters.ehr.hl7v2.delimiters import illegible, unreadable_escapes
from fhir_bridge.adapters.ehr.hl7v2.events import left_undone, misplaced_specimens
from fhir_bridge.adapters.ehr.hl7v2.fields import Field, Segment
from fhir_bridge.adapters.ehr.hl7v2.framing import Framed, messages
from fhir_bridge.adapters.ehr.hl7v2.groups import placements
from fhir_bridge.adapters.ehr.hl7v2.model import Hl7v2Model
from fhir_bridge.adapters.ehr.hl7v2.record import Message, parse_segments
from fhir_bridge.adapters.ehr.issues import new_issue
from fhir_bridge.adapters.ehr.sharding import together
from fhir_bridge.fhir.issues import Issue
from fhir_bridge.plugins import ReadContext, SourceModel

__all__ = ["Hl7v2Adapter", "read_message"]


class Hl7v2Adapter:
    """HL7 v2 messages in ER7 form: single, many in a file, batches (FHS/BHS), MLLP frames.

    Options in a mapping's `source:` block: `encoding` (overrides MSH-18), `require` (segments without which a
    message is skipped), `covers` (message codes the mapping speaks of in full; others are flagged),
    `max_message_mb` (default 64), `groups` (segments beside those that a group has: `{ORDER_OBSERVATION: [ZUI]}`).
    """

    name = "hl7v2"
    title = "HL7 v2 messages (ER7)"
    model: SourceModel = Hl7v2Model()
    suffixes: tuple[str, ...] = (".hl7", ".hl7v2", ".er7", ".mllp")

    def choose_mapping(self, paths: Sequence[Path]) -> str:  # noqa: ARG002 - one mapping takes all messages
        """`ehr/hl7v2`."""
        return "ehr/hl7v2"

    def shards(self, paths: Sequence[Path], jobs: int) -> list[list[Path]]:
        """A file each; where there are many, neighbours together: messages stay in order."""
        return together(paths, jobs)

    def read(self, paths: Sequence[Path], context: ReadContext) -> Iterator[Message]:
        """Read messages in order, one in memory at a time."""
        for path in paths:
            yield from _read_file(path, _Settings.of(context))

    def pieces(self, path: Path, jobs: int, options: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
        """The pieces of a large file that are read side by side; none where it is read whole."""
        try:
            return _pieces(path, jobs, options)
        except OSError:  # reading it says so
            return []

    def read_piece(
        self, path: Path, piece: Mapping[str, Any], context: ReadContext, state: dict[str, Any]
    ) -> Iterator[Message]:
        """The messages of a piece, in order; `state` gets how many they are, and what trailers state."""
        read = yield from _read_piece(path, piece, _Settings.of(context))
        state["read"] = None if read is None else list(read)

    def read_end(
        self,
        path: Path,
        piece: Mapping[str, Any],  # noqa: ARG002 - the states tell all
        context: ReadContext,  # noqa: ARG002
        states: Sequence[Mapping[str, Any]],
    ) -> Iterator[Message]:
        """A record that says so where the trailers of batches state another number of messages."""
        reads = [_Read(*state["read"]) for state in states if state["read"] is not None]
        if len(reads) == len(states):
            stated = [read.stated for read in reads if read.stated is not None]
            yield from _ended(
                path, _Read(sum(read.messages for read in reads), sum(stated) if stated else None)
            )

    def read_message(self, content: bytes, name: str, context: ReadContext) -> Message:
        """One message that was received; what can't be read comes back as rejected, with the issue."""
        locator = f"{name}#1"
        message = _Settings.of(context, received=True).message(content, locator)
        if wrong := _misframed(message.segments, locator):
            return Message(locator, message.segments, [wrong], "rejected", raw=content)
        return message


class _Settings(NamedTuple):
    """What decides how a message is read: options, the site's zone, and whether one for tests is left out."""

    options: Mapping[str, Any]
    zone: tzinfo | None
    skips_tests: bool

    @classmethod
    def of(cls, context: ReadContext, *, received: bool = False) -> _Settings:
        """As a run has it. Without a setting, what is not production's is stored from files that somebody has chosen
        alone, not as a system sends it. Files are written of any message.
        """
        policy = getattr(context.site, "test_messages", None) or ("skip" if received else "store")
        skips = policy == "skip" and bool(getattr(context, "stores", False))
        return cls(context.options, getattr(context.site, "timezone", None), skips)

    def message(self, raw: bytes, locator: str) -> Message:
        """One message from its bytes, and an issue where it is not of production."""
        message = read_message(raw, locator, self.options, self.zone)
        if message.outcome != "read" or not (kind := _MODES.get(message.processing)):
            return message
        text = f"MSH-11 is {message.processing}: the message is for {kind}"
        if self.skips_tests:
            message.outcome = "skipped"
            text += ", and is not stored (test_messages of the site file)"
        message.issues = [*message.issues, new_issue("FB-HL7-026", text, message.locator)]
        return message


_MODES: Final[Mapping[str, str]] = {"T": "training", "D": "debugging"}
"""Codes of table 0103 beside P, production."""

_WORTHWHILE = 4 << 20
"""Bytes from which a file is read in pieces."""


class _Read(NamedTuple):
    """What was read of a file: its messages, and how many of them the trailers of batches state."""

    messages: int
    stated: int | None


def _limit(options: Mapping[str, Any]) -> int:
    return int(options.get("max_message_mb", 64)) << 20


def _pieces(path: Path, jobs: int, options: Mapping[str, Any]) -> list[dict[str, int]]:
    """Where a large file is parted: offsets, and the number of the message before each piece."""
    size = path.stat().st_size
    if size < _WORTHWHILE:
        return []
    parts: list[dict[str, int]] = [{"begin": 0, "number": 0}]
    number = 0
    for piece in messages(path, limit=_limit(options)):
        if piece.wide:
            return []
        if piece.kind == "message" and piece.offset >= len(parts) * size / jobs:
            parts[-1]["end"] = piece.offset
            parts.append({"begin": piece.offset, "number": number})
        number += piece.kind != "envelope"
    parts[-1]["end"] = size
    return parts if len(parts) > 1 else []


def _read_file(path: Path, settings: _Settings) -> Iterator[Message]:
    read = yield from _read_piece(path, {"begin": 0, "number": 0}, settings)
    if read is not None:
        yield from _ended(path, read)


def _ended(path: Path, read: _Read) -> Iterator[Message]:
    """What is wrong with a file as a whole."""
    number, stated = read
    if number == 0:
        yield _refused(path.name, new_issue("FB-HL7-001", "the file holds no message", path.name))
    elif stated is not None and stated != number:
        text = f"the batch trailer states {stated} messages, the file has {number}"
        record = Message(path.name, [], [new_issue("FB-HL7-011", text, path.name)], "skipped")
        record.records = 0
        yield record


def _read_piece(
    path: Path, piece: Mapping[str, int], settings: _Settings
) -> Generator[Message, None, _Read | None]:
    """The messages of a piece of a file, then what was read; None where it can't be."""
    limit = _limit(settings.options)
    before = number = piece["number"]
    stated: int | None = None
    try:
        for framed in messages(path, limit=limit, begin=piece["begin"], end=piece.get("end")):
            if framed.kind == "envelope":
                stated = _trailer_count(framed, stated)
                continue
            number += 1
            locator = f"{path.name}#{number}"
            if framed.kind == "message":
                message = settings.message(framed.raw, locator)
                message.offset, message.wide = framed.offset, framed.wide
                yield message
            elif framed.kind == "oversize":
                text = f"a message of more than {limit >> 20} MB at byte {framed.offset}"
                yield _refused(locator, new_issue("FB-HL7-010", text, locator))
            else:
                text = f"{len(framed.raw)} bytes at byte {framed.offset} belong to no message: expected MSH, FHS or BHS"
                yield _refused(locator, new_issue("FB-HL7-001", text, locator), framed.raw)
    except OSError as error:
        text = f"{path.name}: {error.strerror or 'it can not be read'}"
        yield _refused(path.name, new_issue("FB-HL7-009", text, path.name))
        return None
    return _Read(number - before, stated)


def _trailer_count(piece: Framed, before: int | None) -> int | None:
    """The messages that BTS-1 states, added up over a file's batches."""
    if piece.raw[:3] != b"BTS":
        return before
    fields = piece.raw.split(piece.raw[3:4])
    count = fields[1].strip() if len(fields) > 1 else b""
    return (before or 0) + int(count) if count.isdigit() else before


def read_message(
    raw: bytes, locator: str, options: Mapping[str, Any] | None = None, zone: tzinfo | None = None
) -> Message:
    """One message from its bytes; what can't be read comes back as rejected, with the issue.

    `zone`: the site's, for the order of messages whose MSH-7 has no offset.
    """
    options = options or {}
    if is_wide(raw):
        text = "the message is in UTF-16 or UTF-32, in which bytes of text can be marks of the transport"
        return _refused(locator, new_issue("FB-HL7-003", text, locator), raw)
    sets = _stated_charsets(raw)
    stated = "~".join(sets)
    try:
        text, charset, assumed = decode(raw, sets, options.get("encoding"))
    except UnknownCharset as error:
        text = f'"{error.args[0]}" is no character set known here'
        return _refused(locator, new_issue("FB-HL7-004", text, locator), raw)
    except UnicodeDecodeError as error:
        text = (
            f"byte {error.start} of the message is not {error.encoding} (MSH-18 states {stated or 'nothing'})"
        )
        return _refused(locator, new_issue("FB-HL7-003", text, locator), raw)
    try:
        left_out = illegible(text)
        plain = text.translate(dict.fromkeys(map(ord, left_out))) if left_out else text
        segments, joined = parse_segments(plain.lstrip("\ufeff"), charset)
    except ValueError as error:
        return _refused(locator, new_issue("FB-HL7-002", f"MSH can't be read: {error}", locator), raw)
    issues: list[Issue] = []
    if assumed:
        issues.append(
            new_issue("FB-HL7-005", "no character set stated and not UTF-8: read as windows-1252", locator)
        )
    if seems_utf8(raw, charset) and not options.get("encoding") and not assumed:
        text = f"MSH-18 states {stated}, and the bytes are those of UTF-8: they were read as stated"
        issues.append(new_issue("FB-HL7-024", text, locator))
    if lost := _left_out(text, left_out, segments):
        issues.append(
            new_issue("FB-HL7-025", f"characters that no text holds were left out: {lost}", locator)
        )
    if joined:
        issues.append(
            new_issue("FB-HL7-006", f"{joined} lines that are no segment joined to the one before", locator)
        )
    if not segments[0].part(10, 1):
        text = "MSH-10 is missing: no acknowledgment can name the message, and it is not found by its id"
        issues.append(new_issue("FB-HL7-022", text, locator))
    placed = placements(options)
    message = Message(locator, segments, issues, raw=raw, zone=zone, placed=placed)
    missing = [name for name in options.get("require", ()) if not message.has(name)]
    covers = options.get("covers") or ()
    covered = message.kind.split("^")[0] in covers
    if missing:
        kind = message.kind or "a message without MSH-9"
        code = "FB-HL7-023" if covered else "FB-HL7-007"
        issues.append(new_issue(code, f"{kind} has no {', '.join(missing)}", locator))
        message.outcome = "skipped"
    elif covers and not covered:
        issues.append(
            new_issue(
                "FB-HL7-008",
                f"{message.kind or 'a message without MSH-9'} is converted in part only",
                locator,
            )
        )
    if message.outcome == "read" and (undone := left_undone(message.kind)):
        issues.append(new_issue("FB-HL7-027", undone, message.locator))
    if message.outcome == "read" and (misplaced := misplaced_specimens(segments)):
        issues.append(new_issue("FB-HL7-031", misplaced, message.locator))
    if message.outcome == "read" and any(
        segment.name == "PID" and _is_born_after(segment, message.time) for segment in segments
    ):
        text = "PID-7 is later than the message: nobody of whom it speaks was born then"
        issues.append(new_issue("FB-HL7-030", text, locator))
    if message.outcome == "read":
        text = "the patient has no identifier (PID-3, PID-2, PID-4)"
        issues += (
            new_issue("FB-HL7-013", text, locator)
            for segment in segments
            if segment.name == "PID" and not _has_identifier(segment)
        )
    return message


def _left_out(text: str, left_out: str, segments: Sequence[Segment]) -> str:
    """Which characters within a message no text of FHIR holds, and how many; those around it are of transport."""
    inner = text.strip(_AROUND) if left_out else ""
    counts = Counter({character: inner.count(character) for character in left_out})
    for segment in segments:
        counts.update(unreadable_escapes(segment.line, segment.delimiters))
    return ", ".join(f"{n} of U+{ord(character):04X}" for character, n in sorted(counts.items()) if n)


_AROUND: Final = "\r\n\x00\x0b\x1a\x1c \t"


def _misframed(segments: Sequence[Segment], locator: str) -> Issue | None:
    """What shows that this is not one whole message: a header alone, or further headers."""
    if not segments:
        return None  # what is wrong with it is said
    if len(segments) == 1:
        missing = " and has no MSH-9" if not segments[0].field(9) else ""
        return new_issue("FB-HL7-020", f"the message ends after its MSH{missing}: it was cut off", locator)
    count = sum(segment.name == "MSH" for segment in segments)
    if count > 1:
        text = f"{count} messages came as one: each has a frame, or a request, of its own"
        return new_issue("FB-HL7-021", text, locator)
    return None


def _has_identifier(segment: Segment) -> bool:
    """Whether a PID has an identifier of the patient."""
    usual = segment.field(3)
    if usual.__class__ is Field:  # one with text
        return True
    return any(map(str, (x for number in (3, 2, 4) for x in segment.every(number))))


def _is_born_after(segment: Segment, sent: datetime | None) -> bool:
    """Whether PID-7 is a day after a time, wherever that was; of a message without time, after today."""
    sent = sent or datetime.now(UTC)
    if len(segment.fields) < 8 or segment.fields[7].strip()[:4] < str(sent.year):  # nearly all
        return False
    stated = segment.part(7, 1)
    born = timestamp(stated) if isinstance(stated, str) else None
    return born is not None and (born.date() - sent.date()).days > 1


def _refused(locator: str, issue: Issue, raw: bytes = b"") -> Message:
    return Message(locator, [], [issue], "rejected", raw=raw)


def _stated_charsets(raw: bytes) -> list[str]:
    """MSH-18, each repetition, read before the message is decoded; a first one that is empty is ASCII (JIS, JAHIS).

    MSH-20 may say that sets are switched where MSH-18 states one alone.
    """
    header = raw[:4096].replace(b"\n", b"\r").split(b"\r", 1)[0]
    if len(header) < 4:
        return []
    fields = header.split(header[3:4])
    if len(fields) < 18 or not fields[1]:
        return []
    repetition, component = fields[1][1:2], fields[1][:1]
    values = fields[17].split(repetition) if repetition.strip() else [fields[17]]
    names = [value.split(component, 1)[0].decode("ascii", "replace").strip() for value in values]
    if len(names) == 1 and len(fields) > 19 and fields[19].strip().upper().startswith(b"ISO 2022"):
        names.append("")
    return names if any(names) or len(names) > 1 else []

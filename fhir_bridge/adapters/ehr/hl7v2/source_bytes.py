"""Where in a message's bytes its values are: whatever its character set, line ends and delimiters."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from fhir_bridge.adapters.ehr.hl7v2.composites import DELETED
from fhir_bridge.adapters.ehr.hl7v2.delimiters import illegible, unescape
from fhir_bridge.adapters.ehr.hl7v2.fields import Segment
from fhir_bridge.adapters.ehr.hl7v2.places import Place
from fhir_bridge.mapping import Passage, Span

__all__ = ["SourceBytes", "character_offsets"]

_LINE: Final = re.compile(r"[^\r\n]+")
_SEGMENT_NAME: Final = re.compile(r"[A-Z][A-Z0-9]{2}")
Range = tuple[int, int]


def character_offsets(raw: bytes, encoding: str) -> tuple[str, list[int]]:
    """The text of bytes, and where each of its characters begins; the last entry is the end.

    Bytes that are not of the encoding become surrogates, as for `surrogateescape`.
    """
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError:
        text = raw.decode(encoding, "surrogateescape")
    if len(text) == len(raw):
        return text, list(range(len(raw) + 1))
    decoder = codecs.getincrementaldecoder(encoding)(errors="surrogateescape")
    offsets: list[int] = []
    begin = 0
    for position in range(len(raw)):
        characters = decoder.decode(raw[position : position + 1])
        if characters:
            offsets += [begin] * len(characters)
            begin = position + 1
    offsets += [begin] * len(decoder.decode(b"", final=True))
    return text, [*offsets, len(raw)]


class SourceBytes:
    """The bytes of one message, parted as `parse_segments` does, with the place of every character."""

    def __init__(self, raw: bytes, segments: Sequence[Segment], name: str, offset: int, wide: str) -> None:
        self._raw = raw
        self._name = name
        self._offset = offset
        self._wide = wide
        self._segments = segments
        self._numbers = {id(segment): number for number, segment in enumerate(segments)}
        self._labels = _labels(segments)
        self._lines: list[list[int]] | None = None
        self._text = ""
        self._offsets: list[int] = []
        self._ranges: dict[int, dict[tuple[int, int, int, int], Range]] = {}

    # Characters

    def _positions(self) -> list[list[int]]:
        """For each segment the positions in the text of the characters of its line."""
        if self._lines is not None:
            return self._lines
        delimiters = self._segments[0].delimiters if self._segments else None
        text, offsets = character_offsets(self._raw, delimiters.charset if delimiters else "utf-8")
        if self._wide:  # the file's own bytes, of which `raw` is a translation
            offsets = [0]
            for character in text:
                offsets.append(offsets[-1] + len(character.encode(self._wide, "surrogatepass")))
        self._text, self._offsets = text, offsets
        left_out = illegible(text)
        kept = [position for position, character in enumerate(text) if character not in left_out]
        while kept and text[kept[0]] == "\ufeff":
            del kept[0]
        plain = "".join(text[position] for position in kept)
        lines: list[list[int]] = []
        doubled = _doubles_escapes(plain)
        separator = plain[3:4]
        for match in _LINE.finditer(plain):
            line = match[0]
            if line.isspace():
                continue
            places = list(range(match.start(), match.end()))
            if doubled:
                places = _halved(line, places)
                line = line.replace("\\\\", "\\")
            begins = line[3:4] in (separator, "") and _SEGMENT_NAME.fullmatch(line[:3])
            if begins or not lines:
                lines.append([kept[place] for place in places])
            else:
                end = lines[-1][-1] + 1
                lines[-1] += [end, *(kept[place] for place in places)]
        self._lines = lines
        return lines

    def _bytes(self, number: int, span: Range) -> Range:
        """The bytes of a range of characters of a segment's line."""
        places = self._positions()[number]
        start, end = span
        if start >= end:
            where = self._offsets[places[start]] if start < len(places) else len(self._raw)
            return self._offset + where, self._offset + where
        return self._offset + self._offsets[places[start]], self._offset + self._offsets[places[end - 1] + 1]

    # Values

    def _values(self, number: int) -> dict[tuple[int, int, int, int], Range]:
        """Field, repetition, component and subcomponent of all values of a segment, with their characters."""
        known = self._ranges.get(number)
        if known is None:
            known = self._ranges[number] = dict(_parted(self._segments[number]))
        return known

    def _span(self, number: int, place: tuple[int, int, int, int], span: Range) -> Span:
        segment = self._segments[number]
        start, end = self._bytes(number, span)
        raw = segment.line[span[0] : span[1]]
        literal = segment.name == "MSH" and place[0] <= 2
        text = raw if literal else unescape(raw, segment.delimiters).strip()
        return Span(self._name, self._label(number, place), start, end, 0, text)

    def _label(self, number: int, place: tuple[int, int, int, int]) -> str:
        """As people write it: a part that the field does not have is not named."""
        field, repetition, component, sub = place
        if not field:
            return self._labels[number]
        siblings = [each for each in self._values(number) if each[0] == field]
        label = f"{self._labels[number]}-{field}"
        if any(each[1] > 1 for each in siblings):
            label += f"[{repetition}]"
        if any(each[2] > 1 or each[3] > 1 for each in siblings):
            label += f".{component}"
        if any(each[2] == component and each[3] > 1 for each in siblings):
            label += f".{sub}"
        return label

    def spans(self, places: Iterable[Place]) -> list[Span]:
        """Where values are, each once, in the order of the message."""
        ranges: dict[tuple[int, tuple[int, int, int, int]], Range] = {}
        for place in places:
            number = self._numbers[id(place.segment)]
            values = self._values(number)
            if not place.field:  # whether there is such a segment: its name
                ranges[number, (0, 1, 1, 1)] = (0, len(place.segment.name))
            elif (span := values.get(place[1:])) is not None:
                ranges[number, place[1:]] = span
        return [self._span(number, key, span) for (number, key), span in sorted(ranges.items())]

    def passages(self) -> Iterator[Passage]:
        """The segments."""
        encoding = self._wide or (self._segments[0].delimiters.charset if self._segments else "utf-8")
        for number, segment in enumerate(self._segments):
            start, end = self._bytes(number, (0, len(segment.line)))
            raw = self._raw[start - self._offset : end - self._offset]
            if self._wide:
                raw = segment.line.encode(self._wide, "surrogatepass")
            leaves = tuple(
                self._span(number, key, span)
                for key, span in sorted(self._values(number).items())
                if key[0] > 2 or segment.name != "MSH"  # MSH-1 and MSH-2 are the delimiters
            )
            yield Passage(self._name, self._labels[number], start, 0, leaves, raw, encoding)


def _labels(segments: Sequence[Segment]) -> list[str]:
    """The names of segments, with a number where there are several."""
    total: dict[str, int] = {}
    for segment in segments:
        total[segment.name] = total.get(segment.name, 0) + 1
    count: dict[str, int] = {}
    labels = []
    for segment in segments:
        count[segment.name] = number = count.get(segment.name, 0) + 1
        labels.append(f"{segment.name}[{number}]" if total[segment.name] > 1 else segment.name)
    return labels


def _doubles_escapes(text: str) -> bool:
    header = _LINE.match(text)
    return header is not None and header[0][4:].split(text[3:4] or "|", 1)[0][2:4] == "\\\\"


def _halved(line: str, places: list[int]) -> list[int]:
    r"""The places of the characters that are left where `\\` is read as `\`."""
    kept = []
    position = 0
    while position < len(line):
        kept.append(places[position])
        position += 2 if line.startswith("\\\\", position) else 1
    return kept


def _parted(segment: Segment) -> Iterator[tuple[tuple[int, int, int, int], Range]]:
    delimiters = segment.delimiters
    line = segment.line
    header = segment.name in ("MSH", "FHS", "BHS")
    if header and len(line) > 3:
        yield (1, 1, 1, 1), (3, 4)
    for number, (start, end) in enumerate(_pieces(line, 0, len(line), delimiters.field)):
        if not number:
            continue
        field = number + header
        if header and field == 2:
            yield (2, 1, 1, 1), (start, end)
            continue
        for repetition, whole in enumerate(_pieces(line, start, end, delimiters.repetition), 1):
            for component, part in enumerate(_pieces(line, *whole, delimiters.component), 1):
                for sub, piece in enumerate(_pieces(line, *part, delimiters.subcomponent), 1):
                    trimmed = _trimmed(line, *piece)
                    text = line[trimmed[0] : trimmed[1]]
                    if text and (text == DELETED or unescape(text, delimiters).strip()):
                        yield (field, repetition, component, sub), trimmed


def _pieces(line: str, start: int, end: int, separator: str) -> Iterator[Range]:
    while True:
        position = line.find(separator, start, end)
        if position < 0:
            yield start, end
            return
        yield start, position
        start = position + len(separator)


def _trimmed(line: str, start: int, end: int) -> Range:
    while start < end and line[start].isspace():
        start += 1
    while start < end and line[end - 1].isspace():
        end -= 1
    return start, end

"""Points of measurement: Open mHealth (IEEE 1752.1) JSON, and tables of watches."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final, NamedTuple

from fhir_bridge.adapters.ehr.csv.dialect import Dialect
from fhir_bridge.adapters.ehr.csv.lines import rows
from fhir_bridge.adapters.ehr.wearables.measures import COLUMNS, OPEN_MHEALTH, SYSTEMS, Measure, number_of
from fhir_bridge.adapters.ehr.wearables.readings import Coded, Device
from fhir_bridge.fhir.serialization import loads_exact

__all__ = ["Point", "PointError", "corrected_points", "open_mhealth_points", "users_of", "watch_points"]

_TIMES: Final = ("timestamp", "time", "datetime", "date_time", "date", "start", "start_time", "local_time")
_UNIT: Final = re.compile(r"[\s_]*[\(\[](.*)[\)\]]\s*$")
_MEMBERS_OF_BODY: Final = frozenset(("effective_time_frame", "descriptive_statistic", "user_notes"))
_MEMBERS_OF_HEADER: Final = frozenset(
    "id uuid creation_date_time source_creation_date_time schema_id user_id acquisition_provenance modality".split()
)
_MEMBERS_OF_PROVENANCE: Final = frozenset(("source_name", "source_creation_date_time", "modality"))


class PointError(ValueError):
    """A point, or the rest of a file, can't be read."""


class Point(NamedTuple):
    """One value as the source states it.

    Attributes:
        low: the second value of a pair (the diastolic pressure), in `low_unit`.
        problem: why it is none, in which case the other attributes say nothing.
        left: members that are not represented.
        id: what the source numbers it by: one with the id and the values of another is that one, sent again, and one
            with other values corrects it.
        created: when the source wrote it.
    """

    line: int
    code: Coded
    measure: Measure
    value: str | None
    unit: str | None
    start: str
    end: str | None = None
    device: Device | None = None
    owner: str | None = None
    low: str | None = None
    problem: str | None = None
    left: tuple[str, ...] = ()
    text: str | None = None
    low_unit: str | None = None
    id: str | None = None
    created: str | None = None

    @property
    def interval(self) -> tuple[str, str | None]:
        """Beginning and end as instants, in whatever zone they are written; as they are where they have none."""
        return _instant(self.start), None if self.end is None else _instant(self.end)


def _instant(text: str) -> str:
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        return text
    return text if when.tzinfo is None else when.astimezone(UTC).isoformat()


_NOTHING: Final = Coded("", "")


def _problem(line: int, text: str) -> Point:
    return Point(line, _NOTHING, Measure("each"), None, None, "", problem=text)


_USER: Final = re.compile(rb'"user_id"\s*:\s*("(?:[^"\\]|\\.)*"|[0-9]+)')
_BLOCK: Final = 1 << 20
_LONGEST_USER: Final = 4096


def users_of(path: Path) -> set[str]:
    """The users that the points of a file name, or two of them where there are more; read without its values."""
    users: set[str] = set()
    rest = b""
    with path.open("rb") as file:
        while len(users) < 2 and (block := file.read(_BLOCK)):
            text = rest + block
            users.update(str(json.loads(name)) for name in _USER.findall(text))
            rest = text[-_LONGEST_USER:]
    return users


_ID: Final = re.compile(rb'"id"\s*:\s*("(?:[^"\\]|\\.)*"|[0-9]+)')


_UNIQUE: Final = 16
"""Characters of an id that no other point has by chance, such as a UUID."""


def corrected_points(path: Path) -> dict[int, int]:
    """The lines of points that another one of the file with their id corrects, to the line of that one.

    The one that was created last counts, of those the last of the file. Only ids that recur are looked at.
    """
    once: set[bytes] = set()
    again: set[str] = set()
    rest = b""
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            # Without lines the end of a block is read again: an id may seem to recur, and is looked at below.
            text = rest + block
            end = text.rfind(b"\n") + 1 if len(block) == _BLOCK else 0
            for name in _ID.findall(text, 0, end or len(text)):
                digest = blake2b(name, digest_size=8).digest()
                if digest in once:
                    again.add(str(json.loads(name)))
                once.add(digest)
            rest = text[end:][-_LONGEST_USER:]
    once.clear()
    if not again:
        return {}
    groups: dict[tuple[Any, ...], list[tuple[str, int]]] = {}
    for point in open_mhealth_points(path):
        if point.problem is None and point.id in again:
            # A short number may recur from point to point: then it is that of the interval.
            frame = None if len(point.id) >= _UNIQUE else point.interval
            group = groups.setdefault((point.owner, point.code.code, point.id, frame), [])
            group.append((_instant(point.created or ""), point.line))
    return {line: max(group)[1] for group in groups.values() for _, line in group if line != max(group)[1]}


MAX_DOCUMENT_BYTES = 256 << 20
"""Of a file of JSON that is read as a whole."""


def open_mhealth_points(path: Path) -> Iterator[Point]:
    """The data points of a file: one, a list of them, or one a line.

    Raises:
        PointError: the file is no JSON.
    """
    with path.open("rb") as file:
        beginning = file.read(1 << 16).lstrip()
    lined = b"\n" in beginning and _is_json(beginning.split(b"\n", 1)[0])
    if lined:
        with path.open("rb") as file:
            for line, text in enumerate(file, start=1):
                if text.strip():
                    try:
                        yield _point(loads_exact(text), line)
                    except (ValueError, RecursionError) as error:
                        yield _problem(line, f"it is no JSON ({str(error)[:80]})")
        return
    if path.stat().st_size > MAX_DOCUMENT_BYTES:
        size = f"larger than {MAX_DOCUMENT_BYTES >> 20} MB"
        raise PointError(f"it is {size} and was not read; with a data point a line it may have any size")
    try:
        document = loads_exact(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise PointError(f"it is no JSON, or is cut off ({str(error)[:80]})") from None
    if isinstance(document, dict) and isinstance(document.get("body"), list):
        document = document["body"]
    listed = document if isinstance(document, list) else [document]
    for number, item in enumerate(listed, start=1):
        yield _point(item, number)


def _is_json(text: bytes) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False


def _point(document: Any, line: int) -> Point:
    if not isinstance(document, Mapping) or not isinstance(document.get("body"), Mapping):
        return _problem(line, "it has no body: a data point has header and body")
    header = _object(document.get("header"))
    schema = _object(header.get("schema_id"))
    name, body = str(schema.get("name") or ""), document["body"]
    known = OPEN_MHEALTH.get(name)
    if known is None:
        return _problem(line, f'the schema "{name}" is not known')
    member, measure = known
    value, unit = _quantity(body.get(member))
    low, low_unit = (
        _quantity(body.get("diastolic_blood_pressure"))
        if member == "systolic_blood_pressure"
        else (None, None)
    )
    if value is None:
        return _problem(line, f"it has no number as {member}")
    start, end = _frame(body.get("effective_time_frame"))
    if start is None:
        return _problem(
            line, "it has no effective_time_frame with a time, or with a duration that can be counted"
        )
    provenance = _object(header.get("acquisition_provenance"))
    source = provenance.get("source_name")
    modality = header.get("modality") or provenance.get("modality")
    reported = str(modality) if modality and modality != "sensed" else None
    taken = {member, "diastolic_blood_pressure"} if member == "systolic_blood_pressure" else {member}
    left = [
        *(str(key) for key in body if key not in taken | _MEMBERS_OF_BODY),
        *(f"header.{key}" for key in header if key not in _MEMBERS_OF_HEADER),
        *(f"acquisition_provenance.{key}" for key in provenance if key not in _MEMBERS_OF_PROVENANCE),
    ]
    if (statistic := body.get("descriptive_statistic")) or reported:
        # What somebody reports is no measurement to take the mean of with others.
        measure = Measure("each", measure.unit)
    return Point(
        line,
        Coded(SYSTEMS["omh"], name, name.replace("-", " ")),
        measure,
        value,
        unit or measure.unit,
        start,
        end,
        Device(str(source)) if source else None,
        str(header["user_id"]) if header.get("user_id") else None,
        low,
        left=tuple(sorted(left)),
        text=": ".join(str(part) for part in (reported, statistic, body.get("user_notes")) if part) or None,
        low_unit=low_unit,
        id=str(header["id"]) if header.get("id") else None,
        created=str(header.get("creation_date_time") or header.get("source_creation_date_time") or ""),
    )


def _object(item: Any) -> Mapping[str, Any]:
    return item if isinstance(item, Mapping) else {}


def _quantity(item: Any) -> tuple[str | None, str | None]:
    unit = None
    if isinstance(item, Mapping):
        item, unit = item.get("value"), item.get("unit")
    if item is None or isinstance(item, bool | str | list | dict):
        return None, None
    return str(item), str(unit) if unit else None


def _frame(frame: Any) -> tuple[str | None, str | None]:
    if not isinstance(frame, Mapping):
        return None, None
    if frame.get("date_time"):
        return str(frame["date_time"]), None
    interval = frame.get("time_interval")
    if not isinstance(interval, Mapping):
        return None, None
    if interval.get("date"):
        return str(interval["date"]), str(interval["date"])
    start, end = interval.get("start_date_time"), interval.get("end_date_time")
    if interval.get("duration") is not None and not (start and end):
        return _counted(start, end, interval["duration"])
    return (str(start) if start else None), (str(end) if end else None)


_LENGTHS: Final = {
    "ms": timedelta(milliseconds=1),
    "s": timedelta(seconds=1),
    "sec": timedelta(seconds=1),
    "min": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "wk": timedelta(weeks=1),
}
"""Units of a duration that are as long at any time; months and years are not."""


def _counted(start: Any, end: Any, duration: Any) -> tuple[str | None, str | None]:
    """Both ends of an interval that is stated by one of them and its length; (None, None): it can't be counted."""
    number, unit = _quantity(duration)
    try:
        length = _LENGTHS[unit or ""] * float(Decimal(number or ""))
        known = datetime.fromisoformat(str(start or end))
        other = known + length if start else known - length
    except (ArithmeticError, KeyError, ValueError):
        return None, None
    ends = (str(start), other.isoformat()) if start else (other.isoformat(), str(end))
    return ends if length > timedelta(0) else (None, None)


def watch_points(path: Path) -> Iterator[Point]:
    """The cells of a table of a watch: a row a time, a column a measure.

    Raises:
        PointError: no column is a time, or none a measure.
    """
    dialect = Dialect()
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        head = file.readline()
        parted = rows(_chain(head, file), delimiter=dialect.delimiter_for(head), quote='"')
        first = next(parted, None)
        if first is None or first.error:
            raise PointError("it has no header")
        names = [_UNIT.sub("", cell.strip()).lower().replace(" ", "_") for cell in first.cells]
        times = [number for number, name in enumerate(names) if name in _TIMES]
        measured = {number: COLUMNS[name] for number, name in enumerate(names) if name in COLUMNS}
        if not times or not measured:
            raise PointError(
                "no column is a time, or none is a known measure: use the adapter csv with a mapping"
            )
        left: Counter[str] = Counter()
        for raw in parted:
            if raw.error or len(raw.cells) != len(names):
                yield _problem(
                    raw.line, raw.error or f"the row has {len(raw.cells)} cells, the header {len(names)}"
                )
                continue
            start = raw.cells[times[0]].strip()
            pressures: dict[str, str] = {}
            for number, cell in enumerate(raw.cells):
                text = cell.strip()
                if not text or number in times[:1]:
                    continue
                if number not in measured:
                    left[names[number]] += 1
                    continue
                name, measure = measured[number]
                if number_of(text) is None:
                    yield _problem(raw.line, f'the cell of column "{names[number]}" is no number')
                elif name in ("systolic", "diastolic"):
                    pressures[name] = text
                else:
                    yield Point(raw.line, Coded(SYSTEMS["column"], name), measure, text, measure.unit, start)
            if pressures:
                yield Point(
                    raw.line,
                    Coded(SYSTEMS["column"], "blood-pressure"),
                    Measure("each"),
                    pressures.get("systolic"),
                    "mm[Hg]",
                    start,
                    low=pressures.get("diastolic"),
                )
        if left:
            shown = ", ".join(f"{name} ({count})" for name, count in left.items())
            yield Point(0, _NOTHING, Measure("each"), None, None, "", left=(shown,))


def _chain(head: str, rest: Iterator[str]) -> Iterator[str]:
    yield head
    yield from rest

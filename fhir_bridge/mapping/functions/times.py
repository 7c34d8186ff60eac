"""Dates and times: precision is kept, a zone is never guessed (R4 datatypes.html#dateTime)."""

from __future__ import annotations

import datetime as calendar
import re
import unicodedata
from datetime import UTC, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from fhir_bridge.fhir.datatypes import Date, DateTime, Instant, Period, Time
from fhir_bridge.mapping.functions.lists import one
from fhir_bridge.mapping.record import CLEARED
from fhir_bridge.mapping.registry import builtin
from fhir_bridge.mapping.runtime import Context

__all__ = ["BusinessTime", "Parts", "business_time", "date", "datetime", "format_problem", "parse", "period"]

BusinessTime = tuple[calendar.datetime | None, dict[str, Any] | None]
"""The time of a resource's source, and the entry of the source-record extension that says so."""

_CACHE = 20_000
"""Times remembered: those of a message's groups repeat, and neighbouring records share theirs."""

_ISO = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d+))?)?\s*(Z|[+-]\d\d(?::?\d\d)?)?)?)?)?"
)
_COMPACT = re.compile(
    r"(\d{4})(?:(\d\d)(?:(\d\d)(?:T?(\d\d)(?:(\d\d)(?:(\d\d)(?:\.(\d+))?)?)?)?)?)?\s*(Z|[+-]\d{4})?"
)
_FIELDS = {
    "yyyy": r"(?P<y>\d{4})",
    "yy": r"(?P<yy>\d\d)",
    "MMM": r"(?P<name>[^\W\d_]{3,9}\.?)",
    "MM": r"(?P<mo>\d\d)",
    "M": r"(?P<mo>\d{1,2})",
    "dd": r"(?P<d>\d\d)",
    "d": r"(?P<d>\d{1,2})",
    "HH": r"(?P<h>\d\d)",
    "H": r"(?P<h>\d{1,2})",
    "mm": r"(?P<mi>\d\d)",
    "ss": r"(?P<s>\d\d)",
    "SSS": r"(?P<f>\d{3})",
    "XXX": r"(?P<z>Z|[+-]\d\d:\d\d)",
    "a": r"(?P<half>[AaPp]\.?[Mm]\.?)",
}
_MONTHS = {
    name: f"{number:02}"
    for number, names in enumerate(
        (
            "jan gen ene januar january januari janvier gennaio enero janv",
            "feb fev februar february fevrier febbraio febrero fevr",
            "mar mrz maerz march mars marzo",
            "apr avr abr april avril aprile abril",
            "may mai mag maggio mayo",
            "jun giu juni june juin giugno junio",
            "jul lug juli july juil juillet luglio julio",
            "aug ago august aout agosto aou",
            "sep set sept september septembre settembre septiembre",
            "oct okt ott october oktober octobre ottobre octubre",
            "nov november novembre noviembre",
            "dec dez dic december dezember decembre dicembre diciembre",
        ),
        1,
    )
    for name in names.split()
}
"""Months as names, in English, German, French, Italian and Spanish, without accents."""
_FIELD = re.compile(r"yyyy|yy|MMM|MM|M|dd|d|HH|H|mm|ss|SSS|XXX|'([^']*)'|[A-Za-z]+|.", re.DOTALL)


class Parts(NamedTuple):
    """A date or time as far as the source gives it; `offset` is `Z`, `+hh:mm` or None."""

    year: str
    month: str | None = None
    day: str | None = None
    hour: str | None = None
    minute: str | None = None
    second: str | None = None
    fraction: str | None = None
    offset: str | None = None

    @property
    def date(self) -> str:
        """The date to the precision given."""
        if self.day:
            return f"{self.year}-{self.month}-{self.day}"
        return f"{self.year}-{self.month}" if self.month else self.year


@lru_cache(maxsize=64)
def _layout(layout: str) -> re.Pattern[str]:
    """The pattern of a format such as `dd.MM.yyyy HH:mm`.

    Raises:
        ValueError: a letter that means nothing, or a format without year.
    """
    pattern = ""
    for result in _FIELD.finditer(layout):
        word = result.group()
        if word in _FIELDS:
            pattern += _FIELDS[word]
        elif result.group(1) is not None:
            pattern += re.escape(result.group(1))
        elif word.isalpha() and word != "T":
            raise ValueError(f'"{word}" in the date format "{layout}" is none of {", ".join(_FIELDS)}')
        else:
            pattern += r"\s+" if word == " " else re.escape(word)
    if "(?P<y" not in pattern:
        raise ValueError(f'the date format "{layout}" has no year')
    return re.compile(pattern)


def format_problem(layout: Any) -> tuple[str, str] | None:
    """What is wrong with a date format in a mapping, and the format that may be meant; None for a right one."""
    if not isinstance(layout, str):
        return f"a date format is a text, not {layout!r}", "such as dd.MM.yyyy HH:mm"
    try:
        _layout(layout)
        problem = ""
    except ValueError as error:
        problem = str(error)
    words = [result.group() for result in _FIELD.finditer(layout)]
    if not problem and "mm" in words and not {"H", "HH"} & set(words):
        problem = f'"mm" in the date format "{layout}" are minutes, and there are no hours'
    if not problem:
        problem = _misplaced(layout, words)
    if not problem:
        return None
    corrected = _corrected(layout)
    return problem, f'did you mean "{corrected}"?' if corrected != layout else "such as dd.MM.yyyy HH:mm"


def _misplaced(layout: str, words: list[str]) -> str:
    """Minutes among the days and months, months behind the hours: `dd.mm.yyyy HH:MM`."""
    hour = next((place for place, word in enumerate(words) if word in ("H", "HH")), len(words))
    if "mm" in words[:hour]:
        return f'"mm" in the date format "{layout}" are minutes, and stand before the hours'
    year = next((place for place, word in enumerate(words) if word in ("yyyy", "yy")), len(words))
    if year < hour and {"M", "MM"} & set(words[hour:]):
        return f'"MM" in the date format "{layout}" are months, and stand behind the hours'
    if {"d", "dd"} & set(words) and not {"M", "MM", "MMM"} & set(words):
        return f'the date format "{layout}" has a day and no month'
    return ""


def _corrected(layout: str) -> str:
    """The format in the letters of the language: days and years are small, months large, minutes follow hours."""
    pieces = re.split(r"([A-Za-z]+)", layout)
    seen_hour = False
    for index in range(1, len(pieces), 2):
        word = pieces[index]
        letter = word[0].lower()
        if letter in ("y", "j") and len(word) in (2, 4):
            pieces[index] = "y" * len(word)
        elif letter in ("d", "t") and len(word) <= 2:
            pieces[index] = "d" * len(word)
        elif letter == "h" and len(word) <= 2:
            pieces[index], seen_hour = "H" * len(word), True
        elif letter == "m" and len(word) <= 2:
            pieces[index] = "mm" if seen_hour else "M" * len(word)
        elif letter == "s" and len(word) == 2:
            pieces[index] = "ss"
    result = "".join(pieces)
    try:
        _layout(result)
    except ValueError:
        return layout
    return result


def _two(text: str | None) -> str | None:
    return text.zfill(2) if text else None


def parse(text: str, layout: str | None = None) -> Parts | None:
    """Read ISO 8601, HL7 `YYYY[MM[DD[HHMM[SS[.S]]]]][±ZZZZ]`, DICOM DT, or a given format; None for anything else.

    A day or an hour that does not exist gives None too.
    """
    return _parse(text.strip(), layout)


@lru_cache(maxsize=1024)
def _parse(text: str, layout: str | None) -> Parts | None:
    """As `parse`; the times of one record are often one."""
    parts = None
    if layout:
        match = _layout(layout).fullmatch(text)
        if match is not None:
            got = match.groupdict()
            year = got.get("y") or _century(got["yy"])
            named = got.get("name")
            month = _month(named) if named else _two(got.get("mo"))
            if named and month is None:
                return None
            parts = Parts(
                year, month, _two(got.get("d")), _hour(got.get("h"), got.get("half")), got.get("mi"), got.get("s"),
                got.get("f"), got.get("z"),
            )  # fmt: skip
    if parts is None:
        one, other = (_COMPACT, _ISO) if text[4:5].isdigit() else (_ISO, _COMPACT)
        match = one.fullmatch(text) or other.fullmatch(text)
        if match is None:
            return None
        parts = Parts(*match.groups())
    try:
        calendar.date(int(parts.year), int(parts.month or 1), int(parts.day or 1))
    except ValueError:
        return None
    if parts.hour and (int(parts.hour) > 23 or int(parts.minute or 0) > 59 or int(parts.second or 0) > 60):
        return None
    offset = parts.offset
    if offset and offset != "Z" and len(offset) != 6:
        offset = f"{offset[:3]}:{offset[3:] or '00'}"
        parts = parts._replace(offset=offset)
    if offset and offset != "Z" and (int(offset[1:3]) > 14 or int(offset[4:]) > 59):
        return None
    return parts


def _exact(text: Any) -> calendar.datetime | None:
    """A moment to the second with its offset in HL7's form, read by the short way; None for all else."""
    if not isinstance(text, str) or len(text) != 19 or text[14] not in "+-" or not text[:14].isdecimal():
        return None
    if (
        not text.isascii()
        or text[8:10] > "23"
        or text[15:17] > "14"
        or text[17:] > "59"
        or text[14:] == "-0000"
    ):
        return None
    try:
        return calendar.datetime.fromisoformat(f"{text[:8]}T{text[8:]}")
    except ValueError:
        return None


def _month(name: str) -> str | None:
    """The number of a month that is written as its name, `Mar` or `März`; None for no month."""
    spelt = name.casefold().rstrip(".").replace("ä", "ae")
    plain = unicodedata.normalize("NFKD", spelt).encode("ascii", "ignore").decode()
    return _MONTHS.get(plain)


def _hour(hour: str | None, half: str | None) -> str | None:
    """The hour of the day; of a clock of twelve hours with its half of the day."""
    if hour is None or half is None:
        return _two(hour)
    if not 1 <= int(hour) <= 12:
        return "99"  # no hour: the time is none
    return f"{int(hour) % 12 + (12 if half[0] in 'pP' else 0):02}"


def _century(two: str) -> str:
    return f"20{two}" if int(two) < 70 else f"19{two}"


@lru_cache(maxsize=64)
def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError(f'"{name}" is not an IANA time zone') from error


def _local_offset(parts: Parts, zone: tzinfo) -> str | None:
    """The offset of a local time, or None in the hour that a clock change doubles or skips."""
    year, month, day = int(parts.year), int(parts.month or 1), int(parts.day or 1)
    all_day = _offset_of_day(year, month, day, zone)
    if all_day is not None:
        return all_day
    second = min(int(parts.second or 0), 59)
    moment = calendar.datetime(
        year, month, day, int(parts.hour or 0), int(parts.minute or 0), second, tzinfo=zone
    )
    return _offset_at(moment)


@lru_cache(maxsize=4096)
def _offset_of_day(year: int, month: int, day: int, zone: tzinfo) -> str | None:
    """The offset that a zone has at all hours of a day; None where it changes."""
    start = calendar.datetime(year, month, day, tzinfo=zone)
    try:
        offsets = {_offset_at(start + timedelta(hours=hour)) for hour in range(25)}
    except OverflowError:  # the last day of the calendar
        return None
    return offsets.pop() if len(offsets) == 1 else None


def _offset_at(moment: calendar.datetime) -> str | None:
    """The offset of a local time, as `+01:00`; None where it has two or none."""
    offset = moment.utcoffset()
    if offset is None or moment.replace(fold=1).utcoffset() != offset:
        return None
    minutes = round(offset.total_seconds() / 60)
    sign, minutes = ("-", -minutes) if minutes < 0 else ("+", minutes)
    return f"{sign}{minutes // 60:02d}:{minutes % 60:02d}"


def _clock(parts: Parts) -> str:
    fraction = f".{parts.fraction}" if parts.fraction else ""
    return f"{parts.hour}:{parts.minute}:{parts.second or '00'}{fraction}"


def _moment_text(x: Any) -> str | None:
    if isinstance(x, calendar.datetime):
        return x.isoformat()
    return x.isoformat() if isinstance(x, calendar.date) else None


def _parsed(ctx: Context, x: Any, layout: str | None) -> Parts | None:
    text = x if isinstance(x, str) else _moment_text(x)
    if text is None:
        text = getattr(x, "text", None)
        if not isinstance(text, str):
            raise ValueError(f"{type(x).__name__} is no date or time")
    parts = parse(text, layout or ctx.date_format)
    if parts is None:
        ctx.flag("FB-MAP-208", "a value is no date or time that exists; the element was left out")
    return parts


@builtin("datetime", returns="dateTime", context=True, reads=("time",))
def datetime(ctx: Context, x: Any, zone: Any = None, format: str | None = None) -> Any:  # noqa: A002
    """A dateTime of the precision given. Without offset the zone decides; without zone the date alone, flagged.

    Args:
        ctx: the run.
        x: ISO 8601, HL7 TS/DTM, DICOM DT, or text in `format`.
        zone: IANA zone of times without offset; default the record's, then the site's.
        format: such as `dd.MM.yyyy HH:mm`; default `date:` of `source:`.
    """
    if x is None or x is CLEARED or x == "":
        return x if x is CLEARED else None
    if x.__class__ is DateTime:
        return x
    if x.__class__ is list:
        return [item for item in (datetime(ctx, i, zone, format) for i in x) if item] or None
    plain = format is None and isinstance(x, str)
    if plain:
        known = ctx.times.get((x, zone or ctx.zone))
        if known is not None:
            return known
    if plain and not ctx.date_format and (exact := _exact(x)) is not None:
        time = DateTime(exact.isoformat())
        _remember(ctx.times, (str(x), zone or ctx.zone), time)
        return time
    if isinstance(x, str) and x.isspace():
        return None
    parts = _parsed(ctx, x, format)
    if parts is None:
        return None
    if parts.hour is None:
        return DateTime(parts.date)
    if parts.minute is None:
        ctx.flag("FB-MAP-209", "a time has an hour without minutes; only its date is kept")
        return DateTime(parts.date)
    offset = parts.offset
    if offset is None:
        where = _zone(zone) if isinstance(zone, str) else zone or ctx.zone
        if where is None:
            ctx.flag("FB-MAP-209", "a time has no offset and the site no zone; only its date is kept")
            return DateTime(parts.date)
        offset = _local_offset(parts, where)
        if offset is None:
            ctx.flag(
                "FB-MAP-210",
                "a local time falls in the hour that a clock change doubles or skips; only its date is kept",
            )
            return DateTime(parts.date)
    time = DateTime(f"{parts.year}-{parts.month}-{parts.day}T{_clock(parts)}{offset}")
    if plain:  # only what was not flagged: a flag is reported each time
        _remember(ctx.times, (str(x), zone or ctx.zone), time)
    return time


@builtin("date", returns="date", context=True, reads=("time",))
def date(ctx: Context, x: Any, format: str | None = None) -> Any:  # noqa: A002
    """The date of a date or time, as the source writes it: no zone is applied."""
    if x is None or x is CLEARED or x == "":
        return x if x is CLEARED else None
    if x.__class__ is Date:
        return x
    if x.__class__ is list:
        return [item for item in (date(ctx, i, format) for i in x) if item] or None
    if isinstance(x, str) and x.isspace():
        return None
    parts = _parsed(ctx, x, format)
    return Date(parts.date) if parts else None


@builtin("instant", returns="instant", context=True, reads=("time",))
def instant(ctx: Context, x: Any, zone: Any = None, format: str | None = None) -> Any:  # noqa: A002
    """An instant; a value without time or without a known zone is left out, flagged."""
    if x.__class__ is list:
        return [item for item in (instant(ctx, i, zone, format) for i in x) if item] or None
    result = x if x.__class__ is Instant else datetime(ctx, x, zone, format)
    if not result:
        return result
    if len(result) <= 10:
        ctx.flag("FB-MAP-208", "an instant needs a time and its zone; the element was left out")
        return None
    return Instant(result)


@builtin("time_of_day", returns="time", context=True, reads=("time",))
def time_of_day(ctx: Context, x: Any) -> Any:
    """The time of day of a time (`HHMM[SS]`, `HH:MM[:SS]`) or of a date and time."""
    if x is None or x is CLEARED or x == "":
        return x if x is CLEARED else None
    if x.__class__ is list:
        return [item for item in (time_of_day(ctx, i) for i in x) if item] or None
    text = str(x).strip()
    match = re.fullmatch(r"([01]\d|2[0-3]):?([0-5]\d)(?::?([0-5]\d)(\.\d+)?)?", text)
    if match:
        hour, minute, second, fraction = match.groups()
        return Time(f"{hour}:{minute}:{second or '00'}{fraction or ''}")
    parts = _parsed(ctx, text, None)
    if parts is None:
        return None
    if parts.minute is None:
        ctx.flag("FB-MAP-208", "a value is no time of day; the element was left out")
        return None
    return Time(_clock(parts))


def _end(ctx: Context, x: Any) -> Any:
    value = datetime(ctx, x)
    return one(ctx, value) if value.__class__ is list else value


@builtin("period", returns="Period", context=True, repeats=False, reads=("time", "time"))
def period(ctx: Context, start: Any, end: Any = None) -> Any:
    """A Period; null where both ends are. Of an end that is given several times none is taken, unless they agree.

    Where it ends before it begins both are kept: R4 per-1 allows no such end, so that it stands in an extension.
    """
    result = Period()
    first, last = _end(ctx, start), _end(ctx, end)
    if first:
        result["start"] = first
    if last and first and _is_before(last, first):
        ctx.flag("FB-MAP-214", "a period ends before it begins; its end is kept as text")
        result["_end"] = {
            "extension": [
                {"url": _ABSENT, "valueCode": "error"},
                {"url": _RENDERED, "valueString": str(last)},
            ]
        }
    elif last:
        result["end"] = last
    return result or None


_ABSENT: Final = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
_RENDERED: Final = "http://hl7.org/fhir/StructureDefinition/rendered-value"


def _is_before(end: str, start: str) -> bool:
    """Whether a FHIR date or time is surely before another, at the precision that both have."""
    if len(end) > 10 and len(start) > 10:
        try:
            return calendar.datetime.fromisoformat(end) < calendar.datetime.fromisoformat(start)
        except (ValueError, TypeError):  # one of them is without offset
            pass
    length = min(len(end), len(start), 10)
    return end[:length] < start[:length]


def _remember(cache: dict[Any, Any], key: Any, value: Any) -> None:
    if len(cache) >= _CACHE:
        cache.clear()
    cache[key] = value


def business_time(ctx: Context, x: Any) -> BusinessTime:
    """The business time of a source value: aware where a zone is known, else naive and written without zone."""
    if x is None or x is CLEARED or x == "":
        return None, None
    text = isinstance(x, str)
    if text:
        known: BusinessTime | None = ctx.business_times.get((x, ctx.zone))
        if known is not None:
            return known
    result = _business_time(ctx, x)
    if text and result[1] is not None:
        _remember(ctx.business_times, (str(x), ctx.zone), result)
    return result


def _business_time(ctx: Context, x: Any) -> BusinessTime:
    if x.__class__ is list:
        items = [item for item in x if item]
        return business_time(ctx, items[0]) if len(items) == 1 else (None, None)
    exact = None if ctx.date_format else x if x.__class__ is calendar.datetime else _exact(x)
    if exact is not None and len(iso := exact.isoformat()) == 25 and iso[20:22] <= "14":
        return exact.replace(tzinfo=_fixed(iso[19:])), {"url": "time", "valueDateTime": iso}
    text = x if isinstance(x, str) else _moment_text(x)
    parts = parse(text, ctx.date_format) if text else None
    if parts is None:
        message = "the business time is no date or time that exists; the record's own is used"
        ctx.flag("FB-MAP-208", message, "warning")
        return None, None
    if parts.minute is None:
        day = calendar.datetime(int(parts.year), int(parts.month or 1), int(parts.day or 1))
        return day, {"url": "time", "valueDateTime": parts.date}
    local = f"{parts.year}-{parts.month}-{parts.day}T{_clock(parts)}"
    offset = parts.offset or (_local_offset(parts, ctx.zone) if ctx.zone else None)
    moment = _moment(parts)
    if offset is None:
        return moment, {"url": "time", "valueString": local}
    return moment.replace(tzinfo=_fixed(offset)), {"url": "time", "valueDateTime": f"{local}{offset}"}


def _moment(parts: Parts) -> calendar.datetime:
    microsecond = int((parts.fraction or "0")[:6].ljust(6, "0"))
    return calendar.datetime(
        int(parts.year), int(parts.month or 1), int(parts.day or 1), int(parts.hour or 0), int(parts.minute or 0),
        min(int(parts.second or 0), 59), microsecond,
    )  # fmt: skip


@lru_cache(maxsize=128)
def _fixed(offset: str) -> timezone:
    if offset == "Z":
        return UTC
    delta = timedelta(hours=int(offset[1:3]), minutes=int(offset[4:6]))
    return timezone(-delta if offset[0] == "-" else delta)

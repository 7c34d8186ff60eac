"""The `wearables` adapter: files of watches and recorders in; samples, summaries and recordings out."""

from __future__ import annotations

import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from hashlib import blake2b
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any, Final, NamedTuple

from fhir_bridge.adapters.ehr.issues import new_issue
from fhir_bridge.adapters.ehr.wearables.apple import (
    Element,
    ExportError,
    device_of,
    elements,
    export_date,
    iso_time,
)
from fhir_bridge.adapters.ehr.wearables.apple_ecg import is_ecg, read_ecg
from fhir_bridge.adapters.ehr.wearables.functions import FUNCTIONS
from fhir_bridge.adapters.ehr.wearables.measures import (
    APPLE,
    FREQUENT,
    SYSTEMS,
    Measure,
    event_name,
    is_impossible,
    number_of,
    ucum_value,
)
from fhir_bridge.adapters.ehr.wearables.plausible import implausible
from fhir_bridge.adapters.ehr.wearables.points import (
    Point,
    PointError,
    corrected_points,
    open_mhealth_points,
    users_of,
    watch_points,
)
from fhir_bridge.adapters.ehr.wearables.pressures import (
    MILLIMETRES,
    TURNED,
    in_millimetres,
    pressure_problem,
)
from fhir_bridge.adapters.ehr.wearables.readings import (
    Coded,
    Device,
    Export,
    Original,
    Owner,
    Part,
    Reading,
    Recording,
    Sample,
)
from fhir_bridge.adapters.ehr.wearables.signals import SignalError, read_edf, read_wfdb
from fhir_bridge.adapters.ehr.wearables.summaries import PERIODS, Summaries
from fhir_bridge.fhir.sampled_data import INLINE_LIMIT
from fhir_bridge.mapping import Scope, nearest
from fhir_bridge.plugins import OptionError, ReadContext, SourceModel

__all__ = ["WearablesAdapter", "WearablesModel"]

_OPTIONS: Final = (
    "patient", "summarise", "inline_samples", "keep_mb", "replace_undated", "join", "decimal", "group", "date",
)  # fmt: skip
_NAMES: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        "Reading": frozenset("patient origin series kept file device locator source".split()),
        "Sample": frozenset("code value low low_unit unit start end device text event locator".split()),
        "Summary": frozenset(
            "code unit start end device count least most total mean daily statistic locator".split()
        ),
        "Recording": frozenset(
            "name start seconds channels device samples inline is_ecg notes locator".split()
        ),
        "Channel": frozenset("number name unit frequency sampled lead".split()),
        "Original": frozenset("title content_type size hash data place".split()),
    }
)
_PARTS: Final = frozenset("name manufacturer model version key title hash".split()).union(*_NAMES.values())

_MOST_NAMED: Final = 100
"""Kinds of what is not represented that are counted by name."""


class _Pressure(NamedTuple):
    """One of two blood pressures as it is stated, and in mm[Hg]."""

    text: str
    unit: str
    millimetres: Decimal
    line: int


_Pressures = dict[tuple[str, str, Device], dict[str, _Pressure]]
_SYSTOLIC: Final = "HKQuantityTypeIdentifierBloodPressureSystolic"
_DIASTOLIC: Final = "HKQuantityTypeIdentifierBloodPressureDiastolic"
_CATEGORY: Final = "HKCategoryTypeIdentifier"
_NO_CATEGORY: Final = "HKCategoryValueNotApplicable"
"""Of an event that has no categories: that it was says all."""
_SLEEP: Final = "HKCategoryTypeIdentifierSleepAnalysis"


class WearablesModel:
    """The scopes of readings; a rule for one reads the reading around it as `Reading.patient`."""

    root: str = "Reading"
    scopes: Mapping[str, Scope] = {
        "Reading": Scope("Reading"),
        **{name: Scope(name, "Reading") for name in ("Sample", "Summary", "Recording", "Original")},
    }
    functions: Mapping[str, Callable[..., Any]] = FUNCTIONS
    token: str = ""
    parts: Mapping[str, str] = dict.fromkeys(("Sample", "Summary", "Recording", "Original"), "s.outer.part")
    """Scopes whose outputs are of a phone's export: a newer export replaces them."""

    def with_options(self, options: Mapping[str, Any]) -> WearablesModel:
        """The same for all options.

        Raises:
            OptionError: one is unknown or wrong.
        """
        for option, value in options.items():
            if option not in (*_OPTIONS, "adapter", "check") and not option.startswith("join."):
                advice = nearest(option, _OPTIONS) or f"there are {', '.join(_OPTIONS)}"
                raise OptionError(option, f"source.{option} is no option of wearables", advice)
            if option == "summarise" and value not in PERIODS:
                raise OptionError(
                    option, f"source.summarise is {', '.join(PERIODS)}", nearest(str(value), PERIODS)
                )
        return self

    def selector(self, text: str, scope: str) -> str:
        """Python source that reads the selector with `s` bound to an object of `scope`.

        Raises:
            LookupError: there is no such name.
        """
        head, *names = text.strip().split(".")
        if head not in _NAMES or not names or names[0] not in _NAMES[head]:
            known = sorted(f"{one}.{name}" for one, listed in _NAMES.items() for name in listed)
            raise LookupError(
                f'"{text}": {nearest(text, known) or "write <scope>.<name>, such as Sample.value"}'
            )
        if head == scope:
            source = "s"
        elif head == "Reading":
            source = "s.outer"
        else:
            raise LookupError(f'"{text}" is not of the group {scope}, which the rule is for')
        for name in names:
            if name not in _PARTS:
                raise LookupError(f'"{text}": "{name}" is no name of a reading')
            source = f"getattr({source}, {name!r}, None)"
        return source


class WearablesAdapter:
    """Apple Health's export, Open mHealth JSON, tables of watches, WFDB and EDF."""

    name = "wearables"
    title = "Wearables and recorders (Apple Health, Open mHealth, WFDB, EDF)"
    model: SourceModel = WearablesModel()
    suffixes: tuple[str, ...] = (".xml", ".zip", ".json", ".ndjson", ".jsonl", ".csv", ".hea", ".edf", ".bdf")

    def choose_mapping(self, paths: Sequence[Path]) -> str:  # noqa: ARG002
        """The one mapping."""
        return "ehr/wearables"

    def shards(self, paths: Sequence[Path], jobs: int) -> list[list[Path]]:  # noqa: ARG002
        """A file each."""
        return [[path] for path in paths]

    def read(self, paths: Sequence[Path], context: ReadContext) -> Iterator[Reading]:
        """Read each file; what can't be read is one rejected record, and the rest goes on."""
        for path in paths:
            undated = str(context.options.get("replace_undated", "")).lower() == "true"
            for reading in _File(path, context.options).readings():
                yield reading
                if undated and reading.undated_key:
                    # Without content it takes back what was stored under this key.
                    yield Reading(
                        reading.locator,
                        reading.origin,
                        None,
                        key=reading.undated_key,
                        records=0,
                        outcome="skipped",
                    )


class _File:
    def __init__(self, path: Path, options: Mapping[str, Any]) -> None:
        self._path = path
        self._origin = path.name.partition(".")[0]
        self._owner = _owner(options.get("patient"))
        self._period = str(options.get("summarise") or "day")
        self._limit = int(options.get("inline_samples") or INLINE_LIMIT)
        self._keep = int(float(str(options.get("keep_mb", 16))) * (1 << 20))
        self._summaries: dict[Owner | None, Summaries] = {}
        self._left: Counter[str] = Counter()
        self._export_of: Export | None = None
        self._kept_for: Owner | None = self._owner
        self._is_kept = True

    def readings(self) -> Iterator[Reading]:
        """All records of the file."""
        suffix = self._path.suffix.lower()
        try:
            if suffix in (".xml", ".zip"):
                yield from self._apple()
            elif suffix in (".edf", ".bdf"):
                recording, code = read_edf(self._path, self._limit)
                yield from self._of_recorder(recording, Owner(None, code) if code else None)
            elif suffix == ".hea":
                recording, files = read_wfdb(self._path, self._limit)
                yield from self._recording(recording, files)
            elif suffix == ".csv" and _begins_as_ecg(self._path):
                yield self._original("text/csv")
                with self._path.open("rb") as file:
                    yield from self._ecg(file, self._path.stem, self._path.name)
            else:
                tabular = suffix == ".csv"
                if not tabular and self._owner is None and (users := users_of(self._path)):
                    # Taken back: an earlier version kept it for a patient known to this file alone.
                    yield self._reading(f"{self._path.name}#file", (), None, records=0, outcome="skipped")
                    self._keep_for(users)
                if self._is_kept:
                    yield self._original(_TYPES.get(suffix, "application/json"))
                points = (watch_points if tabular else open_mhealth_points)(self._path)
                yield from self._points(points, {} if tabular else corrected_points(self._path))
        except (
            ExportError,
            PointError,
            SignalError,
            zipfile.BadZipFile,
            RuntimeError,
            EOFError,
            zlib.error,
        ) as error:
            yield from self._summarised()
            yield self._cut_off(str(error))
        except OSError as error:
            yield self._cut_off(error.strerror or "it can not be read")
        if self._export_of is not None:
            end = self._reading(self._path.name, (), self._owner, of="#end", records=0, outcome="skipped")
            end.ends_delivery, end.place = True, None
            yield end

    def _keep_for(self, users: Collection[str]) -> None:
        """Whose the file itself is: its only user's; that of several is kept for none of them."""
        if len(users) == 1:
            self._kept_for = Owner(None, *users)
        else:
            self._is_kept = False
            self._left["the file itself, which holds values of several people"] = 0

    def _cut_off(self, why: str) -> Reading:
        """What can't be read; it says nothing of what an older export has."""
        if self._export_of is not None:
            self._export_of.complete = False
        return self._rejected(f"{self._path.name}: {why}", self._path.name)

    def _reading(
        self,
        locator: str,
        objects: Sequence[Any],
        owner: Owner | None,
        *,
        of: str = "",
        undated: str = "",
        **more: Any,
    ) -> Reading:
        """A record; `of` is what it is of where its place in the file is not the same in the next export.

        Versions of this program that did not look at an export's date knew it as `undated`, or as `of`.
        """
        whose = owner or self._owner
        what = of or locator
        export = self._export_of
        of_whom = (self._origin, whose.key if whose else "")
        reading = Reading(
            locator, self._origin, whose, objects, key=_digest(*of_whom, export.id if export else "", what),
            file=self._path.name, kept_for=self._kept_for, delivery=export, place=_place(what) if export else None,
            **more,
        )  # fmt: skip
        if not self._is_kept:
            reading.kept = None
        if export is not None and objects:
            reading.undated_key = _digest(*of_whom, undated or what)
        return reading

    def _rejected(
        self, message: str, locator: str, code: str = "FB-WEAR-001", *, records: int = 1
    ) -> Reading:
        issue = new_issue(code, message, locator)
        return Reading(
            locator, self._origin, self._owner, outcome="rejected", issues=[issue], records=records
        )

    def _original(self, content_type: str, path: Path | None = None) -> Reading:
        return self._original_of(Original(path or self._path, content_type, self._keep))

    def _original_of(self, original: Original) -> Reading:
        return self._reading(f"{original.path.name}#file", [original], self._kept_for, records=0)

    def _recording(self, recording: Recording, files: list[Path], **more: Any) -> Iterator[Reading]:
        recording.locator = self._path.name
        for path in files:
            yield self._original(_TYPES.get(path.suffix.lower(), "application/octet-stream"), path)
        yield self._reading(self._path.name, [recording], None, **more)

    def _of_recorder(self, recording: Recording, stated: Owner | None) -> Iterator[Reading]:
        """A recording whose file states a patient: that one's where none is named, with its original.

        What was stored of it with another patient is taken back.
        """
        issues = []
        name = self._path.name
        if stated is not None and self._owner is None:
            yield self._reading(f"{name}#file", (), None, records=0, outcome="skipped")
            self._owner = self._kept_for = stated
        elif stated is not None and self._owner is not None and stated != self._owner:
            for of in (name, f"{name}#file"):
                yield self._reading(of, (), stated, records=0, outcome="skipped")
            if stated.value != self._owner.value:
                issues.append(new_issue("FB-WEAR-004", _OTHER_CODE, name))
        yield from self._recording(recording, [self._path], issues=issues)

    # Apple Health

    def _apple(self) -> Iterator[Reading]:
        zipped = self._path.suffix.lower() == ".zip"
        original = Original(self._path, "application/zip" if zipped else "application/xml", self._keep)
        if (time := self._exported(zipped=zipped)) is not None:
            whose = self._owner.key if self._owner else ""
            self._export_of = Export("\t".join((original.hash, whose, self._period)), time)
        yield self._original_of(original)
        if not zipped:
            with self._path.open("rb") as file:
                yield from self._export(file)
            return
        with zipfile.ZipFile(self._path) as archive:
            exports = [
                info for info in archive.infolist() if Path(info.filename).name.lower() == "export.xml"
            ]
            if not exports:
                raise ExportError("it has no export.xml")
            others = Counter(
                Path(info.filename).parent.name for info in archive.infolist() if not info.is_dir()
            )
            if others["clinical-records"]:
                shown = (
                    f"clinical-records ({others['clinical-records']} files; they are kept in the original)"
                )
                self._left[shown] += 0
            yield from self._parts(archive)
            with archive.open(exports[0]) as file:
                yield from self._export(file)

    def _exported(self, *, zipped: bool) -> datetime | None:
        """When the export was made; None where it does not say, and where it can't be read, which is reported later."""
        if not zipped:
            with self._path.open("rb") as file:
                return export_date(file)
        try:
            with zipfile.ZipFile(self._path) as archive:
                for info in archive.infolist():
                    if Path(info.filename).name.lower() == "export.xml":
                        with archive.open(info) as file:
                            return export_date(file)
        except (zipfile.BadZipFile, RuntimeError, EOFError, zlib.error):
            pass
        return None

    def _parts(self, archive: zipfile.ZipFile) -> Iterator[Reading]:
        """ECGs, and the routes of workouts, which are kept as files: no point of theirs is read."""
        for info in archive.infolist():
            name = Path(info.filename)
            locator = f"{self._path.name}!{name.name}"
            if info.is_dir():
                continue
            if name.parent.name == "electrocardiograms" and name.suffix.lower() == ".csv":
                with archive.open(info) as file:
                    yield from self._ecg(file, name.stem, locator)
            elif name.parent.name == "workout-routes":
                with archive.open(info) as file:
                    part = Part.read(
                        file, name.name, "application/gpx+xml", f"file:{self._path.name}", self._keep
                    )
                yield self._reading(
                    locator, [part], self._owner, of=f"!{name.name}", undated=locator, records=0
                )

    def _ecg(self, file: IO[bytes], name: str, locator: str) -> Iterator[Reading]:
        try:
            recording = read_ecg(file, name, self._limit)
        except SignalError as error:
            yield self._rejected(f"{locator}: {error}", locator)
            return
        recording.locator = locator
        self._left["name and date of birth on an ECG"] += 1
        of = f"!{name}" if self._export_of else ""
        yield self._reading(locator, [recording], None, of=of, undated=locator)

    def _export(self, file: IO[bytes]) -> Iterator[Reading]:
        pressures: _Pressures = {}
        cut: ExportError | None = None
        workout: Element | None = None
        of_workout: list[Element] = []
        try:
            for element in elements(file):
                if workout is not None:
                    if element.parent in ("Workout", "WorkoutRoute", "WorkoutActivity", "WorkoutEvent"):
                        of_workout.append(element)
                        continue
                    yield from self._workout(workout, of_workout)
                    workout, of_workout = None, []
                if element.name == "Workout" and element.parent == "HealthData":
                    workout = element
                elif element.name == "Record":
                    yield from self._apple_record(element, pressures)
                elif element.parent == "HealthData" and element.name == "Me":
                    if element.attributes:  # date of birth, sex, blood type
                        self._left["Me"] += len(element.attributes)
                elif element.parent == "HealthData" and element.name not in ("ExportDate", "Correlation"):
                    self._left[element.name] += 1
                    yield self._skipped(element)
                elif element.parent != "HealthData":
                    # What is said of a record: before a meal, by hand, at rest.
                    name = f"{element.name} {element.attributes.get('key', '')}".rstrip()
                    self._left[name if name in self._left or len(self._left) < _MOST_NAMED else "others"] += 1
        except ExportError as error:
            cut = error  # what came before it counts
        if workout is not None:
            yield from self._workout(workout, of_workout)
        for (start, end, device), pair in pressures.items():
            upper, lower = pair.get(_SYSTOLIC), pair.get(_DIASTOLIC)
            line = min(each.line for each in pair.values())
            if upper and lower and upper.millimetres < lower.millimetres:
                where = f"{self._path.name}:{line}"
                yield self._rejected(TURNED, where, "FB-WEAR-002", records=len(pair))
                continue
            sample = Sample(
                Coded(SYSTEMS["apple"], "HKCorrelationTypeIdentifierBloodPressure"),
                upper.unit if upper else None, start, end, device, f"{self._path.name}:{line}",
                value=upper and upper.text, low=lower and lower.text, low_unit=lower and lower.unit,
            )  # fmt: skip
            yield self._reading(sample.locator, [sample], None, of=_of(sample), records=len(pair))
        yield from self._summarised()
        if cut is not None:
            raise cut

    def _workout(self, element: Element, parts: Sequence[Element]) -> Iterator[Reading]:
        """A workout: its duration; what was measured in it, as text beside it."""
        attributes, locator = element.attributes, f"{self._path.name}:{element.line}"
        kind = attributes.get("workoutActivityType", "")
        start, end = iso_time(attributes.get("startDate")), iso_time(attributes.get("endDate"))
        value = number_of(attributes.get("duration"))
        if not kind or start is None or value is None:
            name = "startDate" if start is None else "duration" if value is None else "workoutActivityType"
            yield self._rejected(f"{name} of a workout is missing or can't be read", locator, "FB-WEAR-002")
            return
        amount, unit = ucum_value(value, attributes.get("durationUnit"), kind)
        sample = Sample(
            Coded(SYSTEMS["apple"], kind), unit, start, end if end != start else None, device_of(attributes), locator,
            value=format(round(amount, 6).normalize(), "f"), text="; ".join(_of_workout(element, parts)) or None,
        )  # fmt: skip
        self._left.update(
            f"{part.name} of Workout"
            for part in parts
            if part.name not in ("WorkoutStatistics", "FileReference")
        )
        yield self._reading(f"{locator}/{kind}", [sample], None, of=_of(sample))

    def _skipped(self, element: Element) -> Reading:
        locator = f"{self._path.name}:{element.line}"
        return Reading(locator, self._origin, self._owner, outcome="skipped")

    def _apple_record(self, element: Element, pressures: _Pressures) -> Iterator[Reading]:
        attributes, locator = element.attributes, f"{self._path.name}:{element.line}"
        kind = attributes.get("type", "")
        if element.parent != "HealthData" and kind not in (_SYSTOLIC, _DIASTOLIC):
            return  # within a correlation, which repeats records of the root
        start, end = iso_time(attributes.get("startDate")), iso_time(attributes.get("endDate"))
        if start is None or (end is None and attributes.get("endDate")):
            name = "startDate" if start is None else "endDate"
            yield self._rejected(f"{name} of a {kind or 'record'} is no time", locator, "FB-WEAR-002")
            return
        if end is not None and datetime.fromisoformat(end) < datetime.fromisoformat(start):
            yield self._rejected(f"a {kind or 'record'} ends before it begins", locator, "FB-WEAR-002")
            return
        device = device_of(attributes)
        if kind == _SLEEP:
            yield from self._sleep(element, start, end, device)
            return
        value = number_of(attributes.get("value"))
        if value is None and kind.startswith("HKQuantity"):
            yield self._rejected(f"the value of a {kind} is no number", locator, "FB-WEAR-002")
            return
        if kind.startswith(_CATEGORY) and kind not in FREQUENT:
            code = Coded(SYSTEMS["apple"], kind, event_name(kind))
            event = attributes.get("value") or _NO_CATEGORY
            event = _NO_CATEGORY if event == "0" else event  # its number
            sample = Sample(code, None, start, end if end != start else None, device, locator, event=event)
            yield self._reading(f"{locator}/{kind}", [sample], None, of=f"{_of(sample)}\0{event}")
            return
        if value is None:
            self._left[kind or "Record"] += 1
            yield self._skipped(element)
            return
        if kind in (_SYSTOLIC, _DIASTOLIC):
            _, unit = ucum_value(value, attributes.get("unit"), kind)
            millimetres = in_millimetres(value, unit)
            if millimetres is None or unit is None:
                message = f"a {kind} in {unit}, which is no unit of pressure"
                yield self._rejected(message, locator, "FB-WEAR-002")
                return
            name = "systolic" if kind == _SYSTOLIC else "diastolic"
            if (why := implausible(name, millimetres, MILLIMETRES)) is not None:
                yield self._rejected(_beyond(Coded("", kind), why), locator, "FB-WEAR-002")
                return
            pair = pressures.setdefault((start, end or start, device), {})
            known = pair.setdefault(kind, _Pressure(format(value, "f"), unit, millimetres, element.line))
            if known.millimetres != millimetres:
                yield self._rejected(
                    f"another value of {kind} of the same time and device (line {known.line})",
                    locator,
                    "FB-WEAR-002",
                )
            return
        if attributes.get("unit") == "%" and value > 1:
            yield self._rejected(f"the value of a {kind} is no fraction of 1", locator, "FB-WEAR-002")
            return
        amount, unit = ucum_value(value, attributes.get("unit"), kind, fraction=True)
        measure = APPLE.get(kind, Measure("each"))
        yield from self._value(
            Coded(SYSTEMS["apple"], kind), measure, amount, unit, start, end, device, None, locator
        )

    def _sleep(self, element: Element, start: str, end: str | None, device: Device) -> Iterator[Reading]:
        if "Asleep" not in element.attributes.get("value", "") or end is None:
            self._left["times in bed or awake of HKCategoryTypeIdentifierSleepAnalysis"] += 1
            yield self._skipped(element)
            return
        minutes = (
            Decimal(int((datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds())) / 60
        )
        # The night belongs to the day of waking.
        code = Coded(SYSTEMS["apple"], _SLEEP)
        if (why := implausible(_SLEEP, minutes, "min")) is not None:
            yield self._rejected(_beyond(code, why), f"{self._path.name}:{element.line}", "FB-WEAR-002")
            return
        if not self._summary(None).add(code, minutes, "min", end, device, "sum", of=(start, end)):
            yield self._repeated(f"{self._path.name}:{element.line}")

    # All of them

    def _points(self, points: Iterator[Point], corrected: Mapping[int, int]) -> Iterator[Reading]:
        left: Counter[str] = Counter()
        user: str | None = None
        seen: set[bytes] = set()
        for point in points:
            locator = f"{self._path.name}:{point.line}"
            if point.problem is not None:
                yield self._rejected(point.problem, locator, "FB-WEAR-002")
                continue
            if point.code.code and not _is_time(point.start):
                yield self._rejected(_NO_TIME, locator, "FB-WEAR-002")
                continue
            user = user or point.owner
            if self._owner is not None and point.owner is not None and point.owner != user:
                # source.patient says whose the file is, and this is no longer the person of its beginning
                yield self._rejected(
                    "it is of another user than the points before it", locator, "FB-WEAR-002"
                )
                continue
            if point.line in corrected:
                self._left["points that another one with their id corrects"] += 1
                yield Reading(locator, self._origin, self._owner, outcome="skipped")
                continue
            if (mark := _mark(point)) is not None:
                if mark in seen:
                    yield self._repeated(locator)
                    continue
                seen.add(mark)
            left.update(point.left)
            if not point.code.code:
                continue
            owner = Owner(None, point.owner) if point.owner and self._owner is None else None
            if point.value is None or point.low is not None or point.code.code == "blood-pressure":
                problem = pressure_problem(point)
                if problem is not None:
                    yield self._rejected(problem, locator, "FB-WEAR-002")
                    continue
                upper, lower = (
                    ucum_value(Decimal(0), unit, point.code.code)[1]
                    for unit in (point.unit, point.low_unit or point.unit)
                )
                sample = Sample(
                    point.code, upper, point.start, point.end, point.device, locator,
                    value=_plain(point.value), low=_plain(point.low), text=point.text, low_unit=lower,
                )  # fmt: skip
                yield self._reading(f"{locator}/{point.code.code}", [sample], owner, of=_of(sample))
                continue
            value = number_of(point.value)
            if value is None:
                yield self._rejected("the value is no number", locator, "FB-WEAR-002")
                continue
            amount, unit = ucum_value(value, point.unit, point.code.code)
            yield from self._value(
                point.code,
                point.measure,
                amount,
                unit,
                point.start,
                point.end,
                point.device,
                owner,
                locator,
                point.text,
            )
        self._left.update(left)
        yield from self._summarised()

    def _value(
        self,
        code: Coded,
        measure: Measure,
        value: Decimal,
        unit: str | None,
        start: str,
        end: str | None,
        device: Device | None,
        owner: Owner | None,
        locator: str,
        text: str | None = None,
    ) -> Iterator[Reading]:
        if is_impossible(value, unit):
            yield self._rejected(f"the value of a {code.code} is below zero", locator, "FB-WEAR-002")
            return
        if (why := implausible(code.code, value, unit, start, end)) is not None:
            yield self._rejected(_beyond(code, why), locator, "FB-WEAR-002")
            return
        if measure.statistic != "each" and self._period != "none":
            summary = self._summary(owner)
            if not summary.add(code, value, unit, start, device, measure.statistic, of=(start, end)):
                yield self._repeated(locator)
            return
        shown = format(round(value, 6).normalize(), "f")
        sample = Sample(
            code, unit, start, end if end != start else None, device, locator, value=shown, text=text
        )
        yield self._reading(f"{locator}/{code.code}", [sample], owner, of=_of(sample))

    def _repeated(self, locator: str) -> Reading:
        self._left["samples that are there twice"] += 1
        return Reading(locator, self._origin, self._owner, outcome="skipped")

    def _summary(self, owner: Owner | None) -> Summaries:
        known = self._summaries.get(owner)
        if known is None:
            known = self._summaries[owner] = Summaries(self._period)
        return known

    def _summarised(self) -> Iterator[Reading]:
        for owner, summaries in self._summaries.items():
            for summary, count in summaries.results(self._path.name):
                device = f"/{summary.device.key}" if summary.device else ""
                of = "" if self._export_of is None else f"{summary.code.code}/{summary.start}{device}"
                locator = f"{summary.locator}{device}"
                yield self._reading(locator, [summary], owner, of=of, undated=locator, records=count)
        self._summaries.clear()
        if self._left:
            shown = ", ".join(
                f"{name}: {count}" if count else name for name, count in sorted(self._left.items())
            )
            issue = new_issue("FB-WEAR-003", f"not represented: {shown}", self._path.name)
            yield Reading(
                self._path.name, self._origin, self._owner, records=0, outcome="skipped", issues=[issue]
            )
            self._left.clear()


def _of(sample: Sample) -> str:
    """What a sample is of, as its Observation's key has it: the same in an export that has more before it."""
    device = sample.device.key if sample.device else ""
    return "\0".join((sample.code.code, sample.start, sample.end or "", device))


def _mark(point: Point) -> bytes | None:
    """By what a point is known that is sent again: its values and the interval that they are of, or its id.

    Two values of one instant may be two measurements. Eight bytes a point are kept of a file.
    """
    if not point.code.code or (point.id is None and point.end is None):
        return None
    start, end = point.interval
    known = point.id if point.end is None else None
    parts = (known, point.code.code, point.value, point.unit, point.low, start, end, point.owner)
    device = point.device.key if point.device else None
    text = "\0".join("" if part is None else str(part) for part in (*parts, device, point.text))
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()


def _digest(*parts: str) -> str:
    return blake2b("\0".join(parts).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _place(what: str) -> int:
    """What of an export a record speaks of: the same in the next one, which replaces it."""
    return int.from_bytes(
        blake2b(what.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big", signed=True
    )


def _begins_as_ecg(path: Path) -> bool:
    with path.open("rb") as file:
        return is_ecg(file.read(2048))


def _of_workout(element: Element, parts: Sequence[Element]) -> Iterator[str]:
    """What a workout says beside its duration: totals, statistics, the file of its route."""
    for name in ("totalDistance", "totalEnergyBurned"):
        if value := element.attributes.get(name):
            yield f"{name}: {value} {element.attributes.get(f'{name}Unit', '')}".strip()
    for part in parts:
        attributes = part.attributes
        if part.name == "WorkoutStatistics":
            stated = ", ".join(
                f"{name} {attributes[name]}"
                for name in ("sum", "average", "minimum", "maximum")
                if name in attributes
            )
            kind = attributes.get("type", "").removeprefix("HKQuantityTypeIdentifier")
            yield f"{kind}: {stated} {attributes.get('unit', '')}".strip()
        elif part.name == "FileReference":
            yield f"route: {Path(attributes.get('path', '')).name}"


def _plain(text: str | None) -> str | None:
    number = number_of(text)
    return None if number is None else format(number, "f")


_OTHER_CODE: Final = (
    "the file states another patient code than that of the patient named by `patient`, whose it is"
)
_NO_TIME: Final = (
    "its time is on no day of the calendar, or none of ISO 8601 (2026-03-31T08:00:00+02:00); a table with times of "
    "another form is one for the adapter csv"
)


def _is_time(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return len(text) >= 10 and text[4:5] == "-"


def _beyond(code: Coded, why: str) -> str:
    return f"the value of a {code.code} is implausible: {why}; it is in the original alone"


_TYPES: Final = {
    ".csv": "text/csv",
    ".hea": "text/plain",
    ".ndjson": "application/x-ndjson",
    ".jsonl": "application/x-ndjson",
    ".edf": "application/edf",
    ".bdf": "application/bdf",
}


def _owner(stated: Any) -> Owner | None:
    if not stated:
        return None
    authority, bar, value = str(stated).rpartition("|")
    return Owner(authority or None, value) if bar else Owner(None, str(stated))

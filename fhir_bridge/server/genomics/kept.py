"""What kept files hold of a subject at some places, by the mapping that would have stored it, under the same ids."""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import compress
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from fhir_bridge.adapters.genomics.query import (
    Change,
    Interval,
    ObservedVariant,
    RangeQuestion,
    VariantQuestion,
)
from fhir_bridge.fhir.serialization import loads
from fhir_bridge.mapping import Output
from fhir_bridge.pipeline import record_converter
from fhir_bridge.plugins import DeliveredRecord, SourceRecord
from fhir_bridge.server.genomics.evidence import Evidence, Result, read_stored
from fhir_bridge.server.offloading import offloaded
from fhir_bridge.server.rest import hooks
from fhir_bridge.server.rest.call import Call
from fhir_bridge.server.rest.refusal import refuse
from fhir_bridge.storage.kept_files import KeptFile, KeptPart

if TYPE_CHECKING:
    from fhir_bridge.adapters.genomics import VcfRecord
    from fhir_bridge.adapters.genomics.kept_reading import KeptReader

__all__ = ["Sought", "place_of", "read_evidence", "sought"]

_KINDS = {
    "69548-6": "variant",
    "82120-7": "phase",
    "diagnostic-implication": "dx",
    "therapeutic-implication": "tx",
    "molecular-consequence": "consequence",
}
_IN_FILES = frozenset(_KINDS.values())
_SHIPPED = "genomics/vcf"
"""The mapping whose variants of bases alone are never structural."""
MOST, FEW = 2_048, 64
"""Lines that are converted at once, and the first ones, of which a few may be enough."""

_KIND_OF_RULE = {
    "variant": "variant",
    "junction": "variant",
    "sequence-phase-relationship": "phase",
    "diagnostic-implication": "dx",
    "acmg-classification": "dx",
    "molecular-consequence": "consequence",
}
"""By rule of the shipped mapping, so that what it makes need not be parsed."""

_READERS: OrderedDict[tuple[bytes, str, str, str], KeptReader] = OrderedDict()
"""Of kept files, while nobody reads with them: what they know of a file is learned once."""
_MOST_READERS = 4

_SHOWN: deque[dict[str, Interval]] = deque()
_MOST_SHOWN = 50
"""Variants of kept files whose places are remembered, by id: who refers to one has been shown it. As many mappings,
each of half a batch or more, so that the oldest go together: one by one they take a tenth of an answer's time."""


class Sought(NamedTuple):
    """Where kept files are looked into.

    Attributes:
        changes: what may be written elsewhere too, which a reference that the file was loaded with may show.
    """

    places: tuple[Interval, ...]
    changes: tuple[Change, ...] = ()


def sought(variants: Sequence[VariantQuestion], ranges: Sequence[RangeQuestion] = ()) -> Sought:
    """Where kept files may have what is asked for, however they write it."""
    return Sought(
        (
            *(place for each in variants for place in (*each.places, *each.surroundings)),
            *(place for each in ranges for place in each.places),
        ),
        tuple(change for each in variants for change in each.unsettled),
    )


def place_of(identity: str) -> Interval | None:
    """Where a variant of a kept file lies that this process has shown; None of another one."""
    return next((places[identity] for places in reversed(_SHOWN) if identity in places), None)


def _show(results: Iterable[Result]) -> None:
    """Remember where variants lie; by what they say of one, which they know from here on without their content."""
    places: dict[str, Interval] = {}
    for result in results:
        variant = result.variant
        widest = variant.outer or variant.interval or variant.inner
        if widest is not None:
            places[result.id] = widest
        result.forget()
    if _SHOWN and len(_SHOWN[-1]) < MOST // 2:
        _SHOWN[-1].update(places)
    else:
        _SHOWN.append(places)
        if len(_SHOWN) > _MOST_SHOWN:
            _SHOWN.popleft()


async def read_evidence(
    call: Call,
    subject: str,
    kinds: Sequence[str],
    wanted: Sought | None,
    *,
    structural: bool = False,
    enough: Callable[[Evidence], bool] | None = None,
    specimens: bool = True,
) -> Evidence:
    """What the caller may know of a subject, stored and in kept files.

    Args:
        specimens: see `read_stored`.
        wanted: where kept files are looked into; None where the question names no place.
        structural: structural variants alone are asked for; others may be there all the same.
        enough: whether no more need be known; kept files are looked into line by line until then.

    Raises:
        Refusal, StorageError: see `read_stored`; 413 where the places hold too much for one answer.
    """
    evidence = await read_stored(call, subject, kinds, specimens=specimens)
    if _IN_FILES & set(kinds) and not (enough is not None and enough(evidence)):
        await _Kept(call, subject, kinds, evidence, structural, enough).add(wanted)
    return evidence


class _Observation(Result):
    """An Observation that a line gives.

    Attributes:
        patients: whom it is about.
        place: what the line speaks of, where that is asked for.
    """

    __slots__ = ("kind", "patients", "place")

    def __init__(
        self,
        kind: str,
        output: Output,
        tests: frozenset[str],
        place: int | None,
        content: dict[str, Any] | None = None,
        variant: ObservedVariant | None = None,
    ) -> None:
        self.id = output.id
        self.text = output.json
        self.tests = tests
        self._resource = content
        self._variant = variant
        self.kind = kind
        self.patients = output.patients
        self.place = place


@dataclass(frozen=True, slots=True)
class _Kept:
    """Adds what the caller may know of kept files."""

    call: Call
    subject: str
    kinds: Sequence[str]
    evidence: Evidence
    structural: bool
    enough: Callable[[Evidence], bool] | None
    spoken: dict[tuple[str, str], list[tuple[datetime, set[int]]]] = field(default_factory=dict)
    """By build and sample: what newer files speak of, where there are older ones."""

    async def add(self, wanted: Sought | None) -> None:
        """Look into the files of the subject.

        Raises:
            Refusal: 413: the places hold too much for one answer.
        """
        call, evidence = self.call, self.evidence
        if not call.access.permits("DocumentReference", "r"):
            evidence.warn("kept files are not looked into: the caller may not read DocumentReferences")
            evidence.unread = True
            return
        from fhir_bridge.adapters.genomics.kept_reading import (
            TooManyLines,  # readers of files: not at the start
        )

        files = await call.services.store.kept_files.of_patient(self.subject, call.access)
        several = Counter((file.within, name) for file in files for name in file.parts)
        self.spoken.update((each, []) for each, count in several.items() if count > 1)
        alone = [(file, part.alone) for file in files for part in file.parts.values() if part.alone]
        evidence.builds.update(file.within for file, _ in alone)
        if wanted is None:
            _warn_of(evidence, alone)
            return
        for file in files:
            for name, part in file.parts.items():
                try:
                    if await self._add_part(file, name, part, wanted):
                        return
                except TooManyLines as error:
                    raise refuse(413, "FB-REST-018", str(error)) from error
                except (ValueError, OSError):
                    evidence.warn("a kept file can't be read: what it holds is missing here")
                    evidence.unread = True

    async def _add_part(self, file: KeptFile, name: str, part: KeptPart, wanted: Sought) -> bool:
        """Add of a file's part what counts; whether that is enough."""
        newer = self.spoken.get((file.within, name))
        before = [places for time, places in newer or () if part.time is None or time > part.time]
        own: set[int] | None = None
        if newer is not None and part.time is not None:
            own = set()
            newer.append((part.time, own))
        batches = self._batches(file, part, name, wanted, own, placed=part.older or bool(before))
        while batch := await offloaded(next, batches, None):
            if before:
                batch = [each for each in batch if not any(each.place in places for places in before)]
            await self._add(part, batch)
            if self.enough is not None and self.enough(self.evidence):
                batches.close()
                return True
        return False

    def _batches(
        self,
        file: KeptFile,
        part: KeptPart,
        sample: str,
        wanted: Sought,
        places: set[int] | None,
        *,
        placed: bool,
    ) -> Generator[list[_Observation], None, None]:
        """What lines at places give, a few first where a few may be enough. Blocking.

        Args:
            places: gets what the lines speak of, also those that give nothing.
            placed: the Observations say what their lines speak of.

        Raises:
            TooManyLines. ValueError, OSError: the file can't be read.
        """
        from fhir_bridge.adapters.genomics.kept_reading import (
            KeptReader,
            KeptVcf,
            more_than_bases,
            plain_variant,
        )

        services = self.call.services
        kept = KeptVcf(
            file.id,
            file.name,
            services.blobs.path(file.data),
            services.blobs.path(file.index),
            file.within,
            file.options,
            sample,
        )
        convert = record_converter(file.adapter, file.mapping, services.settings.site)
        shipped = file.mapping == _SHIPPED
        tests = frozenset({part.study} if part.study else ())
        key = (file.data, file.id, sample, repr(sorted(file.options.items())))
        reader = _READERS.pop(key, None) or KeptReader(kept)
        takes = more_than_bases if self.structural and shipped else None
        variant_of = plain_variant if shipped else None
        kinds = frozenset(self.kinds)
        batch: list[_Observation] = []
        lines, most = 0, MOST if self.enough is None else FEW
        try:
            for record in reader.records(wanted.places, takes, wanted.changes, endless=self.structural):
                if places is not None:
                    _note(record, places)
                if record.outcome != "read":
                    continue
                for each, outputs in convert(record):
                    lines += 1
                    for output in outputs:
                        if output.type == "Observation":
                            observation = _observation(output, tests, each, variant_of, placed=placed)
                            if observation.kind in kinds:
                                batch.append(observation)
                if lines >= most:
                    most = min(MOST, most * 4)
                    if batch:
                        yield batch
                    batch, lines = [], 0
            if batch:
                yield batch
        except GeneratorExit:  # what was read is enough
            _give_back(key, reader)
            raise
        _give_back(key, reader)

    async def _add(self, part: KeptPart, batch: Sequence[_Observation]) -> None:
        """Add of the Observations what counts, and what the caller may see."""
        plugins, evidence = self.call.services.plugins, self.evidence
        own = await self._seen(part, batch)
        seen: Sequence[Result] = own
        if hooks.redacts(plugins):
            for each in own:
                evidence.originals.setdefault(each.id, each.text or b"")
            texts = await hooks.redact_all(plugins, list(map(attrgetter("text"), own)), self.call.access)
            seen = [Result.of(loads(text), text, each.tests) for each, text in zip(own, texts, strict=True)]
        for kind in {each.kind for each in own}:
            results = [result for each, result in zip(own, seen, strict=True) if each.kind == kind]
            evidence.add(kind, results)
            if kind == "variant":
                _show(results)

    async def _seen(self, part: KeptPart, batch: Sequence[_Observation]) -> list[_Observation]:
        """What counts, and what the caller may see, before it is redacted."""
        kept_files = self.call.services.store.kept_files
        counting = batch
        if part.older and part.edition is not None:
            current = await kept_files.current(part.edition, [each.place for each in batch])
            counting = list(compress(batch, current))
        whose = (self.subject,)
        own = [each for each in counting if each.patients == whose]
        if len(own) < len(counting):
            self.evidence.warn(
                "a kept file is of a sample that the crosswalk gives to another patient now: load it again"
            )
        visible = await kept_files.visible(own, self.subject, self.call.access)
        return list(compress(own, visible))


def _warn_of(evidence: Evidence, alone: Sequence[tuple[KeptFile, int]]) -> None:
    """Warn of what kept files hold that are not looked into: how many variants each has that are not stored."""
    files = len({file.key for file, _ in alone})
    if files:
        count = sum(number for _, number in alone)
        held = "a kept file alone, which is" if files == 1 else f"{files} kept files alone, which are"
        evidence.warn(f"{count} variants are in {held} looked into where ranges or variants are given")


def _give_back(key: tuple[bytes, str, str, str], reader: KeptReader) -> None:
    """Remember a reader for the next one who asks."""
    _READERS[key] = reader
    while len(_READERS) > _MOST_READERS:
        _READERS.popitem(last=False)


def _note(record: VcfRecord, places: set[int]) -> None:
    """Note what the lines of a record, or block, speak of; not of one that can't be read."""
    for each in getattr(record, "block", (record,)):
        if each.is_taken and (place := each.place) is not None:
            places.add(place)


def _observation(
    output: Output,
    tests: frozenset[str],
    record: SourceRecord,
    variant_of: Callable[[object], ObservedVariant | None] | None,
    *,
    placed: bool,
) -> _Observation:
    """An Observation of a line; `variant_of` says of the shipped mapping's what needs not be read."""
    kind = None if variant_of is None else _KIND_OF_RULE.get(output.rule)
    place = cast("DeliveredRecord", record).place if placed else None
    if variant_of is None or kind is None:
        content = loads(output.json)
        return _Observation(_kind(content), output, tests, place, content)
    return _Observation(kind, output, tests, place, None, variant_of(record) if kind == "variant" else None)


def _kind(content: dict[str, Any]) -> str:
    codes = (coding.get("code") for coding in content.get("code", {}).get("coding", ()))
    return next((_KINDS[code] for code in codes if code in _KINDS), "")

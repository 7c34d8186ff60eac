"""What kept files hold of a subject at some places, by the mapping that would have stored it, under the same ids."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
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
from fhir_bridge.plugins import DeliveredRecord
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
MOST, FEW = 1_024, 64
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

_SHOWN: OrderedDict[str, Interval] = OrderedDict()
_MOST_SHOWN = 50_000
"""Variants of kept files whose places are remembered, by id: who refers to one has been shown it."""


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
            *(place for each in variants for place in each.places),
            *(place for each in ranges for place in each.places),
        ),
        tuple(change for each in variants for change in each.unsettled),
    )


def place_of(identity: str) -> Interval | None:
    """Where a variant of a kept file lies that this process has shown; None of another one."""
    return _SHOWN.get(identity)


def _show(result: Result) -> None:
    variant = result.variant
    widest = variant.outer or variant.interval or variant.inner
    if widest is not None:
        _SHOWN[result.id] = widest
        if len(_SHOWN) > _MOST_SHOWN:
            _SHOWN.popitem(last=False)


async def read_evidence(
    call: Call,
    subject: str,
    kinds: Sequence[str],
    wanted: Sought | None,
    *,
    structural: bool = False,
    enough: Callable[[Evidence], bool] | None = None,
) -> Evidence:
    """What the caller may know of a subject, stored and in kept files.

    Args:
        wanted: where kept files are looked into; None where the question names no place.
        structural: structural variants alone are asked for; others may be there all the same.
        enough: whether no more need be known; kept files are looked into line by line until then.

    Raises:
        Refusal, StorageError: see `read_stored`; 413 where the places hold too much for one answer.
    """
    evidence = await read_stored(call, subject, kinds)
    if _IN_FILES & set(kinds) and not (enough is not None and enough(evidence)):
        await _Kept(call, subject, kinds, evidence, structural, enough).add(wanted)
    return evidence


class _Observation(NamedTuple):
    """An Observation that a line gives, and the Patients whom it is about."""

    kind: str
    patients: tuple[str, ...]
    result: Result


class _Line(NamedTuple):
    """A line, and the Observations that it gives."""

    record: DeliveredRecord
    observations: Sequence[_Observation]


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
            return
        from fhir_bridge.adapters.genomics.kept_reading import (
            TooManyLines,  # readers of files: not at the start
        )

        files = await call.services.store.kept_files.of_patient(self.subject, call.access)
        several = Counter((file.within, name) for file in files for name in file.parts)
        self.spoken.update((each, []) for each, count in several.items() if count > 1)
        for file in files:
            for name, part in file.parts.items():
                if wanted is None:
                    if part.alone:
                        evidence.warn(
                            f"{part.alone} variants are in a kept file alone, which is looked into where ranges or "
                            "variants are given"
                        )
                    continue
                try:
                    if await self._add_part(file, name, part, wanted):
                        return
                except TooManyLines as error:
                    raise refuse(413, "FB-REST-018", str(error)) from error
                except (ValueError, OSError):
                    evidence.warn("a kept file can't be read: what it holds is missing here")

    async def _add_part(self, file: KeptFile, name: str, part: KeptPart, wanted: Sought) -> bool:
        """Add of a file's part what counts; whether that is enough."""
        newer = self.spoken.get((file.within, name))
        before = [places for time, places in newer or () if part.time is None or time > part.time]
        own: set[int] | None = None
        if newer is not None and part.time is not None:
            own = set()
            newer.append((part.time, own))
        batches = self._batches(file, part, name, wanted, own)
        while lines := await offloaded(next, batches, None):
            if before:
                lines = [each for each in lines if not any(each.record.place in places for places in before)]
            await self._add(part, lines)
            if self.enough is not None and self.enough(self.evidence):
                batches.close()
                return True
        return False

    def _batches(
        self, file: KeptFile, part: KeptPart, sample: str, wanted: Sought, places: set[int] | None
    ) -> Generator[list[_Line], None, None]:
        """The lines at places, a few first where a few may be enough. Blocking.

        Args:
            places: gets what the lines speak of, also those that give nothing.

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
        lines: list[_Line] = []
        most = MOST if self.enough is None else FEW
        for record in reader.records(wanted.places, takes, wanted.changes):
            if places is not None:
                _note(record, places)
            if record.outcome == "read":
                for each, outputs in convert(record):
                    stated = plain_variant(each) if shipped else None
                    observations = [
                        _observation(output, tests, stated, shipped=shipped)
                        for output in outputs
                        if output.type == "Observation"
                    ]
                    lines.append(_Line(cast("DeliveredRecord", each), observations))
                if len(lines) >= most:
                    yield lines
                    lines, most = [], min(MOST, most * 4)
        if lines:
            yield lines
        _READERS[key] = reader
        while len(_READERS) > _MOST_READERS:
            _READERS.popitem(last=False)

    async def _add(self, part: KeptPart, lines: Sequence[_Line]) -> None:
        """Add of the lines what counts, and what the caller may see."""
        plugins, evidence = self.call.services.plugins, self.evidence
        seen = await self._seen(part, lines)
        for each in seen:
            evidence.originals.setdefault(each.result.id, each.result.text or b"")
        if hooks.redacts(plugins):
            originals = [each.result for each in seen]
            texts = await hooks.redact_all(
                plugins, [each.text or b"" for each in originals], self.call.access
            )
            seen = [
                each._replace(result=Result.of(loads(text), text, each.result.tests))
                for each, text in zip(seen, texts, strict=True)
            ]
        for each in seen:
            evidence.add(each.kind, (each.result,))
            if each.kind == "variant":
                _show(each.result)  # by what it says of a variant, which it knows from here on
                each.result.forget()

    async def _seen(self, part: KeptPart, lines: Sequence[_Line]) -> list[_Observation]:
        """What counts of the lines, and what the caller may see, before it is redacted."""
        kept_files = self.call.services.store.kept_files
        current = await kept_files.current(part.edition, lambda: [line.record.place for line in lines])
        contents = [
            each
            for counts, line in zip([True] * len(lines) if current is None else current, lines, strict=True)
            if counts
            for each in line.observations
            if each.kind in self.kinds
        ]
        whose = (self.subject,)
        own = [each for each in contents if each.patients == whose]
        if len(own) < len(contents):
            self.evidence.warn(
                "a kept file is of a sample that the crosswalk gives to another patient now: load it again"
            )
        visible = await kept_files.visible([each.result for each in own], self.subject, self.call.access)
        return [each for each, may in zip(own, visible, strict=True) if may]


def _note(record: VcfRecord, places: set[int]) -> None:
    """Note what the lines of a record, or block, speak of; not of one that can't be read."""
    for each in getattr(record, "block", (record,)):
        lost = each.outcome == "rejected" or any(issue.severity == "error" for issue in each.issues)
        if not lost and each.place is not None:
            places.add(each.place)


def _observation(
    output: Output, tests: frozenset[str], stated: ObservedVariant | None, *, shipped: bool
) -> _Observation:
    """An Observation of a line; `stated` is what the variant of a line of the usual form is."""
    kind = _KIND_OF_RULE.get(output.rule) if shipped else None
    if kind is not None:
        known = stated if kind == "variant" else None
        return _Observation(kind, output.patients, Result(output.id, output.json, tests, None, known))
    text = output.json
    content = loads(text)
    return _Observation(_kind(content), output.patients, Result.of(content, text, tests))


def _kind(content: dict[str, Any]) -> str:
    codes = (coding.get("code") for coding in content.get("code", {}).get("coding", ()))
    return next((_KINDS[code] for code in codes if code in _KINDS), "")

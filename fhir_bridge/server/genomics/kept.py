"""What kept files hold of a subject at some places, by the mapping that would have stored it, under the same ids."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import Any

from fhir_bridge.adapters.genomics.query import Interval
from fhir_bridge.fhir.serialization import dumps, loads
from fhir_bridge.pipeline import record_converter
from fhir_bridge.server.genomics.evidence import Evidence, Result, read_stored
from fhir_bridge.server.offloading import offloaded
from fhir_bridge.server.rest import hooks
from fhir_bridge.server.rest.call import Call
from fhir_bridge.server.rest.refusal import refuse
from fhir_bridge.storage.kept_files import KeptFile, KeptPart

__all__ = ["converted", "place_of", "read_evidence"]

_KINDS = {
    "69548-6": "variant",
    "82120-7": "phase",
    "diagnostic-implication": "dx",
    "therapeutic-implication": "tx",
    "molecular-consequence": "consequence",
}
_IN_FILES = frozenset(_KINDS.values())


_SHOWN: OrderedDict[str, Interval] = OrderedDict()
_MOST_SHOWN = 50_000
"""Variants of kept files whose places are remembered, by id: who refers to one has been shown it."""


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
    call: Call, subject: str, kinds: Sequence[str], places: Sequence[Interval] | None
) -> Evidence:
    """What the caller may know of a subject, stored and in kept files.

    Args:
        places: where kept files are looked into; None where the question names no place.

    Raises:
        Refusal, StorageError: see `read_stored`; 413 where the places hold too much for one answer.
    """
    evidence = await read_stored(call, subject, kinds)
    await _add_kept(call, subject, kinds, places, evidence)
    return evidence


async def _add_kept(
    call: Call, subject: str, kinds: Sequence[str], places: Sequence[Interval] | None, evidence: Evidence
) -> None:
    """Add what the caller may know of kept files.

    Raises:
        Refusal: 413: the places hold too much for one answer.
    """
    if not _IN_FILES & set(kinds):
        return
    if not call.access.permits("DocumentReference", "r"):
        evidence.warn("kept files are not looked into: the caller may not read DocumentReferences")
        return
    from fhir_bridge.adapters.genomics.kept_reading import TooManyLines  # readers of files: not at the start

    store = call.services.store
    for file in await store.kept_files.of_patient(subject, call.access):
        for name, part in file.parts.items():
            if places is None:
                if part.alone:
                    evidence.warn(
                        f"{part.alone} variants are in a kept file alone, which is looked into where ranges or "
                        "variants are given"
                    )
                continue
            try:
                lines = await offloaded(converted, call, file, name, places)
            except TooManyLines as error:
                raise refuse(413, "FB-REST-018", str(error)) from error
            except (ValueError, OSError):
                evidence.warn("a kept file can't be read: what it holds is missing here")
                continue
            await _add(call, subject, part, lines, kinds, evidence)


async def _add(
    call: Call,
    subject: str,
    part: KeptPart,
    lines: list[tuple[int | None, list[dict[str, Any]]]],
    kinds: Sequence[str],
    evidence: Evidence,
) -> None:
    """Add of the lines what counts, and what the caller may see."""
    seen = await _seen(call, subject, part, lines, kinds, evidence)
    redacted: Sequence[dict[str, Any]] = [content for _, content in seen]
    if hooks.redacts(call.services.plugins):
        texts = [dumps(content) for content in redacted]
        redacted = [loads(text) for text in await hooks.redact_all(call.services.plugins, texts, call.access)]
    tests = frozenset({part.study} if part.study else ())
    for (kind, original), content in zip(seen, redacted, strict=True):
        result = Result(content, kept=True, tests=tests)
        evidence.add(kind, [result])
        if kind == "variant":
            _show(result)
        evidence.originals.setdefault(original["id"], original)


async def _seen(
    call: Call,
    subject: str,
    part: KeptPart,
    lines: list[tuple[int | None, list[dict[str, Any]]]],
    kinds: Sequence[str],
    evidence: Evidence,
) -> list[tuple[str, dict[str, Any]]]:
    """Kind and content of what counts of the lines, and what the caller may see, before it is redacted."""
    kept_files = call.services.store.kept_files
    current = await kept_files.current(part.edition, [place for place, _ in lines])
    contents = [
        (kind, content)
        for counts, (_, outputs) in zip(current, lines, strict=True)
        if counts
        for content in outputs
        if (kind := _kind(content)) in kinds
    ]
    own = [each for each in contents if each[1].get("subject", {}).get("reference") == f"Patient/{subject}"]
    if len(own) < len(contents):
        evidence.warn(
            "a kept file is of a sample that the crosswalk gives to another patient now: load it again"
        )
    visible = await kept_files.visible([content for _, content in own], subject, call.access)
    return [each for each, may in zip(own, visible, strict=True) if may]


def _kind(content: dict[str, Any]) -> str:
    codes = (coding.get("code") for coding in content.get("code", {}).get("coding", ()))
    return next((_KINDS[code] for code in codes if code in _KINDS), "")


def converted(
    call: Call, file: KeptFile, sample: str, places: Sequence[Interval] | None
) -> list[tuple[int | None, list[dict[str, Any]]]]:
    """The Observations of each line, with what the line speaks of. Blocking.

    Raises:
        TooManyLines. ValueError, OSError: the file can't be read.
    """
    return list(_converted(call, file, sample, places))


def _converted(
    call: Call, file: KeptFile, sample: str, places: Sequence[Interval] | None
) -> Iterator[tuple[int | None, list[dict[str, Any]]]]:
    from fhir_bridge.adapters.genomics.kept_reading import KeptVcf, kept_records

    blobs = call.services.blobs
    kept = KeptVcf(
        file.id, file.name, blobs.path(file.data), blobs.path(file.index), file.within, file.options, sample
    )
    convert = record_converter(file.adapter, file.mapping, call.services.settings.site)
    for record in kept_records(kept, places):
        if record.outcome == "read":
            outputs = convert(record).outputs
            yield record.place, [output.resource for output in outputs if output.type == "Observation"]

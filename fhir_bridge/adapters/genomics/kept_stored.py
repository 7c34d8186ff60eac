"""What is known of kept files' samples when a file of them comes: the variants that are stored, which stay so
(`Options.stored_variants`), and the release of ClinVar that classifies them, which counts on (`Options.clinvar`)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fhir_bridge.adapters.genomics.allele import Allele
from fhir_bridge.adapters.genomics.assembly import BUILDS
from fhir_bridge.adapters.genomics.bcf import bcf_lines, is_bcf
from fhir_bridge.adapters.genomics.clinvar_release import open_release, release_date
from fhir_bridge.adapters.genomics.file import Studied, VcfFile
from fhir_bridge.adapters.genomics.kept_reading import KeptReader, KeptVcf, TooManyLines, samples_of
from fhir_bridge.adapters.genomics.options import OptionError, Options
from fhir_bridge.adapters.genomics.query import Interval, components, read_observation
from fhir_bridge.adapters.genomics.query import build_of as build_of_accession
from fhir_bridge.adapters.genomics.reader import build_of, read_header
from fhir_bridge.adapters.genomics.record import VcfRecord
from fhir_bridge.adapters.genomics.stream import lines
from fhir_bridge.fhir.serialization import loads
from fhir_bridge.storage import Store
from fhir_bridge.storage.kept_files import KeptFile

__all__ = ["has_any", "missing_of", "options_by_kept", "variants_of_series", "variants_stored_of"]


async def options_by_kept(url: str, paths: Sequence[Path], given: Mapping[str, Any]) -> dict[str, Any]:
    """The options for reading files, with what is known of their samples by kept files.

    A variant that a newer file no longer makes reportable is no error: what others refer to says on what it said. What
    a release said of the variants counts until a newer one comes, not until a newer file comes.
    """
    stored: set[str] = set()
    async with await Store.open(url, max_size=1) as store:
        known = await store.kept_files.every()
        samples = {name for path in paths for name in samples_of(path)} if known else set()
        files = [file for file in known if not samples.isdisjoint(file.parts)]
        if files and given.get("keep"):
            # Of several files the newer ones get what older ones store when these are there (`missing_of`).
            times = [_time_of(path, given) for path in paths]
            until = None if None in times else min(filter(None, times))
            for build in {file.within for file in files}:
                contents = await store.kept_files.stored_of_parts("vcf", build, samples)
                stored |= _no_newer(contents, until)
    results = dict(given)
    if stored:
        results["stored_variants"] = tuple(sorted(stored))
    if "clinvar" not in given and (release := _newest_release(files, paths, given)) is not None:
        results["clinvar"] = str(release)  # what waits in the inbox has it as JSON
    return results


def _opened(path: Path, given: Mapping[str, Any]) -> VcfFile | None:
    """A file by its header; None of one that can't be read, which its reader reports."""
    try:
        items = bcf_lines(path) if is_bcf(path) else lines(path)
        options = Options.parse({name: given[name] for name in ("assembly", "effective") if name in given})
        header = read_header(items, "VCFv4.2")
        return VcfFile(path.name, header, build_of(header, options), options, Studied())
    except (OptionError, OSError, ValueError):
        return None


def _time_of(path: Path, given: Mapping[str, Any]) -> datetime | None:
    """The business time of a file, as it is compared; None where it has none, or can't be read."""
    file = _opened(path, given)
    return None if file is None or file.time is None else file.time.replace(tzinfo=UTC)


def _no_newer(contents: Iterable[tuple[datetime | None, bytes]], until: datetime | None) -> set[str]:
    """The variants among what files store, but for those that are newer than a time."""
    return {
        name
        for time, content in contents
        if (time is None or (until is not None and time <= until)) and (name := _name(loads(content)))
    }


def _newest_release(
    files: Iterable[KeptFile], paths: Iterable[Path], given: Mapping[str, Any]
) -> Path | None:
    """The newest release that kept files are classified by, where all files that come are of their build."""
    named = {(Path(file.options["clinvar"]), file.within) for file in files if "clinvar" in file.options}
    if not named or {_build_of(each, given) for each in paths} != {build for _, build in named}:
        return None
    usable: list[tuple[str, Path]] = []
    for path, build in sorted(named):
        try:
            open_release(path, build)
            usable.append((release_date(path) or "", path))
        except (OptionError, OSError):  # it is gone: keeping the file says so (FB-RUN-051)
            continue
    return max(usable)[1] if usable else None


def _build_of(path: Path, given: Mapping[str, Any]) -> str | None:
    file = _opened(path, given)
    return None if file is None else file.assembly


async def variants_of_series(store: Store, file: KeptFile) -> set[str]:
    """The variants that a kept file, or one of its series that is no newer, stores (`Options.stored_variants`)."""
    return _no_newer(await store.kept_files.stored_beside(file), _time(file))


async def variants_stored_of(store: Store, file: KeptFile) -> list[str]:
    """The variants of a kept file that are stored: by files of its series, and by a person (`$pin-variants`)."""
    pinned = [loads(content) for content in await store.kept_files.pinned(file)]
    names = {_name(content) for content in pinned if content.get("status") != "entered-in-error"} - {""}
    return sorted(names | await variants_of_series(store, file))


async def missing_of(store: Store, file: KeptFile, series: set[str]) -> set[str]:
    """Of the variants of its series (`variants_of_series`) those that a file does not store: it may have them."""
    return series - {_name(loads(content)) for content in await store.kept_files.stored(file)}


def has_any(file: KeptFile, paths: tuple[Path, Path], variants: Collection[str]) -> bool:
    """Whether a kept file calls any of some variants. Blocking.

    Raises:
        ValueError, OSError: it can't be read any more.
    """
    accessions = BUILDS[file.within].accessions
    places = []
    for name in variants:
        chromosome, position, reference, _ = name.split(":")
        start = int(position) - 1
        if chromosome in accessions:
            places.append(Interval(accessions[chromosome], start, start + len(reference)))
    for sample in file.parts:
        kept = KeptVcf(file.id, file.name, *paths, file.within, file.options, sample)
        try:
            for record in KeptReader(kept).records(places):
                if not _variants_of(record).isdisjoint(variants):
                    return True
        except TooManyLines:
            return True
    return False


def _variants_of(record: VcfRecord) -> set[str]:
    """The variants of a record, or block, as `Options.stored_variants` has them."""
    lines_of = [each.line for each in getattr(record, "block", (record,))]
    return {
        f"{line.chromosome}:{allele.first}:{line.ref}:{allele.alt}"
        for line in lines_of
        if line is not None
        for call in line.calls
        for allele in call.alleles
        if isinstance(allele, Allele)
    }


def _time(file: KeptFile) -> datetime | None:
    return next((part.time for part in file.parts.values()), None)


def _name(content: Mapping[str, Any]) -> str:
    """A variant as `Options.stored_variants` has it, also of one that is withdrawn; empty of another Observation."""
    variant = read_observation(content)
    alleles = {
        code: str(component.get("valueString"))
        for code, component in components(content)
        if code in ("69547-8", "69551-0")
    }
    if variant.interval is None or len(alleles) != 2:
        return ""
    chromosome = build_of_accession(variant.interval.accession)[1]
    return f"{chromosome}:{variant.interval.start + 1}:{alleles['69547-8']}:{alleles['69551-0']}"

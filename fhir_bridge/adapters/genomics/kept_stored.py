"""What is known of kept files' samples when a file of them comes: the variants that are stored, which stay so
(`Options.stored_variants`), and the release of ClinVar that classifies them, which counts on (`Options.clinvar`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from fhir_bridge.adapters.genomics.bcf import bcf_lines, is_bcf
from fhir_bridge.adapters.genomics.clinvar_release import open_release, release_date
from fhir_bridge.adapters.genomics.kept_reading import samples_of
from fhir_bridge.adapters.genomics.options import OptionError, Options
from fhir_bridge.adapters.genomics.query import build_of, components, read_observation
from fhir_bridge.adapters.genomics.reader import build_of as build_of_header
from fhir_bridge.adapters.genomics.reader import read_header
from fhir_bridge.adapters.genomics.stream import lines
from fhir_bridge.fhir.serialization import loads
from fhir_bridge.storage import Store
from fhir_bridge.storage.kept_files import KeptFile

__all__ = ["options_by_kept", "variants_stored_of"]


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
        for file in files if given.get("keep") else ():
            stored.update(await variants_stored_of(store, file))
    results = dict(given)
    if stored:
        results["stored_variants"] = tuple(sorted(stored))
    if "clinvar" not in given and (release := _newest_release(files, paths, given)) is not None:
        results["clinvar"] = str(release)  # what waits in the inbox has it as JSON
    return results


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
    try:
        items = bcf_lines(path) if is_bcf(path) else lines(path)
        options = Options.parse({name: given[name] for name in ("assembly",) if name in given})
        return build_of_header(read_header(items, "VCFv4.2"), options).name
    except (OptionError, OSError, ValueError):  # which its reader reports
        return None


async def variants_stored_of(store: Store, file: KeptFile) -> list[str]:
    """The stored variants of a kept file, also those that a person stored of it (`$pin-variants`)."""
    contents = [*await store.kept_files.stored(file), *await store.kept_files.pinned(file)]
    return [name for content in contents if (name := _name(loads(content)))]


def _name(content: Mapping[str, Any]) -> str:
    """A stored variant as `Options.stored_variants` has it; empty of another Observation, and of a withdrawn one."""
    variant = read_observation(content)
    alleles = {
        code: str(component.get("valueString"))
        for code, component in components(content)
        if code in ("69547-8", "69551-0")
    }
    if variant.interval is None or len(alleles) != 2 or content.get("status") == "entered-in-error":
        return ""
    chromosome = build_of(variant.interval.accession)[1]
    return f"{chromosome}:{variant.interval.start + 1}:{alleles['69547-8']}:{alleles['69551-0']}"

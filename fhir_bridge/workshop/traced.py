"""Converting with a trace: what explanations, coverage and differences look at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fhir_bridge.fhir.ids import IdKey
from fhir_bridge.fhir.issues import Issue
from fhir_bridge.fhir.ports import TerminologyPort
from fhir_bridge.mapping import (
    Applied,
    CompiledMapping,
    Context,
    Conversion,
    IdentityResolver,
    Site,
    load_mapping,
    source_block,
)
from fhir_bridge.pipeline import Selection, SourceError, site_key
from fhir_bridge.pipeline.sources import expand
from fhir_bridge.plugins import Adapter, AssigningAdapter, CompositeAdapter, RecordPart, adapters
from fhir_bridge.workshop.dicom_files import is_dicom

__all__ = ["Traced", "TracedRun", "files_by_mapping"]


@dataclass(slots=True)
class Traced:
    """A record and what it became.

    Attributes:
        conversion: None where the reader skipped or rejected the record.
        refused: rules whose condition was false, by object.
        issues: of the reader and of the conversion.
    """

    record: Any
    mapping: CompiledMapping
    conversion: Conversion | None
    refused: list[Applied]
    issues: list[Any]


@dataclass(frozen=True, slots=True)
class _Reading:
    options: Mapping[str, Any]
    site: Site
    selectors: frozenset[tuple[str, str]]


@dataclass(slots=True)
class TracedRun:
    """Converts the records of files with one mapping, noting what every rule wrote and read.

    Attributes:
        mapping: compiled for the site's definitions.
        key: what ids are made with; None takes the site's.
        terminology: None takes the site's.
        options: reader options over the mapping's `source:` block.
    """

    mapping: CompiledMapping
    site: Site
    key: IdKey | None = None
    terminology: TerminologyPort | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, mapping: str | Path, site: Site, **options: Any) -> TracedRun:
        """For a mapping by name or file.

        Raises:
            MappingErrors: it can't be used.
        """
        return cls(load_mapping(mapping, adapters=adapters(), definitions=site.definitions), site, **options)

    def records(self, paths: Sequence[Path], selection: Selection | None = None) -> Iterator[Traced]:
        """Each record of the files that the selection takes, converted.

        A reader's word on a whole file (a record that stands for none) is passed on as well.
        """
        context, reading = self._context(), self._reading()
        count = 0
        for record in adapters()[self.mapping.adapter].read(paths, reading):
            if selection is not None and record.records and not selection.takes(record.locator):
                continue
            if selection is not None and selection.limit is not None and count >= selection.limit:
                return
            count += record.records > 0
            yield self._converted(record, context)

    def composed(self, adapter: CompositeAdapter, parts: Sequence[RecordPart]) -> Traced:
        """The record that parts make together, converted."""
        return self._converted(adapter.compose(parts, self._reading()), self._context())

    def _context(self) -> Context:
        site = self.site
        return Context(
            site,
            self.terminology or site.open_terminology(),
            IdentityResolver(site, self.key or site_key(site)),
            self.mapping.adapter,
            trace=True,
        )

    def _reading(self) -> _Reading:
        options = {**self.mapping.source_options, **self.options}
        return _Reading(options, self.site, self.mapping.selectors)

    def _converted(self, record: Any, context: Context) -> Traced:
        if record.outcome != "read":
            return Traced(record, self.mapping, None, [], list(record.issues))
        conversion = self.mapping.convert(record, context)
        issues = [*record.issues, *conversion.issues]
        return Traced(record, self.mapping, conversion, list(context.refused), issues)


def files_by_mapping(
    sources: Sequence[str | Path], mapping: str | None, adapter: str | None = None
) -> list[tuple[str, list[Path]]]:
    """The mapping of each file: the one that is named, else the one that the adapter chooses.

    Args:
        sources: files and folders.
        mapping: name or file.
        adapter: name; without it that of the mapping, else the one whose file names end as these do.

    Raises:
        SourceError: a source does not exist, or nothing says what it is.
        MappingErrors: the mapping can't be read.
    """
    known = adapters()
    if adapter is None:
        adapter = str(source_block(mapping).get("adapter")) if mapping else _by_suffix(sources, known)
    if adapter not in known:
        message = f'no adapter is named "{adapter}"; there are {", ".join(sorted(known))}'
        raise SourceError(Issue("fatal", "FB-RUN-003", message, str(sources[0])))
    chosen: Adapter = known[adapter]
    paths, _ = expand(sources, chosen)
    if mapping is not None:
        return [(mapping, list(paths))]
    if isinstance(chosen, AssigningAdapter):
        return list(chosen.assign(paths).items())
    return [(chosen.choose_mapping(paths), list(paths))] if paths else []


def _by_suffix(sources: Sequence[str | Path], known: Mapping[str, Any]) -> str:
    """The adapter whose suffixes the first file ends with; the longest suffix where several do."""
    for source in sources:
        path = Path(source)
        files = sorted(path.rglob("*")) if path.is_dir() else [path]
        for file in files:
            fitting = [
                (len(suffix), name)
                for name, adapter in known.items()
                for suffix in adapter.suffixes
                if file.name.lower().endswith(suffix)
            ]
            if fitting:
                return max(fitting)[1]
            if is_dicom(file):  # files of an archive have any name
                return "dicom"
    message = "nothing says what it is: name the mapping (--mapping) or the adapter (--adapter)"
    raise SourceError(Issue("fatal", "FB-RUN-003", f"{sources[0]}: {message}", str(sources[0])))

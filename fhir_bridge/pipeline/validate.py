"""`validate`: every resource of files and folders in order, in one process or several, with a summary by issue code."""

from __future__ import annotations

import multiprocessing
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from pathlib import Path

from fhir_bridge.fhir.bundles import iter_documents
from fhir_bridge.fhir.definitions import DEFAULT, Definitions
from fhir_bridge.fhir.definitions.packages import PackageReport, load_packages
from fhir_bridge.fhir.issues import Issue
from fhir_bridge.fhir.ports import TerminologyPort
from fhir_bridge.fhir.serialization import JsonError
from fhir_bridge.fhir.validation import Validator, get_validator
from fhir_bridge.mapping import Site
from fhir_bridge.pipeline.engine import RunIncomplete
from fhir_bridge.pipeline.sources import fhir_files

__all__ = ["Checks", "Validated", "ValidationSummary", "use_packages", "validate_files"]

_BATCH_DOCUMENTS, _BATCH_BYTES = 100, 1 << 20
_AHEAD = 2
"""Batches that wait for each worker process."""

Document = tuple[Path, str, bytes | str]
"""File, locator and text of a resource; in its place (`str`) the message that says why there is none."""


@dataclass(frozen=True, slots=True)
class Validated:
    """A resource that was validated.

    Attributes:
        file: the file that holds it.
        locator: where it is, for people: `b.json`, `labs.ndjson:12`.
        issues: what is wrong with it.
    """

    file: Path
    locator: str
    issues: list[Issue]

    @property
    def line(self) -> int | None:
        """The line of an NDJSON file, from 1; None for a file that is one resource."""
        number = self.locator.rpartition(":")[2]
        return int(number) if self.locator != self.file.name and number.isdecimal() else None

    @property
    def is_valid(self) -> bool:
        """No issue is an error."""
        return not any(issue.severity in ("error", "fatal") for issue in self.issues)


@dataclass(slots=True)
class ValidationSummary:
    """Counts over everything that was validated."""

    resources: int = 0
    invalid: int = 0
    by_code: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(severity, issue code) -> findings."""

    def count(self, validated: Validated) -> None:
        """Count one resource."""
        self.resources += 1
        self.invalid += not validated.is_valid
        self.by_code.update((issue.severity, issue.code) for issue in validated.issues)


@dataclass(frozen=True, slots=True)
class Checks:
    """What resources are checked against; a worker process builds its own of the same.

    Attributes:
        profiles: canonicals that each resource must conform to, but not what is inside one.
        packages: FHIR packages beside those of the site.
        site: the site file whose packages and terminology are used.
    """

    profiles: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    site: Path | None = None

    def definitions(self) -> Definitions:
        """Those of the packages (`use_packages`, which reports what is wrong with one)."""
        return use_packages(self.packages, self.site).definitions


def use_packages(packages: Sequence[str], site: Path | None = None) -> PackageReport:
    """The definitions of these packages and those of the site's settings, and what is wrong with them.

    Raises:
        SiteError: the site file can't be used.
    """
    named = [*(Site.load(site).package_paths if site else ()), *map(Path, packages)]
    return load_packages(named) if named else PackageReport(DEFAULT)


def validate_files(
    sources: Sequence[str],
    checks: Checks = Checks(),
    summary: ValidationSummary | None = None,
    on_progress: Callable[[int], None] = lambda _count: None,
    *,
    jobs: int = 1,
) -> Iterator[Validated]:
    """Yield each resource with its issues, in the order of the files, and count into `summary`.

    A Bundle is one resource: it is validated with its entries, and an issue's expression is its path in the Bundle.
    Memory is for one resource, with `jobs` for some MB a process.

    Args:
        jobs: processes that validate; the outcome is the same for any number.

    Raises:
        SourceError: a source does not exist.
        SiteError: the site file can't be used.
        RunIncomplete: a worker process died.
    """
    summary = ValidationSummary() if summary is None else summary
    documents = _documents(fhir_files(sources, xml=True))
    for validated in _one_process(documents, checks) if jobs <= 1 else _processes(documents, checks, jobs):
        summary.count(validated)
        on_progress(summary.resources)
        yield validated


def _documents(files: Iterable[Path]) -> Iterator[Document]:
    for file in files:
        try:
            for locator, text in iter_documents(file):
                yield file, locator, text
        except JsonError as error:
            yield file, file.name, str(error)


def _one_process(documents: Iterable[Document], checks: Checks) -> Iterator[Validated]:
    worker = _Worker(checks)
    return map(worker.check, documents)


class _Worker:
    """The validator of a process."""

    def __init__(self, checks: Checks) -> None:
        definitions = checks.definitions()
        self._profiles = checks.profiles
        self._validator: Validator = get_validator(definitions=definitions)
        self._terminology: TerminologyPort | None = None
        if checks.site is not None:
            self._terminology = Site.load(checks.site).open_terminology(definitions)

    def check(self, document: Document) -> Validated:
        """Validate one document."""
        file, locator, text = document
        if isinstance(text, str):
            return Validated(file, locator, [Issue("fatal", "FB-FHIR-001", text, locator)])
        return Validated(file, locator, self._validator.validate(text, self._profiles, self._terminology))


_worker: _Worker | None = None
"""That of a worker process."""


def _start_worker(checks: Checks) -> None:
    global _worker
    _worker = _Worker(checks)


def _in_worker(batch: list[Document]) -> list[Validated]:
    assert _worker is not None
    return [_worker.check(document) for document in batch]


def _processes(documents: Iterable[Document], checks: Checks, jobs: int) -> Iterator[Validated]:
    """Batches in several processes, taken back in order; the parent reads some batches ahead and no more."""
    context = multiprocessing.get_context("spawn")
    pending: deque[Future[list[Validated]]] = deque()
    with ProcessPoolExecutor(jobs, mp_context=context, initializer=_start_worker, initargs=(checks,)) as pool:
        try:
            for batch in _batches(documents):
                pending.append(pool.submit(_in_worker, batch))
                if len(pending) >= jobs * _AHEAD:
                    yield from pending.popleft().result()
            while pending:
                yield from pending.popleft().result()
        except BrokenProcessPool as error:
            raise RunIncomplete("a worker process died (out of memory, or killed)") from error
        finally:
            pool.shutdown(cancel_futures=True)


def _batches(documents: Iterable[Document]) -> Iterator[list[Document]]:
    batch: list[Document] = []
    size = 0
    for document in documents:
        batch.append(document)
        size += len(document[2])
        if len(batch) >= _BATCH_DOCUMENTS or size >= _BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch

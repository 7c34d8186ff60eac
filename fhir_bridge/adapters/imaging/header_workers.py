"""Headers of many files, read by several processes and given in the order of the files."""

from __future__ import annotations

import multiprocessing
import sys
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from itertools import islice
from multiprocessing.context import BaseContext
from typing import Final

from fhir_bridge.adapters.imaging.dicom_file import Refused
from fhir_bridge.adapters.imaging.header import Header, read_header
from fhir_bridge.adapters.imaging.locations import FileLocation, Folder
from fhir_bridge.fhir.issues import Issue

__all__ = ["HeaderOf", "header_or_refusal", "headers_of"]

HeaderOf = tuple[FileLocation, Header | Refused]
"""A file, and its header or why there is none."""

_CHUNK: Final = 200
"""Files of one task."""
_FEW: Final = 2000
"""Files that one process reads sooner than others begin."""
_AHEAD: Final = 3
"""Tasks under way for each process."""

_Answer = list[Header | tuple[str, Issue]]


def header_or_refusal(location: FileLocation) -> Header | Refused:
    """The header of a file, or why there is none."""
    try:
        return read_header(location.path, location.locator)
    except Refused as refused:
        return refused


def headers_of(locations: Iterable[FileLocation], jobs: int = 1) -> Iterator[HeaderOf]:
    """The headers, read by so many processes where there are many files; else in this one."""
    rest = iter(locations)
    first = list(islice(rest, _FEW + 1)) if jobs > 1 else []
    if len(first) > _FEW:
        yield from _by_processes(first, rest, jobs)
        return
    for some in (first, rest):
        for location in some:
            yield location, header_or_refusal(location)


def _by_processes(first: list[FileLocation], rest: Iterator[FileLocation], jobs: int) -> Iterator[HeaderOf]:
    def chunks() -> Iterator[list[FileLocation]]:
        for start in range(0, len(first), _CHUNK):
            yield first[start : start + _CHUNK]
        while some := list(islice(rest, _CHUNK)):
            yield some

    with ProcessPoolExecutor(jobs, mp_context=_context()) as pool:
        pending: deque[tuple[list[FileLocation], Future[_Answer]]] = deque()
        try:
            for some in chunks():
                pending.append((some, pool.submit(_read, _packed(some))))
                if len(pending) >= jobs * _AHEAD:
                    yield from _answers(*pending.popleft())
            while pending:
                yield from _answers(*pending.popleft())
        finally:
            pool.shutdown(cancel_futures=True)


def _context() -> BaseContext:
    """How processes start: forked of a command, in which the only other thread draws its progress; else anew.

    They read files, and take no lock and no connection of this process. What they would import anew costs as much as
    the headers of 4,000 files, for each of them.
    """
    methods = multiprocessing.get_all_start_methods()
    alone = sum(not each.daemon for each in threading.enumerate()) == 1
    if sys.platform == "linux" and alone and threading.current_thread() is threading.main_thread():
        return multiprocessing.get_context("fork")
    if "forkserver" not in methods:
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["fhir_bridge.adapters.imaging.header_workers"])
    return context


def _packed(locations: list[FileLocation]) -> list[tuple[Folder, list[str]]]:
    """Names by their folders: few folders, many files."""
    groups: list[tuple[Folder, list[str]]] = []
    for folder, name in locations:
        if not groups or groups[-1][0] is not folder:
            groups.append((folder, []))
        groups[-1][1].append(name)
    return groups


def _read(groups: list[tuple[Folder, list[str]]]) -> _Answer:
    """In a worker: the headers of a chunk. Levels that are equal to the one before are one object, and sent once."""
    answer: _Answer = []
    last: Header | None = None
    for folder, names in groups:
        for name in names:
            header = header_or_refusal(FileLocation(folder, name))
            if isinstance(header, Refused):
                answer.append((header.outcome, header.issue))
                continue
            if last is not None:
                if header.study == last.study:
                    header = header._replace(study=last.study)
                if header.series == last.series:
                    header = header._replace(series=last.series)
            last = header
            answer.append(header)
    return answer


def _answers(locations: list[FileLocation], future: Future[_Answer]) -> Iterator[HeaderOf]:
    for location, item in zip(locations, future.result(), strict=True):
        # A Header is a tuple too, of four.
        yield location, item if isinstance(item, Header) else Refused(*item)

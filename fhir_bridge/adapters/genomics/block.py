"""Several lines as one record, so that what a record costs by itself is paid once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from fhir_bridge.adapters.genomics.cached_property import cached
from fhir_bridge.adapters.genomics.line import Line
from fhir_bridge.adapters.genomics.plain_record import PlainRecord
from fhir_bridge.adapters.genomics.record import VcfRecord
from fhir_bridge.plugins import IssueLike

__all__ = ["VcfBlock", "in_blocks"]

_MOST = 64
"""Alleles, but for those of the last line."""


class VcfBlock(VcfRecord):
    """Lines whose calls concern no other line (`VcfRecord.joins`); `block` are their own records."""

    def __init__(self, items: Sequence[VcfRecord]) -> None:
        first = items[0]
        super().__init__(first.locator, time=first.time, records=len(items), file=first.file, issues=[])
        del self.line
        self.block = items

    @cached
    def line(self) -> Line | None:
        """The first line."""
        return self.block[0].line

    def among(self, items: Sequence[VcfRecord]) -> VcfBlock:
        """Some of its lines."""
        return VcfBlock(items)

    @property
    def bounds(self) -> str:
        """As of each of its lines."""
        return self.block[0].bounds

    def sizes(self, scope: str) -> list[int]:
        """How many objects of a scope each of its lines has."""
        if scope == "Allele":
            return [item.joins for item in self.block]
        return [len(list(item.scope(scope))) for item in self.block]

    def unread(self, applied: Iterable[object]) -> tuple[()]:  # noqa: ARG002 - as of a record
        """Nothing: its lines are counted when it is known that they were converted (`count_outputs`)."""
        return ()

    def count_outputs(self, outputs: Sequence[Any], issues: Sequence[IssueLike]) -> None:  # noqa: ARG002
        """Count what its lines say, and that all of it was written."""
        file = self.file
        assert file is not None
        account = file.account
        last = self.block[-1]
        for item in self.block:
            if not isinstance(item, PlainRecord) or item.known_line is not None:
                line = item.line
                assert line is not None
                if account is not None:
                    account.count(line)
                for call in line.calls:
                    file.study_of[call.name].written += len(call.alleles)
                if item is not last:  # which the reader asks
                    _forget(line)
            else:
                if account is not None and not account.count_text(
                    item.shape_of_line.layout, item.text, item.groups[2]
                ):
                    account.count(item.line)
                file.studies[0].written += 1

    def scope(self, name: str) -> Iterable[Any]:
        """The objects of a scope, of all lines."""
        if name == "File":
            return super().scope(name)
        return [each for item in self.block for each in item.scope(name)]


def in_blocks(records: Iterator[VcfRecord]) -> Iterator[VcfRecord]:
    """The records in their order, neighbouring ones that can be (`VcfRecord.joins`) in blocks."""
    waiting: list[VcfRecord] = []
    alleles = 0
    for record in records:
        if record.joins:
            waiting.append(record)
            alleles += record.joins
            if alleles < _MOST:
                continue
        yield from _together(waiting)
        waiting, alleles = [], 0
        if not record.joins:
            yield record
    yield from _together(waiting)


def _together(waiting: Sequence[VcfRecord]) -> Iterator[VcfRecord]:
    if len(waiting) > 1:
        yield VcfBlock(waiting)
    else:
        yield from waiting


def _forget(line: Line) -> None:
    """Lines, calls and alleles name each other: without their lists they go at once."""
    for call in line.calls:
        call.alleles.clear()
    line.calls = []
    if "twins" in line.__dict__:
        line.twins.clear()

"""The files of an RF2 release, and what is in their rows."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from fhir_bridge.terminology.imports.sources import Source
from fhir_bridge.terminology.imports.tables import decoded_lines, separated_rows
from fhir_bridge.terminology.store.errors import ImportProblem

__all__ = ["Files", "identifier", "is_concept", "is_release"]

_FILE = re.compile(r"x?(?:sct2|der2)_.*\.txt", re.IGNORECASE)
_COMPONENT = ("id", "effectiveTime", "active", "moduleId")


def is_release(source: Source) -> bool:
    """Whether it holds an RF2 concept file."""
    return any(re.match(r"x?sct2_Concept_", name.rsplit("/", 1)[-1]) for name in source.names)


class Files:
    """The release's files of one kind, Snapshot or Full."""

    def __init__(self, source: Source, as_of: str | None) -> None:
        self.source = source
        names = [name for name in source.names if _FILE.fullmatch(name.rsplit("/", 1)[-1])]
        kinds = [
            kind for kind in ("Snapshot", "Full") if any(_of_kind(name, kind, "_Concept_") for name in names)
        ]
        if as_of and "Full" in kinds:
            kinds = ["Full"]
        elif as_of:
            raise ImportProblem(str(source.path), None, "holds no Full files, which --as-of needs")
        if not kinds:
            raise ImportProblem(
                str(source.path), None, "holds neither Snapshot nor Full files; a Delta is not enough"
            )
        self.kind = kinds[0]
        self.as_of = as_of or "99999999"
        self._names = [name for name in names if _of_kind(name, self.kind, "")]

    def rows(self, pattern: str, columns: Sequence[str]) -> Iterator[tuple[str, int, tuple[str, ...]]]:
        """File, line and columns of all files whose name matches, without what is later than the wanted day."""
        for name in self.matching(pattern):
            yield from self.rows_of(name, columns)

    def rows_of(self, name: str, columns: Sequence[str]) -> Iterator[tuple[str, int, tuple[str, ...]]]:
        """As `rows`, of one file."""
        label = self.source.label(name)
        for line, row in separated_rows(self.source, name, "\t", (*_COMPONENT, *columns)):
            if row[2] not in ("0", "1"):
                raise ImportProblem(label, line, f'has "{row[2]}" as active, where 0 or 1 is expected')
            if row[1] <= self.as_of:
                yield label, line, row

    def matching(self, pattern: str) -> list[str]:
        """The files whose name, without its folder, matches."""
        return [name for name in self._names if re.search(pattern, name.rsplit("/", 1)[-1])]

    def columns(self, name: str) -> list[str]:
        """The names in the first line of a file; none for an empty one."""
        _, first = next(decoded_lines(self.source, name), (0, ""))
        return [column.strip() for column in first.split("\t")]


def _of_kind(name: str, kind: str, part: str) -> bool:
    base = name.rsplit("/", 1)[-1]
    return kind in base and part in base


def identifier(label: str, line: int, text: str) -> int:
    """An SCTID as a number.

    Raises:
        ImportProblem: it is none.
    """
    if text.isascii() and text.isdigit() and 6 <= len(text) <= 18:
        return int(text)
    raise ImportProblem(label, line, f'has "{text[:40]}" where an identifier of 6 to 18 digits is expected')


def is_concept(identity: int) -> bool:
    """Whether an SCTID is that of a concept: its partition ends in 0 (SNOMED CT identifiers, partition-identifier)."""
    return identity // 10 % 10 == 0

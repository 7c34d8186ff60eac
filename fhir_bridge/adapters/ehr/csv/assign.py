"""Which mapping takes which table: by the name of the file and the columns of its header."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from fhir_bridge.adapters.ehr.csv.dialect import Dialect, DialectError
from fhir_bridge.adapters.ehr.csv.reader import HeaderError, read_header
from fhir_bridge.adapters.ehr.csv.record import missing_columns
from fhir_bridge.adapters.ehr.issues import new_issue
from fhir_bridge.fhir.issues import Issue
from fhir_bridge.plugins import get_manager, shipped

__all__ = ["UNKNOWN", "Candidate", "candidates", "fit"]

SAME_TABLE = (".tsv", ".tab", ".parquet", ".xlsx", ".xlsm", ".sql")
_OF_QUERIES = ("url", "key", "watermark", "overlap", "deleted", "state")
UNKNOWN = "ehr/csv-unknown"
"""The mapping of tables that none takes: its reader says so, and counts their rows."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A mapping of tables, and the tables it is for."""

    name: str
    dialect: Dialect

    def named(self, path: Path) -> bool:
        """Whether the file's name is one that the mapping asks for."""
        pattern = self.dialect.file
        if pattern is None:
            return True
        name, wanted = path.name.lower(), pattern.lower()
        # A table has the same columns in whatever format it was written: `labs*.csv` takes labs.parquet, too.
        stem = wanted.removesuffix(".csv")
        return fnmatchcase(name, wanted) or (
            stem != wanted and path.suffix.lower() in SAME_TABLE and fnmatchcase(path.stem.lower(), stem)
        )


def candidates(adapters: tuple[str, ...] = ("csv",)) -> tuple[Candidate, ...]:
    """The mappings for these adapters that say by `file` and `columns` which tables they take."""
    folders = [
        shipped("mappings"),
        *(Path(p) for group in get_manager().hook.fhir_bridge_mappings() for p in group),
    ]
    files = sorted({file for folder in folders for file in folder.glob("*/*/mapping.yaml")})
    return _candidates(tuple((file, file.stat().st_mtime_ns) for file in files), adapters)


@lru_cache(maxsize=4)
def _candidates(files: tuple[tuple[Path, int], ...], adapters: tuple[str, ...]) -> tuple[Candidate, ...]:
    chosen = []
    for file, _ in files:
        dialect = _source_of(file, adapters)
        if dialect is not None and dialect.columns:
            chosen.append(Candidate(f"{file.parent.parent.name}/{file.parent.name}", dialect))
    return tuple(chosen)


def _source_of(file: Path, adapters: tuple[str, ...]) -> Dialect | None:
    """The `source:` block of a mapping of tables; a document in error is for the mapping compiler to speak of."""
    head = file.read_text(encoding="utf-8").split("\nrules:", 1)[0]
    try:
        block = (YAML(typ="safe", pure=True).load(head) or {}).get("source") or {}
        if block.get("adapter") not in adapters or block.get("unassigned"):
            return None
        return Dialect.of({key: value for key, value in block.items() if key not in _OF_QUERIES})
    except (YAMLError, DialectError, AttributeError):
        return None


def fit(
    path: Path, known: Sequence[Candidate], header_of: Callable[[Path, Dialect], list[str]] = read_header
) -> tuple[str, Issue | None]:
    """The mapping for a file; `UNKNOWN` with the issue that says why where there is none, or more than one."""
    fitting: list[str] = []
    near: list[tuple[int, Issue]] = []
    for candidate in known:
        if not candidate.named(path):
            continue
        try:
            header = header_of(path, candidate.dialect)
        except HeaderError as error:
            near.append((10_000, error.issue))
            continue
        absent = [column for column in candidate.dialect.columns if column not in header]
        if not absent:
            fitting.append(candidate.name)
        elif candidate.dialect.file is not None and len(absent) < len(candidate.dialect.columns):
            text = f"by its name the table is one for {candidate.name}, but {missing_columns(absent, header)}"
            near.append((len(absent), new_issue("FB-CSV-008", text, path.name)))
    if len(fitting) == 1:
        return fitting[0], None
    if fitting:
        text = f"the table fits {_listed(fitting)}; name one with --mapping"
        return UNKNOWN, new_issue("FB-CSV-008", text, path.name)
    if near:
        return UNKNOWN, min(near, key=lambda item: item[0])[1]
    return UNKNOWN, new_issue("FB-CSV-007", "no mapping speaks of this table", path.name)


def _listed(names: Iterable[str]) -> str:
    return " and ".join(sorted(names))

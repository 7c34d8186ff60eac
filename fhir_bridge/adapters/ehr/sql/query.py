"""A query file: SQL, and in a comment before it how its rows are read."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from fhir_bridge.mapping import nearest

__all__ = ["OPTIONS", "Query", "QueryError", "read_query"]

OPTIONS: Final = ("url", "key", "watermark", "overlap", "deleted", "state")
COMPARE: Final = "compare"
_HEADER: Final = re.compile(r"\s*/\*\s*fhir-bridge\s*:?[ \t]*\n(.*?)\*/", re.DOTALL)
_DEFAULT_URL: Final = "env:FHIR_BRIDGE_SQL_URL"


class QueryError(ValueError):
    """The query file, or what it names, can't be used; the message holds no secret."""


@dataclass(frozen=True, slots=True)
class Query:
    """A query, and how its rows are read.

    Attributes:
        text: the SQL; may name the bind parameter `:watermark`.
        url: `env:NAME` or `file:PATH`, where the database's URL is found.
        key: columns that identify a row for ever.
        watermark: column that grows with each change of a row.
        overlap: seconds before the last watermark that are read again, for transactions that committed late.
        deleted: SQL that gives the keys of deleted rows, or `compare`.
        state: file that remembers what was read, in the folder that `state` names; None reads everything each time.
    """

    path: Path
    text: str
    url: str
    key: tuple[str, ...] = ()
    watermark: str | None = None
    overlap: float = 0
    deleted: str | None = None
    state: Path | None = None

    @property
    def compares(self) -> bool:
        """Whether what was deleted shows from the keys that are no longer there."""
        return self.deleted == COMPARE

    def database_url(self) -> str:
        """The URL of the database, a secret: for the engine alone.

        Raises:
            QueryError: where it should be, there is none.
        """
        scheme, _, place = self.url.partition(":")
        if scheme == "env":
            url = os.environ.get(place, "")
            if not url:
                raise QueryError(
                    f"the environment variable {place}, which should hold the database's URL, is not set"
                )
            return url.strip()
        if scheme == "file":
            try:
                return Path(place).read_text(encoding="utf-8").strip()
            except (OSError, UnicodeError):
                raise QueryError(
                    f"the file {place}, which should hold the database's URL, can't be read"
                ) from None
        if scheme == "sqlite":
            return self.url  # has no password
        raise QueryError(
            "url is env:NAME or file:PATH: a database's URL does not belong into a query or a command line"
        )


def read_query(path: Path, options: Mapping[str, Any]) -> Query:
    """The query of a file; `options` (of the mapping and `--set`) go over its comment.

    Raises:
        QueryError: the file can't be read, or an option is wrong.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise QueryError(error.strerror or "it can't be read") from None
    except UnicodeError:
        raise QueryError("it is not UTF-8") from None
    header = _HEADER.match(text)
    stated: dict[str, Any] = {}
    if header is not None:
        stated = _header(header.group(1))
        text = text[header.end() :]
    stated.update({name: options[name] for name in OPTIONS if options.get(name) is not None})
    text = text.strip().rstrip(";").strip()
    if not text:
        raise QueryError("it has no query")
    try:
        overlap = float(stated.get("overlap") or 0)
    except (TypeError, ValueError):
        raise QueryError("overlap is a number of seconds") from None
    state = stated.get("state")
    query = Query(
        path,
        text,
        str(stated.get("url") or _DEFAULT_URL),
        _names(stated.get("key")),
        stated.get("watermark"),
        overlap,
        stated.get("deleted"),
        (path.parent / str(state) / f"{path.name}.state").resolve() if state else None,
    )
    if query.deleted and not query.key:
        raise QueryError("deleted needs key: the columns that identify a row")
    if query.compares and query.state is None:
        raise QueryError("deleted: compare needs state: the folder where it is kept which rows there were")
    return query


def _header(text: str) -> dict[str, Any]:
    try:
        block = YAML(typ="safe", pure=True).load(text)
    except YAMLError:
        raise QueryError("the comment that begins with fhir-bridge is not YAML") from None
    if not isinstance(block, dict):
        raise QueryError("the comment that begins with fhir-bridge states no options")
    for name in block:
        if name not in OPTIONS:
            near = nearest(str(name), OPTIONS) or f"there are {', '.join(OPTIONS)}"
            raise QueryError(f"{name} is no option of a query ({near})")
    return dict(block)


def _names(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    if isinstance(value, str):
        return tuple(name.strip() for name in value.split(",") if name.strip())
    return tuple(map(str, value))

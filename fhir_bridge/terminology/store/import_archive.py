"""One import, opened: a folder with a description, an LMDB file and a text index, all read memory-mapped."""

from __future__ import annotations

import contextlib
import os
import threading
import weakref
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import lmdb
import orjson

from fhir_bridge.plugins.extras import require
from fhir_bridge.terminology.files import TextIndexError
from fhir_bridge.terminology.store import format as form
from fhir_bridge.terminology.store.errors import StoreError

if TYPE_CHECKING:
    from fhir_bridge.terminology.search_index import TextIndex

__all__ = ["DESCRIPTION", "ImportArchive", "Transaction"]

DESCRIPTION = "import.json"


class _Environment:
    """An opened LMDB file. A process must not open one twice, so that all who read it share this."""

    def __init__(self, path: Path) -> None:
        # No lock: an import that is seen never changes. No readahead: pages are read here and there.
        self.lmdb = lmdb.open(
            str(path),
            subdir=False,
            readonly=True,
            lock=False,
            create=False,
            readahead=False,
            max_dbs=len(form.DATABASES),
        )
        self.databases = dict(self._open())

    def _open(self) -> Iterator[tuple[str, Any]]:
        for name in form.DATABASES:
            with contextlib.suppress(lmdb.NotFoundError):  # an older form has not all of them
                yield name, self.lmdb.open_db(name.encode(), create=False)


_environments: weakref.WeakValueDictionary[Path, _Environment] = weakref.WeakValueDictionary()
_opening = threading.Lock()


class Transaction:
    """A read transaction of one thread with the databases of its file; it never ends, as the file never changes."""

    __slots__ = ("_environment", "_transaction", "code", "databases", "get")

    def __init__(self, environment: _Environment) -> None:
        self._environment = environment
        self._transaction = environment.lmdb.begin(buffers=False)
        self.get = self._transaction.get
        self.databases = environment.databases
        self.code = environment.databases["code"]

    def cursor(self, database: str) -> Any:
        """A cursor over a database."""
        return self._transaction.cursor(self.databases[database])


class ImportArchive:
    """An import. Nothing is read before the first question; safe to share between threads, and over a fork."""

    def __init__(self, folder: Path) -> None:
        """Read the description.

        Raises:
            StoreError: it is missing, broken, or of another version of the form.
        """
        self.folder = folder
        try:
            described = orjson.loads((folder / DESCRIPTION).read_bytes())
        except (OSError, ValueError) as error:
            raise StoreError(f"{folder}: the description of this import can't be read ({error})") from error
        if described.get("format") not in form.READABLE:
            raise StoreError(
                f"{folder}: written by another version of fhir-bridge; remove this folder and import "
                f"{', '.join(described.get('sources', ()))} again"
            )
        self.described: dict[str, Any] = described
        self._local = threading.local()
        self._environment: _Environment | None = None
        _opened.add(self)

    @property
    def transaction(self) -> Transaction:
        """This thread's read transaction.

        Raises:
            StoreError: the file can't be opened.
        """
        try:
            result: Transaction = self._local.transaction
        except AttributeError:
            result = self._begin()
        return result

    @cached_property
    def text(self) -> TextIndex:
        """The text index.

        Raises:
            StoreError: it can't be read by the installed tantivy.
            MissingExtra: tantivy is not installed.
        """
        require("imports")
        from fhir_bridge.terminology.search_index import TextIndex

        try:
            return TextIndex(self.folder / form.TEXT)
        except TextIndexError as error:
            raise StoreError(
                f"{error}; the text index was created by another version of tantivy; import the files again"
            ) from error

    def is_readable(self) -> bool:
        """Whether both files can be opened by what is installed."""
        try:
            _ = self.transaction, self.text
        except StoreError:
            return False
        return True

    def value_sets(self, url: str) -> Iterator[tuple[str, str, bytes]]:
        """Url, version and JSON of its value sets: those whose url begins so, all for an empty one."""
        if not self.described["value_sets"]:
            return
        hidden = set(self.described.get("hidden", ()))
        cursor = self.transaction.cursor("valueset")
        prefix = url.encode("utf-8", "replace")[: form.MAX_KEY - 16]
        if not cursor.set_range(prefix):
            return
        for key, resource in cursor:
            if not key.startswith(prefix):
                return
            result, _, version = (part.decode("utf-8", "replace") for part in key.partition(b"\0"))
            if (f"{result}|{version}" if version else result) not in hidden:
                yield result, version, resource

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file())

    def close(self) -> None:
        """Let go of the file; a later question opens it again."""
        self._local = threading.local()
        self._environment = None
        self.__dict__.pop("text", None)

    def _begin(self) -> Transaction:
        with _opening:
            if self._environment is None:
                # By its real path: the same file may have several names, and must not be opened twice.
                path = (self.folder / form.FILE).resolve()
                environment = _environments.get(path)
                if environment is None:
                    try:
                        environment = _Environment(path)
                    except (lmdb.Error, OSError) as error:
                        raise StoreError(f"{path}: can't be opened ({error}); import it again") from error
                    _environments[path] = environment
                self._environment = environment
            result = Transaction(self._environment)
        self._local.transaction = result
        return result


_opened: weakref.WeakSet[ImportArchive] = weakref.WeakSet()


def _after_fork() -> None:
    """An LMDB environment must not be used by a forked child: let the child open its own."""
    global _opening
    _opening = threading.Lock()
    for archive in list(_opened):
        archive.close()
    _environments.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)

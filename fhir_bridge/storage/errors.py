"""What storage refuses, as exceptions that the layers above turn into HTTP statuses and exit codes."""

from __future__ import annotations

from collections.abc import Sequence

from fhir_bridge.fhir.issues import Issue
from fhir_bridge.storage.issues import CODES

__all__ = [
    "BadCursor",
    "BadPrecondition",
    "BadReference",
    "BadResource",
    "BadSearch",
    "CreatedMeanwhile",
    "DanglingReference",
    "DatabaseUnavailable",
    "DiskFull",
    "Forbidden",
    "Gone",
    "MultipleMatches",
    "NoResult",
    "NotCurrent",
    "NotFound",
    "OtherSiteKey",
    "RecordsPending",
    "Referred",
    "SchemaAhead",
    "StorageError",
    "TakenBack",
    "TransactionFailed",
    "UnknownRules",
    "VersionConflict",
]


class StorageError(Exception):
    """Something storage refuses. `issue` states it in full; `status` is the HTTP status that fits."""

    code = "FB-STORE-001"
    status = 500

    def __init__(self, message: str, *, source: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.source = source

    @property
    def issue(self) -> Issue:
        """The refusal as an issue."""
        return Issue(CODES[self.code].severity, self.code, self.message, self.source)


class NotFound(StorageError):
    """No such resource, or none that this caller may know of: the two can't be distinguished."""

    code = "FB-STORE-002"
    status = 404


class Gone(StorageError):
    """The resource was deleted, and the caller might have read it."""

    code = "FB-STORE-003"
    status = 410


class Forbidden(StorageError):
    """No grant of the caller allows the interaction on this type, or the content would leave its bounds."""

    code = "FB-STORE-004"
    status = 403


class VersionConflict(StorageError):
    """If-Match names another version than the current one."""

    code = "FB-STORE-005"
    status = 412


class CreatedMeanwhile(VersionConflict):
    """What criteria did not find was made before the write that rests on this: once more, and they find it."""


class BadPrecondition(StorageError):
    """If-Match can't be read."""

    code = "FB-STORE-041"
    status = 400


class MultipleMatches(StorageError):
    """The criteria of a conditional interaction match more than one resource."""

    code = "FB-STORE-006"
    status = 412


class BadResource(StorageError):
    """What was given can't be stored: no resource, another type or id than the URL's."""

    code = "FB-STORE-007"
    status = 400


class UnknownRules(BadResource):
    """The resource is to be read by rules (`implicitRules`) that nobody here knows."""

    code = "FB-STORE-023"
    status = 422


class TakenBack(BadResource):
    """The result of a model was withdrawn by a person: nothing is said in its place."""

    status = 422


class NotCurrent(BadResource):
    """A result of a model that is to be confirmed is outdated, or another one took its place."""

    status = 409


class NoResult(BadResource):
    """A run that failed is to be confirmed or amended: there is nothing that a person could agree to."""

    status = 422


class TooManyIndexRows(BadResource):
    """A resource, or the resources of one write together, have more rows of the search index than may be."""

    code = "FB-STORE-031"
    status = 413


class BadSearch(StorageError):
    """A search value or modifier that can't be understood or is not supported."""

    code = "FB-STORE-008"
    status = 400


class BadCursor(StorageError):
    """A paging cursor that is damaged, or was made for another caller or another search."""

    code = "FB-STORE-009"
    status = 400


class TransactionFailed(StorageError):
    """An entry of a transaction was refused; nothing of the transaction was stored.

    Attributes:
        position: index of the entry in Bundle.entry.
        cause: the refusal of that entry.
    """

    code = "FB-STORE-010"

    def __init__(self, position: int, cause: StorageError) -> None:
        super().__init__(f"Bundle.entry[{position}]: {cause.message}", source=f"Bundle.entry[{position}]")
        self.position = position
        self.cause = cause
        self.status = cause.status


class BadReference(StorageError):
    """A reference inside a transaction that names no entry and no resource, or several."""

    code = "FB-STORE-011"
    status = 400


class DanglingReference(StorageError):
    """What is written refers to resources of this server that are not there.

    Attributes:
        missing: type and id of each.
    """

    code = "FB-STORE-032"
    status = 422

    def __init__(self, message: str, missing: Sequence[tuple[str, str]]) -> None:
        super().__init__(message)
        self.missing = missing


class Referred(StorageError):
    """What is to be deleted is referred to.

    Attributes:
        identity: type and id of it.
    """

    code = "FB-STORE-033"
    status = 409

    def __init__(self, message: str, identity: tuple[str, str]) -> None:
        super().__init__(message)
        self.identity = identity


class OtherSiteKey(StorageError):
    """The database holds ids made with another site key."""

    code = "FB-STORE-020"
    status = 409


class SchemaAhead(StorageError):
    """The database schema is newer than this program."""

    code = "FB-STORE-021"


class DatabaseUnavailable(StorageError):
    """The embedded database server can't be started or reached."""

    code = "FB-STORE-022"
    status = 503


class RecordsPending(StorageError):
    """After an upgrade: whose record each resource is in is not known yet."""

    code = "FB-STORE-025"
    status = 503


class IndexPending(StorageError):
    """After an upgrade: the index does not have yet what a search asks for."""

    code = "FB-STORE-036"
    status = 503


class DiskFull(StorageError):
    """The database has no space left: nothing of the write was stored, and what was stored before stays."""

    code = "FB-STORE-026"
    status = 507

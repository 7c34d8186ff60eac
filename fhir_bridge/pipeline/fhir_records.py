"""FHIR of others on its way into the store: read, validated and counted, every resource and every entry."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from fhir_bridge.fhir.bundles import is_ndjson, iter_documents, read_resource
from fhir_bridge.fhir.issues import Issue
from fhir_bridge.fhir.serialization import JsonError, loads_exact
from fhir_bridge.fhir.validation import get_validator
from fhir_bridge.mapping import Site
from fhir_bridge.pipeline.account import Account
from fhir_bridge.pipeline.shard import Selection, ValidateMode, report_stop

__all__ = ["Checked"]

_HELD = frozenset({"collection", "searchset", "history", "transaction", "batch"})
"""Types of Bundles of which the entries' resources are loaded; a document or a message is a resource of its own."""


class Checked:
    """Reads files of FHIR; what may not be stored is counted with its place.

    Args:
        validate: `none` checks nothing, anything else checks everything.
        account: counts a record for each resource, and for each entry of a Bundle.
        site: its packages and terminology are used.
    """

    def __init__(
        self,
        validate: ValidateMode,
        account: Account,
        selection: Selection,
        on_progress: Callable[[int], None],
        site: Site,
    ) -> None:
        self.account = account
        self._selection = selection
        self._validator = None if validate == "none" else get_validator("warning", site.definitions)
        self._terminology = site.open_terminology()
        self._on_progress = on_progress
        self._stopped = False
        self.too_many = False
        """Whether more is rejected than `--max-rejected` allows: nothing more is taken."""

    def transaction(self, file: Path) -> dict[str, Any] | None:
        """The Bundle, if the file is a transaction or batch; empty if it is one that is not taken; None if neither."""
        # Most files are none, which a search in the bytes shows without parsing them.
        if file.suffix.lower() not in (".json", ".xml") or b"Bundle" not in file.read_bytes():
            return None
        try:
            bundle = read_resource(file)
        except JsonError:
            return None  # reported when it is read as a resource
        if bundle.get("resourceType") != "Bundle" or bundle.get("type") not in ("transaction", "batch"):
            return None
        if self.too_many or not self._selection.takes(file.name) or self._full(file.name):
            return {}
        entries = bundle.get("entry")
        refused = self._refuses(bundle, file.name)
        if not refused and not (isinstance(entries, list) and all(isinstance(e, dict) for e in entries)):
            message = "the Bundle has no entries that can be carried out"
            self.account.count_issues([Issue("error", "FB-RUN-032", message, file.name)])
            refused = True
        if refused:
            self.account.count_record(
                "rejected", len(entries) if isinstance(entries, list) and entries else 1
            )
            self._check_rejected()
            return {}
        return bundle

    def resources(self, files: Iterable[Path]) -> Iterator[dict[str, Any]]:
        """The resources of NDJSON, single files and collections that may be stored, until too many are rejected."""
        for file in files:
            for locator, result in _records(file):
                if not self._selection.takes(locator):
                    continue
                if self.too_many or self._full(locator):
                    return
                taken = self._taken(locator, result)
                self._on_progress(self.account.read)
                if taken is not None:
                    yield taken
                self._check_rejected()

    def _taken(self, locator: str, result: Any) -> dict[str, Any] | None:
        if isinstance(result, Issue):
            self.account.count_record("rejected" if result.severity in ("error", "fatal") else "skipped")
            self.account.count_issues([result], locator)
            return None
        refused = self._refuses(result, locator) or self._nameless(result, locator)
        self.account.count_record("rejected" if refused else "converted")
        return None if refused else result

    def _check_rejected(self) -> None:
        self.too_many = self.too_many or self._selection.too_many(self.account)

    def _full(self, locator: str) -> bool:
        """Whether the limit of records is reached; the first time this is reported."""
        limit = self._selection.limit
        full = limit is not None and self.account.read >= limit
        if full and not self._stopped:
            report_stop(self.account, locator)
            self._stopped = True
        return full

    def _refuses(self, resource: Any, locator: str) -> bool:
        if self._validator is None:
            return False
        issues = self._validator.validate(resource, terminology=self._terminology)
        errors = [issue for issue in issues if issue.severity in ("error", "fatal")]
        self.account.count_issues(errors, locator)
        return bool(errors)

    def _nameless(self, resource: Any, locator: str) -> bool:
        """What has no id can't be distinguished from its twin when the file is loaded again."""
        named = isinstance(resource, dict) and bool(resource.get("id"))
        if not named:
            message = "it has no id; give it one, or send it in a transaction Bundle under a urn:uuid"
            self.account.count_issues([Issue("error", "FB-RUN-031", message, locator)])
        return not named


def _records(file: Path) -> Iterator[tuple[str, Any]]:
    """What a file holds, each with its locator: a resource, or the issue that says why there is none."""
    if is_ndjson(file):
        for locator, text in iter_documents(file):
            try:
                yield locator, loads_exact(text)
            except JsonError as error:
                yield locator, Issue("error", "FB-FHIR-001", str(error), locator)
        return
    try:
        resource = read_resource(file)
    except JsonError as error:
        yield file.name, Issue("error", "FB-FHIR-001", str(error), file.name)
        return
    entries = resource.get("entry", [])
    if (
        resource.get("resourceType") != "Bundle"
        or resource.get("type") not in _HELD
        or not isinstance(entries, list)
    ):
        yield file.name, resource
        return
    for number, entry in enumerate(entries):
        locator = f"{file.name}#entry[{number}]"
        yield locator, _loadable(entry, locator)


def _loadable(entry: Any, locator: str) -> Any:
    """The resource of an entry, or why it is none to load."""
    resource = entry.get("resource") if isinstance(entry, dict) else None
    if isinstance(resource, dict):
        search = entry.get("search")
        if isinstance(search, dict) and search.get("mode") == "outcome":
            return Issue(
                "information", "FB-RUN-033", "an outcome of a search is not part of a record", locator
            )
        return resource
    request = entry.get("request") if isinstance(entry, dict) else None
    if isinstance(request, dict) and request.get("method") == "DELETE":
        return Issue(
            "error", "FB-RUN-032", "a deletion is carried out by a transaction or batch only", locator
        )
    return Issue("error", "FB-RUN-032", "the entry holds no resource", locator)

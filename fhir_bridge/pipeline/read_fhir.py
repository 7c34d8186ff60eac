"""FHIR of files as resources, for who sends it on: NDJSON, resources, Bundles, and what transactions write."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from fhir_bridge.fhir.issues import Issue
from fhir_bridge.mapping import Site
from fhir_bridge.pipeline.account import Account
from fhir_bridge.pipeline.convert import NO_LIMIT, RejectionLimit, RunResult
from fhir_bridge.pipeline.fhir_records import Checked
from fhir_bridge.pipeline.shard import EVERY_RECORD, Selection, TooManyRejected, ValidateMode
from fhir_bridge.pipeline.sources import fhir_files

__all__ = ["FhirReading"]

_URN: Final = re.compile(r"urn:uuid:([0-9a-fA-F-]{36})")
_PUT: Final = re.compile(r"[A-Za-z]+/([A-Za-z0-9.-]{1,64})")


class FhirReading:
    """A run over files of FHIR that gives what is valid, each with an id, and accounts for the rest.

    Args:
        validate, site, selection, limit, on_progress: as of `load_fhir`.
    """

    def __init__(
        self,
        sources: Sequence[str],
        *,
        validate: ValidateMode = "sample",
        site: Path | None = None,
        selection: Selection = EVERY_RECORD,
        limit: RejectionLimit = NO_LIMIT,
        on_progress: Callable[[int], None] = lambda _read: None,
    ) -> None:
        self._started = time.monotonic()
        self.account = Account()
        self._files = list(fhir_files(sources, xml=True))
        self._selection, self._limit = selection, limit
        settings = Site.load(site) if site else Site()
        self._checked = Checked(validate, self.account, selection, on_progress, settings)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """The resources, in the order of the files; those of transactions first."""
        plain: list[Path] = []
        for file in self._files:
            bundle = self._checked.transaction(file)
            if bundle is None:
                plain.append(file)
            elif bundle:
                yield from self._transaction(file, bundle)
        for resource in self._checked.resources(plain):
            self.account.resources[str(resource["resourceType"])] += 1
            yield resource

    def result(self) -> RunResult:
        """The account, once all was read."""
        incomplete = str(TooManyRejected(self.account)) if self._checked.too_many else None
        if incomplete is None:
            self._selection.report_end(self.account)
        report = self.account.report(seconds=time.monotonic() - self._started)
        too_many = self._checked.too_many or self._limit.exceeded(self.account)
        return RunResult(self.account, report, incomplete, too_many)

    def _transaction(self, file: Path, bundle: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """What the entries write. Their addresses (`urn:uuid:`) are replaced by what they are of, as `load` does."""
        from fhir_bridge.storage import BadReference  # needs the database driver, as who sends does
        from fhir_bridge.storage.entry_links import named_from, rewrite

        named = {
            entry["fullUrl"]: f"{entry['resource'].get('resourceType')}/{identity}"
            for entry in bundle["entry"]
            if isinstance(entry.get("fullUrl"), str) and (identity := _identity(entry))
        }
        for position, entry in enumerate(bundle["entry"]):
            locator = f"{file.name}#entry[{position}]"
            identity = _identity(entry)
            method = (entry.get("request") or {}).get("method")
            problem = ""
            if method not in ("POST", "PUT"):
                problem = "only what is created or updated is sent on"
            elif not identity:
                problem = "the entry has no resource with an id or a urn:uuid"
            try:
                content = (
                    None
                    if problem
                    else rewrite(
                        {**entry["resource"], "id": identity}, named_from(entry.get("fullUrl"), named.get)
                    )
                )
            except BadReference as error:
                problem, content = str(error), None
            if content is None:
                self.account.count_record("rejected")
                self.account.count_issues([Issue("error", "FB-RUN-032", problem, locator)])
                continue
            self.account.count_record("converted")
            self.account.resources[str(content["resourceType"])] += 1
            yield content


def _identity(entry: Mapping[str, Any]) -> str | None:
    """The id of an entry's resource: of a PUT that of its address, else of its fullUrl, else its own."""
    request, resource = entry.get("request") or {}, entry.get("resource")
    if not isinstance(resource, dict):
        return None
    match = _PUT.fullmatch(str(request.get("url"))) if request.get("method") == "PUT" else None
    if match:
        return match[1]
    urn = _URN.fullmatch(str(entry.get("fullUrl", "")))
    if urn:
        return urn[1].lower()
    own = resource.get("id")
    return own if isinstance(own, str) else None

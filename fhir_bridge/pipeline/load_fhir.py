"""`load` without an adapter: NDJSON, resources and Bundles into the store as they are."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from fhir_bridge.fhir.access import EVERYTHING
from fhir_bridge.fhir.bundles import iter_resources, read_resource
from fhir_bridge.fhir.issues import Issue
from fhir_bridge.fhir.serialization import JsonError, loads, loads_exact
from fhir_bridge.fhir.validation import Validator
from fhir_bridge.mapping import Site
from fhir_bridge.pipeline.account import Account
from fhir_bridge.pipeline.convert import RunResult
from fhir_bridge.pipeline.engine import site_key
from fhir_bridge.pipeline.shard import ValidateMode
from fhir_bridge.pipeline.sources import SourceError
from fhir_bridge.pipeline.store_sink import BATCH
from fhir_bridge.storage import StorageError, Store
from fhir_bridge.terminology import get_terminology

__all__ = ["fhir_files", "load_fhir", "readable"]

Progress = Callable[[int], None]


def fhir_files(sources: Sequence[str], *, xml: bool = False) -> list[Path]:
    """Files of FHIR among the sources: named ones, and `.json`, `.ndjson` and (with `xml`) FHIR's `.xml` of folders.

    Reports, rejects and manifests that a run of ours left beside its NDJSON are no resources and are left out.

    Raises:
        SourceError: a source does not exist.
    """
    files: list[Path] = []
    for source in map(Path, sources):
        if source.is_dir():
            files += [
                file
                for file in sorted(source.rglob("*"))
                if (file.suffix in (".json", ".ndjson") or (xml and file.suffix == ".xml" and _is_fhir(file)))
                and file.name not in ("manifest.json", "report.json", "rejects.ndjson")
                and not any(part.startswith(".") for part in file.relative_to(source).parts)
            ]
        elif source.exists():
            files.append(source)
        else:
            raise SourceError(Issue("fatal", "FB-RUN-003", f"{source} does not exist", str(source)))
    return files


def _is_fhir(file: Path) -> bool:
    """Whether an XML file is FHIR's: folders hold documents of other standards beside it."""
    with file.open("rb") as opened:
        return b'"http://hl7.org/fhir"' in opened.read(4096).replace(b"'", b'"')


def load_fhir(
    sources: Sequence[str],
    url: str,
    *,
    validate: ValidateMode = "sample",
    site: Path | None = None,
    on_progress: Progress = lambda _read: None,
) -> RunResult:
    """Store NDJSON, single resources and Bundles as they are; an invalid or unreadable one is rejected by name.

    `sample` checks everything here: what others made has no mapping that vouches for it. `none` checks nothing.
    """
    started = time.monotonic()
    account = Account()
    settings = Site.load(site) if site else Site()
    checked = _Checked(validate, account, on_progress, settings)
    asyncio.run(_store(fhir_files(sources, xml=True), url, settings, checked))
    return RunResult(account, account.report(seconds=time.monotonic() - started))


async def _store(files: Iterable[Path], url: str, site: Site, checked: _Checked) -> None:
    async with await Store.open(url, max_size=1, known=site.definitions) as store:
        await store.check_site_key(site_key(site).fingerprint)
        plain: list[Path] = []
        for file in files:
            bundle = checked.transaction(file)
            if bundle is None:
                plain.append(file)
            elif bundle:
                await _transact(store, file, bundle, checked)
        result = await store.load(
            checked.resources(plain), adapter="fhir", precedence=site.precedence, batch=BATCH
        )
    account = checked.account
    account.count_issues(result.issues)
    account.converted -= result.rejected
    account.rejected += result.rejected
    account.resources.update(result.resources)
    account.stored.update(
        created=result.created,
        updated=result.updated,
        unchanged=result.unchanged,
        stale=result.stale,
        conflicts=result.conflicts,
    )


async def _transact(store: Store, file: Path, bundle: dict[str, Any], checked: _Checked) -> None:
    """Carry out a transaction or batch Bundle, its `urn:uuid`s resolved; done twice it changes nothing."""
    entries = [_repeatable(entry) for entry in bundle.get("entry") or []]
    bundle = {**bundle, "entry": entries}
    try:
        response = loads(await store.transaction(bundle, EVERYTHING))
    except StorageError as error:
        checked.account.count_record("rejected", len(entries))
        checked.account.count_issues([error.issue], file.name)
        return
    for number, (entry, answer) in enumerate(zip(entries, response.get("entry", ()), strict=False)):
        status = str(answer.get("response", {}).get("status", ""))
        if status[:1] in ("2", "3"):
            checked.account.count_record("converted")
            checked.account.stored["created" if status.startswith("201") else "updated"] += 1
            if isinstance(entry.get("resource"), dict):
                checked.account.resources[str(entry["resource"].get("resourceType"))] += 1
        else:
            checked.account.count_record("rejected")
            message = f"the batch entry was refused with {status}"
            checked.account.count_issues(
                [Issue("error", "FB-RUN-030", message, f"{file.name}#entry[{number}]")]
            )


def _repeatable(entry: dict[str, Any]) -> dict[str, Any]:
    """A POST under a `urn:uuid:` as a PUT to that UUID, so that loading the file again makes no second resource."""
    request, resource = entry.get("request") or {}, entry.get("resource")
    full_url = str(entry.get("fullUrl", ""))
    unconditional = request.get("method") == "POST" and not request.get("ifNoneExist")
    if not unconditional or not full_url.startswith("urn:uuid:") or not isinstance(resource, dict):
        return entry
    identity = full_url.removeprefix("urn:uuid:").lower()
    put = {"method": "PUT", "url": f"{resource.get('resourceType')}/{identity}"}
    return {**entry, "resource": {**resource, "id": identity}, "request": put}


class _Checked:
    """FHIR of others on its way into the store: read, validated and counted."""

    def __init__(self, validate: ValidateMode, account: Account, on_progress: Progress, site: Site) -> None:
        self.account = account
        terminology = get_terminology(definitions=site.definitions)
        self._validator = (
            None
            if validate == "none"
            else Validator(terminology, unknown_extensions="warning", definitions=site.definitions)
        )
        self._on_progress = on_progress

    def transaction(self, file: Path) -> dict[str, Any] | None:
        """The Bundle, if the file is a transaction or batch; empty if it is one that is not valid; None if neither."""
        if file.suffix not in (".json", ".xml"):
            return None
        with file.open("rb") as opened:
            if b"Bundle" not in opened.read(4096):
                return None
        try:
            bundle = read_resource(file)
        except JsonError:
            return None  # told of when it is read as a resource
        if bundle.get("resourceType") != "Bundle" or bundle.get("type") not in ("transaction", "batch"):
            return None
        if self._refuses(bundle, file.name):
            self.account.count_record("rejected", len(bundle.get("entry") or [None]))
            return {}
        return bundle

    def resources(self, files: Iterable[Path]) -> Iterator[dict[str, Any]]:
        """The resources of NDJSON, single files and collections that may be stored."""
        for file in files:
            for locator, text in readable(file):
                resource = _parsed(text)
                if isinstance(resource, JsonError):
                    self.account.count_record("rejected")
                    self.account.count_issues([Issue("error", "FB-FHIR-001", str(resource), locator)])
                    continue
                refused = self._refuses(resource, locator) or self._nameless(resource, locator)
                self.account.count_record("rejected" if refused else "converted")
                self._on_progress(self.account.read)
                if not refused:
                    yield resource

    def _refuses(self, resource: Any, locator: str) -> bool:
        if self._validator is None:
            return False
        errors = [i for i in self._validator.validate(resource) if i.severity in ("error", "fatal")]
        self.account.count_issues(errors, locator)
        return bool(errors)

    def _nameless(self, resource: Any, locator: str) -> bool:
        """What has no id can't be told from its twin when the file is loaded again."""
        named = isinstance(resource, dict) and bool(resource.get("id"))
        if not named:
            message = "it has no id; give it one, or send it in a transaction Bundle under a urn:uuid"
            self.account.count_issues([Issue("error", "FB-RUN-031", message, locator)])
        return not named


def _parsed(text: bytes | JsonError) -> Any:
    """The resource, or the error that stands in its place."""
    if isinstance(text, JsonError):
        return text
    try:
        return loads_exact(text)
    except JsonError as error:
        return error


def readable(file: Path) -> Iterator[tuple[str, bytes | JsonError]]:
    """The resources of a file as text; in place of a file that is no JSON, the error that says where."""
    try:
        yield from iter_resources(file)
    except JsonError as error:
        yield file.name, error

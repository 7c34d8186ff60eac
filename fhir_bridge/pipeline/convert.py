"""`convert`: sources to a folder of NDJSON, a report and the rejects."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from fhir_bridge.fhir.issues import Issue
from fhir_bridge.mapping import find_mapping
from fhir_bridge.pipeline.account import Account
from fhir_bridge.pipeline.engine import RunIncomplete, run_shards, site_key, site_of
from fhir_bridge.pipeline.manifest import Manifest, fingerprint_of
from fhir_bridge.pipeline.ndjson import PARTS, OutputFolder, assemble
from fhir_bridge.pipeline.plan import RunRequest, Shard, plan
from fhir_bridge.pipeline.shard import TooManyRejected
from fhir_bridge.pipeline.sources import expand
from fhir_bridge.plugins import adapters

__all__ = ["NO_LIMIT", "RejectionLimit", "RunResult", "convert", "exit_code", "write_report"]

Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class RejectionLimit:
    """`--max-rejected N` or `P%`."""

    number: int | None = None
    percent: float | None = None

    @classmethod
    def parse(cls, text: str) -> RejectionLimit:
        """Read `25` or `2.5%`.

        Raises:
            ValueError: neither a count nor a percentage.
        """
        if text.endswith("%"):
            percent = float(text[:-1])
            if not 0 <= percent <= 100:
                raise ValueError(f"{text} is not between 0% and 100%")
            return cls(percent=percent)
        number = int(text)
        if number < 0:
            raise ValueError(f"{text} is negative")
        return cls(number=number)

    def exceeded(self, account: Account) -> bool:
        """Whether the finished run rejected more than allowed."""
        if self.number is not None:
            return account.rejected > self.number
        return self.percent is not None and account.rejected * 100 > self.percent * max(account.read, 1)


NO_LIMIT = RejectionLimit()


@dataclass(frozen=True, slots=True)
class RunResult:
    """How a run ended.

    Attributes:
        report: as written to the report file.
        incomplete: why the run did not reach its end, if it did not.
        too_many_rejected: `--max-rejected` was exceeded.
    """

    account: Account
    report: dict[str, Any]
    incomplete: str | None = None
    too_many_rejected: bool = False


def exit_code(result: RunResult) -> int:
    """0 nothing rejected, partial or withheld, 1 something was, 3 incomplete, 4 too many rejected."""
    if result.too_many_rejected:
        return 4
    if result.incomplete:
        return 3
    account = result.account
    return 1 if account.rejected or account.partial or account.withheld else 0


def convert(
    request: RunRequest,
    sources: Sequence[str],
    out: Path,
    *,
    jobs: int = 1,
    resume: bool = False,
    force: bool = False,
    limit: RejectionLimit = NO_LIMIT,
    on_progress: Progress = lambda _read: None,
) -> RunResult:
    """Convert `sources` into `out`.

    Raises:
        OutputFolderError, ManifestError, SourceError, MappingErrors: before anything is written.
    """
    started = time.monotonic()
    adapter = adapters()[request.adapter]
    paths, left = expand(sources, adapter)
    shards = plan(request, adapter, paths, jobs)
    folder = OutputFolder(out)
    folder.prepare(resume=resume, force=force)
    manifest = Manifest(
        out / "manifest.json", _parameters(request, shards), [fingerprint_of(s.paths) for s in shards]
    )
    if resume and manifest.resume() and manifest.complete:
        return _result(manifest.done.values(), _left_alone(left), started)
    manifest.save()

    todo = [(number, shard) for number, shard in enumerate(shards) if number not in manifest.done]
    sinks = {number: ("parts", str(out / PARTS / str(number))) for number, _ in todo}
    incomplete, too_many = None, False
    try:
        for number, account in run_shards(request, todo, sinks, jobs=jobs, on_progress=on_progress):
            manifest.done[number] = account
            manifest.save()
    except RunIncomplete as error:
        incomplete = str(error)
    except TooManyRejected as error:
        incomplete, too_many = str(error), True
    files = _left_alone(left)
    if incomplete is None:
        assemble(out, len(shards), files)
        manifest.complete = True
        manifest.save()
    result = _result(manifest.done.values(), files, started, incomplete)
    over = too_many or limit.exceeded(result.account)
    return RunResult(result.account, result.report, incomplete, over)


def _parameters(request: RunRequest, shards: Sequence[Shard]) -> dict[str, Any]:
    return {
        "adapter": request.adapter,
        "mappings": [
            f"{name}:{find_mapping(name).stat().st_size}" for name in dict.fromkeys(s.mapping for s in shards)
        ],
        "options": {key: str(value) for key, value in sorted(request.options.items())},
        "site key": site_key(site_of(request)).fingerprint,
        "selection": [request.selection.only, request.selection.limit],
    }


def _left_alone(left: Sequence[Path]) -> Account:
    """Files of other kinds in the named folders: no records of this adapter, but not passed over in silence."""
    account = Account()
    if left:
        endings = sorted({path.suffix or path.name for path in left})
        message = f"files of other kinds in the folders were left alone ({', '.join(endings[:8])})"
        account.count_issues(Issue("information", "FB-RUN-001", message, str(path)) for path in left)
    return account


def _result(accounts: Any, files: Account, started: float, incomplete: str | None = None) -> RunResult:
    total = Account()
    for account in accounts:
        total.add(account)
    total.add(files)
    return RunResult(total, total.report(seconds=time.monotonic() - started), incomplete)


def write_report(report: dict[str, Any], path: Path) -> None:
    """Write a report, indented, atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_bytes(orjson.dumps(report, option=orjson.OPT_INDENT_2) + b"\n")
    temporary.replace(path)

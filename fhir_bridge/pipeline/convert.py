"""`convert`: sources to a folder of NDJSON, a report and the rejects."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson

from fhir_bridge.fhir.issues import Issue
from fhir_bridge.pipeline.account import Account
from fhir_bridge.pipeline.context import ConversionContext, SourceState
from fhir_bridge.pipeline.engine import RunIncomplete, SinkSpec, collect_seldom, prepare, run_shards
from fhir_bridge.pipeline.manifest import DoneShard, EarlierRun, Finished, Manifest
from fhir_bridge.pipeline.ndjson import PARTS, OutputFolder, assemble, remove_parts
from fhir_bridge.pipeline.plan import RunRequest, Shard, complete, divided, is_short, plan
from fhir_bridge.pipeline.shard import TooManyRejected
from fhir_bridge.pipeline.source_files import SourceStates
from fhir_bridge.pipeline.sources import expand
from fhir_bridge.plugins import adapters

__all__ = ["NO_LIMIT", "RejectionLimit", "RunResult", "convert", "exit_code", "left_alone", "write_report"]

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
    """0 nothing rejected, partial or withheld and no error, 1 something was, 3 incomplete, 4 too many rejected."""
    if result.too_many_rejected:
        return 4
    if result.incomplete:
        return 3
    account = result.account
    return 1 if account.rejected or account.partial or account.withheld or account.has_errors else 0


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
    earlier = EarlierRun.read(out) if resume else None
    request = replace(request, short=is_short(paths))
    split = earlier.split if earlier else jobs
    shards = divided(request, adapter, plan(request, adapter, paths, split), split)
    if len(shards) == 1:
        request = replace(request, jobs=jobs)
    context = ConversionContext.of(request)
    selection = {"only": request.selection.only, "limit": request.selection.limit}
    manifest = Manifest(out, selection, split, _parts(context, shards), shards)
    apart = jobs > 1 and len(shards) > 1 and request.selection.limit is None
    prepare(request, manifest.context, "parts", apart=apart)
    collect_seldom()
    if earlier is not None:
        earlier.give_to(manifest)
    incomplete, too_many, total = None, False, Account()
    if manifest.finished is None:
        OutputFolder(out).prepare(resume=resume, force=force)
        manifest.save()
        try:
            incomplete = _run(request, manifest, jobs, on_progress)
        except TooManyRejected as error:
            incomplete, too_many = str(error), True
            total.add(error.account)
    for _, shard in sorted(manifest.done.items()):
        total.add(shard.account)
    if manifest.finished is not None:
        total.add(manifest.finished.account)
    total.add(left_alone(left))
    if incomplete is None:
        complete(request, adapter, shards)
        request.selection.report_end(total)
    report = total.report(seconds=time.monotonic() - started)
    return RunResult(total, report, incomplete, too_many or limit.exceeded(total))


def _parts(context: ConversionContext, shards: Sequence[Shard]) -> dict[str, dict[str, str]]:
    return {mapping: context.parts(mapping) for mapping in dict.fromkeys(shard.mapping for shard in shards)}


def _run(request: RunRequest, manifest: Manifest, jobs: int, on_progress: Progress) -> str | None:
    """Convert what is not done and join the parts; why the run is incomplete, or None.

    Raises:
        TooManyRejected: as the request's selection says.
    """
    todo = [(number, shard) for number, shard in enumerate(manifest.shards) if number not in manifest.done]
    sinks = {number: ("parts", str(manifest.folder / PARTS / str(number))) for number, _ in todo}
    # Taken before reading: where it is the same after hashing, what was hashed is what was read.
    before = {number: _fingerprint(map(SourceState.status_of, shard.paths)) for number, shard in todo}
    changed: list[str] = []
    try:
        for number, account in _accounts(request, manifest, todo, sinks, jobs, on_progress):
            shard = manifest.shards[number]
            states = SourceStates(map(SourceState.of, shard.paths))
            if _fingerprint(state.status for state in states) != before[number]:
                changed += map(str, shard.paths[:_SHOWN])
                continue
            manifest.done[number] = DoneShard(states, account)
            manifest.save()
    except RunIncomplete as error:
        return str(error)
    if changed:
        return (
            f"sources changed while they were read ({', '.join(changed[:_SHOWN])}); --resume reads them again"
        )
    # What was read at the beginning may be another file now, from which a worker took its mapping.
    if _parts(ConversionContext.of(request), manifest.shards) != manifest.context:
        return "mapping, site, terminology or packages changed during the run; start it anew with --force"
    joined = Account()
    files = assemble(manifest.folder, len(manifest.shards), joined)
    manifest.finished = Finished(files, joined)
    # Noted before the parts go: cut off in between, the run is finished and only leaves parts behind.
    manifest.save()
    remove_parts(manifest.folder)
    return None


def _accounts(
    request: RunRequest,
    manifest: Manifest,
    todo: Sequence[tuple[int, Shard]],
    sinks: Mapping[int, SinkSpec],
    jobs: int,
    on_progress: Progress,
) -> Iterator[tuple[int, Account]]:
    """Run the shards; what a file in pieces ends with is run when all of these are done."""
    for ends in (False, True):
        these = [(number, shard) for number, shard in todo if shard.ends == ends]
        done = [shard.account for _, shard in sorted(manifest.done.items())]
        if ends:
            states = tuple(account.state for account in done if account.state is not None)
            if these and len(states) + len(these) != len(manifest.shards):
                return  # a source changed while it was read
            these = [(number, replace(shard, states=states)) for number, shard in these]
        if these:
            before = sum(account.read for account in done)
            yield from run_shards(
                request, these, sinks, manifest.context, jobs=jobs, on_progress=on_progress, before=before
            )


_SHOWN = 5


def _fingerprint(statuses: Iterable[tuple[int, ...]]) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for status in statuses:
        digest.update(repr(status).encode())
    return digest.hexdigest()


def left_alone(left: Sequence[Path]) -> Account:
    """Files of other kinds in the named folders: no records of this adapter, but not passed over in silence."""
    account = Account()
    if left:
        endings = sorted({path.suffix or path.name for path in left})
        message = f"files of other kinds in the folders were left alone ({', '.join(endings[:8])})"
        account.count_issues(Issue("information", "FB-RUN-001", message, str(path)) for path in left)
    return account


def write_report(report: dict[str, Any], path: Path) -> None:
    """Write a report, indented, atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_bytes(orjson.dumps(report, option=orjson.OPT_INDENT_2) + b"\n")
    temporary.replace(path)

"""A mapping tried on sources: its account, and what it gave."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fhir_bridge.fhir.ids import DEMO_KEY, IdKey
from fhir_bridge.fhir.validation import Validator
from fhir_bridge.mapping import CompiledMapping, Context, IdentityResolver, Site, load_mapping
from fhir_bridge.pipeline import Account, RunRequest, Selection, convert
from fhir_bridge.pipeline.shard import OutputCheck, ShardRun, ValidateMode
from fhir_bridge.plugins import IssueLike, adapters

__all__ = ["Trial", "convert_whole", "convert_with", "try_mapping"]


@dataclass(slots=True)
class Trial:
    """What a mapping gave: resources, and the issues of every record with the code of each."""

    account: Account
    resources: list[dict[str, Any]] = field(default_factory=list)
    rejections: list[tuple[str, list[IssueLike]]] = field(default_factory=list)


class _Collected:
    def __init__(self, trial: Trial) -> None:
        self._trial = trial

    def write(self, record: Any, account: Account) -> None:  # noqa: ARG002 - a sink's signature
        self._trial.resources.extend(output.resource for output in record.outputs)

    def reject(self, locator: str, outcome: str, issues: Iterable[IssueLike]) -> None:  # noqa: ARG002 - a sink's
        self._trial.rejections.append((locator, list(issues)))

    def flush(self, account: Account) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """Nothing is open."""


def try_mapping(
    mapping: CompiledMapping,
    sources: list[Path],
    site: Site | None = None,
    *,
    limit: int | None = None,
    check: ValidateMode = "all",
) -> Trial:
    """Convert sources with a mapping, nothing written; which outputs are validated is `check`'s to say."""
    site = site or Site(demo_key=True)
    terminology = site.open_terminology()
    context = Context(
        site=site,
        terminology=terminology,
        identity=IdentityResolver(site, IdKey(DEMO_KEY)),
        adapter=mapping.adapter,
    )
    validation = OutputCheck(Validator.of(terminology, definitions=site.definitions), check)
    run = ShardRun(adapters()[mapping.adapter], mapping, context, {}, validation, Selection(limit=limit))
    trial = Trial(Account())
    trial.account = run.run(sources, _Collected(trial))
    return trial


def convert_with(text: str, sample: Path, *, limit: int | None = None) -> Trial:
    """Compile the text of a mapping and try it on a sample.

    Raises:
        MappingErrors: the text is no mapping without errors.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "mapping.yaml"
        file.write_text(text, "utf-8")
        mapping = load_mapping(file, adapters=adapters())
    return try_mapping(mapping, [sample], limit=limit)


def convert_whole(text: str, sample: Path, *, limit: int | None = None) -> Account:
    """The account of what `convert` does with a mapping and a sample: into files of their own, each output validated.

    Raises:
        MappingErrors: the text is no mapping without errors.
        SourceError: the sample can't be read.
    """
    with tempfile.TemporaryDirectory() as folder:
        mapping, site = Path(folder) / "mapping.yaml", Path(folder) / "site.yaml"
        mapping.write_text(text, "utf-8")
        site.write_text("demo_key: true\nzone: UTC\n", "utf-8")
        request = RunRequest("csv", str(mapping), site, selection=Selection(limit=limit), validate="all")
        return convert(request, [str(sample)], Path(folder) / "out", force=True).account

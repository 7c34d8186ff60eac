"""`model`: what models there are, which version runs, how they do, and their end."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from fhir_bridge.cli.database import open_database, run_async
from fhir_bridge.cli.output import UsageError, stdout

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from fhir_bridge.mapping import Site
    from fhir_bridge.storage import Store

__all__ = ["app"]

app = typer.Typer(
    help="Models: begin, check and seal a model.yaml, promote, compare, withdraw.", no_args_is_help=True
)

SiteOption = Annotated[
    Path | None,
    typer.Option(
        "--site", exists=True, dir_okay=False, envvar="FHIR_BRIDGE_SITE", help="The site's settings."
    ),
]
Name = Annotated[str, typer.Argument(metavar="MODEL", help="Name of the model at this site.")]
File = Annotated[
    Path, typer.Argument(exists=True, dir_okay=False, metavar="MODEL.YAML", help="The file beside the model.")
]


def _site(path: Path | None) -> Site:
    from fhir_bridge.mapping import Site

    return Site.load(path) if path else Site()


def _with_store(site: Site, work: Callable[[Store], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        from fhir_bridge.storage import Store

        async with await Store.open(url, known=site.definitions) as store:
            return await work(store)

    url = open_database()
    return run_async(run())


def _content(site: Site, name: str) -> tuple[str, str]:
    """Version and content of the model as it is installed now."""
    from fhir_bridge.predictions import PredictionError, find_predictor
    from fhir_bridge.predictions.identity import content_hash_of

    try:
        predictor = find_predictor(name, site.parameters)
        return predictor.version, content_hash_of(predictor)
    except (PredictionError, OSError) as error:
        raise UsageError(str(error)) from error


@app.command("check")
def check(
    model: File,
    seconds: Annotated[
        float, typer.Option("--seconds", min=1, max=3600, help="Time that the model may take.")
    ] = 30.0,
) -> None:
    """Say what is wrong with a model.yaml, with its line, and whether the model beside it fits.

    Its file has to be the one that was sealed; it is run for the shapes of its inputs and outputs, and on different
    patients together and alone, within --seconds.

    fhir-bridge model check my-model/model.yaml
    """
    from fhir_bridge.predictions.manifest_file import ManifestError, load_manifest, located
    from fhir_bridge.predictions.model_check import remarks, within

    try:
        manifest, _ = load_manifest(model)
        for line in located(model, remarks(manifest)).splitlines():
            stdout.print(escape(f"warning: {line}"), soft_wrap=True)
        problems = located(model, within(seconds, manifest, model.parent))
    except ManifestError as error:
        problems = str(error)
    if problems:
        stdout.print(escape(problems), soft_wrap=True)
        raise typer.Exit(1)
    stdout.print(f"{manifest.name} {manifest.version}: {len(manifest.inputs)} inputs, {manifest.output.kind}")


@app.command("new")
def new(
    folder: Annotated[
        Path, typer.Argument(file_okay=False, metavar="FOLDER", help="Where the files go; made if need be.")
    ],
) -> None:
    """Write a model to begin with: an ONNX file of three inputs, worth nothing, and the model.yaml beside it.

    fhir-bridge model new my-model
    """
    from fhir_bridge import predictions

    source = Path(predictions.__file__).parent / "example_model"
    names = ("model.onnx", "model.yaml")
    taken = [str(folder / name) for name in names if (folder / name).exists()]
    if taken:
        raise UsageError(f"{taken[0]} is there already: name another folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in names:
            (folder / name).write_bytes((source / name).read_bytes())
    except OSError as error:
        raise UsageError(f"{folder}: can't be written: {error.strerror}") from error
    stdout.print(
        f"{folder / 'model.yaml'}: say what your model takes, and put its file in the place of {names[0]}",
        soft_wrap=True,
        highlight=False,
        markup=False,
    )


@app.command("seal")
def seal(model: File) -> None:
    """Write the hash of the ONNX file into model.yaml: a file that is altered afterwards is refused.

    fhir-bridge model seal my-model/model.yaml
    """
    from fhir_bridge.predictions.manifest import OnnxBlock
    from fhir_bridge.predictions.manifest_file import ManifestError, load_manifest

    try:
        manifest, _ = load_manifest(model)
    except ManifestError as error:
        stdout.print(escape(str(error)), soft_wrap=True)
        raise typer.Exit(1) from error
    if not isinstance(manifest.model, OnnxBlock):
        raise UsageError(f"{model}: a model behind a server has no file to seal")
    file = model.parent / manifest.model.onnx
    try:
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError as error:
        raise UsageError(f"{file}: can't be read: {error.strerror}") from error
    text = model.read_text(encoding="utf-8")
    if manifest.model.sha256:
        text = text.replace(manifest.model.sha256, digest)
    else:
        # Beside `onnx:`, in whichever of YAML's forms it is written.
        text, count = re.subn(
            r"(?m)^(\s*)((?:model:\s*\{\s*)?)onnx:\s*([^,}\n#]+?)(\s*(?:[,}#].*)?)$",
            lambda match: (
                f"{match[1]}{match[2]}onnx: {match[3]}, sha256: {digest}{match[4]}"
                if match[2]
                else f"{match[1]}onnx: {match[3]}{match[4]}\n{match[1]}sha256: {digest}"
            ),
            text,
            count=1,
        )
        if not count:
            raise UsageError(f"{model}: write `sha256: {digest}` below `onnx:`")
    model.write_text(text, encoding="utf-8")
    stdout.print(f"{file.name}: {digest}")


@app.command("list")
def list_models(site: SiteOption = None) -> None:
    """List the models of this site: version, content, whether they run, who approved them until when."""
    from fhir_bridge.predictions import PredictionError
    from fhir_bridge.predictions.registry import known_predictors
    from fhir_bridge.storage.model_versions import ModelVersions

    settings = _site(site)
    try:
        known = known_predictors(settings.parameters)
    except PredictionError as error:
        raise UsageError(str(error)) from error
    versions = _with_store(settings, lambda store: ModelVersions(store.pool).all())
    blocks = settings.parameters.get("predictions") or {}
    table = Table(title="Models", title_justify="left")
    for column in ("model", "version", "content", "here", "approved by", "until"):
        table.add_column(column, overflow="fold")
    for name in sorted(known):
        version, content = _content(settings, name)
        block = blocks.get(name) or {}
        state = "enabled" if block.get("enabled") is True else "off"
        if block.get("shadow_of"):
            state = f"shadow of {block['shadow_of']}"
        own = next((item for item in versions if item.model == name and item.content == content), None)
        until = f"{own.expires:%Y-%m-%d}" if own is not None and own.expires else ""
        approver = "" if own is None else f"{own.approver} ({own.state}{', expired' if own.expired else ''})"
        table.add_row(name, version, content[:12], state, approver, until)
    stdout.print(table)


@app.command("promote")
def promote(
    model: Name,
    approver: Annotated[str, typer.Option("--approver", help="Who approves it.")],
    expires: Annotated[str, typer.Option("--expires", metavar="DATE", help="Last day of the approval.")],
    reason: Annotated[str, typer.Option("--reason", help="Why.")] = "",
    site: SiteOption = None,
) -> None:
    """Make the content that is installed now the one that runs; from then on no other content of the model does.

    fhir-bridge model promote own-risk --approver "Dr. Alpha" --expires 2027-06-30
    """
    from fhir_bridge.storage.model_versions import ModelVersions

    try:
        end = datetime.fromisoformat(f"{expires}T23:59:59+00:00").astimezone(UTC)
    except ValueError as error:
        raise UsageError(f"--expires {expires}: write YYYY-MM-DD") from error
    if end <= datetime.now(UTC):
        raise UsageError(f"--expires {expires} is past")
    if not approver.strip():
        raise UsageError("--approver names a person")
    settings = _site(site)
    version, content = _content(settings, model)
    _with_store(
        settings,
        lambda store: ModelVersions(store.pool).promote(model, content, version, approver, end, reason),
    )
    stdout.print(f"{model} {version} ({content[:12]}) runs until {expires}")


@app.command("withdraw")
def withdraw_model(
    model: Name,
    reason: Annotated[str, typer.Option("--reason", help="Why; every result says it.")],
    by: Annotated[str, typer.Option("--by", help="Who withdraws it.")],
    site: SiteOption = None,
) -> None:
    """Retire the content that is installed now, and withdraw all results of the model.

    fhir-bridge model withdraw own-risk --by "Dr. Alpha" --reason "wrong weights"
    """
    from fhir_bridge.predictions.reviewing import withdraw
    from fhir_bridge.storage.model_versions import ModelVersions

    if not reason.strip() or not by.strip():
        raise UsageError("--reason and --by say why and who")
    settings = _site(site)
    version, content = _content(settings, model)

    async def work(store: Store) -> int:
        await ModelVersions(store.pool).retire(model, content, version, by, reason)
        return await withdraw(store, await store.results.of_model(model), reason, {"display": by})

    count = _with_store(settings, work)
    stdout.print(f"{model} {version} is retired; {count:,} results are withdrawn")


@app.command("evaluate")
def evaluate(model: Name, site: SiteOption = None) -> None:
    """Show how a model does here: drift of inputs, discrimination and calibration against outcomes, its shadows.

    Outcomes come by `outcome: {view, time, within_days}` of the model's block in the site file.
    """
    from fhir_bridge.predictions.monitoring import evaluate as measured_of

    settings = _site(site)
    evaluated = _with_store(settings, lambda store: measured_of(store, settings.parameters, model))
    if evaluated.problem:
        raise UsageError(evaluated.problem)
    table = Table(title=f"{model}: results against outcomes", title_justify="left")
    for column in (
        "version",
        "group",
        "results",
        "known",
        "events",
        "AUROC",
        "Brier",
        "expected",
        "observed",
    ):
        table.add_column(column, justify="left" if column in ("version", "group") else "right")
    for measured in evaluated.measured:
        for group in measured.groups:
            numbers = (group.auroc, group.brier, group.expected, group.observed)
            shown = ["" if number is None else f"{number:.3f}" for number in numbers]
            table.add_row(
                measured.version, group.name, str(group.results), str(group.known), str(group.events), *shown
            )
    stdout.print(table)
    inputs = Table(title="Drift of inputs (PSI, last 30 days)", title_justify="left")
    for column in ("input", "before", "after", "PSI"):
        inputs.add_column(column)
    for drift in evaluated.drifts:
        index = "too few" if drift.psi is None else f"{drift.psi:.3f}"
        inputs.add_row(drift.label, str(drift.before), str(drift.after), index)
    stdout.print(inputs)
    beside = Table(title="Shadows", title_justify="left")
    for column in ("shadow", "version", "patients", "mean difference", "same category", "failed"):
        beside.add_column(column)
    for item in evaluated.shadows:
        difference = "" if item.difference is None else f"{item.difference:+.2f}"
        same = "" if item.same_category is None else f"{item.same_category:.0%}"
        beside.add_row(item.shadow, item.version, str(item.patients), difference, same, str(item.failed))
    stdout.print(beside)

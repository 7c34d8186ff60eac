"""`fhir`: resources in files, for a person with a question: XML and JSON, patches and differences, FHIRPath."""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from fhir_bridge.cli.fhir_difference import difference
from fhir_bridge.cli.output import UsageError, counted, counting, stderr, steps

if TYPE_CHECKING:
    from fhir_bridge.fhir import JsonError
    from fhir_bridge.fhir.fhirpath import Expression, FHIRPathError

__all__ = ["app"]

_FIRST_NAME = re.compile(r"\s*([A-Z]\w*)")

app = typer.Typer(
    help="Resources in files: XML to JSON and back, patches and differences, FHIRPath.", no_args_is_help=True
)

app.command("difference")(difference)


class Syntax(StrEnum):
    """How a resource is written."""

    json = "json"
    xml = "xml"


class Format(StrEnum):
    """How results are printed."""

    text = "text"
    json = "json"


Files = Annotated[
    list[str], typer.Argument(metavar="FILE...", help="JSON, NDJSON and XML files, or folders of them.")
]
ResourceFile = Annotated[
    Path, typer.Argument(exists=True, dir_okay=False, metavar="RESOURCE", help="JSON or XML.")
]
OutFile = Annotated[
    Path | None,
    typer.Option("--out", "-o", dir_okay=False, help="Write here (.json or .xml), not to the screen."),
]


@app.command("convert")
def convert(
    files: Files,
    to: Annotated[Syntax, typer.Option("--to", help="What to write.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", file_okay=False, help="Folder for one file a resource.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace files that are there.")] = False,
) -> None:
    """Turn resources from JSON to XML or back, without loss: digits, ids and extensions of primitives, narratives.

        fhir-bridge fhir convert patient.json --to xml

        fhir-bridge fhir convert exports/ --to json --out json/

    A folder gives its files of the other syntax. Each line of an NDJSON file becomes a file (`labs-12.xml`). Without
    --out, one resource goes to the screen, and several as NDJSON (JSON only).

    Exit code 1: something could not be converted; it is named, with line, column and element, and the rest is written.
    """
    from fhir_bridge.fhir import JsonError, dumps, xml

    results = [(source, file) for source in files for file in _of_the_other_syntax(source, to)]
    if not results:
        raise UsageError(f"nothing to convert to {to.value} was found")
    several = len(results) > 1 or results[0][1].suffix == ".ndjson"
    if out is None and several and to is Syntax.xml:
        raise UsageError("several resources need --out FOLDER: an XML document holds one")
    failed = written = 0
    with steps("converting", len(results)) as advance:
        for source, file in results:
            advance(file.name)
            for name, resource in _resources_of(source, file):
                try:
                    if isinstance(resource, JsonError):
                        raise resource
                    if out is None:
                        typer.echo(dumps(resource) if several else _text(resource, to), nl=several)
                    else:
                        _write(out / f"{name}.{to.value}", _text(resource, to), force=force)
                    written += 1
                except (JsonError, xml.XmlError) as error:
                    failed += 1
                    stderr.print(f"[red]error:[/] {escape(_error_message(file, error))}", soft_wrap=True)
    stderr.print(f"{counted(written, 'resource')} converted" + (f", {failed:,} refused" if failed else ""))
    raise typer.Exit(1 if failed else 0)


@app.command("patch")
def patch(
    resource: ResourceFile,
    operations: Annotated[
        Path,
        typer.Argument(
            exists=True, dir_okay=False, metavar="PATCH", help="A JSON Patch, or Parameters as JSON or XML."
        ),
    ],
    out: OutFile = None,
    new_identity: Annotated[
        bool, typer.Option("--allow-identity-change", help="Let the patch change resourceType or id.")
    ] = False,
) -> None:
    """Apply a patch to a resource: a JSON Patch (RFC 6902) or a FHIRPath Patch (R4 fhirpatch.html).

        fhir-bridge fhir patch patient.json changes.json --out patched.json

    All operations apply, or none: an error names the operation by its number, its path and the reason. The outcome is
    not validated; `fhir-bridge validate` does that.
    """
    from fhir_bridge.fhir import JsonError, loads_exact
    from fhir_bridge.fhir.patch import PatchError, fhirpath_patch, json_patch

    before = _read(resource)
    try:
        content = operations.read_bytes()
        if content.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"["):
            after = json_patch(before, loads_exact(content), keep_identity=not new_identity)
        else:
            after = fhirpath_patch(before, _read(operations), keep_identity=not new_identity)
    except (JsonError, PatchError) as error:
        raise UsageError(f"{operations.name}: {error}") from error
    _emit(after, out, resource)


@app.command("make-patch")
def make_patch(
    before: ResourceFile,
    after: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, metavar="CHANGED", help="The other version.")
    ],
    out: OutFile = None,
) -> None:
    """The FHIRPath Patch that turns one version of a resource into another, as Parameters.

    fhir-bridge fhir make-patch old.json new.json --out changes.json
    """
    from fhir_bridge.fhir.patch import PatchError, fhirpath_difference

    try:
        parameters = fhirpath_difference(_read(before), _read(after))
    except PatchError as error:
        raise UsageError(str(error)) from error
    _emit(parameters, out, before)


@app.command("path")
def path(
    expression: Annotated[str, typer.Argument(metavar="EXPRESSION", help="FHIRPath, in quotes.")],
    files: Files,
    entries: Annotated[
        bool, typer.Option("--entries", help="Look at each resource of a Bundle, not at the Bundle.")
    ] = False,
    output: Annotated[
        Format, typer.Option("--format", help="text for people, json (a line a result) for tools.")
    ] = (Format.text),
) -> None:
    """Evaluate FHIRPath on resources; print each result with where it is and its type.

    Names lead from element to element; a filter is in where(); a choice such as value[x] is just value:

        fhir-bridge fhir path "Patient.name.where(use = 'official').given" patients.ndjson

        fhir-bridge fhir path "Observation.value.ofType(Quantity).value > 5" labs/

        fhir-bridge fhir path "Bundle.entry.resource.ofType(Condition).code.coding.code" document.xml

        fhir-bridge fhir path "name.exists() and birthDate < today() - 18 years" patients/ --format json

    Functions to begin with: exists() empty() count() first() where() select() all() matches() startsWith()
    extension('url') ofType(Type) resolve() descendants(). FHIRPath: http://hl7.org/fhirpath, R4 fhirpath.html.

    Exit code 1: a resource could not be read or the expression not be evaluated on it; 2: it is no FHIRPath.
    """
    from fhir_bridge.fhir import JsonError, Validator
    from fhir_bridge.fhir.fhirpath import FHIRPathError, compile, json_value  # noqa: A004 - its name there
    from fhir_bridge.pipeline.sources import fhir_files

    try:
        compile(expression)
    except FHIRPathError as error:
        raise UsageError(f"not FHIRPath: {error}") from error
    compiled: dict[str, Expression | FHIRPathError | None] = {}
    resources = results = failed = 0
    validator = Validator()
    with counting("evaluating") as progress:
        for file in fhir_files(files, xml=True):
            for locator, resource in _located(file, entries):
                resources += 1
                progress(resources)
                try:
                    if isinstance(resource, JsonError):
                        raise resource
                    evaluated = _compiled(expression, resource, compiled)
                    result = evaluated.items(resource, conformance=validator) if evaluated else []
                except (JsonError, FHIRPathError) as error:
                    failed += 1
                    stderr.print(f"[red]error:[/] {escape(f'{locator}: {error}')}", soft_wrap=True)
                    continue
                results += len(result)
                for item in result:
                    _print_result(locator, item.path, item.type, json_value(item), output)
    summary = f"{counted(results, 'result')} in {counted(resources, 'resource')}"
    stderr.print(summary + (f", {failed:,} could not be evaluated" if failed else ""))
    raise typer.Exit(1 if failed else 0)


def _of_the_other_syntax(source: str, to: Syntax) -> list[Path]:
    """A named file, or those of a folder that are not yet in the syntax asked for."""
    from fhir_bridge.pipeline.sources import fhir_files

    files = fhir_files([source], xml=True)
    if Path(source).is_dir():
        return [file for file in files if (file.suffix == ".xml") is (to is Syntax.json)]
    return files


def _resources_of(source: str, file: Path) -> Iterator[tuple[Path, dict[str, Any] | JsonError]]:
    """The whole resources of a file, each with the path (no suffix) of the file to be written."""
    from fhir_bridge.fhir import JsonError, iter_resources, loads_exact
    from fhir_bridge.fhir.bundles import read_resource

    inside = file.relative_to(source) if Path(source).is_dir() else Path(file.name)
    if file.suffix not in (".ndjson", ".jsonl"):
        try:
            yield inside.with_suffix(""), read_resource(file)
        except JsonError as error:
            yield inside, error
        return
    for locator, text in iter_resources(file):
        number = locator.rpartition(":")[2]
        name = inside.with_name(f"{inside.stem}-{number}")
        try:
            yield name, loads_exact(text)
        except JsonError as error:
            yield name, JsonError(f"{locator}: {error}")


def _located(file: Path, entries: bool) -> Iterator[tuple[str, dict[str, Any] | JsonError]]:
    """Resources with their locators: lines of NDJSON, whole files, or the entries of a Bundle."""
    from fhir_bridge.fhir import JsonError, iter_resources, loads_exact
    from fhir_bridge.fhir.bundles import read_resource

    try:
        if not entries and file.suffix not in (".ndjson", ".jsonl"):
            yield file.name, read_resource(file)
            return
        for locator, text in iter_resources(file):
            try:
                resource = loads_exact(text)
                yield locator, resource if isinstance(resource, dict) else JsonError("expected a JSON object")
            except JsonError as error:
                yield locator, error
    except JsonError as error:
        yield file.name, error


def _compiled(
    expression: str, resource: dict[str, Any], known: dict[str, Expression | FHIRPathError | None]
) -> Expression | None:
    """The expression for this type, where a misspelt element is found at once; None where it is about another type."""
    from fhir_bridge.fhir.definitions import resource_types
    from fhir_bridge.fhir.fhirpath import FHIRPathError, compile  # noqa: A004 - its name there

    kind = str(resource.get("resourceType"))
    if kind not in known:
        first = _FIRST_NAME.match(expression)
        try:
            known[kind] = compile(expression, kind)
        except FHIRPathError as error:
            other = first is not None and first.group(1) in resource_types() - {kind}
            known[kind] = None if other else error
    result = known[kind]
    if isinstance(result, FHIRPathError):
        raise result
    return result


def _print_result(locator: str, where: str, kind: str, value: Any, output: Format) -> None:
    from fhir_bridge.fhir import dumps

    if output is Format.json:
        typer.echo(dumps({"source": locator, "path": where, "type": kind, "value": value}))
        return
    shown = value if isinstance(value, str) else dumps(value).decode()
    typer.echo(f"{locator}: {where + ': ' if where else ''}{kind} = {shown}")


def _read(file: Path) -> dict[str, Any]:
    from fhir_bridge.fhir import JsonError
    from fhir_bridge.fhir.bundles import read_resource

    try:
        return read_resource(file)
    except JsonError as error:
        raise UsageError(str(error)) from error


def _emit(resource: dict[str, Any], out: Path | None, like: Path) -> None:
    """Write a resource as its file's name says, or to the screen as the file it came from."""
    from fhir_bridge.fhir import xml

    syntax = Syntax.xml if (out or like).suffix.lower() == ".xml" else Syntax.json
    try:
        text = _text(resource, syntax)
    except (xml.XmlError, TypeError) as error:
        raise UsageError(f"the outcome has no {syntax.value} form: {error}") from error
    if out is None:
        typer.echo(text, nl=False)
    else:
        _write(out, text, force=True)


def _text(resource: dict[str, Any], syntax: Syntax) -> bytes:
    from fhir_bridge.fhir import dumps, xml

    return xml.dumps(resource, indent=True) if syntax is Syntax.xml else dumps(resource, indent=True)


def _write(file: Path, text: bytes, *, force: bool) -> None:
    if file.exists() and not force:
        raise UsageError(f"{file} is there already; --force replaces it")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(text)


def _error_message(file: Path, error: Exception) -> str:
    return str(error) if str(error).startswith(file.name) else f"{file.name}: {error}"

"""`mapping mutate`: rules of a mapping that no golden example would miss."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fhir_bridge.cli.output import UsageError, counted, stderr, stdout, steps

if TYPE_CHECKING:
    from fhir_bridge.mapping import Position
    from fhir_bridge.workshop.mutating import Mutation

__all__ = ["mutate"]


class Format(StrEnum):
    """How what survived is printed."""

    text = "text"
    json = "json"


def mutate(
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH...", exists=True, help="Mapping files or folders.")
    ],
    seconds: Annotated[float, typer.Option(min=1, help="Time for each mapping.")] = 300.0,
    fail_under: Annotated[
        float, typer.Option("--fail-under", min=0, max=100, help="Exit code 1 below this percentage noticed.")
    ] = 0.0,
    output: Annotated[Format, typer.Option("--format", help="Lines for people, or JSON.")] = Format.text,
) -> None:
    """Change each rule a little (no element, another constant, swapped branches, no condition) and list the changes
    that no golden example notices: what they do is tested by none.
    """
    from fhir_bridge.mapping import MappingErrors
    from fhir_bridge.workshop.mutating import count_mutants
    from fhir_bridge.workshop.mutating import mutate as run

    files = [
        file for path in paths for file in (sorted(path.rglob("mapping.yaml")) if path.is_dir() else [path])
    ]
    if not files:
        raise UsageError("there is no mapping.yaml in " + ", ".join(map(str, paths)))
    results: list[Mutation] = []
    for file in files:
        try:
            with steps(f"mutating {file.parent.name}", max(count_mutants(file), 1)) as advance:
                results.append(run(file, seconds=seconds, advance=advance))
        except MappingErrors as error:
            raise UsageError(str(error)) from error
    if output is Format.json:
        import json

        typer.echo(json.dumps([_data(result) for result in results], ensure_ascii=False, indent=1))
    else:
        for result in results:
            _print(result)
    raise typer.Exit(1 if any(result.score < fail_under for result in results) else 0)


def _data(result: Mutation) -> dict[str, object]:
    return {
        "mapping": str(result.mapping),
        "noticed": result.noticed,
        "tried": result.tried,
        "unseen": result.unseen,
        "refused": result.refused,
        "left": result.left,
        "score": round(result.score, 1),
        "idle": [{"rule": rule, **_place(position)} for rule, position, _ in result.idle],
        "survived": [{"rule": m.rule, **_place(m.position), "what": m.what} for m in result.survived],
    }


def _place(position: Position) -> dict[str, object]:
    return {"file": position.file, "line": position.line}


def _print(result: Mutation) -> None:
    from rich.markup import escape

    for rule, position, _ in result.idle:
        stdout.print(escape(f"{position}: rule {rule}: no example makes it give anything"), soft_wrap=True)
    for mutant in result.survived:
        text = f"{mutant.position}: rule {mutant.rule}: no example misses it when {mutant.what}"
        stdout.print(escape(text), soft_wrap=True)
    parts = [f"{result.noticed:,} of {counted(result.tried, 'change')} noticed"]
    if result.idle:
        parts.append(f"{result.unseen:,} more of rules that give nothing in any example")
    parts.append(f"{result.refused:,} refused by the compiler")
    if result.left:
        parts.append(f"{result.left:,} not tried in the time")
    stderr.print(f"{result.mapping}: {', '.join(parts)}: {result.score:.0f} %")

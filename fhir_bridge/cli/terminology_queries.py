"""`terminology lookup`, `validate`, `expand` and `translate`: what one code or value set means, without a server."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer
from rich.markup import escape
from rich.table import Table

from fhir_bridge.cli.output import UsageError, counted, stderr, stdout
from fhir_bridge.cli.terminology_options import Folders, SiteFile, Store, terminology_of

if TYPE_CHECKING:
    from fhir_bridge.terminology import Terminology
    from fhir_bridge.terminology.operations.service import Request, TerminologyService

__all__ = ["expand", "lookup", "translate", "validate"]

Language = Annotated[
    str | None, typer.Option("--language", help="Language of displays, such as nl or de-CH,de;q=0.8.")
]


def lookup(
    system: Annotated[str, typer.Argument(help="URL of the code system, perhaps with |version.")],
    code: Annotated[str, typer.Argument(help="The code.")],
    everything: Annotated[
        bool, typer.Option("--all", help="Tell its other names, properties, parents and children too.")
    ] = False,
    language: Language = None,
    folder: Folders = [],  # noqa: B006 - typer copies it
    store: Store = None,
    site: SiteFile = None,
) -> None:
    """Tell what a code means; exit code 1 where it is not known."""
    from fhir_bridge.terminology.operations.outcomes import OperationError

    terminology = terminology_of(folder, store, site)
    url, _, version = system.partition("|")
    concept = None if version else terminology.lookup(url, code)
    try:
        answer = _service(terminology).lookup(
            _request(system=url, version=version, code=code, displayLanguage=language, property="*")
        )
    except OperationError:
        if concept is None:
            _unknown(terminology, url, version, code)
            raise typer.Exit(1) from None
        answer = {"parameter": []}
    values = _values(answer)
    shown = values.get("display") if language or version or concept is None else concept.display
    state = "" if concept is None or concept.active else " (inactive)"
    stdout.print(f"{shown or code}{state}", highlight=False, markup=False)
    if everything and values:
        stdout.print(_details(answer, values))


def _details(answer: Mapping[str, Any], values: Mapping[str, Any]) -> Table:
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    for name in ("system", "version", "code", "definition"):
        if values.get(name):
            table.add_row(name, escape(str(values[name])))
    for entry in answer["parameter"]:
        parts = _values({"parameter": entry.get("part", ())})
        if entry["name"] == "designation":
            use = parts.get("use") or {}
            about = ", ".join(filter(None, (parts.get("language"), use.get("display") or use.get("code"))))
            table.add_row("designation", escape(f"{parts['value']}{f'  ({about})' if about else ''}"))
        elif entry["name"] == "property":
            value = parts.get("value")
            if isinstance(value, Mapping):
                value = " ".join(filter(None, (value.get("code"), value.get("display"))))
            meaning = f"  {parts['description']}" if parts.get("description") else ""
            table.add_row(escape(parts["code"]), escape(f"{_plain(value)}{meaning}"))
    return table


def validate(
    value_set: Annotated[str, typer.Argument(help="URL of the value set, perhaps with |version.")],
    code: Annotated[str, typer.Argument(help="The code.")],
    system: Annotated[str | None, typer.Option(help="URL of its code system.")] = None,
    folder: Folders = [],  # noqa: B006 - typer copies it
    store: Store = None,
    site: SiteFile = None,
) -> None:
    """Tell whether a code is in a value set; exit code 1 where it is not or that can't be decided here."""
    terminology = terminology_of(folder, store, site)
    member = terminology.member(value_set, system, code)
    stdout.print({True: "yes", False: "no", None: "can't be decided with the content available"}[member])
    if not member:
        url = value_set.partition("|")[0]
        if terminology.library.value_set(url) is None:
            _no_value_set(terminology, url)
        elif system is not None and terminology.lookup(system, code) is None:
            _unknown(terminology, system, "", code)
    raise typer.Exit(0 if member else 1)


def expand(
    value_set: Annotated[str, typer.Argument(help="URL of the value set, perhaps with |version.")],
    text: Annotated[
        str | None, typer.Option("--filter", help="Words that a name of the code has; beginnings are enough.")
    ] = None,
    count: Annotated[
        int, typer.Option(min=0, help="Codes on this page; 0 reports only how many there are.")
    ] = 100,
    offset: Annotated[int, typer.Option(min=0, help="Codes before this page.")] = 0,
    language: Language = None,
    active: Annotated[bool, typer.Option("--active", help="Leave inactive codes out.")] = False,
    designations: Annotated[bool, typer.Option("--designations", help="Tell other names too.")] = False,
    properties: Annotated[
        list[str], typer.Option("--property", help="A property to show, such as parent; repeats.")
    ] = [],  # noqa: B006 - typer copies it
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the expanded ValueSet (in the form of R5).")
    ] = False,
    folder: Folders = [],  # noqa: B006 - typer copies it
    store: Store = None,
    site: SiteFile = None,
) -> None:
    """List the codes of a value set, page by page; exit code 1 where it can't be worked out.

    fhir-bridge terminology expand http://hl7.org/fhir/ValueSet/observation-codes --filter "glucose serum" --count 10
    """
    from fhir_bridge.terminology.operations.outcomes import OperationError

    terminology = terminology_of(folder, store, site)
    request = _request(
        url=value_set,
        filter=text,
        count=count,
        offset=offset or None,
        displayLanguage=language,
        activeOnly=active or None,
        includeDesignations=designations or None,
        property=properties,
    )
    try:
        result = _service(terminology).expand(request)
    except OperationError as error:
        if error.status == HTTPStatus.NOT_FOUND:
            _no_value_set(terminology, value_set.partition("|")[0])
        else:
            stderr.print(escape(str(error)), soft_wrap=True)
        raise typer.Exit(1) from None
    if as_json:
        typer.echo(orjson.dumps(result, option=orjson.OPT_INDENT_2).decode())
        return
    expansion = result["expansion"]
    rows = list(_flat(expansion.get("contains", ())))
    if rows:
        stdout.print(_table(rows, properties, designations=designations))
    total = expansion.get("total")
    of = "" if total is None else f" of {total:,}"
    for item in expansion.get("extension", ()):
        if item["url"].endswith("/valueset-unclosed-reason"):
            stderr.print(escape(f"not all codes: {item['valueString']}"), soft_wrap=True)
    stderr.print(f"{counted(len(rows), 'code')}{of}{f', from {offset + 1:,}' if offset else ''}")


def _table(
    rows: Sequence[tuple[int, Mapping[str, Any]]], properties: Sequence[str], *, designations: bool
) -> Table:
    several = len({row.get("system") for _, row in rows}) > 1
    names = [*(["system"] if several else []), "code", "display", *properties]
    table = Table()
    for name in (*names, *(["designations"] if designations else [])):
        table.add_column(name, overflow="fold")
    for depth, row in rows:
        state = " (inactive)" if row.get("inactive") else " (abstract)" if row.get("abstract") else ""
        shown = [row.get("system", "")] if several else []
        shown += ["  " * depth + row.get("code", ""), f"{row.get('display', '')}{state}"]
        for name in properties:
            values = (
                _values({"parameter": [{**item, "name": "it"}]})["it"]
                for item in row.get("property", ())
                if item["code"] == name
            )
            shown.append(", ".join(map(_plain, values)))
        if designations:
            tagged = ((item.get("language"), item["value"]) for item in row.get("designation", ()))
            shown.append("\n".join(f"{tag}: {value}" if tag else value for tag, value in tagged))
        table.add_row(*map(escape, shown))
    return table


def _flat(entries: Sequence[Mapping[str, Any]]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    waiting = [(0, entry) for entry in reversed(entries)]
    while waiting:
        depth, entry = waiting.pop()
        yield depth, entry
        waiting.extend((depth + 1, below) for below in reversed(entry.get("contains", ())))


def translate(
    code: Annotated[str, typer.Argument(help="The code.")],
    concept_map: Annotated[str | None, typer.Option("--map", help="Name or URL of the ConceptMap.")] = None,
    system: Annotated[str | None, typer.Option(help="URL of the source code system.")] = None,
    target: Annotated[
        list[str], typer.Option("--target", help="URL of a wanted target system; repeats.")
    ] = [],  # noqa: B006
    folder: Folders = [],  # noqa: B006 - typer copies it
    store: Store = None,
    site: SiteFile = None,
) -> None:
    """Translate a code by one map (--map), or by all maps from --system to --target; exit code 1 without a target."""
    terminology = terminology_of(folder, store, site)
    if concept_map is not None:
        try:
            result = terminology.translate_by_map(concept_map, code)
        except KeyError as error:
            raise UsageError(str(error.args[0])) from error
    elif system is not None and target:
        result = terminology.translate(system, code, tuple(target))
    else:
        raise UsageError("give --map, or --system and --target")
    table = Table()
    for name in ("system", "code", "display", "equivalence", "map"):
        table.add_column(name, overflow="fold")
    for row in result:
        table.add_row(*map(escape, (row.system, row.code, row.display or "", row.equivalence, row.map_url)))
    stdout.print(table if result else "no target")
    raise typer.Exit(0 if result else 1)


def _service(terminology: Terminology) -> TerminologyService:
    from fhir_bridge.terminology.operations.service import TerminologyService

    return TerminologyService(terminology.library)


def _request(**values: str | int | bool | Sequence[str] | None) -> Request:
    from fhir_bridge.terminology.operations.parameters import from_query
    from fhir_bridge.terminology.operations.service import Request

    pairs: list[tuple[str, str]] = []
    for name, value in values.items():
        several = value if isinstance(value, list) else [value]
        pairs += [(name, _plain(item)) for item in several if item is not None and item != ""]
    return Request(from_query(pairs))


def _plain(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _values(answer: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a Parameters resource, or of a parameter's parts, by name."""
    return {
        entry["name"]: next((value for key, value in entry.items() if key.startswith("value")), None)
        for entry in answer["parameter"]
    }


def _unknown(terminology: Terminology, system: str, version: str, code: str) -> None:
    """Say why a code is not known, and what may have been meant."""
    from fhir_bridge.terminology.did_you_mean import did_you_mean, near_codes, near_systems
    from fhir_bridge.terminology.grammars import GrammarContent

    content = terminology.library.code_system(system, version or None)
    if content is None:
        known = sorted(terminology.library.code_system_versions(system))
        near = near_systems(terminology.library, system)
        hint = (
            f"; available versions: {', '.join(known)}"
            if known
            else f"; did you mean {near[0]}?"
            if near
            else ""
        )
        message = f"{system}{f'|{version}' if version else ''} is not available{hint}"
    else:
        near = near_codes(content, code)
        problem = content.problem(code) if isinstance(content, GrammarContent) else None
        part = "" if content.content == "complete" else ", of which a part is available"
        message = f"{code} is not in {system}{part}"
        message += (
            f": {problem}" if problem else f"; did you mean {did_you_mean(content, near)}?" if near else ""
        )
    stderr.print(escape(message), soft_wrap=True)


def _no_value_set(terminology: Terminology, url: str) -> None:
    from fhir_bridge.terminology.did_you_mean import near_names

    near = near_names(sorted(terminology.library.value_set_urls()), url)
    hint = f"; did you mean {near[0]}?" if near else ""
    stderr.print(escape(f"the value set {url} is not available{hint}"), soft_wrap=True)

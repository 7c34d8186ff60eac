"""`terminology suggest` and `terminology review`: from a local catalogue to a reviewed ConceptMap."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import orjson
import typer
from rich.markup import escape
from rich.table import Table

from fhir_bridge.cli.output import UsageError, counted, stderr, stdout, steps
from fhir_bridge.cli.review_session import ReviewSession
from fhir_bridge.cli.terminology_options import SiteFile, Store, store_folder

if TYPE_CHECKING:
    from fhir_bridge.terminology.content import CodeSystemContent
    from fhir_bridge.terminology.curation import Review
    from fhir_bridge.terminology.suggest import LocalTerm, Suggester

__all__ = ["review", "suggest"]

Targets = Annotated[
    list[str],
    typer.Option("--target", help="Code system to choose from: its URL, or a CodeSystem JSON file; repeats."),
]
Words = Annotated[
    list[Path],
    typer.Option(
        "--lexicon", exists=True, dir_okay=False, help="Your own words (TSV: concept, kind, en, de, …)."
    ),
]


def suggest(
    catalogue: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="CSV of local codes.")],
    target: Targets,
    out: Annotated[Path | None, typer.Option("--out", help="Review file to make (…review.jsonl).")] = None,
    system: Annotated[str, typer.Option(help="URL of the local code system.")] = "",
    language: Annotated[str | None, typer.Option(help="Language of the names: en, de, nl, it, fr.")] = None,
    column: Annotated[
        list[str],
        typer.Option("--column", help="FIELD=COLUMN for name, code, unit, specimen, count; repeats."),
    ] = [],  # noqa: B006 - typer copies it
    encoding: Annotated[
        str | None, typer.Option(help="Encoding of the file; default: UTF-8, else Windows-1252.")
    ] = None,
    remember: Annotated[
        list[Path],
        typer.Option(
            "--remember", exists=True, dir_okay=False, help="Earlier review to take choices from; repeats."
        ),
    ] = [],  # noqa: B006 - typer copies it
    lexicon: Words = [],  # noqa: B006 - typer copies it
    store: Store = None,
    site: SiteFile = None,
    limit: Annotated[int, typer.Option(min=1, max=25, help="Candidates a term.")] = 5,
) -> None:
    """Suggest standard codes for a catalogue of local ones; with --out, ready to be reviewed.

    The catalogue needs a column of names; unit, specimen, code and count (how often it is used) make it better:

    fhir-bridge terminology suggest lab.csv --target http://loinc.org --language de --out lab.review.jsonl
    """
    from fhir_bridge.terminology.curation import Review, by_use

    if out is not None and out.exists():
        raise UsageError(f"{out} is there already: a review is never written over; go on with it by `review`")
    columns = dict(_pair(text) for text in column)
    terms = by_use(_read(catalogue, columns, system, language, encoding))
    suggester = _suggester(target, store_folder(store, site), lexicon)
    results = []
    with steps("suggesting", len(terms)) as step:
        for term in terms:
            step(term.name)
            results.append(suggester.suggest(term, limit))
    table = Table("code", "name", "unit", "suggestion", "score")
    for item in results:
        best = item.suggestions[0] if item.suggestions else None
        answer = f"{best.code} {best.display}" if best else "none"
        table.add_row(
            *(escape(text) for text in (item.term.code, item.term.name, item.term.unit, answer)),
            f"{best.score:.2f}" if best else "",
        )
    stdout.print(table)
    none = sum(not item.suggestions for item in results)
    stderr.print(f"{counted(len(results), 'term')}, {none:,} without a suggestion")
    if out is not None:
        review = Review.create(out, results)
        taken = review.remember([Review.load(path) for path in remember])
        if remember:
            stderr.print(f"{counted(len(taken), 'choice')} remembered from earlier reviews")
        stderr.print(f"review it: fhir-bridge terminology review {out}")


def review(
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="Review file created by `suggest`.")
    ],
    by: Annotated[str, typer.Option("--by", help="Your name, kept with each choice.")] = "",
    approve: Annotated[
        float | None,
        typer.Option(
            "--approve", min=0.0, max=1.0, help="Accept clear first candidates from this score on, then stop."
        ),
    ] = None,
    write: Annotated[
        Path | None, typer.Option("--write", help="Write the ConceptMap here, then stop.")
    ] = None,
    url: Annotated[str, typer.Option(help="URL of the ConceptMap to write.")] = "",
    status: Annotated[str, typer.Option(help="draft, active or retired.")] = "draft",
    target: Targets = [],  # noqa: B006 - typer copies it
    lexicon: Words = [],  # noqa: B006 - typer copies it
    store: Store = None,
    site: SiteFile = None,
    page: Annotated[bool, typer.Option("--page", help="Review on a page in the browser.")] = False,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the page; 0 takes a free one.")] = 0,
) -> None:
    """Decide on suggestions, one by one or in bulk, and write the ConceptMap.

    Every choice is kept with who made it and when; stop whenever you like and go on later. While you review you can
    search the code systems that the candidates are from, or others by --target. The page is served to this machine
    alone, by the link that is printed.
    """
    from fhir_bridge.terminology.curation import concept_map

    session = _load(file)
    if write is None:
        import getpass

        name = by or getpass.getuser()
        if approve is not None:
            chosen = session.approve(approve, name)
            stderr.print(f"{counted(len(chosen), 'term')} approved, {len(session.pending()):,} open")
            raise typer.Exit
        if page:
            _serve(session, name, _searcher(session, target, store_folder(store, site), lexicon), port)
            raise typer.Exit
        ReviewSession(session, name, _searcher(session, target, store_folder(store, site), lexicon)).run()
        raise typer.Exit
    if not url:
        raise UsageError(
            "name the ConceptMap: --url https://hospital.example.org/fhir/ConceptMap/lab-to-loinc"
        )
    if status not in ("draft", "active", "retired"):
        raise UsageError(f"--status is draft, active or retired, not {status}")
    try:
        result = concept_map(session, url, status=status)
    except ValueError as error:
        raise UsageError(f"{file}: {error}") from error
    write.write_bytes(orjson.dumps(result, option=orjson.OPT_INDENT_2) + b"\n")
    rows = sum(len(group["element"]) for group in result["group"])
    stderr.print(f"{write}: {counted(rows, 'row')}; {len(session.pending()):,} terms are still open")


def _serve(session: Review, name: str, suggester: Suggester | None, port: int) -> None:
    """The review page on the loopback address until interrupted."""
    import secrets
    import socket

    import uvicorn

    from fhir_bridge.server.review import review_app

    token = secrets.token_urlsafe(24)
    with socket.create_server(("127.0.0.1", port)) as listening:
        address = f"http://127.0.0.1:{listening.getsockname()[1]}/#{token}"
        stderr.print(
            f"review {session.path.name} on {address}  (Ctrl+C ends)", soft_wrap=True, highlight=False
        )
        server = uvicorn.Server(
            uvicorn.Config(review_app(session, token, suggester, name), log_level="warning")
        )
        server.run(sockets=[listening])


def _pair(text: str) -> tuple[str, str]:
    field, sign, name = text.partition("=")
    if not sign:
        raise UsageError(f"--column takes FIELD=COLUMN, for example name=Bezeichnung, not {text}")
    return field, name


def _read(
    path: Path, columns: dict[str, str], system: str, language: str | None, encoding: str | None
) -> list[LocalTerm]:
    from fhir_bridge.terminology import TerminologyFileError
    from fhir_bridge.terminology.curation import encoding_of, read_catalogue

    spelt = encoding or encoding_of(path)
    if spelt == "cp1252" and not encoding:
        stderr.print(f"{path} is not UTF-8: read as Windows-1252; --encoding names another")
    try:
        return read_catalogue(path, columns, system=system, language=language, encoding=spelt)
    except TerminologyFileError as error:
        raise UsageError(str(error)) from error


def _load(path: Path) -> Review:
    from fhir_bridge.terminology import TerminologyFileError
    from fhir_bridge.terminology.curation import Review

    try:
        return Review.load(path)
    except TerminologyFileError as error:
        raise UsageError(str(error)) from error


def _suggester(targets: list[str], store: Path, lexicon: list[Path]) -> Suggester:
    from fhir_bridge.terminology import get_terminology
    from fhir_bridge.terminology.suggest import Suggester, get_lexicon

    try:
        words = get_lexicon(tuple(lexicon))
    except ValueError as error:
        raise UsageError(str(error)) from error
    return Suggester([_target(name, store) for name in targets], get_terminology(), words)


def _searcher(session: Review, targets: list[str], store: Path, lexicon: list[Path]) -> Suggester | None:
    """What a reviewer searches: the systems named, else those of the candidates that are available."""
    if targets:
        return _suggester(targets, store, lexicon)
    systems = sorted({candidate.system for entry in session for candidate in entry.candidates})
    available = [system for system in systems if _is_available(system, store)]
    return _suggester(available, store, lexicon) if available else None


def _is_available(system: str, store: Path) -> bool:
    try:
        _target(system, store)
    except UsageError:
        return False
    return True


def _target(name: str, store: Path) -> CodeSystemContent:
    """The content to choose from: a CodeSystem file, an imported system, or one of the definition tables."""
    from fhir_bridge.fhir import JsonError, definitions, loads_exact
    from fhir_bridge.terminology.memory import ResourceContent, TableContent
    from fhir_bridge.terminology.store import open_store

    path = Path(name)
    if path.is_file():
        try:
            resource = loads_exact(path.read_bytes())
        except JsonError as error:
            raise UsageError(f"{path}: {error}") from error
        if not isinstance(resource, dict) or resource.get("resourceType") != "CodeSystem":
            raise UsageError(f"{path} is no CodeSystem")
        return ResourceContent(resource)
    imported = open_store(store).get(name) if store.exists() else None
    if imported is not None:
        return imported
    table = definitions.code_system(name)
    if table is None:
        raise UsageError(f"{name} is not available: import it first (fhir-bridge terminology import --help)")
    return TableContent(table)

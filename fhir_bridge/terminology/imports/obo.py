"""Ontologies in OBO 1.2/1.4: HPO, and others such as Mondo, GO or SO. Alternative ids become inactive concepts."""

from __future__ import annotations

import re
from collections.abc import Iterator

from fhir_bridge.terminology.imports.options import Options
from fhir_bridge.terminology.imports.rows import Batch
from fhir_bridge.terminology.imports.sources import Source
from fhir_bridge.terminology.imports.tables import decoded_lines
from fhir_bridge.terminology.store.errors import ImportProblem
from fhir_bridge.terminology.store.staging import ConceptRow, DesignationRow, Staging, SystemHeader

__all__ = ["read", "recognizes"]

SYSTEMS = {
    "hp": ("http://human-phenotype-ontology.org", "HPO", "Human Phenotype Ontology"),
    "so": ("http://www.sequenceontology.org", "SO", "Sequence Ontology"),
    "mondo": ("http://purl.obolibrary.org/obo/mondo.owl", "MONDO", "Mondo Disease Ontology"),
    "go": ("http://www.geneontology.org", "GO", "Gene Ontology"),
    "eco": ("http://www.evidenceontology.org", "ECO", "Evidence and Conclusion Ontology"),
}
"""Url, name and title by the ontology's id; others are `http://purl.obolibrary.org/obo/{id}.owl`."""

_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"(.*)')
_ESCAPE = re.compile(r"\\(.)")
_SCOPES = ("EXACT", "BROAD", "NARROW", "RELATED")


def recognizes(source: Source) -> bool:
    """Whether it begins as an OBO file."""
    return _file(source) is not None


def read(source: Source, staging: Staging, options: Options) -> None:
    """Read the ontology into the staging.

    Raises:
        ImportProblem: a line or a term is broken, or nothing indicates which ontology it is.
    """
    name = _file(source)
    if name is None:
        raise ImportProblem(str(source.path), None, "holds no OBO file")
    _Obo(source, name, staging, options).read()


def _file(source: Source) -> str | None:
    endings = ("",) if len(source.names) == 1 else (".obo", ".obo.gz")  # a file by itself may have any name
    return next(
        (name for name in source.files(*endings) if source.first_line(name).startswith("format-version:")),
        None,
    )


class _Obo:
    def __init__(self, source: Source, name: str, staging: Staging, options: Options) -> None:
        self.source, self.name, self.staging, self.options = source, name, staging, options
        self.label = source.label(name)

    def read(self) -> None:
        stanzas = self._stanzas()
        _, _, head = next(stanzas)
        # Reversed, so that of a tag that repeats the first counts.
        tags = {tag: value for _, tag, value in reversed(head)}
        ontology = tags.get("ontology", "").lower()
        short = ontology.split("/")[0].removesuffix(".owl").removesuffix(".obo")
        if not short and self.options.system is None:
            raise ImportProblem(
                self.label, 1, "has no ontology tag, which would state its url; give --system"
            )
        short = short or "ontology"
        url, name, title = SYSTEMS.get(
            short, (f"http://purl.obolibrary.org/obo/{short}.owl", short.upper(), short.upper())
        )
        version = tags.get("data-version")
        day = re.search(r"20[0-9]{2}-[0-9]{2}-[0-9]{2}", version or "")
        header = SystemHeader(
            self.options.system or url,
            self.options.version or (day[0] if day else version),
            name,
            title,
            language="en",
            metadata={"status": "active"},
        )
        system = self.staging.system(header)
        alternatives: dict[str, tuple[str, str | None, int]] = {}
        with Batch(self.staging, system) as batch:
            for kind, line, stanza in stanzas:
                if kind == "Term":
                    self._term(batch, line, stanza, alternatives)
            batch.flush()
            known = {code for (code,) in self.staging.rows("SELECT code FROM concept WHERE sys = ?", system)}
            for code, (term, display, line) in alternatives.items():
                if code not in known:
                    batch.concept(ConceptRow(code, display, None, False, False, line))
                    batch.value(code, "replaced_by", term, "code")

    def _stanzas(self) -> Iterator[tuple[str, int, list[tuple[int, str, str]]]]:
        """Header (with an empty kind) and stanzas: kind, line, tags with their lines."""
        kind, start = "", 1
        tags: list[tuple[int, str, str]] = []
        for line, text in decoded_lines(self.source, self.name):
            text = text.strip()
            if not text or text.startswith("!"):
                continue
            if text.startswith("["):
                if not text.endswith("]"):
                    raise ImportProblem(
                        self.label, line, f'has "{text[:40]}", where a stanza such as [Term] is expected'
                    )
                yield kind, start, tags
                kind, start, tags = text[1:-1], line, []
                continue
            tag, colon, value = text.partition(":")
            if not colon:
                raise ImportProblem(self.label, line, f'has "{text[:40]}", where "tag: value" is expected')
            tags.append((line, tag.strip(), value.strip()))
        yield kind, start, tags

    def _term(
        self,
        batch: Batch,
        line: int,
        tags: list[tuple[int, str, str]],
        alternatives: dict[str, tuple[str, str | None, int]],
    ) -> None:
        single = {tag: value for _, tag, value in reversed(tags)}
        code = single.get("id", "").split(" ")[0]
        if not code:
            raise ImportProblem(self.label, line, "is a [Term] without id")
        gone = single.get("is_obsolete") == "true"
        definition = self._quoted(line, single["def"])[0] if "def" in single else None
        parents = [_plain(value) for _, tag, value in tags if tag == "is_a"]
        name = _ESCAPE.sub(r"\1", single["name"]) if "name" in single else None
        batch.concept(ConceptRow(code, name, definition, not gone, False, line), parents)
        for at, tag, value in tags:
            if tag == "synonym":
                text, rest = self._quoted(at, value)
                details = rest.partition("[")[0].split()
                scope = next((item for item in details[:1] if item in _SCOPES), "RELATED")
                kind = next((item for item in details if item not in _SCOPES), None)
                batch.name(DesignationRow(code, text, "en", None, scope, kind))
            elif tag == "alt_id":
                alternatives.setdefault(_plain(value), (code, name, at))
                batch.value(code, tag, _plain(value), "code")
            elif tag == "xref":
                batch.value(code, tag, _plain(value).partition(' "')[0])
            elif tag in ("replaced_by", "consider", "subset"):
                batch.value(code, tag, _plain(value), "code")
            elif tag == "comment":
                batch.value(code, tag, value)
            elif tag == "relationship":
                relation, _, target = value.partition(" ")
                batch.value(code, relation, _plain(target), "code")

    def _quoted(self, line: int, value: str) -> tuple[str, str]:
        """The text in quotes and what follows it."""
        match = _QUOTED.match(value)
        if match is None:
            raise ImportProblem(self.label, line, "has no text in double quotes where one is expected")
        return _ESCAPE.sub(lambda item: "\n" if item[1] == "n" else item[1], match[1]), match[2].strip()


def _plain(value: str) -> str:
    """The value without its comment (`! …`) and its trailing modifiers (`{…}`)."""
    return value.split(" ! ")[0].split(" {")[0].strip()

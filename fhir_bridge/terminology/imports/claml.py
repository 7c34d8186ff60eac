"""ICD-10 and other classifications as ClaML (EN 14463): WHO's, and national ones such as ICD-10-GM, OPS, ICD-10-NL.

Classes become concepts with their preferred label, other rubrics designations (`inclusion`, …) or properties
(`exclusion`, `coding-hint`, …). Codes that a class makes with a modifier (ModifiedBy) are built as well, unless they
are listed. Chapters and blocks are abstract.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from fhir_bridge.terminology.imports.options import Options
from fhir_bridge.terminology.imports.rows import Batch
from fhir_bridge.terminology.imports.sources import Source
from fhir_bridge.terminology.imports.xml import Element, each_element
from fhir_bridge.terminology.store.errors import ImportProblem
from fhir_bridge.terminology.store.staging import ConceptRow, DesignationRow, Staging, SystemHeader

__all__ = ["read", "recognizes"]

_SYSTEMS = (
    (r"icd[\s_-]*10[\s_-]*gm", "http://fhir.de/CodeSystem/bfarm/icd-10-gm"),
    (r"\bops\b", "http://fhir.de/CodeSystem/bfarm/ops"),
    (r"\balpha[\s-]*id", "http://fhir.de/CodeSystem/bfarm/alpha-id"),
    (r"icd[\s_-]*10[\s_-]*cm", "http://hl7.org/fhir/sid/icd-10-cm"),
    (r"icd[\s_-]*10[\s_-]*nl|icd[\s_-]*10.*nederland", "http://hl7.org/fhir/sid/icd-10-nl"),
    (r"icd[\s_-]*o", "http://terminology.hl7.org/CodeSystem/icd-o-3"),
    (r"\bicf\b", "http://hl7.org/fhir/sid/icf"),
    (r"\batc\b", "http://www.whocc.no/atc"),
    (r"icd[\s_-]*10|international.*classification.*diseases", "http://hl7.org/fhir/sid/icd-10"),
)
"""Titles and the code systems that they stand for, the more special first."""

_WANTED = frozenset({"Title", "Modifier", "ModifierClass", "Class", "ClaML"})
_LABELS = ("preferred", "preferredLong")
_SYNONYMS = frozenset({"inclusion", "synonym", "preferredLong", "shortTitle", "indexTerm"})
_ABSTRACT = frozenset({"chapter", "block"})
_WITHOUT = frozenset({"Reference"})
_MAX_MODIFIED = 2_000_000


def recognizes(source: Source) -> bool:
    """Whether it holds a ClaML file."""
    return any(_is_claml(source, name) for name in _xml(source))


def read(source: Source, staging: Staging, options: Options) -> None:
    """Read a classification into the staging.

    Raises:
        ImportProblem: not well-formed, without code or title, or of an unknown classification and no `--system`.
    """
    name = next((one for one in _xml(source) if _is_claml(source, one)), None)
    if name is None:
        raise ImportProblem(str(source.path), None, "holds no ClaML file")
    _ClaML(source, name, staging, options).read()


def _xml(source: Source) -> Iterator[str]:
    return (name for name in source.names if not source.is_tar and name.lower().endswith((".xml", ".claml")))


def _is_claml(source: Source, name: str) -> bool:
    return re.search(rb"<ClaML[\s>]", source.start(name, 8192)) is not None


class _ClaML:
    def __init__(self, source: Source, name: str, staging: Staging, options: Options) -> None:
        self.source, self.name, self.staging, self.options = source, name, staging, options
        self.label = source.label(name)
        self.modifiers: dict[str, list[Element]] = {}
        self.modified: list[tuple[str, list[Element], str | None, int]] = []
        self.system: int | None = None
        self.batch: Batch | None = None
        self.codes: set[str] = set()
        self.names: dict[str, str] = {}
        self.title = ""
        self.language: str | None = options.language
        self.header: SystemHeader | None = None

    def read(self) -> None:
        each_element(self.source, self.name, _WANTED, self._use)
        if self.batch is None or self.header is None:
            raise ImportProblem(self.label, None, "holds no Class")
        self.header.language = self.language
        self._build_modified(self.batch)
        self.batch.flush()

    def _use(self, element: Element) -> None:
        if element.name == "Title":
            self._begin(element)
        elif element.name == "ModifierClass":
            self.modifiers.setdefault(element.get("modifier"), []).append(element)
        elif element.name == "Class":
            self._class(element)

    def _begin(self, title: Element) -> None:
        self.title = f"{title.get('name')} {title.text()}".strip()
        url = self.options.system or next(
            (url for pattern, url in _SYSTEMS if re.search(pattern, self.title, re.IGNORECASE)), None
        )
        if url is None:
            raise ImportProblem(
                self.label,
                title.line,
                f'is titled "{self.title}", a classification not known here; give --system',
            )
        self.header = SystemHeader(
            url,
            self.options.version or title.get("version") or None,
            re.sub(r"\W+", "_", title.get("name")) or "ClaML",
            title.text() or title.get("name"),
            hierarchy_meaning="is-a",
            metadata={"status": "active"},
        )
        self.system = self.staging.system(self.header)
        self.batch = Batch(self.staging, self.system)

    def _class(self, element: Element) -> None:
        code = element.get("code").strip()
        if self.batch is None:
            raise ImportProblem(self.label, element.line, "has a Class before the Title")
        if not code:
            raise ImportProblem(self.label, element.line, "has a Class without code")
        self.codes.add(code)
        kind = element.get("kind")
        parents = [above.get("code").strip() for above in element.all("SuperClass") if above.get("code")]
        display = self._label(element)
        if display is None:
            raise ImportProblem(self.label, element.line, f'has no preferred label for "{code}"')
        self.batch.concept(
            ConceptRow(code, display, self._definition(element), True, kind in _ABSTRACT, element.line),
            parents,
        )
        self.batch.value(code, "kind", kind, "code")
        self._rubrics(code, element)
        for by in element.all("ModifiedBy"):
            chosen = self.modifiers.get(by.get("code"))
            only = {one.get("code") for one in by.all("ValidModifierClass")}
            if chosen is None:
                self.modified.append((code, [by], by.get("code"), element.line))
            else:
                found = [one for one in chosen if not only or one.get("code") in only]
                self.modified.append((code, found, None, element.line))

    def _label(self, element: Element) -> str | None:
        for kind in _LABELS:
            for rubric in element.all("Rubric"):
                if rubric.get("kind") == kind:
                    for label in rubric.all("Label"):
                        self.language = self.language or label.get("xml:lang") or None
                        if text := label.text(_WITHOUT):
                            return text
        return None

    @staticmethod
    def _definition(element: Element) -> str | None:
        found = [one.text() for one in element.all("Rubric") if one.get("kind") == "definition"]
        return " ".join(found) or None

    def _rubrics(self, code: str, element: Element) -> None:
        assert self.batch is not None
        for rubric in element.all("Rubric"):
            kind = rubric.get("kind")
            if kind in ("preferred", "definition"):
                continue
            for label in rubric.all("Label"):
                text = label.text(_WITHOUT if kind in _SYNONYMS else frozenset())
                if kind in _SYNONYMS:
                    language = label.get("xml:lang") or self.language
                    self.batch.name(DesignationRow(code, text, language, None, kind))
                else:
                    self.batch.value(code, kind or "note", text)
        for meta in element.all("Meta"):
            self.batch.value(code, meta.get("name") or "meta", meta.get("value"))

    def _build_modified(self, batch: Batch) -> None:
        """Codes that classes make with one modifier after the other: `E10` with `.0` is `E10.0`, with `1` `E10.01`."""
        by_class: dict[str, list[list[Element]]] = {}
        lines: dict[str, int] = {}
        for code, found, waiting_for, line in self.modified:
            if waiting_for is not None:  # the modifier stands after the class that uses it
                only = {one.get("code") for one in found[0].all("ValidModifierClass")}
                found = [m for m in self.modifiers.get(waiting_for, []) if not only or m.get("code") in only]
                if not found:
                    self.staging.note(f"modifiers that are used but not there, such as {waiting_for}")
            by_class.setdefault(code, []).append(found)
            lines[code] = line
        batch.flush()
        if by_class:
            self.staging.db.execute("CREATE INDEX x_code ON concept (sys, code)")
        made = 0
        for base, steps in by_class.items():
            level = [base]
            for choices in steps:
                following = []
                for code in level:
                    for choice in choices:
                        suffix = choice.get("code")
                        built = (
                            f"{code}{suffix}"
                            if not ("." in suffix and "." in code)
                            else code + suffix.replace(".", "")
                        )
                        following.append(built)
                        if built in self.codes:
                            continue
                        made += 1
                        if made > _MAX_MODIFIED:
                            raise ImportProblem(
                                self.label, lines[base], "makes too many codes with its modifiers"
                            )
                        self.codes.add(built)
                        label = self._label(choice) or suffix
                        name = self._built_name(base, built, code, label)
                        batch.concept(ConceptRow(built, name, None, True, False, lines[base]), [code])
                        batch.value(built, "modifier", choice.get("modifier"), "code")
                level = following

    def _built_name(self, base: str, built: str, above: str, label: str) -> str:
        """The name of a built code: that of the class it is built from, and the modifier's."""
        name = self.names.get(above)
        if name is None:
            query = "SELECT display FROM concept WHERE sys = ? AND code = ?"
            name = next((found for (found,) in self.staging.rows(query, self.system, base)), base)
        self.names[built] = f"{name}: {label}"
        return self.names[built]

"""ICD-10 and other classifications as ClaML (EN 14463): WHO's, and national ones such as ICD-10-GM, OPS, ICD-10-NL.

Classes become concepts with their preferred label, the long one where there is one, for the short one is understood
only below its parent ("Breast" of D48.6). Other rubrics are designations (`inclusion`, …) or properties (`exclusion`,
`coding-hint`, …); `usage` states daggers and asterisks. Codes that are made with modifiers are built as well, unless
they are listed. Chapters and blocks are abstract.
"""

from __future__ import annotations

import re

from fhir_bridge.terminology.imports.claml_modifiers import Modifiers
from fhir_bridge.terminology.imports.claml_text import label_text
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
    (
        r"icd[\s_-]*10(?:[\s_-]*(?:who|en))?(?![-_][a-z]{2}\b)|^international.*classification.*diseases",
        "http://hl7.org/fhir/sid/icd-10",
    ),
)
"""Titles and the code systems that they stand for, the more special first. Other national editions have no url that all
agree on."""

_ENDINGS = (".xml", ".claml")
_WANTED = frozenset({"Title", "Modifier", "ModifierClass", "Class", "ClaML"})
_LABELS = ("preferredLong", "preferred")
_SYNONYMS = frozenset({"inclusion", "synonym", "shortTitle", "indexTerm"})
_ABSTRACT = frozenset({"chapter", "block"})
_MAX_MODIFIED = 2_000_000


def recognizes(source: Source) -> bool:
    """Whether it holds a ClaML file."""
    return any(_is_claml(source, name) for name in source.files(*_ENDINGS))


def read(source: Source, staging: Staging, options: Options) -> None:
    """Read a classification into the staging.

    Raises:
        ImportProblem: not well-formed, without code or title, or of an unknown classification and no `--system`.
    """
    name = next((file for file in source.files(*_ENDINGS) if _is_claml(source, file)), None)
    if name is None:
        raise ImportProblem(str(source.path), None, "holds no ClaML file")
    _ClaML(source, name, staging, options).read()


def _is_claml(source: Source, name: str) -> bool:
    return re.search(rb"<ClaML[\s>]", source.start(name, 8192)) is not None


class _ClaML:
    def __init__(self, source: Source, name: str, staging: Staging, options: Options) -> None:
        self.source, self.name, self.staging, self.options = source, name, staging, options
        self.label = source.label(name)
        self.modifiers = Modifiers()
        self.batch: Batch | None = None
        self.lines: dict[str, int] = {}
        self.listed_below: dict[str, str] = {}
        self.names: dict[str, str] = {}
        self.language: str | None = options.language
        self.header: SystemHeader | None = None

    def read(self) -> None:
        each_element(self.source, self.name, _WANTED, self._use)
        if self.batch is None or self.header is None:
            raise ImportProblem(self.label, None, "holds no Class")
        for code, above in self.listed_below.items():
            self.batch.edge(code, above)
        self._build_modified(self.batch)
        self.header.language = self.language
        self.batch.flush()

    def _use(self, element: Element) -> None:
        if element.name == "Title":
            self._begin(element)
        elif element.name == "ModifierClass":
            self.modifiers.add_choice(element)
        elif element.name == "Class":
            self._class(element)

    def _begin(self, title: Element) -> None:
        title_text = f"{title.get('name')} {title.text()}".strip()
        url = self.options.system or next(
            (url for pattern, url in _SYSTEMS if re.search(pattern, title_text, re.IGNORECASE)), None
        )
        if url is None:
            raise ImportProblem(
                self.label,
                title.line,
                f'is titled "{title_text}", a classification not known here; give --system',
            )
        self.header = SystemHeader(
            url,
            self.options.version or title.get("version") or title.get("date") or None,
            re.sub(r"\W+", "_", title.get("name")) or "ClaML",
            title.text() or title.get("name"),
            hierarchy_meaning="is-a",
            metadata={"status": "active"},
        )
        self.batch = Batch(self.staging, self.staging.system(self.header))

    def _class(self, element: Element) -> None:
        code = element.get("code").strip()
        if self.batch is None:
            raise ImportProblem(self.label, element.line, "has a Class before the Title")
        if not code:
            raise ImportProblem(self.label, element.line, "has a Class without code")
        self.lines[code] = element.line
        kind = element.get("kind")
        parents = [above.get("code").strip() for above in element.all("SuperClass") if above.get("code")]
        if parents:
            self.listed_below.pop(code, None)
        for below in element.all("SubClass"):
            # SuperClass says what is above; where a file lacks it, the list of the class above does.
            if below.get("code") not in self.lines:
                self.listed_below[below.get("code")] = code
        names = self._names(element)
        if not names:
            self.staging.note("classes without a preferred label")
        display = names[0][0] if names else None
        self.names[code] = display or code
        definitions = [label_text(label) for label in _labels(element, "definition")]
        abstract = kind in _ABSTRACT
        self.batch.concept(
            ConceptRow(code, display, " ".join(definitions) or None, True, abstract, element.line), parents
        )
        self.batch.value(code, "kind", kind, "code")
        self.batch.value(code, "usage", element.get("usage"), "code")
        for name, language, use in names[1:]:
            self.batch.name(DesignationRow(code, name, language, None, use))
        self._rubrics(code, element, self.batch)
        self.modifiers.add_class(code, element, parents, abstract=abstract)

    def _names(self, element: Element) -> list[tuple[str, str | None, str]]:
        """Names with their language and use: what the class is called by itself first, then what below its parent."""
        results: list[tuple[str, str | None, str]] = []
        for kind in _LABELS:
            for label in _labels(element, kind):
                language = label.get("xml:lang") or self.language
                self.language = self.language or language
                name = (label_text(label, references=False), language)
                if name[0] and name not in [item[:2] for item in results]:
                    results.append((*name, kind))
        results.sort(key=lambda item: item[1] != self.language)
        return results

    def _rubrics(self, code: str, element: Element, batch: Batch) -> None:
        for rubric in element.all("Rubric"):
            kind = rubric.get("kind")
            if kind in _LABELS or kind == "definition":
                continue
            for label in rubric.all("Label"):
                if kind in _SYNONYMS:
                    language = label.get("xml:lang") or self.language
                    batch.name(
                        DesignationRow(code, label_text(label, references=False), language, None, kind)
                    )
                else:
                    batch.value(code, kind or "note", label_text(label))
        for meta in element.all("Meta"):
            batch.value(code, meta.get("name") or "meta", meta.get("value"))

    def _build_modified(self, batch: Batch) -> None:
        """Codes that are made with modifiers, but for those that are listed."""
        result = 0
        for code, base, above, modifier in self.modifiers.codes():
            if code in self.lines:
                continue
            result += 1
            if result > _MAX_MODIFIED:
                raise ImportProblem(self.label, self.lines[base], "makes too many codes with its modifiers")
            self.lines[code] = self.lines[base]
            names = self._names(modifier)
            self.names[code] = f"{self.names[above]}: {names[0][0] if names else modifier.get('code')}"
            batch.concept(ConceptRow(code, self.names[code], None, True, False, self.lines[base]), [above])
            batch.value(code, "kind", "category", "code")
            batch.value(code, "modifier", modifier.get("modifier"), "code")
            batch.value(code, "usage", modifier.get("usage"), "code")
            for rubric in modifier.all("Rubric"):
                if rubric.get("kind") not in _LABELS:
                    for label in rubric.all("Label"):
                        batch.value(code, rubric.get("kind") or "note", label_text(label))
        for name in sorted(self.modifiers.missing):
            self.staging.note(f"modifiers that are used but not there, such as {name}")


def _labels(element: Element, kind: str) -> list[Element]:
    return [
        label
        for rubric in element.all("Rubric")
        if rubric.get("kind") == kind
        for label in rubric.all("Label")
    ]

"""One C-CDA document as a source record."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from hashlib import blake2b
from typing import Any

from fhir_bridge.adapters.ehr.ccda.accounting import unread
from fhir_bridge.adapters.ehr.ccda.kinds import KINDS, kind_of
from fhir_bridge.adapters.ehr.ccda.node import NOTHING, Node, relations
from fhir_bridge.adapters.ehr.ccda.parsing import Root
from fhir_bridge.adapters.ehr.ccda.parties import PARTIES, hash_of, parties
from fhir_bridge.adapters.ehr.ccda.pressures import join_pressures
from fhir_bridge.adapters.ehr.ccda.stated import file_facts, narrative_facts
from fhir_bridge.adapters.ehr.ccda.versions import VERSIONED, DocumentVersion, version_of
from fhir_bridge.adapters.ehr.dtm import timestamp
from fhir_bridge.adapters.ehr.issues import new_issue
from fhir_bridge.adapters.ehr.notes.extracted import ImplausibleValue, StatedFact, implausible_values
from fhir_bridge.fhir.issues import Issue
from fhir_bridge.mapping import Applied
from fhir_bridge.plugins import IssueLike, RecordOutcome

__all__ = ["Document"]


class Document:
    """A document, as `SourceRecord`.

    Attributes:
        content: its bytes.
        key: digest of its bytes.
        sequence: its version, to sort by.
    """

    __slots__ = (
        "_facts",
        "_implausible",
        "_scopes",
        "_unread_file",
        "content",
        "delivery",
        "issues",
        "locator",
        "outcome",
        "records",
        "root",
        "source",
        "time",
    )

    place = None
    ends_delivery = True
    read_whole = True
    """What no rule represents is reported, and is not what the document lacks."""

    def __init__(
        self,
        locator: str,
        content: bytes,
        root: Root | None,
        issues: Sequence[IssueLike] = (),
        outcome: RecordOutcome = "read",
    ) -> None:
        self.locator = locator
        self.content = content
        self.root = root
        self.issues: Sequence[IssueLike] = issues
        self.outcome: RecordOutcome = outcome
        self.records = 1
        self.source = "ccda"
        self.time: datetime | None = None
        self._scopes: dict[str, list[Node]] | None = None
        self._facts: list[StatedFact] | None = None
        self._implausible: list[ImplausibleValue] = []
        self._unread_file = ""
        self.delivery: DocumentVersion | None = None
        if root is not None:
            root.file = locator
            custodian = root.path("custodian", "assignedCustodian", "representedCustodianOrganization")
            if custodian is not None and custodian.__class__ is Node:
                names = (custodian.path("id", "root"), custodian.path("id", "extension"))
                self.source = "/".join(name for name in names if isinstance(name, str)) or "ccda"
            moment = root.path("effectiveTime", "value")
            self.time = timestamp(moment.replace(" ", "")) if isinstance(moment, str) else None
            self.delivery = version_of(root, self.key, self.time)

    @property
    def part(self) -> str:
        """What of the document a later version replaces."""
        return VERSIONED if self.delivery is not None else ""

    @property
    def key(self) -> str:
        """Digest of the document's bytes."""
        return blake2b(self.content, digest_size=16).hexdigest() if self.content else ""

    @property
    def sequence(self) -> str:
        """`setId` and version, so that of two documents of one time the later version counts."""
        version = self.root.path("versionNumber", "value") if self.root is not None else None
        return version.zfill(9) if isinstance(version, str) else ""

    @property
    def control_id(self) -> str | None:
        """The document's own identifier."""
        value = (
            self.root.path("id", "extension") or self.root.path("id", "root")
            if self.root is not None
            else None
        )
        return value if isinstance(value, str) else None

    @property
    def readable(self) -> bool:
        """Whether anything of it could be read."""
        return self.root is not None

    def identifiers(self) -> list[str]:
        """Values of the identifiers that it names its patient by."""
        reached = self.root.path("recordTarget", "patientRole", "id") if self.root is not None else None
        nodes = reached if isinstance(reached, list) else [reached] if reached is not None else []
        values = (node.attributes.get("extension") or node.attributes.get("root") for node in nodes)
        return [value for value in values if value]

    @property
    def kind(self) -> str:
        """What the document is, by its LOINC code."""
        code = self.root.path("code", "code") if self.root is not None else None
        return code if isinstance(code, str) else ""

    @property
    def scopes(self) -> dict[str, list[Node]]:
        """The objects of each scope."""
        if self._scopes is None:
            self._scopes = _scopes(self.root) if self.root is not None else {}
        return self._scopes

    def scope(self, name: str) -> Iterable[Any]:
        """The objects of a scope, in the order of the document."""
        if name == "ClinicalDocument":
            return (self.root,) if self.root is not None else ()
        if name == "Fact":
            if self._facts is None:
                self._facts = []
                if self.root is not None:
                    of_file, self._unread_file = file_facts(self.root, self._implausible)
                    self._facts = narrative_facts(self.scopes["Section"], self.root, self._implausible)
                    self._facts += of_file
            return self._facts
        return self.scopes.get(name, ())

    def unread(self, applied: Iterable[Applied]) -> list[Issue]:
        """What the document says that none of the applied rules represents."""
        if self.root is None:
            return []
        texts, declared = unread(self.root, applied)
        issues = [
            new_issue("FB-CDA-005", f"no rule represents {text}", f"{self.locator}:{place}")
            for text, place in texts
        ]
        issues += [
            new_issue("FB-CDA-007", f"the narrative has no element {target}", self.locator)
            for target in self.root.dangling
        ]
        if declared:
            issues += [new_issue("FB-CDA-006", text, self.locator) for text in declared]
        if self._unread_file:
            text = f"nothing is extracted from the document's file: {self._unread_file}"
            issues.append(new_issue("FB-CDA-010", text, self.locator))
        return issues + implausible_values(self._implausible, self.locator)


def _scopes(root: Root) -> dict[str, list[Node]]:
    scopes: dict[str, list[Node]] = {"Section": [], **{kind: [] for kind in KINDS}}
    root.in_document = root
    keys: dict[str, dict[str, str]] = {}
    for body in (
        part for component in root.children if component.tag == "component" for part in component.children
    ):
        for component in body.children:
            for section in component.children:
                if section.tag == "section":
                    _section(section, root, scopes, keys)
    scopes.update(parties(root))
    for name in PARTIES:
        for party in scopes[name]:
            party._outer = root
    return scopes


def _section(
    section: Node, root: Root, scopes: dict[str, list[Node]], keys: dict[str, dict[str, str]]
) -> None:
    section._outer = section.in_document = root
    section.in_section = section
    section.key = str(len(scopes["Section"]) + 1)
    scopes["Section"].append(section)
    for relation in relations(section):
        for part in relation.children:
            if part.tag == "section":
                _section(part, root, scopes, keys)
    _statements(section, NOTHING, section, root, scopes, keys)


def _statements(
    around: Node,
    container: Node,
    section: Node,
    root: Root,
    scopes: dict[str, list[Node]],
    keys: dict[str, dict[str, str]],
) -> None:
    if around.tag == "organizer":
        join_pressures(around)
    for statement in around.contained():
        statement.container = container
        statement.kind = kind = kind_of(statement, container)
        statement.in_section, statement.in_document = section, root
        statement._outer = section
        if kind in KINDS:
            statement.key = _key(statement, root, keys)
            scopes[kind].append(statement)
        _statements(statement, statement, section, root, scopes, keys)


def _key(statement: Node, root: Root, keys: dict[str, dict[str, str]]) -> str:
    """Its first identifier, else all that it says; another statement of the same identifier is numbered."""
    given = next(
        (node.attributes for node in statement.named.get("id", ()) if node.attributes.get("root")), None
    )
    digest = hash_of(statement)
    if given is None:
        document = next((node.attributes for node in root.named.get("id", ())), {})
        return f"{document.get('root', '')}^{document.get('extension', '')}^{digest}"
    name = f"{given['root']}^{given.get('extension', '')}"
    same = keys.setdefault(f"{statement.kind} {name}", {})
    if digest not in same:
        same[digest] = f"#{len(same) + 1}" if same else ""
    return name + same[digest]

"""Extensions against their definitions: place, value, parts (R4 extensibility.html, defining-extensions.html)."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fhir_bridge.fhir.definitions import Constraint, Definitions, ExtensionDefinition, Profile
from fhir_bridge.fhir.fhirpath import FHIRPathError
from fhir_bridge.fhir.fhirpath import compile as compile_path
from fhir_bridge.fhir.issues import Severity
from fhir_bridge.fhir.validation.contexts import ExtendedElement, extended_element
from fhir_bridge.fhir.validation.invariants import InvariantEngine
from fhir_bridge.fhir.validation.run import Check, Path, Run, definition_location

__all__ = ["ExtensionChecks"]

Find = Callable[[str], "Check | None"]

ANYWHERE = frozenset({"Element", "Any"})
# Urls come from resources, and each compiled definition is kept.
MANY = 8192
EXAMPLES = ("example.org", "example.com", "acme.com", "nema.org")
CROSS_VERSION = re.compile(r"http://hl7\.org/fhir/(1\.0|3\.0|4\.3|5\.0)/StructureDefinition/extension-[A-Z]")
"""Elements of other FHIR versions as extensions (R4 versions.html#extensions): defined by rule, not by a package.

R4's own (`4.0`) are no extensions in R4.
"""
TOOLS = "http://hl7.org/fhir/tools/StructureDefinition/"
"""Extensions of HL7's publishing tools, which every published definition carries: no package for sites defines them."""
NAMES = ("extension", "modifierExtension")


INSIDE_DEFINITIONS = frozenset(
    {"ElementDefinition.fixed[x]", "ElementDefinition.pattern[x]", "ElementDefinition.example.value[x]"}
)
"""Where values are that are not the resource's own: any extension may."""

_CORE = "http://hl7.org/fhir/StructureDefinition/"
WIDER = {
    _CORE + "regex": frozenset({"ElementDefinition.type"}),
    _CORE + "structuredefinition-fhir-type": frozenset({"ElementDefinition.type"}),
    _CORE + "structuredefinition-normative-version": ANYWHERE,
    _CORE + "capabilitystatement-expectation": ANYWHERE,
    _CORE + "capabilitystatement-prohibited": ANYWHERE,
}
"""Extensions that R4's own definitions use beyond the contexts that are published for them."""


@dataclass(frozen=True, slots=True)
class _KnownExtension:
    """A known extension, ready to check.

    Attributes:
        digest: its parts, and whether it is a modifier.
        elements: paths that it may be on; None where it may be anywhere.
        extensions: urls of extensions that it may be in.
        paths: FHIRPath of elements that it may be on.
        invariants: rules of the place that it is in.
    """

    profile: Profile
    digest: ExtensionDefinition
    elements: frozenset[str] | None
    extensions: frozenset[str]
    paths: tuple[str, ...]
    invariants: tuple[Constraint, ...]
    where: str


class ExtensionChecks:
    """Checks extensions; what each is defined to be is worked out when it is first met."""

    def __init__(
        self, engine: InvariantEngine, find: Find, definitions: Definitions, unknown: Severity = "error"
    ) -> None:
        self._engine, self._find, self._unknown = engine, find, unknown
        self._definitions = definitions
        self._known: dict[str, _KnownExtension | None] = {}

    def check(self, value: Any, path: Path, run: Run) -> None:
        """An Extension whose structure is sound: ext-1, and its definition where that is known."""
        # ext-1 here and not as an invariant: this check is where the definition is known as well.
        parts = value.get("extension")
        if (parts is not None) == any(key.startswith(("value", "_value")) for key in value):
            run.add("FB-FHIR-060", "ext-1: Must have either extensions or value[x], not both", path)
        url = value.get("url")
        if not isinstance(url, str):
            return
        # R4 extensibility.html: parts of an extension have relative urls; anything else is absolute.
        if ":" not in url:
            self._part(url, path, run)
            return
        known = self._definition(url)
        if known is None:
            self._report_unknown(url, path, run)
            if CROSS_VERSION.match(url):
                _check_cross_version(parts, url, path, run)
            return
        name = path[1]
        if name in NAMES and known.digest.is_modifier != (name == "modifierExtension"):
            wanted = "modifierExtension" if known.digest.is_modifier else "extension"
            run.add("FB-FHIR-051", f"{url} is in {name}, expected {wanted}; defined by {known.where}", path)
        if known.elements is not None or known.invariants:
            self._check_context(known, url, path, run)
        if known.digest.parts:
            self._parts(known, value, path, run)
        check = self._find(url)
        if check is not None:
            check(value, path, run)

    def _definition(self, url: str) -> _KnownExtension | None:
        if url not in self._known:
            if len(self._known) > MANY:
                self._known.clear()  # urls come from resources: their number must have a bound
            # None is kept too: an unknown url would be looked for with each resource.
            profile = self._definitions.extension_structure(url)
            self._known[url] = self._compile(profile) if profile is not None else None
        return self._known[url]

    def _compile(self, profile: Profile) -> _KnownExtension:
        digest = self._definitions.extension(profile.canonical)
        assert digest is not None
        elements = frozenset(expression for kind, expression in digest.contexts if kind == "element")
        within = frozenset(expression for kind, expression in digest.contexts if kind == "extension")
        constraints = [Constraint("ctx", "error", text, "") for text in profile.context_invariants]
        elements |= WIDER.get(profile.url, frozenset())
        # A definition without context says nothing of where it may not be.
        anywhere = bool(elements & ANYWHERE) or not digest.contexts
        # A context may name its structure (`…/StructureDefinition/x#Patient.name`): the path behind it counts.
        return _KnownExtension(
            profile,
            digest,
            None if anywhere else frozenset(e.rpartition("#")[2] for e in elements),
            within,
            tuple(expression for kind, expression in digest.contexts if kind == "fhirpath"),
            tuple(constraints),
            definition_location(profile, profile.root.id),
        )

    def _report_unknown(self, url: str, path: Path, run: Run) -> None:
        """An extension that no available package defines; those of documentation and tools no site defines."""
        severity: Severity = self._unknown
        if path[1] == "modifierExtension":
            severity = "error"  # R4 extensibility.html#modifierExtension: what has it can't be understood
        # Nobody's package can define them, so an error would be of no use to who reads it.
        if any(domain in url for domain in EXAMPLES) or CROSS_VERSION.match(url) or url.startswith(TOOLS):
            severity = "warning"
        run.add(
            "FB-FHIR-050",
            f"the extension {url[:200]} is not known, expected one of a package available",
            path,
            severity,
        )

    # --- place ----------------------------------------------------------------------------------------------------

    def _part(self, url: str, path: Path, run: Run) -> None:
        """A part of an extension, named without a scheme: its parent's definition describes it."""
        parent = path[0]
        if parent is None or parent[1] not in NAMES:
            # A relative url is right only below another extension.
            run.add("FB-FHIR-051", f"the url '{url[:80]}' of an extension is not absolute", (path, "url", -1))

    def _check_context(self, known: _KnownExtension, url: str, path: Path, run: Run) -> None:
        """Whether the extension may be where it does."""
        # The place can't be followed (malformed elements, too many names): no finding rather than a wrong one.
        at = extended_element(path[0], run)
        if at is None:
            return
        if not self._allowed(known, at, run):
            allowed = sorted([*(known.elements or ()), *known.extensions])
            run.add(
                "FB-FHIR-052",
                f"{url} is on {at.name}, expected {', '.join(allowed) or 'the elements of its definition'}; "
                f"defined by {known.where}",
                path,  # one finding: the invariants are about the place it should be in
            )
            return
        for rule in known.invariants:
            predicate = self._engine.compile(rule, at.kind)
            if predicate is not None and not predicate(at.value, run):
                run.add(
                    "FB-FHIR-052",
                    f"{url} is where '{rule.expression}' does not hold; defined by {known.where}",
                    path,
                )

    def _allowed(self, known: _KnownExtension, at: ExtendedElement, run: Run) -> bool:
        if known.elements is None or known.elements & at.names or at.names & INSIDE_DEFINITIONS:
            return True
        return bool(known.extensions & at.extensions) or any(_selects(text, at, run) for text in known.paths)

    # --- parts ----------------------------------------------------------------------------------------------------

    def _parts(self, known: _KnownExtension, value: dict[str, Any], path: Path, run: Run) -> None:
        items = value.get("extension")
        for index, item in enumerate(items if isinstance(items, list) else ()):
            name = item.get("url") if isinstance(item, dict) else None
            if isinstance(name, str) and ":" not in name and name not in known.digest.parts:
                parts = ", ".join(sorted(known.digest.parts))
                run.add(
                    "FB-FHIR-051",
                    f"{known.profile.url} has the part '{name[:80]}', expected {parts}; defined by {known.where}",
                    (path, "extension", index),
                )


def _check_cross_version(parts: Any, url: str, path: Path, run: Run) -> None:
    """Parts of another version's element are named as its children are in instances: a choice without its `[x]`."""
    for index, part in enumerate(parts if isinstance(parts, list) else ()):
        name = part.get("url") if isinstance(part, dict) else None
        if isinstance(name, str) and name.endswith("[x]"):
            wanted = name.removesuffix("[x]")
            run.add(
                "FB-FHIR-051",
                f"{url} has the part '{name[:80]}', expected '{wanted[:80]}'; defined by {url}",
                (path, "extension", index),
            )


def _selects(expression: str, at: ExtendedElement, run: Run) -> bool:
    """Whether a FHIRPath of the resource selects the element; one that can't be evaluated forbids nothing."""
    try:
        items = compile_path(expression).items(
            run.resource,
            resource=run.resource,
            root=run.root,
            conformance=run.conformance,
            definitions=run.definitions,
        )
    except FHIRPathError:
        return True
    # By identity: an equal element elsewhere is not the one that the extension is on.
    return any(item.value is at.value for item in items)

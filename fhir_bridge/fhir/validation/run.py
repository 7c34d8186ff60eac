"""One validation: its findings, the paths they carry, and what its checks share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from fhir_bridge.fhir.definitions import DEFAULT, Definitions, TypeDefinition
from fhir_bridge.fhir.issues import Issue, Severity
from fhir_bridge.fhir.ports import ConformancePort, TerminologyPort
from fhir_bridge.fhir.sound_codes import SoundCodes
from fhir_bridge.fhir.validation.codes import CODES

__all__ = ["Check", "Path", "Run", "defined", "definition_location", "render"]

# Tuples, not texts: paths are built for every value, and shown only for findings.
Path = tuple[Any, str, int]
"""(parent, name, index): built while descending, made text only for a finding. Index -1 is no list."""


class Run:
    """What the checks of one validation share.

    Attributes:
        resource: the resource being checked (%resource); contained ones take their turn.
        root: the resource that contains it (%rootResource).
        here: the path of `resource`.
        contained: ids of the root's contained resources and their types.
        bundle: full URLs of the Bundle around it and the types behind them; None outside a Bundle.
        bundles: entries of the Bundles around it (`BundleEntries`), outermost first, each with the full URL of the
            entry that is being checked.
        ids: ids of the resource's elements, met so far.
        conformance: answers conformsTo() of an invariant.
        definitions: those that the resource is checked against.
        sound_codes: those that the terminology remembers, where it does.
        implied: how severe what contradicts a profile is that is implied and not declared.
        conforming: whether a resource conforms to a profile, by identity and canonical; None while that is found out.
    """

    # Slots and no dataclass: one is created for each trial of a profile.
    __slots__ = (
        "bundle", "bundles", "conformance", "conforming", "contained", "definitions", "here", "ids",
        "implied", "issues", "resource", "root", "sound_codes", "terminology",
    )  # fmt: skip

    def __init__(
        self,
        terminology: TerminologyPort | None,
        conformance: ConformancePort | None = None,
        definitions: Definitions = DEFAULT,
    ) -> None:
        self.conformance = conformance
        self.definitions = definitions
        self.issues: list[Issue] = []
        self.terminology = terminology
        self.sound_codes: SoundCodes | None = getattr(terminology, "sound_codes", None)
        self.resource: dict[str, Any] = {}
        self.root: dict[str, Any] = {}
        self.here: Path | None = None
        self.contained: dict[str, str] = {}
        self.bundle: dict[str, str] | None = None
        self.bundles: tuple[tuple[Any, str], ...] = ()
        self.ids: set[Any] = set()
        self.conforming: dict[tuple[int, str], bool | None] = {}
        self.implied: Severity = "error"

    def add(self, code: str, message: str, path: Path, severity: Severity | None = None) -> None:
        """Note a finding at this path."""
        self.issues.append(Issue(severity or CODES[code].severity, code, message, expression=render(path)))

    def aside(self) -> Run:
        """A run in the same place whose findings are its own: to see whether something conforms."""
        # `ids` starts anew: a second look at the same elements must not report their ids as doubled.
        run = Run(self.terminology, self.conformance, self.definitions)
        run.resource, run.root, run.here = self.resource, self.root, self.here
        run.contained, run.bundle, run.bundles = self.contained, self.bundle, self.bundles
        run.conforming = self.conforming
        run.implied = self.implied
        return run

    @property
    def failed(self) -> bool:
        """Whether an error was found."""
        return any(issue.severity in ("error", "fatal") for issue in self.issues)


Check = Callable[[Any, Path, Run], None]
"""Checks a value at its path."""


def render(path: Path | None) -> str:
    """A path as FHIRPath: `Observation.component[2].code`."""
    steps: list[str] = []
    while path is not None:
        parent, name, index = path
        steps.append(name if index < 0 else f"{name}[{index}]")
        path = parent
    return ".".join(reversed(steps))


def definition_location(structure: TypeDefinition, element_id: str) -> str:
    """Where something is defined, as messages say it: `http://…/vitalsigns|4.0.1#Observation.code`."""
    return f"{structure.canonical}#{element_id}"


def defined(check: Check, where: str) -> Check:
    """The check, its findings with where what it checks is defined; a sound value pays nothing more."""

    def attributed(value: Any, path: Path, run: Run) -> None:
        issues = run.issues
        before = len(issues)
        check(value, path, run)
        if len(issues) > before:
            for number in range(before, len(issues)):
                issue = issues[number]
                if "#" not in issue.message.rpartition("; defined by ")[2]:
                    issues[number] = replace(issue, message=f"{issue.message}; defined by {where}")

    return attributed

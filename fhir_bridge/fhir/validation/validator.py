"""The validator: resources against R4 and against the profiles they declare."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import replace
from typing import Any

from fhir_bridge.fhir.definitions import DEFAULT, Definitions, resource_types
from fhir_bridge.fhir.definitions.versions import named
from fhir_bridge.fhir.implicit_rules import IMPLICIT_RULES, unknown_rules
from fhir_bridge.fhir.issues import Issue, Severity
from fhir_bridge.fhir.models import plain
from fhir_bridge.fhir.ports import TerminologyPort, process_terminology
from fhir_bridge.fhir.serialization import MAX_DEPTH, JsonError, loads_exact
from fhir_bridge.fhir.validation.bundles import check_entries, full_urls
from fhir_bridge.fhir.validation.extensions import ExtensionChecks
from fhir_bridge.fhir.validation.findings import Findings, IssueLimitReached
from fhir_bridge.fhir.validation.invariants import InvariantEngine, Invariants
from fhir_bridge.fhir.validation.narrative import narrative_problem
from fhir_bridge.fhir.validation.profiles import ProfileCompiler, is_a
from fhir_bridge.fhir.validation.resolution import BundleEntries
from fhir_bridge.fhir.validation.run import Path, Run
from fhir_bridge.fhir.validation.types import TypeCompiler

__all__ = ["Validator", "get_validator"]


class Validator:
    """Checks resources; compiles a type or profile when it first meets it, so keep one for the process, or use `of`.

    Args:
        terminology: answers what the definition tables can't (SNOMED CT, LOINC, a site's value sets); None leaves
            such codes unchecked.
        invariants: compiles invariants; the default has them all from their FHIRPath.
        unknown_extensions: how an extension that no available package defines is reported. HL7's validator calls it an
            error; what stores data takes `warning`, since R4 extensibility.html asks to keep such extensions. An
            unknown modifierExtension is an error always.
        definitions: those that resources are checked against; a site's hold what its packages define.
    """

    def __init__(
        self,
        terminology: TerminologyPort | None = None,
        invariants: InvariantEngine | None = None,
        unknown_extensions: Severity = "error",
        definitions: Definitions = DEFAULT,
    ) -> None:
        self._terminology = terminology
        self._definitions = definitions
        engine = invariants or Invariants()
        self._types = types = TypeCompiler(engine, definitions)
        self._profiles = profiles = ProfileCompiler(types)
        types.resource = self._inner_resource
        types.profile = profiles.find
        types.extension = ExtensionChecks(engine, profiles.find, definitions, unknown_extensions).check

    @classmethod
    def of(
        cls,
        terminology: TerminologyPort | None = None,
        unknown_extensions: Severity = "error",
        definitions: Definitions = DEFAULT,
    ) -> Validator:
        """One that asks this terminology, and shares what it compiles with all of the process of these definitions."""
        validator = copy(definitions.derived(_compiling, unknown_extensions))
        validator._terminology = terminology
        return validator

    def validate(
        self,
        resource: Any,
        profiles: Sequence[str] = (),
        terminology: TerminologyPort | None = None,
        *,
        most: int | None = None,
        implied: Severity = "error",
    ) -> list[Issue]:
        """The findings; none means valid as far as R4, its profiles and the available terminology show.

        Args:
            resource: a parsed resource (dict), an object of `fhir.resources`, or its JSON text (bytes or str). Text is
                parsed so that duplicate keys are found.
            profiles: canonicals to check beside those in `meta.profile`.
            terminology: asked for this resource in the place of the validator's own.
            most: findings that are wanted; an invalid resource with more is not looked at further. None: all.
            implied: how severe what contradicts a profile is that a resource does not declare and its code implies
                (R4 observation-vitalsigns.html): `error` as R4 has it, `warning` by a site's policy.
        """
        run = Run(terminology or self._terminology, self, self._definitions)
        run.implied = implied
        # Only where a number is wanted: a plain list is faster.
        if most is not None:
            run.issues = Findings(most)
        if isinstance(resource, bytes | str):
            try:
                resource = loads_exact(resource)
            except JsonError as error:
                deep = "nested" in str(error)
                return [Issue("fatal", "FB-FHIR-003" if deep else "FB-FHIR-001", str(error))]
            except ValueError as error:  # Python's own limit on the digits of a whole number
                return [Issue("fatal", "FB-FHIR-001", f"not JSON of a resource: {error}")]
        try:
            self._check(plain(resource), profiles, run)
        except RecursionError:
            # Deeply nested input that came as objects; text is bounded by the parser.
            run.issues.insert(
                0, Issue("fatal", "FB-FHIR-003", f"nested deeper than a resource needs ({MAX_DEPTH} levels)")
            )
        except IssueLimitReached:
            pass
        return run.issues.closed() if isinstance(run.issues, Findings) else run.issues

    def conforms(
        self,
        resource: dict[str, Any],
        profiles: Sequence[str] = (),
        terminology: TerminologyPort | None = None,
    ) -> bool:
        """Whether a resource is valid and conforms to these profiles; `fhir.ports.ConformancePort`."""
        result = self.validate(resource, profiles, terminology)
        return not any(issue.severity in ("error", "fatal") for issue in result)

    def narrative_problem(self, div: Any) -> str | None:
        """What R4 does not allow in a narrative; `fhir.ports.ConformancePort`."""
        return narrative_problem(div)

    # A malformed resource has a path too: "Resource" stands for what it does not say.
    def _check(self, resource: Any, profiles: Sequence[str], run: Run) -> None:
        kind = resource.get("resourceType") if isinstance(resource, dict) else None
        name = kind if isinstance(kind, str) and kind in resource_types() else "Resource"
        self._resource(resource, (None, name, -1), run, profiles)

    def _inner_resource(self, value: Any, path: Path, run: Run) -> None:
        """A resource inside another: contained resources share their container's scope, others have their own."""
        outer, here, ids = run.resource, run.here, run.ids
        if path[1] == "contained":
            self._resource(value, path, run, ())
        else:
            root, contained, bundles = run.root, run.contained, run.bundles
            # Entries resolve references from their own fullUrl, so it changes with each.
            if outer.get("resourceType") == "Bundle" and bundles:
                run.bundles = (*bundles[:-1], (bundles[-1][0], _full_url(outer, path)))
            self._resource(value, path, run, ())
            run.root, run.contained, run.bundles = root, contained, bundles
        run.resource, run.here, run.ids = outer, here, ids

    def _resource(self, value: Any, path: Path, run: Run, profiles: Sequence[str]) -> None:
        if not isinstance(value, dict):
            run.add("FB-FHIR-001", "expected a JSON object with a resourceType", path)
            return
        kind = value.get("resourceType")
        if not isinstance(kind, str) or kind not in resource_types():
            result = (
                f"'{kind[:64]}' is no resource type of R4"
                if isinstance(kind, str)
                else "resourceType is missing"
            )
            run.add("FB-FHIR-002", f"{result}, expected one of R4's", path)
            return
        run.resource, run.here = value, path
        run.ids = set()
        if (
            value.get("implicitRules") is not None
        ):  # a modifier: who does not know the rules can't determine what it means
            run.add(IMPLICIT_RULES.code, unknown_rules(kind), (path, "implicitRules", -1))
        if path[1] != "contained":
            # A contained resource has no scope of its own: ids and %rootResource are the container's.
            run.root = value
            run.contained = _contained(value, path, run) if "contained" in value else {}
        bundle = run.bundle
        if kind == "Bundle":
            run.bundle = full_urls(value)
            run.bundles = (*run.bundles, (BundleEntries(value), ""))
        self._types.cell(kind)[0](value, path, run)
        if kind == "Bundle":
            check_entries(value, path, run)
        meta = value.get("meta")
        declared = meta.get("profile") if isinstance(meta, dict) else None
        profiles = (*profiles, *self._definitions.global_profiles(kind))
        implied = vital_sign_profiles(value) if kind == "Observation" else ()
        if declared or profiles or implied:
            names = [p for p in declared if isinstance(p, str)] if isinstance(declared, list) else []
            # Once each, and with the place where it was declared, if it was.
            for index, url in enumerate(dict.fromkeys((*names, *profiles))):
                where = ((path, "meta", -1), "profile", index) if url in names else path
                self._profile(url, kind, value, path, where, run)
            for url in implied:
                if url not in names and url not in profiles:
                    self._implied(url, kind, value, path, run)
        run.bundle = bundle

    def _implied(self, url: str, kind: str, value: dict[str, Any], path: Path, run: Run) -> None:
        """Check a profile that is implied by a code, as severely as the run says."""
        if run.implied == "error":
            self._profile(url, kind, value, path, path, run)
            return
        aside = run.aside()
        self._profile(url, kind, value, path, path, aside)
        for issue in aside.issues:
            run.issues.append(replace(issue, severity="warning") if issue.severity == "error" else issue)

    def _profile(self, url: str, kind: str, value: dict[str, Any], path: Path, where: Path, run: Run) -> None:
        plain, _, version = url.partition("|")
        # The base type itself was checked above.
        if plain == f"http://hl7.org/fhir/StructureDefinition/{kind}":
            return
        profile = self._definitions.profile(url) or self._definitions.structure(url)
        if profile is None:
            run.add(
                "FB-FHIR-035",
                f"the profile {url[:200]} is not known, expected one of a package available",
                where,
            )
        elif not is_a(kind, profile.type):
            run.add(
                "FB-FHIR-036",
                f"the profile is for {profile.type}, expected one for {kind}; defined by {profile.canonical}",
                where,
            )
        else:
            if version and not named(version, [profile.version]):
                known = ", ".join(self._definitions.versions(plain))
                # Nothing is checked against another version: its rules may be other ones.
                run.add(
                    "FB-FHIR-055",
                    f"the profile {plain} is not available in version {version[:64]}, expected one of {known}; "
                    "it is not checked",
                    where,
                )
                return
            check = self._profiles.find(url)
            if check is not None:  # a type of R4 that this one builds on is checked with it
                check(value, path, run)


_VITAL_SIGNS = {
    "85353-1": "vitalspanel",
    "9279-1": "resprate",
    "8867-4": "heartrate",
    "2708-6": "oxygensat",
    "59408-5": "oxygensat",
    "8310-5": "bodytemp",
    "8302-2": "bodyheight",
    "9843-4": "headcircum",
    "29463-7": "bodyweight",
    "39156-5": "bmi",
    "85354-9": "bp",
}


def vital_sign_profiles(observation: dict[str, Any]) -> tuple[str, ...]:
    """The vital signs profiles an Observation must conform to by its code alone (R4 observation-vitalsigns.html)."""
    code = observation.get("code")
    codings = code.get("coding") if isinstance(code, dict) else None
    results = [
        f"http://hl7.org/fhir/StructureDefinition/{_VITAL_SIGNS[c['code']]}"
        for c in (codings if isinstance(codings, list) else ())
        if isinstance(c, dict)
        and c.get("system") == "http://loinc.org"
        and isinstance(c.get("code"), str)
        and c["code"] in _VITAL_SIGNS
    ]
    return tuple(results)


def _contained(resource: dict[str, Any], path: Path, run: Run) -> dict[str, str]:
    """Ids of the contained resources and their types; two of one id are noted."""
    results: dict[str, str] = {}
    items = resource["contained"]
    for index, item in enumerate(items if isinstance(items, list) else ()):
        name = item.get("id") if isinstance(item, dict) else None
        if isinstance(name, str):
            if name in results:
                run.add(
                    "FB-FHIR-054",
                    "another contained resource has this id, expected one of its own; "
                    "defined by http://hl7.org/fhir/StructureDefinition/DomainResource|4.0.1#DomainResource.contained",
                    (path, "contained", index),
                )
            results[name] = str(item.get("resourceType"))
    return results


def _full_url(bundle: dict[str, Any], path: Path) -> str:
    """The full URL of the entry that this path of a resource is in."""
    _, name, index = path[0] or (None, "", -1)
    entries = bundle.get("entry")
    entry = entries[index] if name == "entry" and isinstance(entries, list) and index < len(entries) else None
    url = entry.get("fullUrl") if isinstance(entry, dict) else None
    return url if isinstance(url, str) else ""


def get_validator(unknown_extensions: Severity = "error", definitions: Definitions = DEFAULT) -> Validator:
    """The one validator of these definitions, with the process's terminology: what `fhir-bridge validate` and
    `$validate` report.

    What is to be stored is validated with `unknown_extensions="warning"`.
    """
    return definitions.derived(_validator, unknown_extensions)


def _validator(definitions: Definitions, unknown_extensions: Severity) -> Validator:
    return Validator.of(process_terminology(definitions), unknown_extensions, definitions)


def _compiling(definitions: Definitions, unknown_extensions: Severity) -> Validator:
    """The one that all share the compiled types and profiles of. It is asked nothing itself."""
    return Validator(unknown_extensions=unknown_extensions, definitions=definitions)

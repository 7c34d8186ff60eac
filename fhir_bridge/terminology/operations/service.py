"""The terminology service as a Python API: each operation takes a Parameters resource and answers with one, or with the
expanded ValueSet. HTTP, the conformance suite and the command line all call this."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from fhir_bridge.terminology import versions
from fhir_bridge.terminology.content import CodeSystemContent
from fhir_bridge.terminology.layers import ResourceLayer
from fhir_bridge.terminology.library import Library
from fhir_bridge.terminology.memory import ResourceContent
from fhir_bridge.terminology.operations import messages
from fhir_bridge.terminology.operations.coded import coded_value
from fhir_bridge.terminology.operations.expand import expand
from fhir_bridge.terminology.operations.lookup import lookup
from fhir_bridge.terminology.operations.options import REPEATED, Deadline, Limits, read_options
from fhir_bridge.terminology.operations.outcomes import OperationError
from fhir_bridge.terminology.operations.parameters import Parameters, answer, invalid
from fhir_bridge.terminology.operations.related import related
from fhir_bridge.terminology.operations.scope import Scope
from fhir_bridge.terminology.operations.subsumes import subsumes
from fhir_bridge.terminology.operations.translate import translate
from fhir_bridge.terminology.operations.validate import (
    code_system_to_validate,
    refuse_code_system,
    validate_in_code_system,
    validate_in_value_set,
)
from fhir_bridge.terminology.shapes import misshapen
from fhir_bridge.terminology.value_set_definitions import ValueSetDefinition

__all__ = ["OPERATIONS", "Request", "TerminologyService"]

_KINDS = ("CodeSystem", "ValueSet", "ConceptMap")
_BRINGING = frozenset({"profile", "tx-resource"})
"""Parameters that bring other parameters, or resources."""

MAX_BATCH = 10_000
"""Validations that one batch may hold."""


@dataclass(frozen=True, slots=True)
class Request:
    """An operation's input.

    Attributes:
        parameters: FHIR JSON of a Parameters resource.
        accept_language: the HTTP header.
        instance: the CodeSystem, ValueSet or ConceptMap of an operation on an instance.
        deadline: when the answer has to be there.
    """

    parameters: Mapping[str, Any]
    accept_language: str | None = None
    instance: Mapping[str, Any] | None = None
    deadline: Deadline | None = None


@dataclass(slots=True)
class _Prepared:
    scope: Scope
    parameters: Parameters
    layers: tuple[ResourceLayer, ...] = field(default=())


class TerminologyService:
    """The operations over a library. Safe to share between threads."""

    def __init__(self, library: Callable[[], Library] | Library, limits: Limits | None = None) -> None:
        """A service.

        Args:
            library: the library, or where the present one is got, asked once for each request.
        """
        self._library = library if callable(library) else lambda: library
        self._limits = limits or Limits()

    def library(self) -> Library:
        """The library at present."""
        return self._library()

    # --- operations ---

    def lookup(self, request: Request) -> dict[str, Any]:
        """`CodeSystem/$lookup`."""
        ready = self._prepare(request)
        content = None if request.instance is None else ResourceContent(request.instance)
        return lookup(ready.scope, ready.parameters, content)

    def subsumes(self, request: Request) -> dict[str, Any]:
        """`CodeSystem/$subsumes`."""
        ready = self._prepare(request)
        content = None if request.instance is None else ResourceContent(request.instance)
        return subsumes(ready.scope, ready.parameters, content)

    def validate_code_system(self, request: Request) -> dict[str, Any]:
        """`CodeSystem/$validate-code`."""
        ready = self._prepare(request)
        return self._validate_code_system(ready, request.instance)

    def _validate_code_system(self, ready: _Prepared, instance: Mapping[str, Any] | None) -> dict[str, Any]:
        scope, parameters = ready.scope, ready.parameters
        coded = coded_value(parameters, code_system=True)
        scope.require_supplements(scope.options.supplements)
        value = [instance] if instance is not None else parameters.resources("codeSystem")
        if value:
            content: CodeSystemContent = ResourceContent(value[0])
            coded = coded.within(content.url)
            layered = scope.library.over(ResourceLayer(value))
            scope = Scope(layered, scope.options)
        else:
            try:
                content = code_system_to_validate(scope, parameters, coded)
            except OperationError as error:
                if error.answerable:
                    return refuse_code_system(scope, error, coded)
                raise
        return validate_in_code_system(scope, content, coded)

    def validate_value_set(self, request: Request) -> dict[str, Any]:
        """`ValueSet/$validate-code`."""
        ready = self._prepare(request)
        return self._validate_value_set(ready, request.instance)

    def _validate_value_set(self, ready: _Prepared, instance: Mapping[str, Any] | None) -> dict[str, Any]:
        value_set = self._value_set(ready, instance)
        coded = coded_value(ready.parameters, code_system=False)
        return validate_in_value_set(ready.scope, value_set, coded)

    def expand(self, request: Request) -> dict[str, Any]:
        """`ValueSet/$expand`, in the R5 form."""
        ready = self._prepare(request)
        if ready.parameters.text("context") is not None:
            raise invalid("The parameter context is not supported: name the value set", code="not-supported")
        return expand(ready.scope, self._value_set(ready, request.instance))

    def translate(self, request: Request) -> dict[str, Any]:
        """`ConceptMap/$translate`."""
        ready = self._prepare(request)
        return translate(ready.scope, ready.parameters, request.instance)

    def related(self, request: Request) -> dict[str, Any]:
        """`ValueSet/$related`."""
        ready = self._prepare(request)
        this = (
            ValueSetDefinition(request.instance)
            if request.instance is not None
            else self._named(ready, "thisValueSet", "thisUrl")
        )
        return related(ready.scope, this, self._named(ready, "otherValueSet", "otherUrl"))

    def batch_validate(self, request: Request) -> dict[str, Any]:
        """`ValueSet/$batch-validate-code`: every `validation` with the parameters that are beside them; one that
        names no value set is asked of its code system."""
        return self._batch(request, code_system=False)

    def batch_validate_code_system(self, request: Request) -> dict[str, Any]:
        """`CodeSystem/$batch-validate-code`."""
        return self._batch(request, code_system=True)

    def _batch(self, request: Request, *, code_system: bool) -> dict[str, Any]:
        ready = self._prepare(request)
        validations = ready.parameters.resources("validation")
        if len(validations) > MAX_BATCH:
            raise invalid(f"More than {MAX_BATCH} validations in one batch", code="too-costly")
        common = [e for e in ready.parameters.entries if e["name"] not in ("validation", "tx-resource")]
        entries: list[tuple[str, str, Any]] = []
        for validation in validations:
            # Each validation has its own time, and all of them together that of one operation.
            ready.scope.tick()
            answered = self._validation(ready, request, validation, common, code_system)
            entries.append(("validation", "resource", answered))
        return answer(entries)

    def _validation(
        self,
        ready: _Prepared,
        request: Request,
        validation: Mapping[str, Any],
        common: Sequence[Mapping[str, Any]],
        code_system: bool,
    ) -> dict[str, Any]:
        """The answer to one validation of a batch; one that fails is an OperationOutcome."""
        try:
            parameters = Parameters(validation).with_entries(common)
            options = read_options(
                parameters, accept_language=request.accept_language, limits=ready.scope.options.limits
            )
            prepared = _Prepared(Scope(ready.scope.library, options), parameters)
            if code_system or (parameters.text("url") is None and not parameters.resources("valueSet")):
                return self._validate_code_system(prepared, None)
            return self._validate_value_set(prepared, None)
        except OperationError as error:
            return error.json()

    # --- what a request brings ---

    def _prepare(self, request: Request) -> _Prepared:
        parameters = Parameters(request.parameters)
        library = self.library()
        brought: Sequence[Mapping[str, Any]] = ()
        if parameters.has_any(_BRINGING):
            for profile in parameters.resources("profile"):
                parameters = parameters.with_entries(Parameters(profile).entries, REPEATED)
            brought = [
                resource
                for resource in parameters.resources("tx-resource")
                if resource.get("resourceType") in _KINDS
            ]
        if request.instance is not None:
            if problem := misshapen(request.instance):
                raise invalid(f"The resource that the operation is asked of: {problem}")
            brought = [*brought, request.instance]
        if brought:
            library = library.over(ResourceLayer(brought))
        limits = (
            self._limits if request.deadline is None else replace(self._limits, deadline=request.deadline)
        )
        options = read_options(parameters, accept_language=request.accept_language, limits=limits)
        return _Prepared(Scope(library, options), parameters)

    def _value_set(self, ready: _Prepared, instance: Mapping[str, Any] | None) -> ValueSetDefinition:
        if instance is not None:
            return ValueSetDefinition(instance)
        return self._named(ready, "valueSet", "url")

    def _named(self, ready: _Prepared, resource: str, url: str) -> ValueSetDefinition:
        """A value set of the request: given whole, or named.

        Raises:
            OperationError: it is neither, or not available.
        """
        resources = ready.parameters.resources(resource)
        if resources:
            return ValueSetDefinition(resources[0])
        named = ready.parameters.text(url)
        if named is None:
            raise invalid(f"Name a value set ({url}), or give one ({resource})")
        stated = ready.parameters.text("valueSetVersion") if url == "url" else None
        address, version = versions.split_canonical(named)
        version = ready.scope.rule_version(address, stated or version, value_sets=True)
        value_set = ready.scope.library.value_set(address, version)
        if value_set is None:
            issue = messages.unknown_value_set(f"{address}|{version}" if version else address)
            raise OperationError(issue, status=404)
        return value_set


OPERATIONS: Mapping[tuple[str, str], Callable[[TerminologyService, Request], dict[str, Any]]] = {
    ("CodeSystem", "lookup"): TerminologyService.lookup,
    ("CodeSystem", "subsumes"): TerminologyService.subsumes,
    ("CodeSystem", "validate-code"): TerminologyService.validate_code_system,
    ("ValueSet", "validate-code"): TerminologyService.validate_value_set,
    ("ValueSet", "expand"): TerminologyService.expand,
    ("ValueSet", "related"): TerminologyService.related,
    ("ConceptMap", "translate"): TerminologyService.translate,
    ("ValueSet", "batch-validate-code"): TerminologyService.batch_validate,
    ("CodeSystem", "batch-validate-code"): TerminologyService.batch_validate_code_system,
}
"""Operations by resource type and name without `$`."""

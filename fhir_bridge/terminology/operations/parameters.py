"""Parameters resources, in and out (R4 parameters.html), and the query of a GET as one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fhir_bridge.terminology.operations.outcomes import OperationError, TxIssue
from fhir_bridge.terminology.shapes import misshapen

__all__ = ["Parameters", "answer", "from_query", "invalid", "part"]

_KINDS = {"Coding": "valueCoding", "CodeableConcept": "valueCodeableConcept"}


def invalid(text: str, *, status: int = 400, code: str = "invalid") -> OperationError:
    """The error of a request that can't be understood."""
    return OperationError(TxIssue("error", code, None, text), status=status)


def _malformed() -> OperationError:
    return invalid("Parameters.parameter is not a list of objects with a name")


class Parameters:
    """What an operation is asked with. Names that it doesn't know are passed over, as R4 has it."""

    def __init__(self, resource: Mapping[str, Any]) -> None:
        entries = resource.get("parameter", ())
        if not isinstance(entries, Sequence) or isinstance(entries, str):
            raise _malformed()
        self.entries: Sequence[Mapping[str, Any]] = entries
        self._by_name: dict[str, list[Mapping[str, Any]]] = {}
        for entry in entries:
            name = entry.get("name") if isinstance(entry, Mapping) else None
            if not isinstance(name, str):
                raise _malformed()
            self._by_name.setdefault(name, []).append(entry)

    def with_entries(self, more: Iterable[Mapping[str, Any]]) -> Parameters:
        """These with others behind them."""
        return Parameters({"parameter": [*self.entries, *more]})

    def has_any(self, names: frozenset[str]) -> bool:
        """Whether one of these names is there."""
        return not names.isdisjoint(self._by_name)

    def all(self, name: str) -> Sequence[Mapping[str, Any]]:
        """The entries of a name."""
        return self._by_name.get(name, ())

    def values(self, name: str) -> Sequence[Any]:
        """The values of a name, of whatever type."""
        entries = self._by_name.get(name)
        if entries is None:
            return ()
        found = (_value(entry) for entry in entries)
        return [value for value in found if value is not None]

    def text(self, *names: str) -> str | None:
        """The first value of the first of these names, as text."""
        for name in names:
            for value in self.values(name):
                if isinstance(value, (str, int)) and not isinstance(value, bool):
                    return str(value)
        return None

    def flag(self, name: str) -> bool | None:
        """A boolean; text is read too, as a GET has it.

        Raises:
            OperationError: the value is neither true nor false.
        """
        for value in self.values(name):
            if value in (True, "true"):
                return True
            if value in (False, "false"):
                return False
            raise invalid(f'The parameter "{name}" is neither true nor false: {value}')
        return None

    def number(self, name: str) -> int | None:
        """A number that is not negative.

        Raises:
            OperationError: the value is something else.
        """
        for value in self.values(name):
            text = str(value)
            if isinstance(value, bool) or not text.isascii() or not text.isdecimal() or len(text) > 9:
                raise invalid(f'The parameter "{name}" is not a number of at most 9 digits: {text[:40]}')
            return int(text)
        return None

    def coding(self, name: str) -> Mapping[str, Any] | None:
        """A Coding; a token `system|code` is read too, as a GET has it."""
        for value in self.values(name):
            if isinstance(value, Mapping):
                return value
            system, bar, code = str(value).rpartition("|")
            return {"system": system, "code": code} if bar and system else {"code": code}
        return None

    def concept(self, name: str) -> Mapping[str, Any] | None:
        """A CodeableConcept.

        Raises:
            OperationError: its codings are no list.
        """
        found = next((value for value in self.values(name) if isinstance(value, Mapping)), None)
        if found is not None and not isinstance(found.get("coding", []), list):
            raise invalid(f'The CodeableConcept in the parameter "{name}": coding is not a list')
        return found

    def resources(self, name: str) -> list[Mapping[str, Any]]:
        """The resources of a name.

        Raises:
            OperationError: one has not the form that its type has.
        """
        found = [e["resource"] for e in self.all(name) if isinstance(e.get("resource"), Mapping)]
        for resource in found:
            if problem := misshapen(resource):
                raise invalid(f'The {resource.get("resourceType")} in the parameter "{name}": {problem}')
        return found


def _value(entry: Mapping[str, Any]) -> Any:
    return next((entry[key] for key in entry if key.startswith("value")), None)


def from_query(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """The query of a GET, or a form, as a Parameters resource; values stay texts."""
    return {
        "resourceType": "Parameters",
        "parameter": [
            {"name": name, "valueString": value} for name, value in pairs if not name.startswith("_")
        ],
    }


def part(name: str, kind: str, value: Any) -> dict[str, Any]:
    """A parameter of a type (`valueUri`, …) or, with kind `resource` or `part`, one that holds these."""
    return {"name": name, kind: value}


def answer(entries: Iterable[tuple[str, str, Any]]) -> dict[str, Any]:
    """A Parameters resource of (name, kind, value); entries without value are left out."""
    return {
        "resourceType": "Parameters",
        "parameter": [part(name, kind, value) for name, kind, value in entries if value is not None],
    }

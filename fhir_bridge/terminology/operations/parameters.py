"""Parameters resources, in and out (R4 parameters.html), and the query of a GET as one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fhir_bridge.terminology.operations.outcomes import OperationError, TxIssue
from fhir_bridge.terminology.shapes import misshapen

__all__ = ["Parameters", "answer", "from_query", "invalid", "part", "value_of"]

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
        by_name = self._by_name
        for entry in entries:
            name = entry.get("name") if isinstance(entry, (dict, Mapping)) else None
            if not isinstance(name, str):
                raise _malformed()
            if name in by_name:
                by_name[name].append(entry)
            else:
                by_name[name] = [entry]

    def with_entries(
        self, more: Iterable[Mapping[str, Any]], adding: frozenset[str] = frozenset()
    ) -> Parameters:
        """These with others behind them; of a name that is here already, only those of `adding`."""
        others = (
            item for item in more if item.get("name") in adding or item.get("name") not in self._by_name
        )
        return Parameters({"parameter": [*self.entries, *others]})

    def require_at_most_one(self, *names: str) -> None:
        """See that not more than one of these is there: they are different ways to say one thing.

        Raises:
            OperationError: there are more.
        """
        there = [name for name in names if name in self._by_name]
        if len(there) > 1:
            raise invalid(f"Give one of {', '.join(names)}, not {' and '.join(there)} together")

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
        return [value for entry in entries if (value := value_of(entry)) is not None]

    def single(self, name: str) -> Any:
        """The value of a name that may occur once; None where there is none.

        Raises:
            OperationError: there are two that differ.
        """
        entries = self._by_name.get(name)
        if entries is None:
            return None
        if len(entries) == 1:
            return value_of(entries[0])
        values = self.values(name)
        if any(value != values[0] for value in values):
            raise invalid(f'The parameter "{name}" occurs more than once, with different values')
        return values[0] if values else None

    def text(self, *names: str) -> str | None:
        """The value of the first of these names that has one, as text.

        Raises:
            OperationError: a name has two values that differ.
        """
        by_name = self._by_name
        for name in names:
            if name not in by_name:
                continue
            value = self.single(name)
            if isinstance(value, str):
                return value
            if isinstance(value, int) and not isinstance(value, bool):
                return str(value)
        return None

    def flag(self, name: str) -> bool | None:
        """A boolean; text is read too, as a GET has it.

        Raises:
            OperationError: the value is neither true nor false, or there are both.
        """
        value = self.single(name)
        if value is None:
            return None
        if value in (True, "true"):
            return True
        if value in (False, "false"):
            return False
        raise invalid(f'The parameter "{name}" is neither true nor false: {value}')

    def number(self, name: str) -> int | None:
        """A number that is not negative.

        Raises:
            OperationError: the value is something else, or there are two that differ.
        """
        value = self.single(name)
        if value is None:
            return None
        text = str(value)
        # int() alone would read digits of other scripts, signs and blanks, too.
        if isinstance(value, bool) or not text.isascii() or not text.isdecimal() or len(text) > 9:
            raise invalid(f'The parameter "{name}" is no whole number from 0 to 999999999: {text[:40]}')
        return int(text)

    def coding(self, name: str) -> Mapping[str, Any] | None:
        """A Coding; a token `system|code` is read too, as a GET has it.

        Raises:
            OperationError: an element of it is not a text, or there are two Codings that differ.
        """
        value = self.single(name)
        if value is None:
            return None
        if isinstance(value, Mapping):
            return _sound(value, f'The Coding in the parameter "{name}"')
        system, bar, code = str(value).rpartition("|")
        return {"system": system, "code": code} if bar and system else {"code": code}

    def concept(self, name: str) -> Mapping[str, Any] | None:
        """A CodeableConcept.

        Raises:
            OperationError: its codings are no list of Codings, or there are two that differ.
        """
        if name not in self._by_name:
            return None
        value = self.single(name)
        where = f'The CodeableConcept in the parameter "{name}"'
        if not isinstance(value, Mapping):
            raise invalid(f"{where} is not an object")
        codings = value.get("coding", [])
        if not isinstance(codings, list) or not all(isinstance(coding, Mapping) for coding in codings):
            raise invalid(f"{where}: coding is not a list of objects")
        for location, coding in enumerate(codings):
            _sound(coding, f"{where}: coding[{location}]")
        return value

    def resources(self, name: str) -> Sequence[Mapping[str, Any]]:
        """The resources of a name.

        Raises:
            OperationError: one has not the form that its type has.
        """
        if name not in self._by_name:
            return ()
        results = [e["resource"] for e in self.all(name) if isinstance(e.get("resource"), Mapping)]
        for resource in results:
            if problem := misshapen(resource):
                raise invalid(f'The {resource.get("resourceType")} in the parameter "{name}": {problem}')
        return results


def _sound(coding: Mapping[str, Any], where: str) -> Mapping[str, Any]:
    """The Coding.

    Raises:
        OperationError: one of its elements is not a text.
    """
    for name in ("system", "version", "code", "display"):
        if not isinstance(coding.get(name, ""), str):
            raise invalid(f"{where}: {name} is not a string")
    return coding


def value_of(entry: Mapping[str, Any]) -> Any:
    """The `value[x]` of a parameter or extension, None where it has none."""
    for key in entry:
        if key[:5] == "value":
            return entry[key]
    return None


def from_query(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """The query of a GET, or a form, as a Parameters resource; values stay texts."""
    # `_format` and its like are about the answer, not the operation (R4 http.html#general).
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
        "parameter": [{"name": name, kind: value} for name, kind, value in entries if value is not None],
    }

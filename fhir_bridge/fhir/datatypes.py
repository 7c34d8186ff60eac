"""Typed values: JSON-ready, and knowing their FHIR type, so that `value[x]` finds its own name."""

from __future__ import annotations

from typing import Any, ClassVar

from fhir_bridge.fhir.models import is_model, model_type

__all__ = [
    "TYPE_ATTRIBUTE",
    "Address",
    "Attachment",
    "Code",
    "CodeableConcept",
    "Coding",
    "ContactPoint",
    "Date",
    "DateTime",
    "HumanName",
    "Identifier",
    "Instant",
    "Period",
    "Quantity",
    "Range",
    "Ratio",
    "Reference",
    "SampledData",
    "Time",
    "Uri",
    "fhir_type",
]

TYPE_ATTRIBUTE = "fhir_type"


class _Complex(dict[str, Any]):
    """A complex data type (R4 datatypes.html): a plain dict that knows its name."""

    __slots__ = ()
    fhir_type: ClassVar[str]


class _Primitive(str):
    """A primitive whose JSON form is a string."""

    __slots__ = ()
    fhir_type: ClassVar[str]


class Address(_Complex):
    fhir_type = "Address"


class Attachment(_Complex):
    fhir_type = "Attachment"


class CodeableConcept(_Complex):
    fhir_type = "CodeableConcept"


class Coding(_Complex):
    fhir_type = "Coding"


class ContactPoint(_Complex):
    fhir_type = "ContactPoint"


class HumanName(_Complex):
    fhir_type = "HumanName"


class Identifier(_Complex):
    fhir_type = "Identifier"


class Period(_Complex):
    fhir_type = "Period"


class Quantity(_Complex):
    fhir_type = "Quantity"


class Range(_Complex):
    fhir_type = "Range"


class Ratio(_Complex):
    fhir_type = "Ratio"


class Reference(_Complex):
    fhir_type = "Reference"


class SampledData(_Complex):
    fhir_type = "SampledData"


class Code(_Primitive):
    fhir_type = "code"


class Date(_Primitive):
    fhir_type = "date"


class DateTime(_Primitive):
    fhir_type = "dateTime"


class Instant(_Primitive):
    fhir_type = "instant"


class Time(_Primitive):
    fhir_type = "time"


class Uri(_Primitive):
    fhir_type = "uri"


def fhir_type(value: object) -> str:
    """The FHIR type of a value created by a mapping: its own, or that of its Python type.

    An object of `fhir.resources` has its own.

    Raises:
        TypeError: the value is of no FHIR type.
    """
    named = getattr(value, TYPE_ATTRIBUTE, None)
    if isinstance(named, str):
        return named
    if is_model(value):
        return model_type(value)
    for python, name in ((bool, "boolean"), (int, "integer"), (str, "string")):
        if isinstance(value, python):
            return name
    if type(value).__name__ == "Decimal":
        return "decimal"
    raise TypeError(f"{type(value).__name__} is of no FHIR type")

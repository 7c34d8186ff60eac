"""What is wrong with XML that should hold a resource, or with a resource that should become XML."""

from __future__ import annotations

__all__ = ["XmlError"]


class XmlError(ValueError):
    """The text is not the XML of an R4 resource, or the resource has no XML form.

    Attributes:
        reason: what was found and what was expected.
        line: line in the text, from 1; 0 where a resource was being written.
        column: column in that line, from 1; 0 where a resource was being written.
        expression: FHIRPath of the place (`Patient.contact[0].name`), where it is known.
    """

    def __init__(self, reason: str, *, line: int = 0, column: int = 0, expression: str = "") -> None:
        self.reason, self.line, self.column, self.expression = reason, line, column, expression
        where = [f"line {line}, column {column}"] if line else []
        if expression:
            where.append(expression)
        super().__init__(f"{', '.join(where)}: {reason}" if where else reason)

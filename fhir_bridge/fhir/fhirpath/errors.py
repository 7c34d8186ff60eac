"""The one error that FHIRPath raises: where in the expression, what was found, what was expected."""

from __future__ import annotations

__all__ = ["FHIRPathError"]


class FHIRPathError(ValueError):
    """An expression that can't be parsed, checked or evaluated.

    Attributes:
        problem: what is wrong, without the place.
        position: offset in the expression's text (from 0); -1 where there is none.
        expression: the text, as far as it is known.
    """

    def __init__(self, problem: str, position: int = -1, expression: str = "") -> None:
        self.problem = problem
        self.position = position
        self.expression = expression
        super().__init__(self._text())

    def _text(self) -> str:
        if self.position < 0 or not self.expression:
            return self.problem
        start = max(0, self.position - 20)
        shown = self.expression[start : self.position + 20].replace("\n", " ")
        return f"{self.problem} (at {self.position}, near {shown!r})"

    def within(self, expression: str) -> FHIRPathError:
        """The same error, telling the expression it happened in."""
        if not self.expression:
            self.expression = expression
            self.args = (self._text(),)
        return self

    def placed(self, position: int) -> FHIRPathError:
        """The same error, with a place where it had none."""
        if self.position < 0 <= position:
            self.position = position
        return self

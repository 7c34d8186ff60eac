"""Functions of the expression language: ours by `builtin`, an adapter's by `function`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, overload

__all__ = ["BUILTINS", "FunctionSpec", "builtin", "function", "spec_of"]

F = TypeVar("F", bound=Callable[..., Any])

_MARK = "__mapping_function__"


@dataclass(frozen=True, slots=True)
class FunctionSpec:
    """A function as the compiler sees it.

    Attributes:
        name: as mappings write it.
        call: the Python function.
        scope: it receives the scope object first.
        context: it receives the run's `Context` first (after the scope object).
        returns: FHIR type of what it gives (or of each of a list); None where that is known at run time only.
        arguments: names of arguments in order; keywords such as `else` are without Python's underscore.
        required: how many of them must be given.
        rest: it takes any number of arguments more.
        keywords: any keyword is taken.
        repeats: it may give a list.
        nulls: given null as its first argument it gives null, so that it need not be called.
        reads: how each argument is read, by position (`READING` of `reads.py`, or a reader of the source model).
        selects: selectors that a function of the scope reads by itself, each with its reader: `("OBX-5", "whole")`.
        pure: what it gives depends on its arguments, and of its scope on what `selects` and this names, alone.
        refers: the argument, by position, that names rules of the mapping (a text, or a list of texts): the function
            is given a tuple of (type, rule), and finds what they make in `Context.instances`.
        check: what is wrong with a literal argument: its name, its value, and all literal arguments by name.
        signature: for messages, `quantity(value, unit=…)`.
    """

    name: str
    call: Callable[..., Any]
    scope: bool
    context: bool
    returns: str | None
    arguments: tuple[str, ...]
    required: int
    rest: bool
    keywords: bool
    repeats: bool = True
    keyword_only: frozenset[str] = frozenset()
    nulls: bool = False
    reads: tuple[str, ...] = ()
    selects: tuple[tuple[str, str], ...] = ()
    pure: bool | tuple[str, ...] = False
    refers: int | None = None
    check: Callable[[str, Any, Mapping[str, Any]], Any] | None = None

    @property
    def signature(self) -> str:
        """How it is called, for messages."""
        parts = [
            name if position < self.required else f"{name}=…" for position, name in enumerate(self.arguments)
        ]
        return f"{self.name}({', '.join([*parts, *(['…'] if self.rest else [])])})"


BUILTINS: dict[str, FunctionSpec] = {}
"""The language's own functions, filled by the modules of `functions/`."""


_NULLS = frozenset(
    """boolean code coding concept date datetime decimal first instant integer last quantity string time_of_day
    translate trim upper lower""".split()
)
"""Functions of the language that give null for null."""


def _describe(
    name: str,
    call: Callable[..., Any],
    *,
    scope: bool,
    context: bool,
    returns: str | None,
    repeats: bool,
    nulls: bool = False,
    reads: tuple[str, ...] = (),
    selects: tuple[tuple[str, str], ...] = (),
    pure: bool | tuple[str, ...] = False,
    refers: int | None = None,
) -> FunctionSpec:
    try:
        parameters: Iterable[inspect.Parameter] = inspect.signature(call).parameters.values()
    except (TypeError, ValueError):  # a builtin of C without signature: anything goes
        return FunctionSpec(
            name, call, scope, context, returns, (), 0, True, True, repeats, reads=reads, selects=selects, pure=pure,
            refers=refers,
        )  # fmt: skip
    kept = list(parameters)[int(scope) + int(context) :]
    arguments, required, rest, keywords = [], 0, False, False
    only: set[str] = set()
    for parameter in kept:
        if parameter.kind is parameter.VAR_POSITIONAL:
            rest = True
        elif parameter.kind is parameter.VAR_KEYWORD:
            keywords = True
        else:
            shown = parameter.name.rstrip("_")
            arguments.append(shown)
            if parameter.kind is parameter.KEYWORD_ONLY:
                only.add(shown)
            elif parameter.default is parameter.empty:
                required = len(arguments)
    return FunctionSpec(
        name,
        call,
        scope,
        context,
        returns,
        tuple(arguments),
        required,
        rest,
        keywords,
        repeats,
        frozenset(only),
        nulls,
        reads,
        selects,
        pure,
        refers,
    )


def builtin(
    name: str,
    *,
    returns: str | None = None,
    context: bool = False,
    repeats: bool = True,
    reads: tuple[str, ...] = (),
) -> Callable[[F], F]:
    """Register a function of the language itself."""

    def register(call: F) -> F:
        BUILTINS[name] = _describe(
            name,
            call,
            scope=False,
            context=context,
            returns=returns,
            repeats=repeats,
            nulls=name in _NULLS,
            reads=reads,
        )
        return call

    return register


@overload
def function(call: F) -> F: ...
@overload
def function(
    call: None = None,
    *,
    scope: bool = False,
    context: bool = False,
    returns: str | None = None,
    nulls: bool = False,
    reads: tuple[str, ...] = (),
    selects: tuple[tuple[str, str], ...] = (),
    pure: bool | tuple[str, ...] = False,
    refers: int | None = None,
) -> Callable[[F], F]: ...
def function(
    call: F | None = None,
    *,
    scope: bool = False,
    context: bool = False,
    returns: str | None = None,
    nulls: bool = False,
    reads: tuple[str, ...] = (),
    selects: tuple[tuple[str, str], ...] = (),
    pure: bool | tuple[str, ...] = False,
    refers: int | None = None,
) -> F | Callable[[F], F]:
    """Mark an adapter's function.

    Args:
        call: the function, where the decorator is without arguments.
        scope: it receives the scope object of the rule first.
        context: it receives the run's `Context` first (after the scope object): `ctx.flag`, `ctx.site`, ….
        returns: FHIR type of what it gives, so that the compiler can check the element it is written to.
        nulls: given null as its first argument it gives null; the compiler then spares the call.
        reads: how each argument is read, by position, in the words of the source model (`XPN`, `whole`); `text`
            unless given. It decides what counts as represented of a value.
        selects: selectors that the function reads from its scope by itself, each with its reader.
        pure: what it gives depends on its arguments, the site and the record's source and zone, and of its scope on
            what `selects` and this names, alone. Then it is remembered where outputs are made as bytes.
        refers: the argument, by position, that names rules of the mapping; the function is given (type, rule) of each.
    """

    def mark(target: F) -> F:
        marks = {"scope": scope, "context": context, "returns": returns, "nulls": nulls}
        setattr(target, _MARK, {**marks, "reads": reads, "selects": selects, "pure": pure, "refers": refers})
        return target

    return mark(call) if call is not None else mark


def spec_of(name: str, call: Callable[..., Any]) -> FunctionSpec:
    """The description of an adapter's function, marked or plain."""
    marked = getattr(call, _MARK, None) or {"scope": False, "context": False, "returns": None}
    return _describe(name, call, repeats=True, **marked)

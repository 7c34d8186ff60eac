"""What a path gives, told from the definitions alone: types and whether there may be several values.

SQL on FHIR v2, Column Types: navigation has the type of the definition, `ofType(T)` has T, a function has its return
type. Where that is not known, nothing is claimed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from fhir_bridge.fhir.fhirpath.kinds import ANY, SYSTEM, Kind, kind_of
from fhir_bridge.fhir.fhirpath.syntax import (
    Binary,
    Call,
    Indexer,
    Literal,
    Member,
    Node,
    Null,
    Special,
    TypeTest,
    Unary,
    Variable,
)

__all__ = ["Given", "Inference", "type_name"]


@dataclass(frozen=True, slots=True)
class Given:
    """What an expression gives.

    Attributes:
        kinds: the types its values may have; None where that is not known.
        many: whether there may be several values; True where that is not known.
    """

    kinds: tuple[Kind, ...] | None
    many: bool = False

    @property
    def one(self) -> Given:
        """One of the values."""
        return Given(self.kinds, False)

    def types(self) -> tuple[str, ...] | None:
        """Names of the types, or None."""
        return None if self.kinds is None else tuple(dict.fromkeys(map(type_name, self.kinds)))


UNKNOWN = Given(None, True)


def type_name(kind: Kind) -> str:
    """A kind's name as a column's type writes it: an R4 type, or an element's path for a backbone."""
    if kind.system:
        return kind.name if kind.name == "Quantity" else kind.name[0].lower() + kind.name[1:]
    if kind.place is not None and kind.place[0] != kind.place[1]:
        return kind.place[1]
    return kind.name


def _boundary(value: Given) -> Given:
    """Half of the last digit away: what was whole is a decimal."""
    if value.kinds is None:
        return value
    return Given(
        tuple(SYSTEM["Decimal"] if kind.name in _WHOLE else kind for kind in value.kinds), value.many
    )


def _system(name: str, *, many: bool = False) -> Given:
    return Given((SYSTEM[name],), many)


def _union(parts: Iterable[Given], *, many: bool) -> Given:
    kinds: dict[Kind, None] = {}
    for part in parts:
        if part.kinds is None:
            return Given(None, many)
        kinds.update(dict.fromkeys(part.kinds))
    return Given(tuple(kinds), many)


_RETURNS = {
    **dict.fromkeys(
        "exists empty all not hasValue allTrue anyTrue allFalse anyFalse subsetOf supersetOf isDistinct is contains "
        "startsWith endsWith matches matchesFull memberOf subsumes subsumedBy conformsTo htmlChecks htmlChecks1 "
        "convertsToBoolean convertsToInteger convertsToDecimal convertsToString convertsToDate convertsToDateTime "
        "convertsToTime convertsToQuantity toBoolean comparable hasTemplateIdOf isActive".split(),
        "Boolean",
    ),
    **dict.fromkeys(
        "join toString substring upper lower replace replaceMatches trim encode decode escape unescape "
        "getResourceKey getReferenceKey".split(),
        "String",
    ),
    **dict.fromkeys(
        "count length indexOf lastIndexOf toInteger ceiling floor truncate precision".split(), "Integer"
    ),
    **dict.fromkeys("toDecimal sqrt exp ln log round".split(), "Decimal"),
    **dict.fromkeys("today toDate".split(), "Date"),
    **dict.fromkeys("now toDateTime".split(), "DateTime"),
    **dict.fromkeys("timeOfDay toTime".split(), "Time"),
    "toQuantity": "Quantity",
}
_STRINGS = frozenset({"split", "toChars"})
_SAME = frozenset("where tail skip take distinct exclude intersect trace sort checkModifiers".split())
_ONE = frozenset("first last single".split())
_SAME_VALUE = frozenset("abs getValue".split())
_BOUNDARIES = frozenset({"lowBoundary", "highBoundary"})
_WHOLE = frozenset({"Integer", "integer", "positiveInt", "unsignedInt"})
_BOOLEAN_OPERATORS = frozenset("and or xor implies in contains = ~ != !~ < <= > >=".split())
_VARIABLES = frozenset({"ucum", "sct", "loinc"})


class Inference:
    """Infers within one view.

    Args:
        root: the view's resource type.
        variables: what `%name` gives.
    """

    def __init__(self, root: Kind, variables: Mapping[str, Given]) -> None:
        self._root = root
        self._variables = variables
        self._unknown: list[str] = []

    def unknown(self, node: Node, focus: Given) -> tuple[str, ...]:
        """The names in a path that none of the types they stand on has, with those types."""
        self._unknown = []
        self.of(node, focus)
        return tuple(dict.fromkeys(self._unknown))

    def of(self, node: Node, focus: Given) -> Given:
        """What `node` gives for one element of `focus`."""
        match node:
            case Literal(kind=kind):
                return _system(kind) if kind in SYSTEM else UNKNOWN
            case Null():
                return Given(())
            case Special(name=name):
                return focus.one if name == "this" else _system("Integer") if name == "index" else UNKNOWN
            case Variable(name=name):
                return self._variable(name)
            case Member():
                return self._member(node, focus)
            case Indexer(target=target):
                return self.of(target, focus).one
            case Unary(operand=operand):
                return self._system_of(self.of(operand, focus))
            case TypeTest(operator=operator, operand=operand, type_name=name):
                return _system("Boolean") if operator == "is" else self._typed(self.of(operand, focus), name)
            case Binary():
                return self._binary(node, focus)
            case Call():
                return self._call(node, focus)

    def _variable(self, name: str) -> Given:
        if name in self._variables:
            return self._variables[name]
        if name in ("resource", "rootResource"):
            return Given((self._root,))
        if name in _VARIABLES or name.startswith(("vs-", "ext-")):
            return _system("String")
        return UNKNOWN

    def _member(self, node: Member, focus: Given) -> Given:
        if node.target is None:
            source = focus
            if node.name == self._root.name and focus.kinds is not None and self._root in focus.kinds:
                return focus.one
        else:
            source = self.of(node.target, focus)
        if source.kinds is None:
            return UNKNOWN
        kinds: dict[Kind, None] = {}
        many = source.many
        for kind in source.kinds:
            if kind is ANY or kind.open:
                return UNKNOWN
            for key, _, step in kind.steps.get(node.name, ()):
                if step is ANY or step.open:
                    return UNKNOWN  # the value itself tells
                kinds[step] = None
                many = many or key in kind.lists
        if source.kinds and not kinds:
            self._unknown.append(f"{node.name} of {' or '.join(map(type_name, source.kinds))}")
        return Given(tuple(kinds), many)

    def _typed(self, given: Given, name: str) -> Given:
        short = name.removeprefix("FHIR.").removeprefix("System.")
        kind = SYSTEM.get(short) if name.startswith("System.") else kind_of(short) or SYSTEM.get(short)
        if kind is None:
            return Given(None, given.many)
        if given.kinds is not None and not kind.system:
            narrower = tuple(
                found
                for found in given.kinds
                if (found.name == kind.name if found.primitive else found.is_a(kind.name))
            )
            return Given(narrower or (kind,), given.many)
        return Given((kind,), given.many)

    def _system_of(self, given: Given) -> Given:
        if given.kinds is None:
            return Given(None, given.many)
        names = {
            "integer": "Integer",
            "positiveInt": "Integer",
            "unsignedInt": "Integer",
            "decimal": "Decimal",
            "boolean": "Boolean",
            "date": "Date",
            "dateTime": "DateTime",
            "instant": "DateTime",
            "time": "Time",
        }
        kinds: dict[Kind, None] = {}
        for kind in given.kinds:
            if kind.system:
                kinds[kind] = None
            elif kind.name in names:
                kinds[SYSTEM[names[kind.name]]] = None
            elif kind.primitive:
                kinds[SYSTEM["String"]] = None
            else:
                return Given(None, given.many)
        return Given(tuple(kinds), given.many)

    def _binary(self, node: Binary, focus: Given) -> Given:
        operator = node.operator
        if operator in _BOOLEAN_OPERATORS:
            return _system("Boolean")
        if operator == "&":
            return _system("String")
        left, right = self.of(node.left, focus), self.of(node.right, focus)
        if operator == "|":
            return _union((left, right), many=True)
        if operator in ("div", "mod") and operator == "div":
            return _system("Integer")
        first, second = self._system_of(left).kinds, self._system_of(right).kinds
        if first is None or second is None or len(first) != 1 or len(second) != 1:
            return Given(None)
        names = {first[0].name, second[0].name}
        if names <= {"Integer", "Decimal"}:
            return _system("Integer" if names == {"Integer"} and operator != "/" else "Decimal")
        if operator in ("+", "-") and first[0].name in ("String", "Date", "DateTime", "Time"):
            return Given(first)
        return Given(None)

    def _call(self, node: Call, focus: Given) -> Given:
        name, arguments = node.name, node.arguments
        target = focus if node.target is None else self.of(node.target, focus)
        returned = _RETURNS.get(name)
        if name == "getReferenceKey":
            return _system("String", many=target.many)
        if returned is not None:
            return _system(returned)
        if name in _SAME:
            return target
        if name in _ONE:
            return target.one
        if name in _SAME_VALUE:
            return target.one
        if name in _BOUNDARIES:
            return _boundary(target.one)
        if name in _STRINGS:
            return _system("String", many=True)
        if name == "extension":
            found = kind_of("Extension")
            return Given((found,), True) if found else UNKNOWN
        if name in ("ofType", "as") and len(arguments) == 1:
            return self._typed(target, _type_written(arguments[0]))
        if name == "select" and len(arguments) == 1:
            given = self.of(arguments[0], target.one)
            return Given(given.kinds, given.many or target.many)
        if name in ("union", "combine") and len(arguments) == 1:
            return _union((target, self.of(arguments[0], focus)), many=True)
        if name == "iif" and len(arguments) in (2, 3):
            branches = [self.of(argument, target.one) for argument in arguments[1:]]
            return _union(branches, many=any(branch.many for branch in branches))
        return UNKNOWN


def _type_written(node: Node) -> str:
    if isinstance(node, Member):
        before = "" if node.target is None else f"{_type_written(node.target)}."
        return before + node.name
    return str(node.value) if isinstance(node, Literal) else ""

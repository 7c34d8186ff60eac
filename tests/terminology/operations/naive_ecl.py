"""ECL by definition: expressions of chance, each with a function that finds its concepts by looking at all of them.

Nothing here is shared with the evaluator under test: a concept's ancestors are walked, every concept is tried.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from hypothesis import strategies as st

from tests.terminology.makers_ecl import (
    ACCEPTABLE,
    ATTRIBUTES,
    CODES,
    CORE,
    EXTENSION,
    MAP,
    MODEL,
    NEW,
    OLD,
    POSSIBLY,
    PREFERRED,
    RETIRED,
    SETS,
    STRENGTH,
    Described,
    Made,
    Row,
    World,
)
from tests.terminology.makers_rf2 import DEFINITION, FSN, GB, ROOT, SAME_AS, SYNONYM, US

__all__ = ["Node", "expressions"]

Found = set[str]
Groups = list[list[tuple[str, str]]]


@dataclass(frozen=True)
class Node:
    """An expression.

    Attributes:
        level: 0 a concept, 1 with operators or filters, 2 with a supplement, 3 what needs brackets as a part.
        every: whether it is `*`.
    """

    text: str
    find: Callable[[World], Found]
    level: int = 1
    every: bool = False

    @property
    def part(self) -> str:
        """As a part of another expression."""
        return self._up_to(2)

    @property
    def filterable(self) -> str:
        """As what a filter follows."""
        return self._up_to(1)

    @property
    def operand(self) -> str:
        """As what an operator is before."""
        return self._up_to(0)

    def _up_to(self, level: int) -> str:
        return self.text if self.level <= level else f"({self.text})"


def above(world: World, code: str) -> Found:
    """All ancestors."""
    result: Found = set()
    for parent in world.concepts[code].parents:
        result |= {parent} | above(world, parent)
    return result


def below(world: World, code: str) -> Found:
    """All descendants."""
    return {other for other in world.concepts if code in above(world, other)}


def parents(world: World, code: str) -> Found:
    return set(world.concepts[code].parents)


def children(world: World, code: str) -> Found:
    return {other for other, result in world.concepts.items() if code in result.parents}


_WAYS: dict[str, tuple[str, Callable[[World, str], Found], bool]] = {
    "<": ("descendantOf", below, False),
    "<<": ("descendantOrSelfOf", below, True),
    "<!": ("childOf", children, False),
    "<<!": ("childOrSelfOf", children, True),
    ">": ("ancestorOf", above, False),
    ">>": ("ancestorOrSelfOf", above, True),
    ">!": ("parentOf", parents, False),
    ">>!": ("parentOrSelfOf", parents, True),
}


def related(operator: str, node: Node, long: bool) -> Node:
    word, way, itself = _WAYS[operator]

    def find(world: World) -> Found:
        inner = node.find(world)
        result = set().union(*(way(world, code) for code in inner)) if inner else set()
        return result | (inner if itself else set())

    return Node(f"{word if long else operator} {node.operand}", find)


def ends(top: bool, node: Node, long: bool) -> Node:
    way = above if top else below

    def find(world: World) -> Found:
        inner = node.find(world)
        return {code for code in inner if not way(world, code) & inner}

    word = ("top" if top else "bottom") if long else ("!!>" if top else "!!<")
    return Node(f"{word} {node.operand}", find)


def compound(word: str, node: Node, other: Node) -> Node:
    joins = {"AND": set.intersection, ",": set.intersection, "or": set.union, "Minus": set.difference}
    return Node(
        f"{node.part} {word} {other.part}", lambda world: joins[word](node.find(world), other.find(world)), 3
    )


# --- refinements ---


@dataclass(frozen=True)
class Test:
    """A refinement: does it hold of a concept of these groups."""

    text: str
    holds: Callable[[World, str, Groups], bool]


def groups_of(result: Made) -> Groups:
    """Role groups; each attribute of group 0 for itself."""
    results: dict[object, list[tuple[str, str]]] = {}
    for group, attribute, value in result.roles:
        results.setdefault(group or (attribute, value), []).append((attribute, value))
    return list(results.values())


def bounds(low: int | None, high: int | None, long: bool) -> str:
    if low is None:
        return ""
    most = ("many" if long else "*") if high is None else str(high)
    return f"[{low}{' to ' if long else '..'}{most}] "


def within(count: int, low: int | None, high: int | None) -> bool:
    return count >= (1 if low is None else low) and (high is None or count <= high)


def attribute(
    name: Node, comparator: str, value: object, cardinality: tuple[int | None, int | None, bool]
) -> Test:
    low, high, long = cardinality
    negated = comparator in ("!=", "<>", "NOT =")
    written = value.part if isinstance(value, Node) else value

    def fits(world: World, result: str) -> bool:
        if isinstance(value, Node):
            if value.every:
                return not negated
            return (result in value.find(world)) != negated
        text = str(value)
        if text.startswith("#"):
            if not result.startswith("#"):
                return False
            here, wanted = Decimal(result[1:]), Decimal(text[1:])
            return {
                "=": here == wanted,
                "!=": here != wanted,
                "<>": here != wanted,
                "NOT =": here != wanted,
                "<": here < wanted,
                "<=": here <= wanted,
                ">": here > wanted,
                ">=": here >= wanted,
            }[comparator]
        if text == "true":
            return result in ("true", "false") and (result == text) != negated
        return result.startswith('"') and (result in text) != negated

    def holds(world: World, _code: str, groups: Groups) -> bool:
        wanted = name.find(world) if not name.every else set(world.concepts)
        met = {(a, v) for group in groups for a, v in group if a in wanted and fits(world, v)}
        return within(len(met), low, high)

    return Test(f"{bounds(low, high, long)}{name.part} {comparator} {written}", holds)


def backwards(name: Node, value: Node, cardinality: tuple[int | None, int | None, bool]) -> Test:
    low, high, long = cardinality

    def holds(world: World, code: str, _groups: Groups) -> bool:
        wanted = name.find(world) if not name.every else set(world.concepts)
        sources = {
            source
            for source in value.find(world)
            if any(a in wanted and v == code for _, a, v in world.concepts[source].roles)
        }
        return within(len(sources), low, high)

    flag = "reverseOf" if long else "R"
    return Test(f"{bounds(low, high, long)}{flag} {name.part} = {value.part}", holds)


def in_group(inner: Test, low: int | None, high: int | None, long: bool) -> Test:
    def holds(world: World, code: str, groups: Groups) -> bool:
        return within(sum(inner.holds(world, code, [group]) for group in groups), low, high)

    return Test(f"{bounds(low, high, long)}{{ {inner.text} }}", holds)


def joined(word: str, test: Test, other: Test) -> Test:
    def holds(world: World, code: str, groups: Groups) -> bool:
        left, right = test.holds(world, code, groups), other.holds(world, code, groups)
        return left or right if word == "OR" else left and right

    return Test(f"({test.text}) {word} ({other.text})", holds)


def refined(node: Node, test: Test) -> Node:
    def find(world: World) -> Found:
        result = world.concepts
        return {code for code in node.find(world) if test.holds(world, code, groups_of(result[code]))}

    return Node(f"{node.part} : {test.text}", find, 3)


def dotted(node: Node, name: Node) -> Node:
    def find(world: World) -> Found:
        wanted = name.find(world) if not name.every else set(world.concepts)
        roles = (role for code in node.find(world) for role in world.concepts[code].roles)
        return {value for _, a, value in roles if a in wanted and value in world.concepts}

    return Node(f"{node.part} . {name.part}", find, 3)


# --- filters ---

Predicate = Callable[[object], bool]


def compared(comparator: str, here: str, wanted: str) -> bool:
    return {
        "=": here == wanted,
        "!=": here != wanted,
        "<": here < wanted,
        "<=": here <= wanted,
        ">": here > wanted,
        ">=": here >= wanted,
    }[comparator]


def _common(draw: st.DrawFn) -> tuple[str, Callable[[Made | Described | Row], bool]]:
    """moduleId or effectiveTime."""
    if draw(st.booleans()):
        module, sign = draw(st.sampled_from((CORE, EXTENSION))), draw(st.sampled_from(("=", "!=")))
        return f"moduleId {sign} {module} |Module|", lambda item: (item.module == module) == (sign == "=")
    time, sign = draw(st.sampled_from((OLD, NEW))), draw(st.sampled_from(("=", "!=", "<", "<=", ">", ">=")))
    return f'effectiveTime {sign} "{time}"', lambda item: compared(sign, item.time, time)


@st.composite
def concept_filters(draw: st.DrawFn, node: Node) -> Node:
    kind = draw(st.sampled_from(("status", "active", "common")))
    validator: Callable[[Made], bool]
    if kind == "status":
        defined, sign = draw(st.booleans()), draw(st.sampled_from(("=", "!=")))
        text = f"definitionStatus {sign} {'defined' if defined else 'primitive'}"
        validator = lambda result: (result.defined == defined) == (sign == "=")  # noqa: E731
    elif kind == "active":
        active = draw(st.booleans())
        text = f"active = {'1' if active else 'false'}"
        validator = lambda result: result.active == active  # noqa: E731
    else:
        text, validator = _common(draw)
    find = node.find
    return Node(
        f"{node.filterable} {{{{ C {text} }}}}",
        lambda world: {code for code in find(world) if validator(world.concepts[code])},
    )


def begins(term: str, query: str) -> bool:
    """Words in any order, by their beginnings; `a` stands for `ä` too."""
    split = "".join(sign if sign.isalnum() else " " for sign in term.lower()).split()
    requested = "".join(sign if sign.isalnum() else " " for sign in query.lower()).split()

    def starts(word: str, wanted: str) -> bool:
        if len(word) < len(wanted):
            return False
        return all(a == b or (a == "ä" and b == "a") for a, b in zip(word, wanted, strict=False))

    return all(any(starts(word, wanted) for word in split) for wanted in requested)


_TYPES = {"syn": SYNONYM, "fullySpecifiedName": FSN, "def": DEFINITION}
_LEVELS = {"prefer": {PREFERRED}, "acceptable": {ACCEPTABLE}, "": {PREFERRED, ACCEPTABLE}}


@st.composite
def description_conditions(draw: st.DrawFn) -> tuple[str, Callable[[Described], bool], bool]:
    """Text, check, and whether it says which are active."""
    kind = draw(st.sampled_from(("term", "wild", "language", "type", "dialect", "active", "common")))
    sign = draw(st.sampled_from(("=", "!=")))
    equal = sign == "="
    if kind == "term":
        query = draw(st.sampled_from(("heart", "hea att", "HJART", "hjärt", "fluo 5", "x", "lung acu")))
        return f'term {sign} "{query}"', lambda name: begins(name.term, query) == equal, False
    if kind == "wild":
        word = draw(st.sampled_from(("heart", "attack", "itis")))
        return (
            f'term {sign} wild:"*{word}"',
            lambda name: name.term.lower().endswith(word) == equal,
            False,
        )
    if kind == "language":
        language = draw(st.sampled_from(("en", "sv", "de")))
        return f"language {sign} {language}", lambda name: (name.language == language) == equal, False
    if kind == "type":
        word = draw(st.sampled_from(sorted(_TYPES)))
        return f"type {sign} {word}", lambda name: (name.type == _TYPES[word]) == equal, False
    if kind == "dialect":
        refset, word = (
            draw(st.sampled_from(((US, "en-us"), (GB, "en-GB")))),
            draw(st.sampled_from(sorted(_LEVELS))),
        )
        accepted = f" ({word})" if word else ""
        named = f"dialect {sign} {refset[1]}" if draw(st.booleans()) else f"dialectId {sign} {refset[0]}"
        return (
            f"{named}{accepted}",
            lambda name: (name.dialects.get(refset[0]) in _LEVELS[word]) == equal,
            False,
        )
    if kind == "active":
        active = draw(st.booleans())
        return f"active = {'true' if active else '0'}", lambda name: name.active == active, True
    text, validator = _common(draw)
    return text, validator, False


@st.composite
def description_filters(draw: st.DrawFn, node: Node) -> Node:
    conditions = draw(st.lists(description_conditions(), min_size=1, max_size=3))
    letter = draw(st.sampled_from(("", "D ")))
    states = any(condition[2] for condition in conditions)

    def fits(name: Described) -> bool:
        return all(validator(name) for _, validator, _ in conditions) and (states or name.active)

    text = ", ".join(text for text, _, _ in conditions)
    find = node.find
    return Node(
        f"{node.filterable} {{{{ {letter}{text} }}}}",
        lambda world: {code for code in find(world) if any(map(fits, world.concepts[code].names))},
    )


def _rows(
    world: World, sets: Found, validator: Callable[[World, Row], bool], states: bool = False
) -> list[Row]:
    return [
        row for row in world.rows if row.refset in sets and validator(world, row) and (states or row.active)
    ]


@st.composite
def members(draw: st.DrawFn, inner: st.SearchStrategy[Node]) -> Node:
    long = draw(st.booleans())
    word = "memberOf" if long else "^"
    kind = draw(st.sampled_from(("plain", "common", "active", "target", "map", "field", "any")))
    if kind in ("plain", "any"):
        node = Node("*", lambda world: set(world.concepts), 0, every=True) if kind == "any" else draw(inner)
        return Node(
            f"{word} {node.operand}",
            lambda world: {row.component for row in _rows(world, node.find(world), lambda *_: True)},
        )
    refset = draw(st.sampled_from((*SETS, SAME_AS, MAP)))
    if kind == "common":
        text, validator = _common(draw)
        return Node(
            f"{word} {refset} {{{{ M {text} }}}}",
            lambda world: {row.component for row in _rows(world, {refset}, lambda _, row: validator(row))},
        )
    if kind == "active":
        return Node(
            f"{word} {refset} {{{{ M active = 0 }}}}",
            lambda world: {
                row.component for row in _rows(world, {refset}, lambda _, row: not row.active, True)
            },
        )
    if kind == "target":
        node = draw(inner)
        return Node(
            f"{word} {SAME_AS} {{{{ M targetComponentId = {node.part} }}}}",
            lambda world: {
                row.component
                for row in _rows(
                    world, {SAME_AS}, lambda world, row: row.fields["targetComponentId"] in node.find(world)
                )
            },
        )
    if kind == "map":
        start, priority = draw(st.sampled_from(("J45", "J45.9", "I21", "A"))), draw(st.integers(1, 3))
        return Node(
            f'{word} {MAP} {{{{ M mapTarget = "{start}", mapPriority <= #{priority} }}}}',
            lambda world: {
                row.component
                for row in _rows(
                    world,
                    {MAP},
                    lambda _, row: (
                        any(item.startswith(start) for item in row.fields["mapTarget"].split())
                        and int(row.fields["mapPriority"]) <= priority
                    ),
                )
            },
        )
    return Node(
        f"{word} [targetComponentId] {SAME_AS}",
        lambda world: {row.fields["targetComponentId"] for row in _rows(world, {SAME_AS}, lambda *_: True)},
    )


def history(profile: str, node: Node) -> Node:
    sets = {SAME_AS} if profile in ("-MIN", "_mod") else {SAME_AS, POSSIBLY}

    def find(world: World) -> Found:
        inner = node.find(world)
        rows = _rows(world, sets, lambda _, row: row.fields["targetComponentId"] in inner)
        return inner | {row.component for row in rows}

    return Node(f"{node.filterable} {{{{ + HISTORY{profile} }}}}", find, 2)


# --- expressions of chance ---

EVERY = Node("*", lambda world: set(world.concepts), 0, every=True)


def concept(code: str, style: int) -> Node:
    term = (f"{code} |A thing: (made) < up|", code, f"/* here */ {code}")[style]
    return Node(term, lambda world: {code} & set(world.concepts), 0)


leaves = st.one_of(
    st.builds(
        concept,
        st.sampled_from([*CODES, *RETIRED, ROOT, MODEL, *ATTRIBUTES, *SETS, "999999999"]),
        st.integers(0, 2),
    ),
    st.just(EVERY),
    st.just(Node("ANY", EVERY.find, 0, every=True)),
)
cardinalities = st.one_of(
    st.just((None, None, False)),
    st.tuples(st.integers(0, 2), st.one_of(st.none(), st.integers(2, 3)), st.booleans()),
    st.just((0, 0, False)),
)
names = st.one_of(
    st.builds(concept, st.sampled_from([*ATTRIBUTES, STRENGTH]), st.just(1)),
    st.builds(related, st.sampled_from(("<", "<<")), st.just(concept(MODEL, 1)), st.booleans()),
    st.builds(related, st.just("<<"), st.just(concept(ATTRIBUTES[0], 1)), st.just(False)),
    st.just(EVERY),
)


def refinements(inner: st.SearchStrategy[Node], depth: int) -> st.SearchStrategy[Test]:
    alone = st.one_of(
        st.builds(attribute, names, st.sampled_from(("=", "!=", "<>", "NOT =")), inner, cardinalities),
        st.builds(
            attribute,
            names,
            st.sampled_from(("=", "!=", "<", "<=", ">", ">=")),
            st.sampled_from(("#5", "#5.5", "#-2", "#0")),
            cardinalities,
        ),
        st.builds(
            attribute,
            names,
            st.sampled_from(("=", "!=")),
            st.sampled_from(('"PANADOL"', '("PANADOL" "x")', '"x"', "true")),
            cardinalities,
        ),
    )
    grouped = st.one_of(alone, st.builds(joined, st.sampled_from(("AND", "OR", ",")), alone, alone))
    single = st.one_of(
        alone,
        st.builds(backwards, names, inner, cardinalities),
        st.builds(lambda test, three: in_group(test, *three), grouped, cardinalities),
    )
    if not depth:
        return single
    more = refinements(inner, depth - 1)
    return st.one_of(single, st.builds(joined, st.sampled_from(("AND", "OR", ",")), more, more))


def wider(inner: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    return st.one_of(
        st.builds(related, st.sampled_from(sorted(_WAYS)), inner, st.booleans()),
        st.builds(ends, st.booleans(), inner, st.booleans()),
        st.builds(compound, st.sampled_from(("AND", ",", "or", "Minus")), inner, inner),
        st.builds(refined, inner, refinements(inner, 2)),
        st.builds(dotted, inner, names),
        inner.flatmap(concept_filters),
        inner.flatmap(description_filters),
        members(inner),
        st.builds(history, st.sampled_from(("", "-MIN", "_mod", "-max", " (*)")), inner),
    )


def expressions() -> st.SearchStrategy[Node]:
    """Expressions of chance."""
    return st.recursive(leaves, wider, max_leaves=6)

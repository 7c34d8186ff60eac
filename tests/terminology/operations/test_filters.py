"""Filters of value sets, and ECL, on a hierarchy whose answers can be read off."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_bridge.terminology.memory import ResourceContent
from fhir_bridge.terminology.operations.ecl import EclError, compile_ecl
from fhir_bridge.terminology.operations.regex import RegexError, compile_regex
from tests.terminology.operations.conftest import (
    ANIMALS,
    ZOO,
    World,
    code_system,
    concept,
    filtered,
    issues,
    value_set,
)

ALL = {"animal", "mammal", "cat", "tiger", "lion", "cow", "whale", "bird", "duck", "dodo", "worm", "grass"}
CATS = {"cat", "tiger", "lion"}


@pytest.mark.parametrize(
    ("prop", "op", "value", "codes"),
    [
        ("concept", "is-a", "cat", CATS),
        ("concept", "descendent-of", "cat", {"tiger", "lion"}),
        ("concept", "is-not-a", "animal", {"grass"}),
        ("concept", "generalizes", "tiger", {"tiger", "cat", "mammal", "animal"}),
        ("concept", "child-of", "bird", {"duck", "dodo"}),
        ("concept", "descendent-leaf", "mammal", {"tiger", "lion", "cow", "whale"}),
        ("concept", "in", "cow, whale,absent", {"cow", "whale"}),
        ("concept", "not-in", "animal,mammal,cat,tiger,lion,cow", {"whale", "bird", "duck", "dodo", "worm", "grass"}),
        ("code", "regex", "[a-d]o.*", {"cow", "dodo"}),
        ("legs", "=", "4", {"cat", "cow"}),
        ("legs", "in", "0,2", {"whale", "duck", "dodo", "worm"}),
        ("legs", "exists", "true", {"cat", "cow", "whale", "duck", "dodo", "worm"}),
        ("legs", "exists", "false", {"animal", "mammal", "tiger", "lion", "bird", "grass"}),
        ("eats", "regex", "gra.*", {"cow", "duck"}),
        ("eats", "=", "worm", {"duck"}),
        ("eats", "in", "worm,grass,grass", {"duck", "cow"}),
        ("parent", "in", "bird,cat", {"duck", "dodo", "tiger", "lion"}),
        ("parent", "=", "bird", {"duck", "dodo"}),
        ("child", "=", "tiger", {"cat"}),
        ("inactive", "=", "true", {"dodo"}),
        ("constraint", "=", "< cat", {"tiger", "lion"}),
    ],
)  # fmt: skip
def test_a_filter_selects(prop: str, op: str, value: str, codes: set[str]) -> None:
    item = value_set("one", filtered(prop, op, value))
    world = World(item)
    assert sorted(world.codes(valueSet=item)) == sorted(codes)
    assert sorted(world.codes(valueSet=item, count=20)) == sorted(codes)
    for code in ALL:
        answer = world.result(url=item["url"], system=ZOO["url"], code=code)
        assert answer is (code in codes), code


def test_ancestors_come_before_what_is_below_them_by_whatever_path() -> None:
    """`liger` is below `animal` in one step and in four."""
    system = code_system(
        f"{ANIMALS}-parents",
        concept("animal"),
        concept("mammal", parent="animal"),
        concept("cat", parent="mammal"),
        concept("lion", parent="cat"),
        concept("liger", parent=["animal", "lion"]),
    )
    item = value_set("above", filtered("concept", "generalizes", "liger", system["url"]))
    codes = World(system, item).codes(valueSet=item, count=20)
    assert codes == ["animal", "mammal", "cat", "lion", "liger"]


def test_questions_about_codes_that_do_not_exist_leave_nothing_behind() -> None:
    content = ResourceContent(ZOO)
    for number in range(100):
        assert not content.is_a(f"unknown-{number}", "animal")
    assert content.is_a("tiger", "animal")
    assert set(content._ancestors) <= ALL


@pytest.mark.parametrize(
    ("expression", "codes"),
    [
        ("<< cat", CATS),
        ("< cat |Cat|", {"tiger", "lion"}),
        ("> tiger", {"cat", "mammal", "animal"}),
        (">> tiger", {"tiger", "cat", "mammal", "animal"}),
        ("<! bird", {"duck", "dodo"}),
        ("<<! bird", {"bird", "duck", "dodo"}),
        (">! tiger", {"cat"}),
        ("*", ALL),
        ("<< mammal MINUS << cat", {"mammal", "cow", "whale"}),
        ("<< cat OR << bird", CATS | {"bird", "duck", "dodo"}),
        ("<< mammal AND < animal", {"mammal", "cow", "whale"} | CATS),
        ("<< mammal , < cat", {"tiger", "lion"}),
        ("(<< mammal MINUS (<< cat OR whale)) OR worm", {"mammal", "cow", "worm"}),
        ("^ striped", {"tiger", "worm"}),
        ("<< animal : eats = grass", {"cow", "duck"}),
        ("* : eats = << mammal", {"tiger", "lion"}),
        ("* : eats != << mammal", {"cow", "duck"}),
        ("* : eats = grass , eats = worm", {"duck"}),
        ("* : eats = cow OR eats = worm", {"tiger", "lion", "duck"}),
        ("* : [2..*] eats = *", {"duck"}),
        ("<< bird : [0..0] eats = *", {"bird", "dodo"}),
        ("* : { eats = worm }", {"duck"}),
        ("* : R eats = lion", {"cow"}),
        ("* : legs = #4", {"cat", "cow"}),
        ("* : legs < #2", {"whale", "worm"}),
        ("(tiger OR cow) . eats", {"cow", "grass"}),
        ("!!> (<< cat)", {"cat"}),
        ("!!< (<< cat)", {"tiger", "lion"}),
        ("/* all the cats */ << cat", CATS),
        ('<< mammal {{ term = "ti" }}', {"tiger"}),
        ('<< mammal {{ term = wild:"*i*" }}', {"tiger", "lion"}),
        ("* {{ C active = 0 }}", {"dodo"}),
        ("^ * {{ C active = 1 }}", {"tiger", "worm"}),
    ],
)
def test_an_expression_selects(expression: str, codes: set[str]) -> None:
    query = compile_ecl(expression, ResourceContent(ZOO))
    assert set(query.codes()) == codes
    assert {code for code in ALL if query.matches(code)} == codes


@pytest.mark.parametrize(
    ("expression", "problem"),
    [
        ("", "found the end at character 1"),
        ("<< cat AND", "found the end"),
        ("(<< cat", "expected \\)"),
        ("<< cat OR lion AND cow", "brackets"),
        ("<< cat {{ dialect = en-us }}", "dialects of descriptions can't be checked here"),
        ("<< cat {{ C moduleId = cow }}", "no property moduleId"),
        ("* : eats > cow", "number"),
        ("(" * 60 + "cat" + ")" * 60, "nested deeper"),
        ("cat" + " .eats" * 60, "dots"),
        ("x" * 30_000, "longer than"),
        ("* : [99999999999999999999..1] eats = cow", "cardinality"),
    ],
)  # fmt: skip
def test_an_expression_that_is_none_says_where(expression: str, problem: str) -> None:
    with pytest.raises(EclError, match=problem):
        compile_ecl(expression, ResourceContent(ZOO))


@given(st.text('<>!^*()[]{}|:.,=#"RcatANDORMINUS 019\\/', max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        query = compile_ecl(text, ResourceContent(ZOO))
    except EclError:
        return
    assert set(query.codes()) == {code for code in ALL if query.matches(code)}


def expressions() -> st.SearchStrategy[tuple[str, frozenset[str]]]:
    """Expressions with the codes that they must have."""
    content = ResourceContent(ZOO)
    below = {code: frozenset({code, *content.descendants(code)}) for code in ALL}
    leaves = st.sampled_from(sorted(ALL)).flatmap(
        lambda code: st.sampled_from(
            [(code, frozenset({code})), (f"<<{code}", below[code]), (f"< {code}", below[code] - {code})]
        )
    )

    def joined(
        inner: st.SearchStrategy[tuple[str, frozenset[str]]],
    ) -> st.SearchStrategy[tuple[str, frozenset[str]]]:
        def build(
            pair: tuple[tuple[str, frozenset[str]], tuple[str, frozenset[str]], str],
        ) -> tuple[str, frozenset[str]]:
            (left, ours), (right, theirs), word = pair
            result = {"AND": ours & theirs, "OR": ours | theirs, "MINUS": ours - theirs}[word]
            return f"({left}) {word} ({right})", result

        return st.tuples(inner, inner, st.sampled_from(["AND", "OR", "MINUS"])).map(build)

    return st.recursive(leaves, joined, max_leaves=8)


@given(expressions())
def test_joined_expressions_are_the_sets_that_they_say(pair: tuple[str, frozenset[str]]) -> None:
    text, codes = pair
    query = compile_ecl(text, ResourceContent(ZOO))
    assert set(query.codes()) == codes
    assert {code for code in ALL if query.matches(code)} == codes


# --- regular expressions ---

PIECES = st.sampled_from(r"a b ab . [ab] [^a] \d \w (a|b) (ab)? a* b+ (a|ab)* a{2} b{0,2} [a-c]{1,}".split())


@given(st.lists(PIECES, max_size=6).map("".join), st.text("abc1 ", max_size=10))
def test_an_expression_matches_as_usual(expression: str, text: str) -> None:
    assert compile_regex(expression).matches(text) == (re.fullmatch(expression, text) is not None)


@pytest.mark.parametrize(
    ("expression", "text", "matches"),
    [
        (r"\w+", "größe", True),
        (r"[\w-]+", "größe-1", True),
        (r"\W", "ß", False),
        (r"\d", "٣", True),
        (r"\p{Lu}\p{L}*", "Ärztin", True),
        (r"[]a]+", "]a", True),
        (r"[^]a]", "]", False),
        (r"[\]a]\w", "]é", True),
        (r"a{,2}", "aa", True),
        (r"[{,2}]+", "{,2}", True),
        (r"\u00e9", "é", True),
        (r"\Aab\Z", "ab", True),
        (r"a.c", "abcd", False),
        ("a|b", "ab", False),
    ],
)
def test_an_expression_knows_unicode_and_the_whole_text(expression: str, text: str, matches: bool) -> None:
    assert compile_regex(expression).matches(text) is matches


@pytest.mark.parametrize("expression", ["(a+)+", "(a*)*b", "(a|aa)+", "(.*)*x", "(a|a?)+b", "([a-z]+)*[0-9]"])
def test_no_expression_takes_long(expression: str) -> None:
    compile_regex(expression).matches("a" * 20_000 + "!")


@pytest.mark.parametrize(
    "expression",
    [*r"( ) [ a{2,1} *a (?=a) \1 ((a{1,99}){1,99}){1,99}".split(), "a" * 50_000, "(" * 5000],
)
def test_an_expression_that_cannot_be_used_is_refused(expression: str) -> None:
    with pytest.raises(RegexError):
        compile_regex(expression)


@given(st.text("ab()[]{}|*+?.^$\\-,123pLdw", max_size=20))
def test_any_expression_is_read_or_refused(expression: str) -> None:
    try:
        compile_regex(expression).matches("ab12")
    except RegexError:
        return


@pytest.mark.parametrize(
    ("prop", "op", "value"),
    [
        ("concept", "regex", "("),
        ("concept", "nearby", "cat"),
        ("colour", "=", "red"),
        ("concept", "is-a", ""),
        ("constraint", "=", "<< (cat"),
    ],
)
def test_a_filter_that_cannot_be_used_is_reported(prop: str, op: str, value: str) -> None:
    item = value_set("bad", filtered(prop, op, value))
    error = World(item).refused("ValueSet", "expand", url=item["url"])
    assert error.status in (400, 422)
    assert issues(error.json())[0][0] == "error"


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ("<<animal:*=cow", {"tiger", "lion"}),
        ("^*", {"tiger", "worm"}),
        ("<<mammal AND ^*", {"tiger"}),
        ("<<animal:[3..*]*=*", {"duck"}),
    ],
)
def test_a_star_stands_for_any_attribute_and_any_reference_set(expression: str, found: set[str]) -> None:
    select = value_set("star", filtered("constraint", "=", expression))
    assert set(World().codes(valueSet=select)) == found

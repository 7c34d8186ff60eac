"""The published grammar and the parser agree: what the grammar generates is parsed, and means what it says."""

from __future__ import annotations

import re
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fhir_bridge.adapters.ehr.hl7v2.selectors import TOKENS
from fhir_bridge.mapping import expressions as ex
from fhir_bridge.mapping import grammar
from fhir_bridge.mapping.grammar import KEYWORDS, ExpressionError

PUBLISHED = Path(grammar.__file__).with_suffix(".ebnf").read_text(encoding="utf-8")

# What the grammar describes by characters, as tokens.
TERMINALS = {
    "text": ["'x'", "''", "'it''s'", "'a b | c'", "'≥ 5'"],
    "number": ["0", "12", "1.50", "0x1F"],
    "integer": ["1", "12"],
    "name": ["a", "x1", "_b", "row", "site", "translate", "nothing", "iffy"],
    "quoted": ["`Temp °C`", "`for`", "`a-b`"],
    "selector": ["OBX-5", "OBX-3.1", "PID-3[2].4.2", "NK1[*]", "PID-3[*]", "PV1"],
}


def rules(text: str) -> dict[str, str]:
    """The rules of the grammar by name."""
    plain = re.sub(r"\(\*.*?\*\)", "", text, flags=re.DOTALL)
    return {
        name: body.strip() for name, body in re.findall(r"^(\w+)\s*=\s*(.*?);\s*$", plain, re.M | re.DOTALL)
    }


RULES = rules(PUBLISHED)
_TOKEN = re.compile(r'\s*("[^"]*"|\w+|[\[\]{}()|,])')


class Generator:
    """Generates sentences of a rule, as tokens, by chance; once so many rules are expanded, by the shortest way."""

    def __init__(self, seed: int, rules: int = 90) -> None:
        self.random = Random(seed)
        self.left = rules

    def rule(self, name: str) -> list[str]:
        if name in TERMINALS:
            return [self.random.choice(TERMINALS[name])]
        self.left -= 1
        if self.left < 0 and name == "expression":
            return [self.random.choice(["x", "1", "OBX-5"])]
        tokens = _TOKEN.findall(RULES[name])
        options, index = self.alternatives(tokens, 0)
        assert index == len(tokens), f"{name} can't be read"
        return self.choose(tokens, options)

    def choose(self, tokens: list[str], options: list[tuple[int, int]]) -> list[str]:
        start, end = options[-1] if self.left < 0 else self.random.choice(options)
        result: list[str] = []
        while start < end:
            part, start = self.part(tokens, start)
            result += part
        return result

    def alternatives(self, tokens: list[str], index: int) -> tuple[list[tuple[int, int]], int]:
        """Where each alternative begins and ends, and where all of them end."""
        options, start, open_ = [], index, 0
        while index < len(tokens) and (open_ or tokens[index] not in "]})"):
            open_ += (tokens[index] in "[{(") - (tokens[index] in "]})")
            if tokens[index] == "|" and not open_:
                options.append((start, index))
                start = index + 1
            index += 1
        return [*options, (start, index)], index

    def part(self, tokens: list[str], index: int) -> tuple[list[str], int]:
        token = tokens[index]
        if token.startswith('"'):
            return [token[1:-1]], index + 1
        if token not in ("[", "{", "("):
            return self.rule(token), index + 1
        options, end = self.alternatives(tokens, index + 1)
        least = {"(": 1, "[": 0, "{": 0}[token]
        often = (
            least
            if self.left < 0
            else {"(": 1, "[": self.random.randint(0, 1), "{": self.random.choice([0, 0, 0, 1, 2])}[token]
        )
        return [part for _ in range(often) for part in self.choose(tokens, options)], end + 1


def written(tokens: list[str]) -> str:
    """The sentence, with space where tokens would run together; components stick to what they are of."""
    text = ""
    for token in tokens:
        sticks = token in (".", "[", "(") or text.endswith(".")
        text += token if sticks or not text or token.startswith(" ") or text.endswith(" ") else f" {token}"
    return text.strip()


ANY = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))


@ANY
@given(st.integers(0, 10**9))
def test_each_sentence_of_the_grammar_is_an_expression(seed: int) -> None:
    text = written(Generator(seed).rule("expression"))
    try:
        tree = ex.parse(text, TOKENS)
    except ExpressionError as error:
        # A limit of the parser, and what EBNF can't say: arguments without name go first, and each is given once.
        allowed = ("the expression nests too deep", "arguments without name are before named ones")
        assert error.message in allowed or "given twice" in error.message, text  # noqa: PT017 - either is right
        return
    assert ex.parse(ex.unparse(tree), TOKENS) == tree


@ANY
@given(st.integers(0, 10**9))
def test_each_loop_of_the_grammar_is_one(seed: int) -> None:
    tokens = Generator(seed, 20).rule("loop")
    name, _ = ex.parse_loop(written(tokens), TOKENS)
    assert name == tokens[0]


@pytest.mark.parametrize(
    "text",
    [
        "a b",
        "a ==",
        "== a",
        "a == b == c",
        "a | 'x'",
        "f(a",
        "[a",
        "a.",
        "a +b",
        "1 2",
        "x if y",
        "not",
        "(a",
        "f(x=)",
    ],
)
def test_what_is_no_sentence_is_refused(text: str) -> None:
    with pytest.raises(ExpressionError):
        ex.parse(text, TOKENS)


def test_all_rules_are_used_and_defined() -> None:
    named = {
        word
        for body in RULES.values()
        for word in re.findall(r"\b[a-z]+\b(?=(?:[^\"]*\"[^\"]*\")*[^\"]*$)", body)
    }
    defined = {*RULES, "character", "letter", "digit", "hex", "integer", "selector"}
    assert named - defined == set()
    assert set(RULES) - named == {"expression", "loop", "part"} - named


def test_every_operator_and_keyword_of_the_parser_is_in_the_grammar() -> None:
    literals = {literal.strip() for body in RULES.values() for literal in re.findall(r'"([^"]+)"', body)}
    operators = re.search(r"\(\?P<operator>(.*)\)", grammar._FIXED.pattern)
    assert operators
    tokens = {token.replace("\\", "") for token in re.split(r"(?<!\\)\|", operators[1])}
    assert (tokens | KEYWORDS) - literals == set()


def test_the_page_shows_the_published_grammar(repository: Path) -> None:
    page = (repository / "docs" / "mapping-language.md").read_text(encoding="utf-8")
    match: Any = re.search(r"```ebnf\n(.*?)```", page, re.DOTALL)
    assert match[1] == PUBLISHED

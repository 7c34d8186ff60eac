"""What sentences state, in English and German: written before the rules, one half held back while they were tuned."""

from __future__ import annotations

from pathlib import Path

import pytest

from fhir_bridge.adapters.ehr.notes import Fact, RuleExtractor

HERE = Path(__file__).parent
PRECISION, RECALL = 0.98, 0.80


def cases(language: str) -> list[tuple[str, str]]:
    lines = (HERE / f"sentences_{language}.tsv").read_text("utf-8").splitlines()
    return [(expected, sentence) for expected, sentence in (line.split("\t") for line in lines)]


def shown(fact: Fact) -> str:
    if fact.kind != "family":
        return f"{fact.kind}={fact.value}"
    relation = f":{fact.relation}" if fact.relation else ""
    return f"family={'no:' if fact.negated else ''}{fact.value}{relation}"


def rates(sentences: list[tuple[str, str]]) -> tuple[float, float]:
    """Precision and recall over sentences with one fact or none."""
    right = wrong = missed = 0
    for expected, sentence in sentences:
        stated = [] if expected == "-" else [expected.casefold()]  # diabetes is a word of both languages
        given = [shown(fact).casefold() for fact in RuleExtractor().extract(sentence)]
        right += sum(fact in stated for fact in given)
        wrong += sum(fact not in stated for fact in given)
        missed += sum(fact not in given for fact in stated)
    return right / (right + wrong), right / (right + missed)


@pytest.mark.parametrize("language", ["en", "de"])
@pytest.mark.parametrize("half", [0, 1], ids=["tuned", "held-back"])
def test_facts_are_right_and_found(language: str, half: int) -> None:
    sentences = cases(language)
    assert len(sentences) == 200
    precision, recall = rates(sentences[half::2])
    assert precision >= PRECISION
    assert recall >= RECALL


@pytest.mark.parametrize("language", ["en", "de"])
def test_the_span_of_a_fact_is_its_text(language: str) -> None:
    text = "\n".join(sentence for _, sentence in cases(language))
    facts = list(RuleExtractor().extract(text))
    assert len(facts) > 90
    assert all(text[fact.start : fact.end] == fact.text for fact in facts)

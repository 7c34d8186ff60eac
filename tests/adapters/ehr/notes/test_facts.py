"""What sentences state, in English and German: written before the rules, one half held back while they were tuned."""

from __future__ import annotations

import inspect
import subprocess
import sys
from datetime import date
from hashlib import blake2b
from importlib import import_module
from pathlib import Path
from time import process_time

import pytest

from fhir_bridge.adapters.ehr.notes import Fact, RuleExtractor

HERE = Path(__file__).parent
PRECISION, RECALL = 0.98, 0.80


def cases(language: str, name: str = "sentences") -> list[tuple[str, str]]:
    lines = (HERE / f"{name}_{language}.tsv").read_text("utf-8").splitlines()
    pairs = (line.split("\t", 1) for line in lines)
    return [(expected, sentence.replace("⏎", "\n").replace("⇥", "\t")) for expected, sentence in pairs]


def shown(fact: Fact) -> str:
    if fact.kind != "family":
        return f"{fact.kind}={fact.value}"
    relation = f":{fact.relation}" if fact.relation else ""
    return f"family={'no:' if fact.negated else ''}{fact.value}{relation}"


def rates(sentences: list[tuple[str, str]], day: date | None = None) -> tuple[float, float]:
    """Precision and recall over sentences with the facts that each states; `-` is none."""
    right = wrong = missed = 0
    for expected, sentence in sentences:
        stated = [] if expected == "-" else [one.casefold() for one in expected.split("; ")]
        given = [shown(fact).casefold() for fact in RuleExtractor().extract_as_of(sentence, day)]
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
@pytest.mark.parametrize(("name", "count"), [("clinic", 200), ("clinic_second", 60), ("clinic_third", 60)])
def test_facts_of_notes_in_the_style_of_a_clinic(name: str, count: int, language: str) -> None:
    sentences = cases(language, name)
    assert len(sentences) == count
    precision, recall = rates(sentences)
    assert precision >= PRECISION
    assert recall >= RECALL


@pytest.mark.parametrize("language", ["en", "de"])
@pytest.mark.parametrize("number", range(1, 15))
def test_facts_of_notes_of_other_writers(number: int, language: str) -> None:
    precision, recall = rates(cases(language, f"style_{number}"), date(2026, 3, 1))
    assert precision >= PRECISION
    assert recall >= RECALL


@pytest.mark.parametrize("language", ["en", "de"])
def test_facts_of_whole_letters_with_broken_lines(language: str) -> None:
    right = wrong = missed = 0
    for line in (HERE / "letters" / "expected.tsv").read_text("utf-8").splitlines():
        name, expected = line.split("\t")
        if not name.startswith(language):
            continue
        text = (HERE / "letters" / f"{name}.txt").read_text("utf-8")
        facts = list(RuleExtractor().extract_as_of(text, date(2026, 2, 22)))
        assert all(text[fact.start : fact.end] == fact.text for fact in facts)
        given, stated = {shown(fact) for fact in facts}, set(expected.split("; "))
        right, wrong, missed = (
            right + len(given & stated),
            wrong + len(given - stated),
            missed + len(stated - given),
        )
    assert right / (right + wrong) >= PRECISION
    assert right / (right + missed) >= RECALL


@pytest.mark.parametrize("language", ["en", "de"])
def test_the_span_of_a_fact_is_its_text(language: str) -> None:
    count = 0
    for _, text in cases(language):
        facts = list(RuleExtractor().extract(text))
        assert all(text[fact.start : fact.end] == fact.text for fact in facts)
        count += len(facts)
    assert count > 90


NOTHING = """
Raucht derzeit nicht. | Not a current smoker.
Wants to quit smoking.
Has not quit smoking. | Hat das Rauchen nicht aufgegeben. | Smokes marijuana only. | Keine Nikotinkarenz.
No nicotine replacement therapy offered. | Smoking status: never / former / current | Raucht? | Nachbar raucht.
Mom smokes. | Roommate smokes. | No evidence of LVEF <40%. | EF 30%? | Donor LVEF 60%.
Kein Hinweis auf eine LVEF <40 %. | Patient was previously NYHA III.
No NYHA III symptoms. | Derzeit kein NYHA IV. | Zugelassen für NYHA II bis IV.
NYHA: I [ ] II [ ] III [ ] IV [ ] | Mother has no history of breast cancer. | Mutter hat kein Mammakarzinom.
Mother: no diabetes. | Mutter wurde auf Brustkrebs untersucht.
Patient isn't a current smoker. | Vorbefund: EF 30%. | Family history: diabetes? | Husband's family history: diabetes.
"""


@pytest.mark.parametrize(
    "sentence", [one.strip() for line in NOTHING.strip().split("\n") for one in line.split("|")]
)
def test_what_is_denied_asked_of_others_or_earlier_states_nothing(sentence: str) -> None:
    assert [shown(fact) for fact in RuleExtractor().extract(sentence)] == []


@pytest.mark.parametrize(
    ("sentence", "stated"),
    [
        ("No pericardial effusion, LVEF 45%.", "lvef=45"),
        ("Die Ejektionsfraktion hat sich von 25 % auf 45 % gebessert.", "lvef=45"),
        ("EF von 25 % auf 45 % gebessert.", "lvef=45"),
        ("Nikotinkonsum wird verneint.", "smoking=non"),
        ("Nikotinabusus: 40 py, sistiert seit 5 Jahren.", "smoking=former"),
        (
            "Familienanamnese: kein Herzinfarkt, Mutter mit Schlaganfall.",
            "family=no:Myokardinfarkt; family=Schlaganfall:Mutter",
        ),
        (
            "Vater: Herzinfarkt mit 50 J., Mutter: Diabetes mellitus.",
            "family=Myokardinfarkt:Vater; family=Diabetes:Mutter",
        ),
        ("Father has diabetes, mother has a stroke.", "family=diabetes:father; family=stroke:mother"),
        ("Mother with stroke, father with diabetes.", "family=stroke:mother; family=diabetes:father"),
        ("Family history of diabetes was denied.", "family=no:diabetes"),
        ("Family history: no diabetes, no stroke.", "family=no:diabetes; family=no:stroke"),
    ],
)
def test_a_denial_of_another_thing_denies_nothing(sentence: str, stated: str) -> None:
    assert [shown(fact) for fact in RuleExtractor().extract(sentence)] == stated.split("; ")


@pytest.mark.parametrize(
    "text",
    [
        "NYHA " + "class " * 60,
        "EF " + "a " * 500 + "%",
        "Mutter " + "und " * 500 + "x",
        "1 " * 500 + "py",
    ],
)
def test_a_text_that_repeats_itself_is_read_in_time(text: str) -> None:
    assert list(RuleExtractor().extract(text)) == []


@pytest.mark.parametrize(
    "piece",
    [
        *"raucht ;Mutter MI ;EF 35 % ;NYHA II ;a\tb\t;Vater\n;? ;EF (;früher a ;- x\n".split(";"),
        *(
            "+ a\n- b\n",
            "- a -b ",
            "a | b\n",
            "a;b;c\n",
            '"x. y" ',
            '"x. ',
            "In 2019: a. ",
            "Vater: a. ",
            "risk for ",
        ),
    ],
)
def test_a_text_twice_as_long_takes_about_twice_as_long(piece: str) -> None:
    def seconds(text: str) -> float:
        start = process_time()
        list(RuleExtractor().extract(text))
        return process_time() - start

    short, long = ("LVEF 35 %. " + piece * (length // len(piece)) for length in (5_000, 20_000))
    limit = 10 * max(min(seconds(short) for _ in range(2)), 0.02)
    assert any(seconds(long) < limit for _ in range(2))


RULES = (
    "columns conditions current ejection_fraction evidence family forms functional_class layout marks modality"
    " persons rules sections sentences smoking statements subjects times values"
).split()
VERSION, DIGEST = "8", "53ac1c4acac55cbf"


def test_the_rules_have_another_version_when_they_change() -> None:
    """Facts name it, so that what another set of rules found can be distinguished.

    Where this fails: raise `RuleExtractor.version` if the rules may find anything else, then write both here.
    """
    digest = blake2b(digest_size=8)
    for name in RULES:
        module = import_module(f"fhir_bridge.adapters.ehr.notes.{name}")
        digest.update("".join(inspect.getsource(module).split()).encode())
    assert (RuleExtractor.version, digest.hexdigest()) == (VERSION, DIGEST)


def test_a_text_that_no_rule_is_about_loads_no_rules() -> None:
    """Their patterns take half a second to compile: a message without such a text must not wait for them."""
    code = (
        "import sys; from fhir_bridge.adapters.ehr import CcdaAdapter, Hl7v2Adapter, RuleExtractor\n"
        "for text in 'Potassium 4.1 mmol/l.', 'LVEF 35 %.':\n"
        "    print(len(list(RuleExtractor().extract(text))), {name for name in sys.modules if '.notes.s' in name})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    first, second = done.stdout.splitlines()
    assert first == "0 {'fhir_bridge.adapters.ehr.notes.subjects'}"
    assert second.startswith("1 ")
    assert "notes.sentences" in second

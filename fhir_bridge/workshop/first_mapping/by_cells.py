# ruff: noqa: E501 - lists of words and patterns are written as they come out
"""Columns whose cells say what they are, whatever they are called: how sure, how severe, by what way, how often, high or low."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final

from fhir_bridge.workshop.first_mapping.classes import STAY, class_of
from fhir_bridge.workshop.first_mapping.codes import subject_of
from fhir_bridge.workshop.first_mapping.guess import Guess
from fhir_bridge.workshop.first_mapping.meanings import CERTAINTY, ROUTES, SEVERITY
from fhir_bridge.workshop.first_mapping.selecting import of_roles, stated_in
from fhir_bridge.workshop.first_mapping.statuses import by_word, status_codes
from fhir_bridge.workshop.first_mapping.table import Sample
from fhir_bridge.workshop.first_mapping.values import share

__all__ = ["by_cells"]

_OPEN: Final = frozenset(
    "category text display status-of name-of note-of flag-of boolean row-id id diagnosis body-site administrative coordinate note method drug-class complaint diagnosis-kind verified".split()
)
"""Roles of columns of which little is known."""
_WORDS: Final = frozenset("certainty severity flag route".split())
"""Roles whose cells are one of a few words."""
_MOST: Final = 0.8
_OFTEN: Final = re.compile(
    r"(max\.? ?)?\d+ ?(x|×|mal|times|fois|veces|volte|keer|dd)( ?/| |$).*|\d ?dd.*|dd ?\d.*|q ?\d+ ?(h|hrs?|hours?|d|days?|w)\b.*|(every|alle|toutes les|cada|ogni|elke|om de|/) ?\d+.*|"
    r"(bid|tid|qid|qd|od|bd|tds|qds|qhs|hs|qam|qpm|qod|b\.i\.d\.?|t\.i\.d\.?|daily|once|twice|weekly|nightly|stat|continuous|nocte|mane)\b.*|(once|twice|three times|four times)\b.*|"
    r"(täglich|wöchentlich|monatlich|dagelijks|wekelijks|quotidien|diario|continu|einmalig|eenmalig)\b.*|[\d½¼,.]+ ?- ?[\d½¼,.]+ ?- ?[\d½¼,.]+( ?- ?[\d½¼,.]+)?|"
    r".*\b(per dag|pro tag|am tag|per day|a day|par jour|/ ?j|/ ?d|al día|al dia|al giorno|per week|pro woche|par semaine|zo nodig|zn|bei bedarf|si besoin|prn|as needed)\b.*|"
    r".*\b(morgens|abends|mittags|zur nacht|'s ochtends|voor de nacht|matin|soir|mañana|noche|mattina|sera|daily|every|cada|ogni|toutes|elke)\b.*"
)
"""How often something is taken, in small letters."""
_FORMS: Final = re.compile(
    r".*(tabl|tbl|tab\b|capsul|kapsel|\bcaps?\b|gelule|gélule|inject|injektion|inyec|iniez|injvlst|infus|perfus|lösung|loesung|oploss|vloeistof|solution|soluc|soluz|solut|sirop|syrup|jarabe|sciroppo|"
    r"stroop|comprim|compress|creme|crème|cream|crema|salbe|zalf|pomm|ointment|ungüent|unguent|drank|druppel|drops|tropfen|goutt|gotas|gocce|suppos|zetpil|zäpfchen|spray|inhal|aerosol|pleister|patch|pflaster|parche|"
    r"cerott|spuit|spritze|seringue|jering|syringe|siringa|ampul|ampoule|ampolla|vial|flacon|fles\b|poeder|powder|pulver|poudre|polvo|polvere|suspen|granul|dragee|kauwtabl|sachet|bustin|sobre|gel\b|pen\b).*"
)
"""Forms of drugs, in small letters."""
_STRENGTH: Final = re.compile(
    r"\d+([.,]\d+)? ?(mg|g|µg|μg|mcg|ug|ng|ml|ie|iu|ui|e|u|mmol|meq|%|kie|mio)(( ?/ ?|-)[\d.,]* ?(mg|g|ml|l|h|uur|std|dosis|dose|stuk|tabl?|puff|hub|µg|mcg))*( ?\+ ?.*)?"
)
"""How much of a drug is in a unit of it, in small letters."""
_FLAGS: Final = frozenset(
    "+ ++ +++ - -- --- ↑ ↓ ↑↑ ↓↓ > < >> << h l hh ll h* l* n a aa * ** ! high low normal abnormal hoch niedrig erhöht erniedrigt hoog laag élevé bas haut alto bajo basso norm critical".split()
)
"""How far a result is from what is normal, in small letters."""
_SAYING: Final = frozenset(
    "+ - ++ -- ↑ ↓ h l hh ll high low hoch niedrig hoog laag élevé bas alto bajo basso".split()
)
"""Of these, those of which a column of letters has two at least."""
_GERMAN: Final = frozenset("gvaz")
"""Letters for gesichert, Verdacht, Ausschluss and Zustand nach, read together."""
_CLASSES: Final = 8
_STAYS: Final = 0.6
"""From this share of words for kinds of stays, of so many at most, a column is the class of visits."""
_LONG: Final = 2
"""Letters alone mean something only by their header."""


def by_cells(sample: Sample, guesses: list[Guess]) -> None:
    """Give columns of which little is known the role that their cells have in such a table."""
    roles = {guess.role for guess in guesses}
    subjects = {subject_of(g) for g in of_roles(guesses, "code")}
    diseases = bool(
        roles & {"diagnosis", "allergy", "reaction", "allergy-kind"} or subjects & {"diagnosis", "allergy"}
    )
    drugs = bool(roles & {"drug", "vaccine"} or subjects & {"drug", "vaccine"})
    results = "value" in roles
    visits = bool(roles & {"admitted", "discharged", "encounter-id"})
    tests: list[tuple[str, bool, Callable[[Sequence[str]], bool], str]] = [
        ("class", visits, _are_stays, "what class of visit it is"),
        ("class", not visits, _are_all_stays, "what class of visit it is"),
        ("certainty", diseases, _known(CERTAINTY), "how sure it is"),
        ("severity", diseases, _known(SEVERITY), "how severe it is"),
        ("flag", results, _are_flags, "how far a result is from what is normal"),
        ("route", drugs, _are_routes, "the way a drug is given"),
        ("frequency", drugs, _matching(_OFTEN), "how often it is taken"),
        ("form", drugs and "drug" in roles, _matching(_FORMS), "the form of a drug"),
        ("strength", drugs and "dose" in roles, _matching(_STRENGTH), "the strength of a drug, beside its dose"),
    ]  # fmt: skip
    _outcomes(sample, guesses)
    for guess in guesses:
        if not _is_open(guess):
            continue
        cells = [" ".join(cell.casefold().split()) for cell in stated_in(sample, guess)]
        for role, fitting, test, what in tests:
            if guess.role in ("note", "note-of", "diagnosis") and role not in _WORDS:
                continue  # a remark may say in passing how often
            if guess.role in ("organization", "insurer", "encounter-type") and role != "class":
                continue
            if fitting and cells and not of_roles(guesses, role) and test(cells):
                guess.role, guess.words, guess.questions = role, {}, []
                guess.evidence.append(f"its cells say {what}")
                break
    _states(sample, guesses)
    _types(sample, guesses)


_OUTCOME: Final = re.compile(
    r"(weakly |strongly |schwach |stark )?(positive?|negative?|positiv[oa]?|negativ[oa]?|positif|negatif|positief|negatief|pos\.?|neg\.?|(not |non[- ]?|nicht )?(detected|reactive|reaktiv|reactivo|reattivo|nachweisbar|nachgewiesen|rilevato|detectado|détecté|detecte)|"
    r"undetected|indeterminat[eo]?|indeterminad[oa]|inconclusive|equivocal|dubbio|grenzwertig|fraglich|borderline|invalid|presumptive positive|påvist|ikke påvist|påvisad|ej påvisad)"
)
"""How a test of yes or no ended, in small letters."""


def _outcomes(sample: Sample, guesses: list[Guess]) -> None:
    """Beside a test or a sample, words for how a test ended are its result, whatever their column is called: `ESITO`."""
    roles = {guess.role for guess in guesses}
    if roles & {"value", "value-number", "organism"} or not roles & {"test", "specimen", "specimen-id"}:
        return
    for guess in of_roles(guesses, "category", "disposition", "status", "flag", "text", "display"):
        cells = [" ".join(cell.casefold().split()) for cell in stated_in(sample, guess)]
        if guess.of or guess.measure or len(set(cells)) < _LONG or 2 * len(cells) < len(sample.rows):
            continue
        if share(cells, _OUTCOME.fullmatch) >= _SURELY:
            guess.role, guess.words, guess.questions = "value", {}, []
            guess.evidence.append("its cells say how a test ended")
            return


_SURELY: Final = 0.95


def _types(sample: Sample, guesses: list[Guess]) -> None:
    """A class of visits of which no word is one of a class is their type: first, again, for a check."""
    if of_roles(guesses, "admitted") and of_roles(guesses, "discharged"):
        return  # where stays say by their days which class it is
    for guess in of_roles(guesses, "class"):
        words = set(stated_in(sample, guess))
        if words and not any(class_of(word) or len(word) <= _LONG for word in words):
            guess.role = "encounter-type"
            guess.evidence.append("none of its words says a class (inpatient, ambulatory, emergency)")


def _are_all_stays(cells: Sequence[str]) -> bool:
    words = set(cells)
    return 1 < len(words) <= _CLASSES and all(STAY.fullmatch(word) for word in words)


def _are_stays(cells: Sequence[str]) -> bool:
    words = set(cells)
    return 1 < len(words) <= _CLASSES and share([*words], STAY.fullmatch) >= _STAYS


def _is_open(guess: Guess) -> bool:
    """Whether little is known of a column, or its name says a status that may be how sure something is."""
    loose = guess.role in _OPEN or guess.role in ("status", "organization", "insurer", "encounter-type")
    return loose and not guess.of and not guess.measure and not guess.unit and "`" not in guess.column


def _known(codes: dict[str, str]) -> Callable[[Sequence[str]], bool]:
    """Whether nearly all words are known, and none of them is a letter."""
    known = by_word(codes)

    def test(cells: Sequence[str]) -> bool:
        words = set(cells)
        if codes is CERTAINTY and "g" in words and len(words) > 1 and words <= _GERMAN:
            return True
        return all(len(word) > _LONG for word in words) and share([*words], known.__contains__) >= _MOST

    return test


def _matching(pattern: re.Pattern[str]) -> Callable[[Sequence[str]], bool]:
    return lambda cells: share(cells, pattern.fullmatch) >= _MOST


def _are_routes(cells: Sequence[str]) -> bool:
    return share(cells, lambda cell: set(re.split(r" ?[/,+] ?", cell)) <= ROUTES) >= _MOST


def _are_flags(cells: Sequence[str]) -> bool:
    words = set(cells)
    return words <= _FLAGS and len(words & _SAYING) >= min(2, len(words)) > 0


def _states(sample: Sample, guesses: list[Guess]) -> None:
    """A column called how sure something is whose words say active and resolved is a status."""
    for guess in of_roles(guesses, "certainty"):
        words = [cell.casefold() for cell in stated_in(sample, guess)]
        sure, states = by_word(CERTAINTY), status_codes("Condition", words)
        if words and not any(word in sure for word in words) and all(states.values()):
            guess.role = "status"
            guess.evidence.append("its cells are words for a status, not for how sure it is")

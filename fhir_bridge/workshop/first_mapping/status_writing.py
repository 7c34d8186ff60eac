# ruff: noqa: E501 - lines of YAML and patterns are written as they come out
"""The status of what a row is about: of the column that says it, else what is assumed, which is asked."""

from __future__ import annotations

import re
from typing import Final

from fhir_bridge.workshop.first_mapping.cell_writing import concepts_of, literal, quoted
from fhir_bridge.workshop.first_mapping.date_writing import DateWriter
from fhir_bridge.workshop.first_mapping.guess import Guess
from fhir_bridge.workshop.first_mapping.lexicon import tokens
from fhir_bridge.workshop.first_mapping.statuses import (
    MARKS,
    NOTHING_THERE,
    of_appointments,
    speaks_of_giving,
    status_codes,
    unknown_status,
)

__all__ = ["StatusWriter"]

_REFUSED = r"refus|declin|not (given|done)|abgelehnt|verweigert|nicht geimpft|rifiut|rechaz"
"""Names of columns that say of a vaccine that it was not given."""
_TREATMENTS: Final = frozenset(
    (
        "MedicationAdministration",
        "MedicationDispense",
        "MedicationStatement",
        "MedicationRequest",
        "Immunization",
        "Procedure",
    )
)
"""What may not have happened at all."""
_NOT_DONE: Final = frozenset(("Immunization", "MedicationAdministration", "Procedure"))
"""What has a status for that it was not done, and a reason for it."""
_ACCEPTED: Final = frozenset("accepted accepté akzeptiert accettato aceptado consented".split())
"""Words in columns of refusals for that there was none."""
_OF_STATUS: Final = frozenset("status end vaccine administer perform record code kind label refusal".split())
"""What the name of a column of the row's status speaks of, and of nothing else."""
_FEW: Final = 12
"""A column of the status has at most so many words."""
_WAS: Final = r"\b(given|administered|gegeben|verabreicht|administre|administrado|somministrato|geimpft|vaccinated|applied)\b"
"""Names of columns that say of medication that it was given."""


def _given(kind: str, guess: Guess) -> dict[str, str] | None:
    """What yes and no mean for whether something was given; None where the name says nothing of that."""
    if kind not in ("Immunization", "MedicationAdministration"):
        return None
    yes, no = guess.words.get("true", ""), guess.words.get("false", "")
    name = tokens(guess.name)
    if re.search(_REFUSED, name) or guess.role == "refused":
        return {yes: "not-done", no: "completed"}
    return {yes: "completed", no: "not-done"} if re.search(_WAS, name) else None


def _may_say_status(guess: Guess) -> bool:
    """Whether a column that no rule understands may say whether a row happened."""
    if "`" in guess.column or guess.of or guess.role in ("code-status", "marital", "empty"):
        return False
    if guess.role in ("status", "status-of", "refused"):
        return True
    words = concepts_of(guess)
    return guess.role in ("category", "text", "boolean", "display") and bool(words & {"status", "refusal"})


def _is_status(guess: Guess) -> bool:
    """Whether a column is by its name the status of what its row is about, and of nothing else."""
    words = concepts_of(guess)
    alone = guess.role == "status" or (guess.role in ("category", "text", "display") and words <= _OF_STATUS)
    return (
        alone
        and "status" in words
        and not guess.of
        and not guess.words
        and 0 < guess.distinct <= _FEW
        and "`" not in guess.column
    )


def _may_be_words_of_status(guess: Guess) -> bool:
    """Whether a column of a few words, of which nothing is known, may say it."""
    few = guess.role in ("category", "boolean") and 1 < guess.distinct <= 12
    return few and not guess.of and not guess.measure and "`" not in guess.column


_VOID: Final = re.compile(
    r"no ?show|\bdna\b|did not attend|missed|nicht erschienen|niet verschenen|uteblev|udeblev|\bfalt(a|ou|o)\b|no asisti|abgesagt|ausgefallen|afgezegd|suspendid|storn|cancel|void|delet|loesch|annul|anulad|elimin|supprim|vervall|verwijderd|ungueltig|invalid|error|artef|artif|fehlerhaft|\beie\b|\bloekz\b|\bdel\b"
)
"""Names of columns that mark rows which do not count by yes."""
_CALLED_OFF: Final = re.compile(
    r"abgesagt|cancel|afgezegd|suspend|ausgefallen|no ?show|\bdna\b|attend|missed|erschienen|verschenen|uteblev|udeblev|\bfalt(a|ou|o)\b|asisti|comparec|showed"
)
"""Of these, names of columns of what was called off, or to which nobody came, and not written by mistake."""
_ERROR: Final = "entered-in-error"
_NOT_HELD: Final = {
    "Procedure": "not-done",
    "Encounter": "cancelled",
    "ServiceRequest": "revoked",
    "MedicationRequest": "cancelled",
}
"""The status of what was called off, by resource type."""
_APPOINTMENT: Final = re.compile(
    r"afspra|appointment|\bappt|\btermin(e|nr|id|nummer|status|art|datum)?\b|\bcitas?\b|rendez vous|\brdv\b|appuntament|prenotaz|\bagenda|bokning"
)
"""Names of columns that speak of appointments."""
_NEXT: Final = re.compile(r"next|naechst|folge|volgend|prochain|prossim|proxim|last|letzt|vorig")
_STOPPABLE: Final = frozenset(("MedicationRequest", "MedicationStatement"))
_STOPPED: Final = re.compile(
    r"abgesetzt|beendet|discontinu|\bstopp?(ed)?\b|gestopt|gestaakt|stopgezet|suspendid|suspendu|sospes[oa]|\barret|interromp|interrump|interrott|\bd c\b"
)
"""Names of columns that say of a drug that it is no longer taken."""
_WHY: Final = re.compile(r"grund|reason|motiv|reden|raison|causa")
_VALID: Final = re.compile(
    r"\bvalid\b|gueltig|valide\b|valid[oa]\b|geldig|^(has )?(patient )?(attended|attendance|showed( up)?|asistio|compareceu|erschienen|verschenen)$"
)
"""Names of columns that mark them by no."""


class StatusWriter(DateWriter):
    """Writes the status of a plan's resources."""

    def _status_cases(self, kind: str) -> tuple[str, dict[str, str]] | None:
        """The expression that says the status of rows, and the code of each of its words; None where no column does."""
        stated = self._status_column(kind)
        if stated is None:
            return None
        guess, codes = stated
        if guess.words:
            self._ask(f"{guess.column}: does it say whether it was given or done, as is assumed?")
        short = [f"{word.upper()} → {code}" for word, code in codes.items() if code and len(word) < 3]
        if short:
            self._ask(f"{guess.column}: do its letters mean {', '.join(short)}, as is assumed?")
        lacking = [word for word, code in codes.items() if not code]
        if lacking:
            but = ", but for those that have a reason why not" if self._undone(kind) else ""
            left = "" if unknown_status(kind) else f" They are left out until that is known{but}"
            self._ask(f"{guess.column}: which status does each of these mean: {', '.join(lacking)}?{left}")
        element = "clinicalStatus" if kind in ("Condition", "AllergyIntolerance") else "status"
        return f"lower({self._cell(guess, f'{kind}.{element}')})", codes

    def _status_column(self, kind: str) -> tuple[Guess, dict[str, str]] | None:
        """The column that says the status of rows, and the code of each of its words; empty for one that is not known."""
        for guess in self._readable:
            if guess.of or guess.column in self._plan.varying:
                continue
            values = self._values(guess)
            if guess.words and guess.role != "sex":
                yes_no = _given(kind, guess)
                if yes_no is None:
                    continue
                return guess, yes_no
            if guess.role != "status" and not speaks_of_giving(kind, guess.role, values):
                continue
            codes = status_codes(kind, values)
            if kind == "Condition" and (of_visit := self._called_off(guess, values)):
                wrong = {w for w, code in codes.items() if code == _ERROR and w not in of_visit}
                return guess, {word: _ERROR if word in wrong else "" for word in codes}
            if any(codes.values()):
                return guess, codes
        unread = next((g for g in self._readable if _is_status(g)), None) if kind == "Immunization" else None
        return (unread, dict.fromkeys(map(str.casefold, self._values(unread)), "")) if unread else None

    def _called_off(self, guess: Guess, values: list[str]) -> frozenset[str]:
        """The words of a list of appointments that say of one that it was called off, not of its diagnosis that it is wrong."""
        words = of_appointments(
            values, named=bool(_APPOINTMENT.search(tokens(guess.column))), listed=self._lists_appointments()
        )
        if words:
            self._ask(
                f"{guess.column}: is it the status of the appointment (Appointment.status, Encounter.status), as is assumed: "
                f"{', '.join(sorted(words))} does not make the diagnosis an error?"
            )
        return words

    def _lists_appointments(self) -> bool:
        """Whether a column is of the row's appointment, and not of the next one."""
        names = [tokens(guess.column) for guess in self._guesses]
        return any(_APPOINTMENT.search(name) and not _NEXT.search(name) for name in names)

    def _undone(self, kind: str) -> str:
        """The condition of rows that have a reason why it was not done; empty without a column of such reasons."""
        if kind not in _NOT_DONE:
            return ""
        for guess in self._all("status-reason", "refused"):
            named = guess.role == "refused" or "refusal" in concepts_of(guess)
            if guess.words or not (named or 2 * guess.filled < len(self._sample.rows)):
                continue
            known = status_codes(kind, self._values(guess))
            done = {word for word, code in known.items() if code == "completed" or word in _ACCEPTED}
            return self._is_stated(guess, NOTHING_THERE | done) or self._cell(guess)
        return ""

    def _or_undone(self, kind: str, code: str) -> str:
        """The code of a row whose status is not known: not done where it has a reason for that; `~` for none."""
        undone = self._undone(kind)
        if undone:
            return quoted(f"={literal('not-done')} if {undone} else {literal(code) if code else 'null'}")
        return code or "~"

    def _has_status(self, kind: str) -> str:
        """The condition of rows whose status is understood, of a resource type that can't be without; empty where all are."""
        stated = self._status_column(kind) if kind in ("AllergyIntolerance", "Immunization") else None
        if stated is None:
            return ""
        guess, codes = stated
        lacking = [word for word, code in codes.items() if not code]
        here = f"lower({self._cell(guess)})"
        parts = [f"not ({here} in [{', '.join(map(literal, lacking))}])"] if lacking else []
        if guess.filled < len(self._sample.rows):
            was = "active" if kind == "AllergyIntolerance" else "given"
            self._ask(f"{guess.column}: rows without it make no {kind}: are they {was}?")
            parts.append(self._cell(guess))
        undone = self._undone(kind)
        return f"{undone} or {' and '.join(parts)}" if undone and parts else " and ".join(parts)

    def _unread_status(self) -> list[str]:
        """Columns that by their names say whether something happened, in words that are not understood."""
        return [guess.column for guess in self._guesses if _may_say_status(guess)]

    def _unread_words(self) -> list[str]:
        """Columns that by their names are the status, in words or letters that are not understood."""
        return [g.column for g in self._readable if g.role == "status" and not g.of and not g.words]

    def _marking(self, kind: str) -> list[Guess]:
        """The columns that say whether a row counts; none that says that a drug was stopped, or an appointment called off."""
        other = _STOPPED if kind in _STOPPABLE else None
        if kind == "Condition" and self._lists_appointments():
            other = _CALLED_OFF
        return [g for g in self._all("inactive") if other is None or not other.search(tokens(g.column))]

    def _unless_stopped(self, kind: str, value: str) -> str:
        """A status, but of drugs that a column marks as stopped; one whose mark is not understood is not known."""
        roles = self._all("boolean", "category", "inactive", "flag-of") if kind in _STOPPABLE else []
        named = (g for g in roles if not g.of and _STOPPED.search(tokens(g.column)))
        guess = next((g for g in named if not _WHY.search(tokens(g.column))), None)
        if guess is None:
            return value
        words = {v.casefold(): MARKS.get(v.casefold(), "") for v in self._values(guess)}
        words |= {word: code for code, word in guess.words.items()}
        yes = [word for word, code in words.items() if code == "true"]
        other = [word for word, code in words.items() if code == ""]
        if not yes:
            self._ask(
                f"{guess.column}: does it say that a drug was stopped (status of each {kind}), and which cells do?"
            )
            return value
        unclear = f", with {', '.join(other[:6])} for unknown" if other else ""
        self._ask(
            f"{guess.column}: rows with {', '.join(yes)} are taken for stopped (status){unclear}: are they?"
        )
        here, of = self._cell(guess), f"lower({self._cell(guess, kind + '.status')})"
        no = [word for word, code in words.items() if code in ("false", "~")]
        as_stated = f"not {here}" + (f" or {of} in [{', '.join(map(literal, no))}]" if no else "")
        stated = self._status_cases(kind)
        if stated is not None:  # what else a status says than that it is taken, it says better
            taken = ", ".join(
                literal(word) for word, code in stated[1].items() if code in ("active", "", "unknown")
            )
            as_stated += f" or ({stated[0]} and not ({stated[0]} in [{taken}]))"
        cases = ", ".join(f"{quoted(word)}: stopped" for word in yes)
        return f"{{match: {quoted(as_stated)}, true: {value}, else: {{match: {quoted(of)}, {cases}, else: unknown}}}}"

    def _voided(self, kind: str) -> str:
        """The condition of rows that a column marks as cancelled or deleted; empty without one."""
        for guess in self._marking(kind):
            name = tokens(guess.column)
            word = guess.words.get(
                "true" if _VOID.search(name) else "false" if _VALID.search(name) else "", ""
            )
            if word:
                self._ask(
                    f"{guess.column}: rows with {word} are taken for cancelled or entered in error: are they, or are they not to be made at all?"
                )
                element = "verificationStatus" if kind in ("Condition", "AllergyIntolerance") else "status"
                return f"lower({self._cell(guess, f'{kind}.{element}')}) == {literal(word)}"
        return ""

    def _status(self, kind: str, assumed: str, question: str) -> str:
        """The element `status`: of the column that says it, else what is assumed, which is asked; cancelled rows are errors."""
        return self._unless_voided(kind, self._stated_status(kind, assumed, question))

    def _unless_voided(self, kind: str, line: str) -> str:
        """The element `status`, where rows that do not count are errors."""
        value = self._unless_stopped(kind, line.removeprefix("  status: "))
        voided = self._voided(kind)
        if not voided:
            return f"  status: {value}"
        called_off = any(_CALLED_OFF.search(tokens(g.column)) for g in self._marking(kind)[:1])
        code = _NOT_HELD.get(kind, _ERROR) if called_off else _ERROR
        return f"  status: {{match: {quoted(voided)}, true: {code}, else: {value}}}"

    def _stated_status(self, kind: str, assumed: str, question: str) -> str:
        """The status of rows that count."""
        stated = self._status_cases(kind)
        if stated is None:
            unread = self._unread_status() if kind in _TREATMENTS else self._unread_words()
            if unread:
                self._ask(
                    f"{', '.join(unread)}: does it say the status of each {kind}? Its words are not understood"
                )
                assumed = unknown_status(kind) or assumed
            elif self._undone(kind):
                self._ask(
                    f"every {kind} that has a reason why not is taken for not done, any other for {assumed}: is it?"
                )
            else:
                words = [g.column for g in self._guesses if _may_be_words_of_status(g)]
                possible = kind in ("MedicationAdministration", "Immunization") and words
                self._ask(
                    f"{question.rstrip('?')}, or does {', '.join(words)} say it?" if possible else question
                )
            return f"  status: {self._or_undone(kind, assumed)}"
        expression, codes = stated
        other = self._or_undone(kind, unknown_status(kind))
        cases = ", ".join(f"{quoted(word)}: {code or other}" for word, code in codes.items())
        empty = f"empty: {other}, " if other != "~" else ""
        return f"  status: {{match: {quoted(expression)}, {cases}, {empty}else: flag}}"

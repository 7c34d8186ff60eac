"""Whether a person smokes now, and what: by LOINC's answers and SNOMED CT's statuses; cigarettes are told apart."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from fhir_bridge.predictions.inputs import (
    LOINC,
    SNOMED,
    UNSETTLED,
    MissingInput,
    UnusableInput,
    check_date,
    is_not_measured,
    last_moment,
    shown_value,
)
from fhir_bridge.predictions.record import Evidence, PatientRecord, codings, effective_of, moment_of
from fhir_bridge.predictions.value_sets import ICD10, plain_code

__all__ = ["SMOKING_CODES", "Product", "Smoking", "find_smoking"]

Product = Literal["tobacco", "cigarettes", "other"]
"""What is smoked: `tobacco` where the statement names no product, `other` for cigars, pipe and waterpipe."""

SMOKING_CODES: Final = frozenset(
    {(LOINC, "72166-2"), (LOINC, "39240-7"), (SNOMED, "229819007"), (SNOMED, "365981007")}
)
"""Codes under which the status stands."""


@dataclass(frozen=True, slots=True)
class Smoking:
    """Whether the person smokes tobacco now. product: what, where `current`."""

    current: bool
    evidence: Evidence
    product: Product = "tobacco"

    @property
    def cigarettes(self) -> bool:
        """Whether the person smokes cigarettes, as models of the United States mean it.

        Raises:
            UnusableInput: something is smoked that is no cigarette, for which such a model has no term.
        """
        if self.current and self.product == "other":
            raise UnusableInput("smokes, but no cigarettes, which the model asks about", self.evidence)
        return self.current


def _snomed(*codes: str) -> frozenset[tuple[str, str]]:
    return frozenset((SNOMED, code) for code in codes)


def _answers(*codes: str) -> frozenset[tuple[str, str]]:
    return frozenset((LOINC, code) for code in codes)


_TOBACCO: Final = _answers("LA18976-3", "LA18977-1", "LA18981-3", "LA18982-1") | _snomed(
    *("449868002", "428041000124106", "77176002", "428071000124103", "428061000124105"),
    # Moderate, heavy; reduced, restarted; in bed; trying, wanting, not wanting to stop; failed to stop.
    *("56578002", "56771006", "134406006", "308438006", "225934006", "160612007", "160616005"),
    *("203191000000107", "394871007", "394872000", "394873005", "446172000"),
)
_CIGARETTES: Final = _snomed(
    *("65568007", "230059006", "230060001", "230062009", "230063004", "230064005", "230065006"),
    *("266920004", "160603005", "160604004", "160605003", "160606002", "160619003"),
)
_OTHER: Final = _snomed("59978006", "82302008", "836001000000109")
"""Cigar, pipe, waterpipe."""

_NOT: Final = _answers("LA15920-4", "LA18978-9") | _snomed(
    # Never; non-smoker, current non-smoker.
    *("266919005", "221000119102", "8392000", "405746006", "160618006"),
    # Non-smoker: tolerant, aggressive, intolerant; for personal, religious, medical reasons.
    *("87739003", "360918006", "360929005", "105539002", "105540000", "105541001"),
    # Former smokers.
    *("8517006", "160617001", "160620009", "160621008", "266921000", "266922007", "266923002", "266924008"),
    *("266925009", "266928006", "281018007", "360890004", "360900008", "48031000119106", "53896009"),
    *("735128000", "492191000000103", "1092031000000108", "1092041000000104", "1092071000000105"),
    *("1092091000000109", "1092111000000104", "1092131000000107"),
)
_UNKNOWN: Final = _answers("LA18980-5") | _snomed("266927001")
_OPEN: Final = _answers("LA18979-7")
"""Smoker, current status unknown."""

_NO_SMOKE: Final = _snomed("722499006", "81703003", "228494002")
"""Electronic cigarettes, chewing tobacco, snuff: they say nothing about smoking."""


_MOST_EXACT: Final[tuple[Product, ...]] = ("cigarettes", "other", "tobacco")


def find_smoking(record: PatientRecord) -> Smoking:
    """The newest statement on smoking; "unknown" and products that are not smoked state nothing.

    Of several at one time that agree, the one that names the product counts.

    Raises:
        MissingInput: nothing is stated.
        UnusableInput: the newest statement can't be read, leaves open whether the person smokes now, or another that
            may be as new says otherwise.
        ImplausibleInput: it is dated in the future.
    """
    newest: list[Smoking] = []
    since: datetime | None = None
    for observation, node in record.observations(SMOKING_CODES):
        time = effective_of(observation)
        moment = moment_of(time)
        vague = moment is not None and since is not None and last_moment(time, moment) > since
        if newest and moment != since and not vague:
            continue
        statement = _statement(record, observation, node)
        if statement is None:
            continue
        if newest and statement.current != newest[0].current:
            raise UnusableInput("two smoking statuses at one time", statement.evidence)
        if not newest or moment == since:
            newest.append(statement)
            since = moment
    _refuse_unsettled(record, newest, since)
    if not newest:
        raise MissingInput("no smoking status")
    if not newest[0].current:
        _refuse_use(record, since)
    return min(newest, key=lambda statement: _MOST_EXACT.index(statement.product))


def _refuse_unsettled(record: PatientRecord, newest: list[Smoking], since: datetime | None) -> None:
    """Refuse where a status that is not final is newer than those that are, and says something else.

    Raises:
        UnusableInput: there is one, or it can't be read.
    """
    for observation, node in record.observations(SMOKING_CODES, UNSETTLED):
        moment = moment_of(effective_of(observation))
        if moment is not None and since is not None and moment <= since:
            continue
        statement = _statement(record, observation, node)
        if statement is not None and not (newest and statement.current == newest[0].current):
            raise UnusableInput("the newest smoking status is not final", statement.evidence)


def _refuse_use(record: PatientRecord, since: datetime | None) -> None:
    """Refuse where a diagnosis that is newer than "does not smoke" is of somebody who does.

    Raises:
        UnusableInput: there is one.
    """
    for condition, present in record.conditions():
        times = [condition.get(name) for name in ("recordedDate", "onsetDateTime")]
        moments = [moment for time in times if (moment := moment_of(str(time or ""))) is not None]
        ended = any(name.startswith("abatement") for name in condition) or not _ENDED.isdisjoint(
            code for _, code in codings(condition.get("clinicalStatus"))
        )
        if not present or ended or not moments or (since is not None and max(moments) <= since):
            continue
        if any(_is_use(system, code) for system, code in codings(condition.get("code"))):
            evidence = record.evidence(condition, "diagnosis of smoking")
            raise UnusableInput("a diagnosis of smoking is newer than the status, which says no", evidence)


_ENDED: Final = frozenset({"inactive", "remission", "resolved"})


def _is_use(system: str, code: str) -> bool:
    """Whether a diagnosis is of somebody who smokes: F17 and Z72.0 but for chewing tobacco, abstinence, remission."""
    if system == SNOMED:
        return (system, code) in _TOBACCO | _CIGARETTES | _OTHER
    plain = plain_code(system, code)
    if system not in ICD10 or not plain.startswith(("F171", "F172", "Z720")):
        return False
    return plain != "F1720" and not plain.startswith("F1722") and not (len(plain) == 6 and plain[-1] == "1")


def _statement(record: PatientRecord, observation: dict[str, Any], node: dict[str, Any]) -> Smoking | None:
    """What an Observation states; None where it states nothing. Raises as `find_smoking`."""
    values = set(codings(node.get("valueCodeableConcept")))
    if is_not_measured(node) or (values and values <= _UNKNOWN | _NO_SMOKE):
        return None
    smokes, not_now = values & (_TOBACCO | _CIGARETTES | _OTHER), values & _NOT
    known = bool(smokes) != bool(not_now) and not values & _OPEN and "modifierExtension" not in observation
    text = ("current smoker" if smokes else "not smoking now") if known else shown_value(node)
    shown = record.evidence(observation, "smoking status", text)
    check_date("smoking status", observation, shown, record.as_of)
    if values & _OPEN:
        raise UnusableInput("whether the person smokes now is not known", shown)
    if not known:
        raise UnusableInput("smoking status can't be read", shown)
    product: Product = "tobacco"
    if values & _CIGARETTES:
        product = "cigarettes"
    elif values & _OTHER:
        product = "other"
    return Smoking(bool(smokes), shown, product)

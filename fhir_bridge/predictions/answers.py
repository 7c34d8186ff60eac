"""What a model answers: checked where it runs, and carried as JSON to the process that asked.

A model is a plug-in's code and may return anything. What is not a `Prediction` or `Refusal` as the contract has it is a
failed run with the reason; nothing that a model returns is unpickled, stored or printed unread.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime, timedelta
from decimal import Decimal
from math import isfinite
from typing import Any, Final, get_args

import orjson

from fhir_bridge.predictions.contract import Contribution, Explanation, Prediction, Refusal, RefusalReason
from fhir_bridge.predictions.outputs import (
    OutputError,
    check_interval,
    check_output,
    interval_of,
    output_of,
    plain_interval,
    plain_output,
)
from fhir_bridge.predictions.record import Evidence, Modality, PatientRecord, moment_of

__all__ = ["Answer", "answer_of", "encoded", "plain"]

Answer = Prediction | Refusal | str
"""`str`: why the run failed, without a value of the patient."""

_LONGEST: Final = 10_000
_MOST: Final = 1_000
_DIGITS: Final = 30
_REASONS: Final = frozenset(get_args(RefusalReason)) - {"failed", "opted-out"}
_MODALITIES: Final = frozenset(get_args(Modality))
_FIELDS: Final = {kind: tuple(field.name for field in fields(kind)) for kind in (Prediction, Refusal)}


class _Wrong(ValueError):
    """What is wrong with an answer."""


def plain(result: Any, record: PatientRecord) -> dict[str, Any]:
    """A model's answer as `encoded` can carry it, or what is wrong with it: `{"failed": reason}`."""
    try:
        if isinstance(result, Prediction):
            _check_prediction(result)
        elif isinstance(result, Refusal):
            _check_refusal(result)
        else:
            raise _Wrong(f"it returned {_named(result)}, neither a Prediction nor a Refusal")
        effective = _effective(result, record)
    except _Wrong as wrong:
        return {"failed": str(wrong)}
    # One level: what is below is written as it is, which costs less than a copy.
    values = {name: getattr(result, name) for name in _FIELDS[type(result)]}
    values["effective"] = effective.isoformat() if isinstance(effective, datetime) else effective
    if isinstance(result, Prediction):
        values["percent"] = None if result.percent is None else str(result.percent)
        values["interval"] = None if result.interval is None else plain_interval(result.interval)
        values["output"] = None if result.output is None else plain_output(result.output)
        return {"prediction": values}
    return {"refusal": values}


def encoded(answer: Mapping[str, Any]) -> bytes:
    """Answers of `plain` as JSON."""
    return orjson.dumps(answer, default=_number)


def _number(value: object) -> float:
    if isinstance(value, Decimal):  # a contribution, which counts to four digits
        return float(value)
    raise TypeError(type(value).__name__)


def answer_of(values: Mapping[str, Any]) -> Answer:
    """The answer that `plain` made."""
    try:
        if "prediction" in values:
            fields = dict(values["prediction"])
            fields["percent"] = None if fields["percent"] is None else Decimal(fields["percent"])
            fields["interval"] = interval_of(fields["interval"])
            fields["output"] = None if fields["output"] is None else output_of(fields["output"])
            fields["outcome"] = tuple(fields["outcome"])
            fields["category"] = None if fields["category"] is None else tuple(fields["category"])
            fields["evidence"] = tuple(Evidence(**item) for item in fields["evidence"])
            fields["contributions"] = tuple(_contribution(item) for item in fields["contributions"])
            fields["cautions"] = tuple(fields["cautions"])
            fields["explanation"] = _explanation(fields.get("explanation"))
            return Prediction(**fields)
        if "refusal" in values:
            fields = dict(values["refusal"])
            fields["evidence"] = tuple(Evidence(**item) for item in fields["evidence"])
            return Refusal(**fields)
        return str(values["failed"])
    except (ArithmeticError, KeyError, TypeError, ValueError):
        return "its answer can't be read"


def _contribution(item: Mapping[str, Any]) -> Contribution:
    evidence = item["evidence"]
    return Contribution(**{**item, "evidence": None if evidence is None else Evidence(**evidence)})


def _explanation(item: Mapping[str, Any] | None) -> Explanation | None:
    if item is None:
        return None
    return Explanation(**{**item, "changes": tuple(item["changes"]), "decided_by": tuple(item["decided_by"])})


def _effective(result: Prediction | Refusal, record: PatientRecord) -> datetime | str | None:
    """The time of the data. No result is dated after its run; a refusal because of such a date has the run's."""
    effective = result.effective or record.newest
    moment = effective if isinstance(effective, datetime) else moment_of(effective or "")
    if moment is None or moment <= record.as_of + timedelta(
        hours=14
    ):  # a date without zone may be so far ahead
        return effective
    if isinstance(result, Prediction):
        raise _Wrong("its effective time is after the run")
    return record.as_of.isoformat(timespec="seconds")


def _check_prediction(result: Prediction) -> None:
    if result.percent is not None or result.output is None:
        _check_percent(result)
    if result.horizon_years is not None and (
        type(result.horizon_years) is not int or not 1 <= result.horizon_years <= 150
    ):
        raise _Wrong("its horizon is not a number of years from 1")
    try:
        if result.output is not None:
            check_output(result.output)
    except OutputError as error:
        raise _Wrong(str(error)) from error
    for text, name in ((result.population, "its population"), (result.guideline, "its guideline")):
        if text != "":
            _text(text, name)
    _check_common(result)
    if not result.effective:
        raise _Wrong("it has no effective time")
    _pair(result.outcome, "its outcome")
    if result.category is not None:
        _pair(result.category, "its category")
    for contribution in _several(result.contributions, Contribution, "its contributions"):
        value = contribution.value
        if isinstance(value, bool) or not isinstance(value, int | float | Decimal) or not isfinite(value):
            raise _Wrong("a contribution is not a number")
        _text(contribution.code, "a contribution's code")
        _text(contribution.display, "a contribution's display")
        _modality(contribution.modality)
        if contribution.evidence is not None:
            _check_evidence(contribution.evidence)
    for caution in _several(result.cautions, str, "its cautions"):
        _text(caution, "a caution")
    if result.explanation is not None:
        _check_explanation(result.explanation)


def _check_explanation(explanation: Any) -> None:
    if not isinstance(explanation, Explanation):
        raise _Wrong(f"its explanation is {_named(explanation)}")
    _text(explanation.baseline, "the baseline of its explanation")
    if explanation.method not in ("exact", "shapley"):
        raise _Wrong("the method of its explanation is neither exact nor shapley")
    if explanation.baseline_result != "":
        _text(explanation.baseline_result, "the baseline's result")
    if not isinstance(explanation.modalities, Mapping):
        raise _Wrong("the modalities of its explanation are not a mapping")
    for modality, value in explanation.modalities.items():
        _modality(modality)
        if isinstance(value, bool) or not isinstance(value, int | float | Decimal) or not isfinite(value):
            raise _Wrong("a modality's contribution is not a number")
    for change in _several(explanation.changes, str, "the changes of its explanation"):
        _text(change, "a change of its explanation")
    for modality in _several(explanation.decided_by, str, "the deciding modalities of its explanation"):
        _modality(modality)


def _check_percent(result: Prediction) -> None:
    # Exactly these: true is an int to Python.
    if result.percent is None or type(result.percent) not in (Decimal, int):
        raise _Wrong(f"its risk is {_named(result.percent)}, not a Decimal")
    if not Decimal(result.percent).is_finite():
        raise _Wrong("its risk is not a number")
    if not 0 <= result.percent <= 100:
        raise _Wrong("its risk is not within 0 to 100 %")
    if len(Decimal(result.percent).as_tuple().digits) > _DIGITS:
        raise _Wrong(f"its risk has more than {_DIGITS} digits")
    if result.interval is not None:
        try:
            check_interval(result.interval, Decimal(result.percent))
        except OutputError as error:
            raise _Wrong(str(error)) from error
        if result.interval.low < 0 or result.interval.high > 100:
            raise _Wrong("its interval is not within 0 to 100 %")


def _check_refusal(result: Refusal) -> None:
    if result.reason not in _REASONS:
        raise _Wrong(f"its reason is none of {', '.join(sorted(_REASONS))}")
    _check_common(result)
    _text(result.text, "the text of its refusal")
    _modality(result.modality)


def _check_common(result: Prediction | Refusal) -> None:
    if result.code != "":
        _text(result.code, "its code")
    _text(result.display, "its display")
    if isinstance(result.effective, datetime):
        if result.effective.tzinfo is None:
            raise _Wrong("its effective time has no zone")
    elif result.effective is not None and (
        not isinstance(result.effective, str) or moment_of(result.effective) is None
    ):
        raise _Wrong("its effective time is no date")
    for evidence in _several(result.evidence, Evidence, "its evidence"):
        _check_evidence(evidence)


def _check_evidence(evidence: Any) -> None:
    if not isinstance(evidence, Evidence):
        raise _Wrong(f"its evidence is {_named(evidence)}")
    _text(evidence.reference, "a reference of its evidence")
    _text(evidence.label, "a label of its evidence")
    for text in (evidence.value, evidence.time):
        if text != "":
            _text(text, "a text of its evidence")
    _modality(evidence.modality)


def _several(items: Any, kind: type, name: str) -> Any:
    if not isinstance(items, tuple | list) or not all(isinstance(item, kind) for item in items):
        raise _Wrong(f"{name} are not a tuple of {kind.__name__}")
    if len(items) > _MOST:
        raise _Wrong(f"{name} are more than {_MOST}")
    return items


def _pair(value: Any, name: str) -> None:
    if not isinstance(value, tuple | list) or len(value) != 2:
        raise _Wrong(f"{name} is not a pair of code and display")
    for part in value:
        _text(part, name)


def _text(value: Any, name: str) -> None:
    if not isinstance(value, str) or not value.strip():
        raise _Wrong(f"{name} is not a text")
    if len(value) > _LONGEST:
        raise _Wrong(f"{name} is longer than {_LONGEST} characters")
    if not value.isprintable() and any(
        ord(character) < 32 and character not in "\t\n\r" for character in value
    ):
        raise _Wrong(f"{name} holds a control character")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise _Wrong(f"{name} holds half a surrogate pair") from None


def _modality(value: Any) -> None:
    if value not in _MODALITIES:
        raise _Wrong(f"a modality is none of {', '.join(sorted(_MODALITIES))}")


def _named(value: Any) -> str:
    return "None" if value is None else f"a {type(value).__name__}"

"""What a person says of a result, whether by `$review` or on the patient's page."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final, cast, get_args

from fhir_bridge.predictions.reviewing import Decision, Review, review
from fhir_bridge.predictions.site import site_settings
from fhir_bridge.server.finishing import finished
from fhir_bridge.server.services import Services
from fhir_bridge.storage import Stored
from fhir_bridge.storage.accounts import User
from fhir_bridge.storage.audit_rows import AuditOf
from fhir_bridge.storage.errors import BadResource, DanglingReference

__all__ = ["check_person", "parameters_of", "person", "review_result", "text_of", "verdict_of"]

LONGEST: Final = 2000


def parameters_of(services: Services) -> Mapping[str, Any]:
    """The site's parameters."""
    return site_settings(services.settings.site_file)[0].parameters


def person(user: User) -> dict[str, Any]:
    """A Reference to who is logged in."""
    who: dict[str, Any] = {"identifier": {"value": user.id}, "display": user.display}
    return {"reference": user.fhir_user, **who} if user.fhir_user else who


def text_of(values: Mapping[str, str], name: str) -> str:
    """A text that a person wrote.

    Raises:
        BadResource: it is too long.
    """
    text = values.get(name, "").strip()
    if len(text) > LONGEST:
        raise BadResource(f"{name} is longer than {LONGEST} characters")
    return text


def verdict_of(values: Mapping[str, str], who: Mapping[str, Any]) -> Review:
    """The review: `decision`, `reason`, `value`, `category` (its code), `followed`.

    Raises:
        BadResource: one of them can't be read.
    """
    decision = values.get("decision", "")
    if decision not in get_args(Decision):
        raise BadResource(f"decision is one of {', '.join(get_args(Decision))}")
    # The display is the model's own, whatever is sent with the code.
    category = text_of(values, "category").partition("|")[0].strip()
    return Review(
        cast("Decision", decision),
        who,
        text_of(values, "reason"),
        _number(text_of(values, "value")),
        category,
        text_of(values, "followed"),
    )


def _number(text: str) -> Decimal | None:
    if not text:
        return None
    try:
        number = Decimal(text)
    except InvalidOperation as error:
        raise BadResource("value is a number") from error
    if not number.is_finite() or len(number.as_tuple().digits) > 18:
        raise BadResource("value is a number of at most 18 digits")
    return number


async def check_person(services: Services, who: Mapping[str, Any]) -> None:
    """Refuse whoever is nobody here: what is written would refer to a resource that is not.

    Raises:
        DanglingReference: the account's FHIR resource is not loaded.
    """
    for name in await services.accounts.unknown_people([str(who.get("reference") or "")]):
        kind, _, identity = name.partition("/")
        raise DanglingReference(
            f"this account is {name}, of which there is no resource here: load it (or add the account with another "
            "--fhir-user), and do this again",
            [(kind, identity)],
        )


async def review_result(services: Services, stored: Stored, verdict: Review, audit: AuditOf | None) -> None:
    """Write what the person says; goes on where the caller leaves.

    Raises:
        StorageError: see `predictions.reviewing.review`, and `check_person`.
    """
    await check_person(services, verdict.who)
    await finished(
        review(services.store, stored, verdict, parameters_of(services), audit, services.settings.site_file)
    )

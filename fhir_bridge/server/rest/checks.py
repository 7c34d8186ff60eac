"""What every write over REST is checked for, single or in a Bundle: on the very content that will be stored.

References are resolved before. A search in place of a reference (`Device?identifier=…`), this server's own address or a
`urn:uuid:` could otherwise name what the checks do not see: a model, or another patient.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from fhir_bridge.fhir import definitions
from fhir_bridge.fhir.access import EVERYTHING
from fhir_bridge.fhir.attachments import attached_binaries, has_attachment, local_attachments
from fhir_bridge.fhir.consent import uninterpreted
from fhir_bridge.fhir.issues import Issue
from fhir_bridge.fhir.subsets import is_subset
from fhir_bridge.predictions.objections import meant, unknown_models
from fhir_bridge.predictions.registry import model_names
from fhir_bridge.predictions.site import site_settings
from fhir_bridge.server.rest import hooks
from fhir_bridge.server.rest.bounds import (
    refuse_new_links,
    refuse_unreachable,
    refuse_unreachable_attachments,
)
from fhir_bridge.server.rest.call import Call
from fhir_bridge.server.rest.refusal import refuse
from fhir_bridge.server.rest.search import condition
from fhir_bridge.server.rest.server_owned import check_new, keep_labels
from fhir_bridge.server.rest.writing import Writing
from fhir_bridge.server.subscriptions.model import Owner, SubscriptionError
from fhir_bridge.server.subscriptions.owners import owner_of
from fhir_bridge.server.subscriptions.sealing import SEAL, Seal
from fhir_bridge.server.subscriptions.writing import prepare
from fhir_bridge.storage.breathing import beside
from fhir_bridge.storage.bundles import conditional_references, relative
from fhir_bridge.storage.errors import Gone, NotFound
from fhir_bridge.storage.outlines import Outline, outline_of
from fhir_bridge.storage.transactions import Check
from fhir_bridge.storage.writing import Operation

__all__ = ["check_of", "check_write", "resolve"]

_log = logging.getLogger("fhir_bridge.server")
_LITERAL = re.compile(r"([A-Z][A-Za-z]{1,63})/[A-Za-z0-9.-]{1,64}(?:/_history/[A-Za-z0-9.-]{1,64})?")


async def resolve(call: Writing, resource: dict[str, Any]) -> tuple[dict[str, Any], Outline]:
    """The resource of a single write, its references resolved, and its outline.

    Raises:
        Refusal: 400: a search in place of a reference can't be read.
        StorageError: a search in place of a reference finds nothing, several, or is not for this caller.
    """
    if has_attachment(resource):
        resource = local_attachments(resource, lambda url: relative(url, call.base))
    outline = await outline_of(resource)
    # Most name what is here as it is stored: nothing is to be resolved.
    if await beside(outline.large, partial(_resolved, outline.references, call.base)):
        return resource, outline
    searches = partial(conditional_references, outline.references, call.base)
    for reference in await beside(outline.large, searches):
        condition(reference)
    resource = await call.services.store.resolve(resource, call.access, base=call.base)
    return resource, await outline_of(resource)


def _resolved(references: Sequence[str], base: str) -> bool:
    return all("?" not in text and relative(text, base) == text for text in references)


async def check_write(call: Writing, operation: Operation) -> None:
    """Refuse what is the server's own and what is beyond a bounded caller; carry labels over; ask plug-ins.

    Raises:
        Refusal, StorageError: refused.
    """
    resource, updates = operation.resource, operation.action == "update"
    if operation.action == "delete":
        # Labels are checked, and a prediction refused; nothing is carried over.
        await keep_labels(call, operation.type, operation.id, None)
        return
    # Owned resources first, whoever calls; then what this caller may reach.
    if is_subset(resource):
        raise refuse(
            422,
            "FB-REST-021",
            "the tag SUBSETTED says that this is a part of a resource: stored, it would take the place of the whole",
            source="meta.tag",
        )
    outline = operation.outline or await outline_of(resource)
    await check_new(call, resource, outline)
    if outline.large:
        await beside(True, partial(_check_forms, resource, outline.references))
    else:
        _check_forms(resource, outline.references)
    if operation.type == "Consent" and (reason := uninterpreted(resource)) is not None:
        # Stored, it would permit by saying nothing, and its author would think that it counts.
        raise refuse(422, "FB-REST-024", reason, source="Consent")
    if operation.type == "Consent":
        _check_models(call, resource)
    if operation.type == "Subscription":
        # It is a client's, who is told of changes as the token allows: an import has none.
        if not isinstance(call, Call):
            raise refuse(403, "FB-REST-012", "a Subscription is not imported: its client creates it")
        await _check_subscription(call, resource, operation.id if updates else "")
    if updates and not operation.generated and isinstance(resource.get("id"), str):
        await refuse_unreachable(call, operation.type, operation.id)
    if attached_binaries(resource):
        await refuse_unreachable_attachments(call, resource)
    if operation.type == "Patient":
        await refuse_new_links(call, resource, operation.id if updates else "")
    if updates:
        await keep_labels(call, operation.type, operation.id, resource)
    await hooks.before_write(
        call.services.plugins, resource, "create" if operation.action == "create" else "update"
    )


def _check_models(call: Writing, consent: dict[str, Any]) -> None:
    """Say that a Consent denies a model that is not here. Not stored, it would be no objection to anything.

    Raises:
        Refusal: 422, where the writer wants to be refused.
    """
    if not unknown_models(consent, ()):
        return
    site = getattr(getattr(call.services, "settings", None), "site", None)
    known = model_names(site_settings(str(site))[0].parameters if site is not None else None)
    for name in unknown_models(consent, known):
        alike = meant(name, known)
        counts = f"it counts against {', '.join(alike)}" if alike else "it counts against none of them"
        message = (
            f"no model here is called {name[:80]!a}, and {counts}; the models are {', '.join(sorted(known))}"
        )
        if isinstance(call, Call) and call.strict:
            raise refuse(422, "FB-REST-025", message, source="Consent.provision.code")
        # Without the identity of anybody: what is not in the answer is in the log.
        _log.warning("a Consent was written: %s", message)
        if isinstance(call, Call):
            call.warnings.append(Issue("warning", "FB-REST-025", message, "Consent.provision.code"))


def check_of(call: Writing) -> Check:
    """`check_write` for this caller, as storage takes it."""
    return partial(check_write, call)


def _check_forms(resource: dict[str, Any], references: Sequence[str]) -> None:
    """Refuse a relative reference that names no resource, and a Binary whose protection would depend on another server.

    Such a reference leads nowhere, yet looks like one that does; what it is in would be in nobody's record.

    Raises:
        Refusal: 422.
    """
    for reference in references:
        if ":" in reference or reference.startswith("#"):
            continue
        match = _LITERAL.fullmatch(reference)
        if match is None or match[1] not in definitions.resource_types():
            raise refuse(
                422,
                "FB-REST-002",
                f"the reference {reference[:80]!a} is not Type/id, an absolute URL, urn:uuid:… or #id",
            )
    context = resource.get("securityContext") if resource.get("resourceType") == "Binary" else None
    if isinstance(context, dict) and not _LITERAL.fullmatch(str(context.get("reference", ""))):
        raise refuse(
            422,
            "FB-REST-002",
            "who may read a Binary is decided by a resource of this server: Type/id",
            source="Binary.securityContext",
        )


async def _check_subscription(call: Call, resource: dict[str, Any], identity: str) -> None:
    """Refuse a Subscription that can't be followed, or is another's; note whose it is.

    Args:
        identity: of the one that is updated; empty: it is new.

    Raises:
        Refusal: 422; 403.
        StorageError: the caller may not search so.
    """
    services = call.services
    if identity:
        with suppress(NotFound, Gone):
            # With every access: that the caller can't read it must not make it the caller's.
            stored = await services.store.read("Subscription", identity, EVERYTHING)
            theirs, ours = Owner.of(stored.resource()), owner_of(call.caller)
            if theirs is not None and (theirs.client, theirs.account) != (ours.client, ours.account):
                # Who may delete it can end it; what it tells, and whom, only who subscribed can change.
                raise refuse(403, "FB-SUB-002", "this Subscription is another subscriber's")
    try:
        watched = prepare(
            resource, owner_of(call.caller), services.settings.allowed, Seal(services.key.secret(SEAL))
        )
    except SubscriptionError as error:
        raise refuse(422, "FB-SUB-001", str(error), source=error.element) from error
    # Of nothing: whether the criteria can be read, and the caller may ask so.
    page = await services.store.search(
        watched.type, [*watched.parameters, ("_id", "none")], call.access, count=1
    )
    if page.unknown:
        reasons = "; ".join(f"{unknown.name}: {unknown.reason}" for unknown in page.unknown)
        raise refuse(422, "FB-SUB-001", reasons, source="Subscription.criteria")

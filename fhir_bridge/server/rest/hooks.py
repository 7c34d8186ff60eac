"""Plug-ins around a request. Each hook costs nothing where nobody implements it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pluggy
from starlette.requests import Request

from fhir_bridge.fhir.access import AccessFilter
from fhir_bridge.fhir.issues import Issue
from fhir_bridge.fhir.models import plain
from fhir_bridge.fhir.serialization import dumps, loads_exact
from fhir_bridge.server.offloading import offloaded
from fhir_bridge.server.rest.refusal import Refusal
from fhir_bridge.storage.outlines import Outline

__all__ = ["authorize", "before_write", "redact", "redact_all", "redacts", "unchanged"]

FEW = 5
"""Contents that are parsed and redacted on the event loop."""


def _implemented(plugins: pluggy.PluginManager, name: str) -> bool:
    # Looked up, not called: a call of pluggy costs more than the whole question.
    return bool(getattr(plugins.hook, name).get_hookimpls())


def authorize(plugins: pluggy.PluginManager, access: AccessFilter, request: Request) -> AccessFilter:
    """The access after every plug-in that has an opinion; the last one to speak decides."""
    if not _implemented(plugins, "fhir_bridge_authorize"):
        return access
    described = {"method": request.method, "path": request.url.path, "query": request.url.query}
    # Called in order; each sees the access as it was before any of them.
    for narrowed in plugins.hook.fhir_bridge_authorize(access=access, request=described):
        if narrowed is not None:
            access = _narrower(access, narrowed)
    return access


def _narrower(before: AccessFilter, after: AccessFilter) -> AccessFilter:
    """What both allow, rule by rule, so that a plug-in can take away and never give."""
    # Only rules that lie within one of before: two of before together are not put together to a wider one.
    kept = [rule for rule in after.rules if any(_within(rule, other) for other in before.rules)]
    return AccessFilter(
        tuple(kept), after.purpose, before.withheld_labels | after.withheld_labels, before.subject
    )


def _within(rule: Any, other: Any) -> bool:
    return (
        other.type in ("*", rule.type)
        and rule.interactions <= other.interactions
        and other.patient in (None, rule.patient)
        and set(other.criteria) <= set(rule.criteria)
    )


async def before_write(plugins: pluggy.PluginManager, resource: dict[str, Any], interaction: str) -> None:
    """Let plug-ins look at what will be stored.

    Raises:
        Refusal: 422, where one finds an error.
    """
    if not _implemented(plugins, "fhir_bridge_before_write"):
        return
    # A plug-in may compute for long, and is synchronous.
    answers = await offloaded(
        plugins.hook.fhir_bridge_before_write, resource=resource, interaction=interaction
    )
    issues = [
        Issue(result.severity, result.code, result.message, result.source)
        for answer in answers
        for result in answer or ()
    ]
    if any(issue.severity in ("error", "fatal") for issue in issues):
        raise Refusal(422, issues)


def unchanged(plugins: pluggy.PluginManager, outline: Outline | None) -> Outline | None:
    """The outline of a content, or None where `before_write` lets somebody at it who might change it."""
    return None if _implemented(plugins, "fhir_bridge_before_write") else outline


def redacts(plugins: pluggy.PluginManager) -> bool:
    """Whether a plug-in may take anything out of an answer."""
    return _implemented(plugins, "fhir_bridge_redact_response")


async def redact_all(
    plugins: pluggy.PluginManager, contents: Sequence[bytes], access: AccessFilter
) -> Sequence[bytes]:
    """As `redact`, for the contents of a page."""
    if not _implemented(plugins, "fhir_bridge_redact_response"):
        return contents
    if len(contents) <= FEW:
        return [redact(plugins, content, access) for content in contents]
    return await offloaded(lambda: [redact(plugins, content, access) for content in contents])


def redact(plugins: pluggy.PluginManager, body: bytes, access: AccessFilter) -> bytes:
    """The resource without what plug-ins take out; the very bytes where there is none."""
    if not body or not _implemented(plugins, "fhir_bridge_redact_response"):
        return body
    resource = loads_exact(body)
    kind, identity = resource.get("resourceType"), resource.get("id")
    for redacted in plugins.hook.fhir_bridge_redact_response(resource=resource, access=access):
        if redacted is not None:
            # Type and id stay: the entry's address, links and audit speak of this resource.
            resource = {**plain(redacted), "resourceType": kind, "id": identity}
    return dumps(resource)

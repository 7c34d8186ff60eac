"""Templates of the pages, and the record that a page was read."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import jinja2
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from fhir_bridge.governance import audit
from fhir_bridge.server.html import page_headers
from fhir_bridge.server.login import client_address
from fhir_bridge.server.services import Services, services_of
from fhir_bridge.storage.accounts import User

__all__ = ["audit_read", "page", "refused"]


@lru_cache(maxsize=1)
def _templates() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("fhir_bridge.server.pages"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["moment"] = _moment
    return environment


def _moment(text: str) -> str:
    """A FHIR dateTime for people: to the minute, as the source gave it."""
    return text[:16].replace("T", " ")


def page(
    template: str,
    services: Services,
    user: User,
    status: int = 200,
    *,
    form_targets: Iterable[str] = (),
    **values: object,
) -> HTMLResponse:
    """Render a template for the signed-in person."""
    text = (
        _templates()
        .get_template(template)
        .render(organization=services.settings.organization, user=user, **values)
    )
    return HTMLResponse(text, status, headers=page_headers(form_targets))


def refused(services: Services, user: User, message: str, status: int) -> Response:
    """A page that says what is not there; the same for what one may not see."""
    return page("refused.html", services, user, status, message=message, csrf="")


async def audit_read(request: Request, user: User, *patients: str) -> None:
    """Leave an AuditEvent a patient before the page goes out: this person read the record."""
    services = services_of(request)
    context = audit.Context(
        server=services.settings.fhir_base,
        client="pages",
        user=audit.Agent(user.id, user.display, user.fhir_user),
        address=client_address(request),
    )
    events = [audit.read(context, f"Patient/{patient}", patient=patient) for patient in patients]
    await services.audit.now(*events)

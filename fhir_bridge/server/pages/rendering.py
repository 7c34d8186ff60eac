"""Templates of the pages, and the record that a page was read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache

import jinja2
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from fhir_bridge.governance import audit
from fhir_bridge.server.html import page_headers
from fhir_bridge.server.login import client_address
from fhir_bridge.server.services import Services, services_of
from fhir_bridge.storage.accounts import User

__all__ = ["audit_list", "audit_read", "context", "moment", "page", "refused"]


@lru_cache(maxsize=1)
def _templates() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("fhir_bridge.server.pages"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["moment"] = moment
    return environment


def moment(text: str) -> Markup:
    """A FHIR dateTime for people, to the minute in the zone of its source; UTC is named, other zones are not."""
    if not text:
        return Markup("")
    plain = text[:16].replace("T", " ")
    if len(text) > 10 and text.endswith(("Z", "+00:00")):
        # As the source wrote it: another zone than its own would move results to another day.
        plain += " UTC"
    return Markup('<time datetime="{}">{}</time>').format(text, plain)


def page(
    template: str,
    services: Services,
    user: User,
    values: Mapping[str, object],
    status: int = 200,
    *,
    form_targets: Iterable[str] = (),
) -> HTMLResponse:
    """Render a template for the signed-in person."""
    text = (
        _templates()
        .get_template(template)
        .render(values, organization=services.settings.organization, user=user)
    )
    return HTMLResponse(text, status, headers=page_headers(form_targets))


def refused(services: Services, user: User, message: str, status: int, csrf: str = "") -> Response:
    """A page that says what is not there; the same for what one may not see."""
    return page("refused.html", services, user, {"message": message, "csrf": csrf}, status)


def context(request: Request, user: User) -> audit.Context:
    """Who acts, for AuditEvents."""
    services = services_of(request)
    return audit.Context(
        server=services.settings.fhir_base,
        client="pages",
        user=audit.Agent(user.id, user.display, user.fhir_user),
        address=client_address(request),
    )


async def audit_read(request: Request, user: User, patient: str) -> None:
    """Leave an AuditEvent before the page goes out: this person read the record."""
    # Awaited, unlike the audit of the API: a page shows a whole record.
    event = audit.read(context(request, user), f"Patient/{patient}", patient=patient)
    await services_of(request).audit.now(event)


async def audit_list(request: Request, user: User, patients: Iterable[str]) -> None:
    """Leave AuditEvents before the list goes out: this person looked for patients and found these."""
    event = audit.search(context(request, user), f"GET {request.url}")
    await services_of(request).audit.keep(audit.records(event, patients))

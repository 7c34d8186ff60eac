"""Pages of the authorization server: Jinja templates with escaping, and the headers that protect them."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from urllib.parse import urlsplit

import jinja2
from starlette.responses import HTMLResponse

__all__ = ["page", "page_headers"]


@lru_cache(maxsize=1)
def _templates() -> jinja2.Environment:
    # Autoescape for every template, whatever its file is called; a variable that is missing
    # is an error, not an empty text.
    return jinja2.Environment(
        loader=jinja2.PackageLoader("fhir_bridge.server.smart"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def page_headers(form_targets: Iterable[str] = ()) -> dict[str, str]:
    """Headers of a page: never framed, never cached, no scripts, forms only to us and to `form_targets`.

    Browsers hold a form's redirects to `form-action` too, so the application's address is named where a form
    ends there.
    """
    targets = ["'self'"]
    for uri in form_targets:
        parts = urlsplit(uri)
        # Of a private scheme (native applications) there is no host to name.
        targets.append(
            f"{parts.scheme}://{parts.netloc}" if parts.scheme in ("http", "https") else f"{parts.scheme}:"
        )
    # No scripts at all: what is injected into a page could not run.
    return {
        "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self' data:; base-uri 'none'; "
        f"frame-ancestors 'none'; form-action {' '.join(targets)}",
        "X-Frame-Options": "DENY",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-store",
    }


def page(
    template: str, status: int = 200, *, form_targets: Iterable[str] = (), **values: object
) -> HTMLResponse:
    """Render a template of `server/smart/templates`."""
    text = _templates().get_template(template).render(**values)
    return HTMLResponse(text, status, headers=page_headers(form_targets))

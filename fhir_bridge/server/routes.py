"""Pages of plug-ins, ours among them: nobody sees those for signed-in people without signing in."""

from __future__ import annotations

from typing import Annotated

import pluggy
from fastapi import Depends, FastAPI, HTTPException
from starlette.requests import Request

from fhir_bridge.plugins import PluginError
from fhir_bridge.server.session import current_user, login_address
from fhir_bridge.storage.accounts import User

__all__ = ["SignedIn", "add_pages", "signed_in"]


async def signed_in(request: Request) -> User:
    """Who is signed in; everybody else is sent to sign in, and back afterwards."""
    user = await current_user(request)
    if user is None:
        # Raised rather than returned: a dependency of FastAPI can't answer in place of its route.
        raise HTTPException(303, headers={"Location": login_address(request), "Cache-Control": "no-store"})
    return user


SignedIn = Annotated[User, Depends(signed_in)]
"""A parameter of a route: the signed-in person."""


def add_pages(app: FastAPI, plugins: pluggy.PluginManager) -> None:
    """Add the routes of all plug-ins.

    Raises:
        PluginError: one does not say who may see them.
    """
    for group in plugins.hook.fhir_bridge_pages():
        for pages in group:
            access = getattr(pages, "access", None)
            # Refused at the start: pages of a plug-in that forgot it must not be open to everybody by default.
            if access not in ("public", "user"):
                paths = ", ".join(route.path for route in pages.router.routes)
                raise PluginError(f'the pages {paths} do not declare their access, "public" or "user"')
            app.include_router(pages.router, dependencies=[Depends(signed_in)] if access == "user" else [])

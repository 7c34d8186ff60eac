"""The pages: the cohort, and one patient with all three modalities. Made on the server; no script is needed."""

from dataclasses import dataclass
from typing import Literal

from fastapi import APIRouter

from fhir_bridge.server.pages.routes import router, style

__all__ = ["PAGES"]


@dataclass(frozen=True, slots=True)
class _Pages:
    access: Literal["public", "user"]
    router: APIRouter


PAGES = (_Pages("public", style), _Pages("user", router))

"""Options that the terminology commands share: which content store, which site, which folders."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from fhir_bridge.terminology import Terminology

__all__ = ["Folders", "SiteFile", "Store", "store_folder", "terminology_of"]

Store = Annotated[
    Path | None,
    typer.Option(
        "--store",
        file_okay=False,
        help="Folder of the content store; default: FHIR_BRIDGE_TERMINOLOGY_STORE, the site file's "
        "`terminology_store`, or the user's data folder.",
    ),
]
SiteFile = Annotated[
    Path | None, typer.Option("--site", envvar="FHIR_BRIDGE_SITE", dir_okay=False, help="The site file.")
]
Folders = Annotated[
    list[Path],
    typer.Option("--folder", exists=True, file_okay=False, help="More terminology to read; repeats."),
]


def store_folder(store: Path | None, site: Path | None) -> Path:
    """The folder of the content store.

    Raises:
        SiteError: the site file can't be used.
    """
    from fhir_bridge.mapping import Site
    from fhir_bridge.terminology.store import store_path

    return store_path(store, None if site is None else Site.load(site).terminology_store_path)


def terminology_of(folders: Sequence[Path], store: Path | None, site: Path | None) -> Terminology:
    """All that is available: what ships, the site's folders and those that are given, and the content store.

    Raises:
        SiteError: the site file can't be used.
    """
    from fhir_bridge.mapping import Site
    from fhir_bridge.terminology import get_terminology
    from fhir_bridge.terminology.store import store_path

    settings = Site() if site is None else Site.load(site)
    return get_terminology(
        (*settings.terminology_paths, *folders), store_path(store, settings.terminology_store_path)
    )

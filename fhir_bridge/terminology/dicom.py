"""DICOM's terminology (PS3.16) as pydicom carries it: read at run time, not copied into this project.

Without pydicom (extra `dicom`) these code systems are not available: their codes are neither valid nor invalid.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property, lru_cache
from typing import Any

from fhir_bridge.fhir.ports import Concept
from fhir_bridge.plugins.extras import available
from fhir_bridge.terminology.content import ConceptDetail
from fhir_bridge.terminology.dicom_concepts import dicom_concepts
from fhir_bridge.terminology.memory import ListedContent

__all__ = ["DCM", "SCT", "DicomContent", "DicomSource", "lookup"]

DCM = "http://dicom.nema.org/resources/ontology/DCM"
SCT = "http://snomed.info/sct"

_SCHEMES = {DCM: "DCM", SCT: "SCT"}


def lookup(system: str, code: str) -> Concept | None:
    """A concept that DICOM uses, None where it uses none of that code."""
    scheme = _SCHEMES.get(system)
    if scheme is None or not available("dicom"):
        return None
    display = _displays(scheme).get(code)
    return None if display is None else Concept(system, code, display)


@lru_cache(maxsize=4)
def _displays(scheme: str) -> dict[str, str]:
    """Code to meaning; of several, the one that is in most context groups."""
    meanings: dict[str, tuple[int, str]] = {}
    for concept in dicom_concepts(scheme):
        known = meanings.get(concept.code, (-1, ""))
        meanings[concept.code] = max(known, (concept.groups, concept.meaning))
    return {code: meaning for code, (_, meaning) in meanings.items()}


class DicomContent(ListedContent):
    """The codes of one system that DICOM uses: a fragment, for the system may have more.

    SNOMED CT's codes are here without display: what DICOM calls them is not what SNOMED CT does.
    """

    version = None
    title: str | None = None
    content = "fragment"
    case_sensitive = True
    hierarchy_meaning = None

    def __init__(self, url: str) -> None:
        self.url = url
        self.name = f"DICOM {_SCHEMES[url]}"
        self.language = "en" if url == DCM else None
        self.metadata: Mapping[str, Any] = {"url": url, "name": self.name, "status": "active"}

    @property
    def _meanings(self) -> Mapping[str, str]:
        return _displays(_SCHEMES[self.url])

    @cached_property
    def _order(self) -> Sequence[str]:
        return list(self._meanings)

    @cached_property
    def _parents(self) -> Mapping[str, tuple[str, ...]]:
        return {}

    def find(self, code: str) -> str | None:
        """The code, where DICOM uses it."""
        return code if code in self._meanings else None

    def get(self, code: str) -> ConceptDetail | None:
        """The concept with everything."""
        return ConceptDetail(code, self.display(code)) if code in self._meanings else None

    def display(self, code: str) -> str | None:
        """DICOM's meaning, of DICOM's own codes."""
        return self._meanings.get(code) if self.url == DCM else None


class DicomSource:
    """DICOM's codes of some systems (`ContentSource`). Its tables are read at the first question about one."""

    def __init__(self, *urls: str) -> None:
        self._contents = {url: DicomContent(url) for url in urls} if available("dicom") else {}

    def urls(self) -> Sequence[str]:
        """Urls of the code systems."""
        return tuple(self._contents)

    def versions(self, url: str) -> Sequence[str]:
        """One, without a name."""
        return ("",) if url in self._contents else ()

    def content(self, url: str, version: str | None = None) -> DicomContent | None:
        """The codes."""
        return self._contents.get(url) if not version else None

"""Who a record is about: one step for all adapters, from the site's rules and the crosswalk; never a guess."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from fhir_bridge.fhir.ids import IdKey
from fhir_bridge.fhir.issues import Issue
from fhir_bridge.mapping.site import IdentityRules, Site

__all__ = ["Authority", "CrosswalkError", "IdentityResolver", "PatientLink", "Unlinked", "read_crosswalk"]

Authority = str | Sequence[str] | None
"""An assigning authority as a source names it, or its names best first (namespace id, OID, URI)."""

_OID = re.compile(r"[0-2](\.(0|[1-9][0-9]*)){2,}")
_URI = re.compile(
    r"(?i)https?://\S+|(urn:)?oid:[0-2](\.(0|[1-9][0-9]*)){2,}|urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
    r"|urn:(?!oid:|uuid:)[a-z0-9][a-z0-9-]+:\S+"
)

_REGISTERED = {
    "urn:oid:2.16.840.1.113883.4.1": "http://hl7.org/fhir/sid/us-ssn",
    "urn:oid:2.16.840.1.113883.4.6": "http://hl7.org/fhir/sid/us-npi",
}
"""Systems that FHIR's registry of identifier systems knows by another URI than their OID: one number has one system."""


class PatientLink(NamedTuple):
    """A patient: the resource id, and the business identifier it is built from."""

    id: str
    system: str
    value: str


class Unlinked(Exception):
    """A patient or sample can't be linked and the site holds such records.

    Attributes:
        issue: FB-ID-001, -002 or -003.
        whole: the record is held, not only the part that asked.
    """

    def __init__(self, issue: Issue, *, whole: bool) -> None:
        super().__init__(issue.message)
        self.issue = issue
        self.whole = whole


class CrosswalkError(ValueError):
    """The crosswalk file can't be used; the message names file and line."""


def read_crosswalk(path: Path) -> dict[str, tuple[str, str]]:
    """Read `sample;system;value` lines (with this header) into sample -> (system, value).

    Raises:
        CrosswalkError: the file is missing, lacks the header or a field, or links one sample to two patients.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise CrosswalkError(f"{path}: the crosswalk can't be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise CrosswalkError(f"{path}: the crosswalk is not UTF-8 (byte {error.start})") from error
    # Not `splitlines`: it also splits at U+2028 and U+0085, which a name may hold.
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=";")
    links: dict[str, tuple[str, str]] = {}
    first = True
    for row in rows:
        line = rows.line_num
        cells = [cell.strip() for cell in row]
        if not any(cells) or cells[0].startswith("#"):
            continue
        if first:
            first = False
            if [cell.lower() for cell in cells] != ["sample", "system", "value"]:
                raise CrosswalkError(f'{path}:{line}: the first line must be "sample;system;value"')
            continue
        if len(cells) != 3 or not all(cells):
            raise CrosswalkError(
                f"{path}:{line}: a line needs sample, system and value, divided by semicolons"
            )
        sample, system, value = cells
        if links.setdefault(sample, (system, value)) != (system, value):
            raise CrosswalkError(f'{path}:{line}: the sample "{sample}" is already linked to another patient')
    if first:
        raise CrosswalkError(f'{path}:1: the file is empty; its first line must be "sample;system;value"')
    return links


class IdentityResolver:
    """Decides which Patient an identifier or sample means.

    Business identity is (assigning authority, identifier), never a bare number: the id of a Patient is
    `IdKey.id("Patient", system URI, value)`.
    """

    def __init__(self, site: Site, key: IdKey) -> None:
        self.site = site
        self.key = key
        self._rules = site.identity or IdentityRules()
        self._hold = site.unlinked == "hold"
        path = site.crosswalk_path
        self._crosswalk = read_crosswalk(path) if path else {}
        self._links: dict[tuple[Authority, str, str, str], PatientLink] = {}
        self._samples: dict[tuple[str, str, str], PatientLink] = {}

    @property
    def samples(self) -> frozenset[str]:
        """The samples that the crosswalk names."""
        return frozenset(self._crosswalk)

    def system(self, authority: Authority) -> str | None:
        """The system URI of an authority by the site's rules, else by its own form (URI, OID); None if neither."""
        names = (authority,) if isinstance(authority, str) else tuple(authority or ())
        known = next((known for name in names if (known := self._rules.authorities.get(name))), None)
        system = known or next((uri for name in names if (uri := _own_uri(name))), None)
        return _REGISTERED.get(system, system) if system else None

    def assigned(self, authority: Authority, *, adapter: str, source: str) -> str:
        """The system of any identifier: the authority's URI, else one of ours that names authority or source.

        Never fails: an identifier that does not decide who someone is loses nothing by a local system.
        """
        system = self.system(authority) if authority else None
        if system:
            return system
        name = authority if isinstance(authority, str) else next(iter(authority or ()), None)
        if name:
            return f"urn:fhir-bridge:authority:{quote(name, safe='')}"
        default = self._rules.default_authority.get(adapter)
        return (self.system(default) if default else None) or _source_system(adapter, source)

    def patient(
        self,
        authority: Authority,
        value: str | None,
        *,
        adapter: str,
        source: str,
        fallback: str | None = None,
    ) -> PatientLink:
        """The Patient of an identifier.

        Args:
            authority: assigning authority, its candidates best first, or None where the source names none.
            value: the identifier.
            adapter: name of the adapter, for the site's default authority.
            source: the record's source, which bounds identity where nothing better is known.
            fallback: what distinguishes the patient within the source where there is no identifier (a study's UID).

        Raises:
            Unlinked: no identifier (FB-ID-002), or none of a known authority at a site that holds (FB-ID-001).
        """
        key = (tuple(authority) if isinstance(authority, list) else authority, value or "", adapter, source)
        entry = self._links.get(key) if value else None
        if entry is not None:
            return entry
        if not value:
            if self._hold or not fallback:
                raise Unlinked(
                    Issue(
                        "error",
                        "FB-ID-002",
                        "no patient identifier, so no patient can be linked; correct the source and convert again",
                    ),
                    whole=True,
                )
            return self._link(_source_system(adapter, source), fallback)
        link = self._link(self._patient_system(authority, adapter, source), value)
        if len(self._links) > 200_000:
            self._links.clear()
        self._links[key] = link
        return link

    def _patient_system(self, authority: Authority, adapter: str, source: str) -> str:
        named = authority if isinstance(authority, str) else next(iter(authority or ()), None)
        wanted = authority if named else self._rules.default_authority.get(adapter)
        system = self.system(wanted) if wanted else None
        if system:
            return system
        if self._hold:
            name = named or (wanted if isinstance(wanted, str) else None)
            text = (
                f'the authority "{name}" is not known'
                if name
                else "the identifier names no assigning authority"
            )
            where = "identity.authorities" if name else f"identity.default_authority.{adapter}"
            raise Unlinked(
                Issue("error", "FB-ID-001", f"{text}; add it under {where} in the site file"), whole=True
            )
        if named:
            return f"urn:fhir-bridge:authority:{quote(named, safe='')}"
        return _source_system(adapter, source)

    def sample(self, name: str | None, *, source: str, adapter: str = "vcf") -> PatientLink:
        """The Patient of a sample, through the crosswalk.

        Raises:
            Unlinked: the crosswalk lacks the sample at a site that holds (FB-ID-003), or it has no name.
        """
        key = (name or "", source, adapter)
        known = self._samples.get(key)
        if known is not None:
            return known
        linked = self._crosswalk.get(name) if name else None
        if linked:
            return self._samples.setdefault(key, self._link(self.system(linked[0]) or linked[0], linked[1]))
        if name and not self._hold:
            return self._samples.setdefault(key, self._link(_source_system(adapter, source), name))
        text = f'the sample "{name}" is not in the crosswalk' if name else "a sample without a name"
        raise Unlinked(Issue("error", "FB-ID-003", f"{text}; add it as sample;system;value"), whole=False)

    def prefers(self, authority: Authority) -> bool:
        """Whether this authority is the site's master of patients."""
        master = self._rules.patient_authority
        return master is not None and self.system(authority) == _REGISTERED.get(master, master)

    def _link(self, system: str, value: str) -> PatientLink:
        return PatientLink(self.key.id("Patient", system, value), system, value)


def _own_uri(name: str) -> str | None:
    """The URI that an authority's name is, or that its OID has."""
    if _URI.fullmatch(name):
        return f"urn:{name.lower()}" if name.lower().startswith("oid:") else name
    return f"urn:oid:{name}" if _OID.fullmatch(name) else None


def _source_system(adapter: str, source: str) -> str:
    return f"urn:fhir-bridge:source:{quote(adapter, safe='')}:{quote(source, safe='')}"

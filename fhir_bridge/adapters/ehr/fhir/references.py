"""A vendor's references as ours: to the Patient of its identifiers, to what its other resources become, to Binaries."""

from __future__ import annotations

import re
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qsl

from fhir_bridge.adapters.ehr.fhir.versions import table
from fhir_bridge.fhir.issues import Issue
from fhir_bridge.mapping import Context, Unlinked
from fhir_bridge.mapping.functions.references import keyed, patient

__all__ = ["RULES", "Owner", "patient_of", "refer", "url_of"]

RULES: Final = "resource"
_TYPED: Final = re.compile(
    r"(?P<base>.*/)?(?P<kind>[A-Z][A-Za-z]+)/(?P<id>[A-Za-z0-9.\-]{1,64})(?:/_history/[^/]+)?"
)
_CONDITIONAL: Final = re.compile(r"(?P<base>.*/)?(?P<kind>[A-Z][A-Za-z]+)\?(?P<query>.+)")
_RECORD_OF: Final = frozenset("subject patient beneficiary for individual actor target".split())
"""Elements that say whose record a resource is in: without their Patient it waits."""


class Owner(NamedTuple):
    """An identifier of a Patient, as `patient()` takes it."""

    authority: str
    value: str


def _owners(ctx: Context, identifiers: list[tuple[str, str]], *, known_only: bool = False) -> list[Owner]:
    """The identifiers by which a Patient is known: those of authorities that the site knows, else all."""
    rules, system = ctx.site.identity, ctx.identity.system
    uris = [rules.patient_authority, *rules.authorities.values()] if rules else []
    known = {system(uri) for uri in uris if uri}
    listed = [Owner(authority, value) for authority, value in identifiers]
    return [owner for owner in listed if system(owner.authority) in known] or ([] if known_only else listed)


def patient_of(s: Any, ctx: Context, identity: str, named: list[tuple[str, str]] | None = None) -> Any:
    """A Reference to the Patient who has an id in the vendor's system.

    By the identifiers that the files have of the Patient; else as the Patient is stored of this system; else by an
    identifier of a known authority in the reference itself.

    Raises:
        Unlinked: nothing says who it is.
    """
    index = s.outer.index
    identifiers = index.identifiers(identity)
    if identifiers:
        return patient(ctx, _owners(ctx, identifiers))
    if identifiers is not None:
        return patient(ctx, None, None, fallback=f"{s.outer.origin}/{identity}")
    stored = index.stored(ctx.uri_of(s.outer.origin), "Patient", identity)
    if len(stored) == 1:
        return {"reference": f"Patient/{stored[0]}"}
    if owners := _owners(ctx, named or [], known_only=True):
        return patient(ctx, owners)
    text = "the Patient whom it refers to is neither in these files nor stored from this system; load the Patient"
    raise Unlinked(Issue("error", "FB-ID-004", text), whole=True)


def refer(s: Any, ctx: Context, built: dict[str, Any], reference: str, name: str) -> None:
    """Make the reference of a Reference ours; of what is of no file here its display and identifier stay.

    Raises:
        Unlinked: it says whose record the resource is in, and who that is is not known.
    """
    if reference.startswith("#"):
        return
    text = _resolved(s, s.outer.urls.get(reference, reference), built)
    match = _TYPED.fullmatch(text)
    if match is None:
        _leave_out(ctx, built, reference, "that names nothing in these files")
        return
    kind, identity = match["kind"], match["id"]
    if _is_elsewhere(s, match["base"]):
        if kind == "Patient" and name in _RECORD_OF and not s.outer.bases:
            server = match["base"].rstrip("/")
            text = (
                f"it refers to a Patient of {server}; where that is this system itself: --set base={server}"
            )
            raise Unlinked(Issue("error", "FB-ID-004", text), whole=True)
        _leave_out(ctx, built, reference, "to another server (this system's own: --set base=URL)")
        return
    kind = table().types.get(kind, kind)
    if kind != "Patient":
        built["reference"] = keyed(ctx, kind, f"{RULES}-{kind.lower()}", s.outer.origin, identity)[
            "reference"
        ]
        return
    try:
        built["reference"] = patient_of(s, ctx, identity, _named(built))["reference"]
    except Unlinked as unlinked:
        if name in _RECORD_OF or unlinked.issue.code != "FB-ID-004":
            raise
        _leave_out(ctx, built, reference, "to a Patient who is neither in these files nor stored")


def url_of(s: Any, ctx: Context, url: str) -> str:
    """The link of an Attachment: to a Binary of the vendor's as it is here, any other as it is."""
    match = _TYPED.fullmatch(s.outer.urls.get(url, url))
    if match is None or match["kind"] != "Binary" or _is_elsewhere(s, match["base"]):
        return url
    absolute = str(match["base"] or "").startswith("http")
    if absolute and not s.outer.index.has("Binary", match["id"]):
        source = ctx.uri_of(s.outer.origin)
        if not s.outer.index.stored(source, "Binary", match["id"]):
            return url  # it may be read there
    return str(keyed(ctx, "Binary", f"{RULES}-binary", s.outer.origin, match["id"])["reference"])


def _resolved(s: Any, reference: str, built: dict[str, Any]) -> str:
    """A reference by search as one by id, where a file has what it searches for; else its identifier is stated."""
    match = _CONDITIONAL.fullmatch(reference)
    if match is None:
        return reference
    stem = f"{match['base'] or ''}{match['kind']}"
    terms = parse_qsl(match["query"])
    if len(terms) != 1:
        return reference
    name, value = terms[0]
    if name == "_id":
        return f"{stem}/{value}"
    system, bar, text = value.partition("|")
    if name != "identifier" or not bar or not text:
        return reference
    identity = s.outer.index.named(match["kind"], system, text)
    if identity is not None:
        return f"{stem}/{identity}"
    if not built.get("identifier"):
        built["type"] = match["kind"]
        built["identifier"] = {**({"system": system} if system else {}), "value": text}
    return reference


def _leave_out(ctx: Context, built: dict[str, Any], reference: str, problem: str) -> None:
    del built["reference"]
    ctx.flag("FB-VEND-004", f"a reference {problem} was left out; its display and identifier stay")
    if not built.get("identifier") and not built.get("display"):
        built["display"] = reference


def _named(built: dict[str, Any]) -> list[tuple[str, str]]:
    """The identifier that a Reference has beside its reference."""
    identifier = built.get("identifier")
    if not isinstance(identifier, dict) or not (identifier.get("system") and identifier.get("value")):
        return []
    return [(str(identifier["system"]), str(identifier["value"]))]


def _is_elsewhere(s: Any, base: str | None) -> bool:
    """Whether an absolute reference is to another server than the vendor's: its `p1` is another patient."""
    return bool(base and base.startswith("http") and base not in s.outer.bases)

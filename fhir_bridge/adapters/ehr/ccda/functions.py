"""Functions that `ccda` adds to the expression language: links, narrative, the original, vital signs."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from fhir_bridge.adapters.ehr.ccda import values
from fhir_bridge.adapters.ehr.ccda.files import file_of
from fhir_bridge.adapters.ehr.ccda.narrative import div
from fhir_bridge.adapters.ehr.ccda.node import NOTHING, Node, relations
from fhir_bridge.adapters.ehr.ccda.parties import PATIENT
from fhir_bridge.adapters.ehr.ccda.unreadable import unreadable_values
from fhir_bridge.adapters.ehr.ccda.values import items, physical
from fhir_bridge.adapters.ehr.ccda.versions import replaced_documents
from fhir_bridge.adapters.ehr.hl7v2.languages import bcp47
from fhir_bridge.adapters.ehr.hl7v2.vitals import PROFILED, UNITS, fitted
from fhir_bridge.fhir.datatypes import Attachment, CodeableConcept, Quantity, Reference
from fhir_bridge.mapping import Context, function

__all__ = ["FUNCTIONS"]

_LOINC: Final = ("2.16.840.1.113883.6.1", "LOINC", "http://loinc.org")
_NARRATIVE_LINK: Final = "http://hl7.org/fhir/StructureDefinition/narrativeLink"


_Rules = tuple[tuple[str, str], ...]


def _index(ctx: Context, rules: _Rules, key: Callable[[Any], Any]) -> dict[Any, list[str]]:
    """References to what rules make of a record, by their scope objects; worked out once a record."""
    name = (f"ccda {rules}", 0)
    kept: Any = ctx.reference_index.get(name)
    if kept is None:
        kept = {}
        for kind, rule in rules:
            for instance in ctx.instances.get(rule, ()):
                kept.setdefault(key(instance.scope), []).append(f"{kind}/{instance.id}")
        ctx.reference_index[name] = kept
    return kept  # type: ignore[no-any-return]


@function(context=True, nulls=True, returns="Reference", reads=("link", "none"), refers=1)
def outputs_of(ctx: Context, x: Any, rules: _Rules) -> list[Reference] | None:
    """References to what rules make of entries or statements, or of those within."""
    index = _index(ctx, rules, id)
    reached: dict[str, None] = {}
    for node in items(x):
        _collect(node, index, reached)
    return [Reference(reference=name) for name in reached] or None


def _collect(node: Node, index: dict[Any, list[str]], reached: dict[str, None]) -> None:
    own = index.get(id(node))
    if own:
        reached.update(dict.fromkeys(own))
        return
    for child in (
        node.children if node.tag in ("entry", "entryRelationship", "component") else relations(node)
    ):
        _collect(child, index, reached)


@function(context=True, nulls=True, returns="Reference", reads=("link", "none"), refers=1)
def party(ctx: Context, x: Any, rule: _Rules, patient: Reference | None = None) -> list[Reference] | None:
    """References to what a rule makes of people, organizations, places or devices; `patient` for who is that."""
    index = _index(ctx, rule, lambda scope: scope.key)
    names = dict.fromkeys(name for node in items(x) if node.key for name in index.get(node.key, ()))
    result = [Reference(reference=name) for name in names]
    if patient and is_patient(x):
        result.append(patient)
    return result or None


@function(nulls=True, returns="boolean", reads=("link",))
def is_patient(x: Any) -> bool:
    """Whether a person is the patient."""
    return any(node.key == PATIENT for node in items(x))


@function(nulls=True, returns="Narrative", reads=("link",))
def section_text(x: Any) -> dict[str, str] | None:
    """The narrative of a section as XHTML; all of it, so that the account leaves narrative out."""
    for node in items(x):
        for text in node.named.get("text", ()):
            if built := div(text):
                return {"status": "additional", "div": built}
    return None


@function(nulls=True, returns="CodeableConcept", reads=("coded",))
def language_of(x: Any) -> CodeableConcept | None:
    """A language as BCP 47 has it; a code that it does not have stays as text."""
    for node in items(x):
        code = node.attributes.get("code", "").strip()
        known = bcp47(code)
        if known:
            coding = {"system": "urn:ietf:bcp:47", "code": known}
            return (
                CodeableConcept(coding=[coding])
                if known == code
                else CodeableConcept(coding=[coding], text=code)
            )
        if shown := node.attributes.get("displayName") or code or node.text:
            return CodeableConcept(text=shown)
    return None


@function(nulls=True, reads=("link",))
def entries(x: Any) -> list[Node] | None:
    """The entries of a section."""
    result = [relation for node in items(x) for relation in relations(node) if relation.tag == "entry"]
    return result or None


@function(scope=True, returns="Extension", selects=(("text.reference", "whole"),))
def narrative_link(s: Node, composition: Any) -> list[dict[str, Any]] | None:
    """Extensions that say where in the narrative of the Composition a statement is written."""
    own = s.get("text")
    if own.__class__ is not Node or not isinstance(composition, dict):
        return None
    target = own.path("reference", "value")
    if not isinstance(target, str) or not re.fullmatch(r"#?[\w.:-]+", target):
        return None
    url = f"{composition['reference']}#{target.removeprefix('#')}"
    if s.in_document.top.narrative(f"#{target.removeprefix('#')}") is None:
        return None
    return [{"url": _NARRATIVE_LINK, "valueUrl": url}]


@function(context=True, returns="base64Binary")
def document_bytes(ctx: Context) -> str:
    """The document as it came."""
    return base64.b64encode(ctx.record.content).decode()


@function(context=True, returns="integer")
def document_size(ctx: Context) -> int:
    """Its size in bytes."""
    return len(ctx.record.content)


@function(nulls=True, reads=("link",))
def replaced(x: Any) -> Node | None:
    """The document that a `relatedDocument` says is replaced."""
    return next(iter(replaced_documents(items(x))), None)


def _attachment(ctx: Context, node: Node) -> Attachment | None:
    file = file_of(node)
    if file is None:
        return None
    if file.why:
        ctx.flag("FB-CDA-009", f"a file can't be read as what the document says it is: {file.why}")
    result = Attachment(contentType=file.media_type)
    if file.url:
        result["url"] = file.url
    if file.content is not None:
        result["data"] = base64.b64encode(file.content).decode()
    if file.title:
        result["title"] = file.title
    return result


@function(context=True, nulls=True, returns="Attachment", reads=("whole",))
def body(ctx: Context, x: Any) -> Attachment | None:
    """The content of a document without structure (`nonXMLBody.text`): in it, or where it is."""
    for given in items(x):
        node = next(iter(given.named.get("text", ())), given) if given.tag == "nonXMLBody" else given
        return _attachment(ctx, node)
    return None


@function(context=True, nulls=True, returns="Attachment", reads=("whole",))
def note_text(ctx: Context, x: Any) -> Attachment | None:
    """The text of a note, as plain text or as the file that it holds."""
    for node in items(x):
        if node.attributes.get("representation") == "B64":
            return _attachment(ctx, node)
        if text := node.text:
            return Attachment(
                contentType="text/plain; charset=utf-8", data=base64.b64encode(text.encode()).decode()
            )
    return None


def _vital(s: Node) -> str | None:
    code = s.get("code")
    if code.__class__ is not Node:
        return None
    return next((c for scheme, c, _, _ in code.codings() if c in UNITS and scheme in _LOINC), None)


@function(scope=True, returns="string", selects=(("code", "coded"),))
def vital_sign(s: Node) -> str | None:
    """The LOINC code by which an observation is a vital sign of R4's profiles."""
    return _vital(s)


@function(nulls=True, returns="CodeableConcept")
def vital_code(x: CodeableConcept, code: str | None) -> CodeableConcept:
    """A vital sign's code with the one that its profile asks for before it."""
    wanted = PROFILED.get(code or "")
    codings = list(x.get("coding", ()))
    if wanted is None or any(item.get("code") == wanted["code"] for item in codings):
        return x
    return CodeableConcept({**x, "coding": [wanted, *codings]})


def _fit(ctx: Context, s: Node) -> Any:
    code, value = _vital(s), s.get("value")
    value = value[0] if value.__class__ is list else value
    if code is None or value.__class__ is not Node:
        return None
    sent = " ".join(part for part in (value.attributes.get("value"), value.attributes.get("unit")) if part)
    return fitted(ctx, code, physical(ctx, value), sent or value.text)


@function(scope=True, context=True, returns="Quantity", selects=(("value", "quantity"),))
def vital_quantity(s: Node, ctx: Context) -> Quantity | None:
    """The vital sign in hand as its profile takes it; null where it can't be."""
    fit = _fit(ctx, s)
    return fit.quantity if fit else None


@function(scope=True, context=True, returns="string", selects=(("value", "quantity"),))
def vital_text(s: Node, ctx: Context) -> str | None:
    """The vital sign as it was sent, where its quantity does not say that."""
    before = list(ctx.issues)
    fit = _fit(ctx, s)
    ctx.issues[:] = before
    return fit.text if fit else None


def _diastolic(ctx: Context, x: Any) -> Any:
    for node in items(x):
        sent = " ".join(part for part in (node.attributes.get("value"), node.attributes.get("unit")) if part)
        return fitted(ctx, "8462-4", physical(ctx, node), sent or node.text)
    return None


@function(context=True, nulls=True, returns="Quantity", reads=("quantity",))
def diastolic_quantity(ctx: Context, x: Any) -> Quantity | None:
    """The value of a diastolic pressure as the profile takes it; null where it can't be."""
    fit = _diastolic(ctx, x)
    return fit.quantity if fit else None


@function(context=True, nulls=True, returns="string", reads=("quantity",))
def diastolic_text(ctx: Context, x: Any) -> str | None:
    """A diastolic pressure as it was sent, where its quantity does not say that."""
    before = list(ctx.issues)
    fit = _diastolic(ctx, x)
    ctx.issues[:] = before
    return fit.text if fit else None


@function(scope=True, returns="string")
def unreadable(s: Node) -> list[str] | None:
    """What the values of the statement in hand say that their type does not allow."""
    return [f"Not readable: {text}" for text in unreadable_values(s)] or None


@function(scope=True, returns="string")
def within(s: Node) -> str:
    """The kind of the statement that this one is in; empty for an entry."""
    return "" if s.container is NOTHING else s.container.kind


@function(scope=True, returns="boolean")
def in_error(s: Node) -> bool:
    """Whether a statement that this one is in is nullified: this one was entered in error with it."""
    around = s.container
    while around is not NOTHING:
        if any(each.attributes.get("code") == "nullified" for each in around.named.get("statusCode", ())):
            return True
        around = around.container
    return False


FUNCTIONS: Final[Mapping[str, Callable[..., Any]]] = {
    **values.FUNCTIONS,
    "outputs_of": outputs_of,
    "party": party,
    "is_patient": is_patient,
    "section_text": section_text,
    "language_of": language_of,
    "entries": entries,
    "narrative_link": narrative_link,
    "document_bytes": document_bytes,
    "document_size": document_size,
    "replaced": replaced,
    "body": body,
    "note_text": note_text,
    "vital_sign": vital_sign,
    "vital_code": vital_code,
    "vital_quantity": vital_quantity,
    "vital_text": vital_text,
    "diastolic_quantity": diastolic_quantity,
    "diastolic_text": diastolic_text,
    "in_error": in_error,
    "within": within,
    "unreadable": unreadable,
}
"""All of them."""

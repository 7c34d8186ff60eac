"""Coded values: the source's coding is kept, a mapped one goes first, and what has no mapping is reported."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from fhir_bridge.fhir.datatypes import Code, CodeableConcept, Coding
from fhir_bridge.fhir.issues import Issue
from fhir_bridge.mapping.functions.code_check import keep_valid
from fhir_bridge.mapping.functions.schemes import system_uri
from fhir_bridge.mapping.record import CLEARED
from fhir_bridge.mapping.registry import builtin
from fhir_bridge.mapping.runtime import Context, Reject
from fhir_bridge.terminology.check_digits import is_well_formed

__all__ = ["code", "coding", "concept", "source_codings", "translate"]

SourceCoding = tuple[str | None, str | None, str | None, str | None]
"""System or scheme, code, display, version."""

ACCEPTED = ("equal", "equivalent", "wider", "subsumes", "relatedto")
"""Equivalences that say nothing the source did not: a target no narrower than the source."""

_HL7 = ("http://terminology.hl7.org/", "http://hl7.org/fhir/")
_CACHE = 50_000


class _Coded(NamedTuple):
    concept: CodeableConcept
    unmapped: tuple[str, str, str] | None
    wrong: Sequence[str] = ()


def source_codings(value: Any) -> tuple[list[SourceCoding], str | None]:
    """The codings and text of a source value: an object with `codings()`, a FHIR type, a plain code.

    Raises:
        ValueError: the value has no coded form.
    """
    codings = getattr(value, "codings", None)
    if codings is not None:  # before text: a field of a message may be both
        return list(codings()), getattr(value, "text", None) or None
    if isinstance(value, str):
        return [(None, value.strip(), None, None)], None
    if isinstance(value, Mapping):
        if value.get("coding"):
            results = [
                (c.get("system"), c.get("code"), c.get("display"), c.get("version")) for c in value["coding"]
            ]
            return results, value.get("text")
        if "code" in value or "display" in value:
            return [
                (value.get("system"), value.get("code"), value.get("display"), value.get("version"))
            ], None
        return [], value.get("text")
    if isinstance(value, bool) or not hasattr(value, "__int__"):
        raise ValueError(f"{type(value).__name__} is no coded value")
    return [(None, str(value), None, None)], None


def _wanted(to: Any) -> tuple[str, ...]:
    if to is None:
        return ()
    names = [to] if isinstance(to, str) else to
    return tuple(str(system_uri(name, {})) for name in names)


def _resolved(
    ctx: Context,
    codings: Sequence[SourceCoding],
    system: str | None,
    schemes: Mapping[str, str] | None,
    table: str | None = None,
) -> list[Coding]:
    local = {**ctx.site.schemes, **schemes} if schemes else ctx.site.schemes
    results = []
    for scheme, code_, display, version in codings:
        if not code_ and not display:
            continue
        coding_ = Coding()
        uri = system_uri(scheme, local, ctx.source) or (
            system_uri(system, local, ctx.source) if system else None
        )
        if not uri and table and code_:
            named = system_uri(table, local, ctx.source)
            if named and ctx.terminology.lookup(named, code_) is not None:
                uri = named
        if uri:
            coding_["system"] = uri
        if version:
            coding_["version"] = version
        if code_:
            coding_["code"] = code_
        if display:
            coding_["display"] = display
        results.append(coding_)
    return results


def _mapped(
    ctx: Context, codings: Sequence[Coding], targets: tuple[str, ...], accepted: Sequence[str]
) -> list[Coding]:
    """Codings of the wanted systems, one each, in the order wanted; a source coding of such a system stands for it."""
    results: dict[str, Coding] = {}
    for coding_ in codings:
        if coding_.get("system") in targets and "code" in coding_:
            results.setdefault(coding_["system"], coding_)
    for coding_ in codings:
        missing = tuple(target for target in targets if target not in results)
        if not missing or "code" not in coding_:
            continue
        for target in ctx.terminology.translate(coding_.get("system"), coding_["code"], missing):
            if target.equivalence in accepted and target.system not in results:
                result = Coding(system=target.system, code=target.code)
                if target.display:
                    result["display"] = target.display
                results[target.system] = result
    return [results[target] for target in targets if target in results]


def _settle_display(ctx: Context, coding_: Coding) -> None:
    """The system's own display in place of a source's that differs: R4 takes no other (terminologies.html#4.1).

    For systems of HL7 itself; the source's words stay as the concept's text.
    """
    system = coding_.get("system", "")
    if "display" not in coding_ or "code" not in coding_ or not system.startswith(_HL7):
        return
    known = ctx.terminology.lookup(system, coding_["code"])
    if known is not None and known.display and known.display.casefold() != coding_["display"].casefold():
        coding_["display"] = known.display


def _make(
    ctx: Context,
    value: Any,
    targets: tuple[str, ...],
    system: str | None,
    text: str | None,
    display: str | None,
    accepted: Sequence[str],
    schemes: Mapping[str, str] | None,
    table: str | None,
    unknown: str,
) -> _Coded | None:
    codings, own_text = source_codings(value)
    if display and codings and not codings[0][2]:
        codings[0] = (codings[0][0], codings[0][1], display, codings[0][3])
    built = _resolved(ctx, codings, system, schemes, table)
    shown = next((coding_["display"] for coding_ in built if "display" in coding_), None)
    mapped = _mapped(ctx, built, targets, accepted) if targets else []
    unmapped = None
    if targets and not mapped:
        first = next((c for c in built if "code" in c), built[0] if built else Coding())
        unmapped = (first.get("system", ""), first.get("code", ""), first.get("display") or own_text or "")
    words = text or own_text or shown
    wrong = []
    replaced = []
    for coding_ in built:
        stated = coding_.get("display")
        _settle_display(ctx, coding_)
        if stated not in (coding_.get("display"), words):
            replaced.append(Coding(display=stated))
        problem = keep_valid(ctx, coding_) if unknown == "local" else None
        wrong += [problem] if problem else []
    kept = mapped + [coding_ for coding_ in built if coding_ not in mapped] + replaced
    # A display alone is the text; a further one has no other place than a coding without code.
    coded = [coding_ for coding_ in kept if "code" in coding_ or coding_["display"] != words]
    result = CodeableConcept()
    if coded:
        result["coding"] = coded
    if words:
        result["text"] = words
    return _Coded(result, unmapped, wrong) if result else None


def _coded(
    ctx: Context,
    value: Any,
    to: Any,
    system: str | None,
    text: str | None,
    display: str | None,
    equivalence: Any,
    schemes: Mapping[str, str] | None,
    table: str | None,
    unknown: str,
) -> _Coded | None:
    codings = getattr(value, "codings", None)
    shape: Any = None
    if codings is not None:
        shape = (tuple(codings()), getattr(value, "text", None))
    elif isinstance(value, str):
        shape = str(value)
    wanted = tuple(to) if isinstance(to, list) else to
    accepted = tuple(equivalence) if isinstance(equivalence, list) else equivalence
    key = (
        shape,
        wanted,
        system,
        text,
        display,
        accepted,
        ctx.source,
        tuple(schemes.items()) if schemes else None,
        table,
        unknown,
    )
    if shape is not None:
        entry = ctx.concepts.get(key)
        if entry is not None or key in ctx.concepts:
            return entry
    names = ACCEPTED if accepted is None else ((accepted,) if isinstance(accepted, str) else accepted)
    coded = _make(ctx, value, _wanted(wanted), system, text, display, names, schemes, table, unknown)
    if shape is not None:
        if len(ctx.concepts) >= _CACHE:
            ctx.concepts.clear()
        ctx.concepts[key] = coded
    return coded


def _describe(unmapped: tuple[str, str, str]) -> str:
    system, code_, _ = unmapped
    return f"{system or 'no system'}|{code_}" if code_ else f"a text without code ({system or 'no system'})"


@builtin("concept", returns="CodeableConcept", context=True, reads=("coded",))
def concept(
    ctx: Context,
    x: Any,
    to: Any = None,
    *,
    system: str | None = None,
    text: str | None = None,
    display: str | None = None,
    else_: str = "keep",
    equivalence: Any = None,
    schemes: Mapping[str, str] | None = None,
    table: str | None = None,
    default: str | None = None,
    unknown: str = "keep",
) -> Any:
    """A CodeableConcept: mapped codings of the systems in `to` first, then the source's own, and its text.

    Args:
        ctx: the run.
        x: a coded source value, a code, or a list of them.
        to: wanted target systems (URI or scheme), best first.
        system: the system of codes that name none.
        text: text in place of the source's.
        display: display of a code that has none.
        else_: without a target: `keep`, `keep+flag`, `reject` the output, `drop` the element (flagged).
        equivalence: which ConceptMap equivalences count; default those that claim no more than the source.
        schemes: local coding schemes -> system URI, over the site's.
        table: the system of codes that name none, for those that it knows; others stay without system.
        default: without a target: this code of the first system of `to` goes before the source's codings, flagged.
        unknown: a code that its system does not have: `keep` it, which makes the output invalid where the system is
            loaded, or `local`: it becomes a code of the source, flagged.
    """
    if x is None or x is CLEARED or x == "":
        return x if x is CLEARED else None
    if x.__class__ is list or x.__class__ is tuple:
        concepts = [
            concept(
                ctx, item, to, system=system, text=text, display=display, else_=else_,
                equivalence=equivalence, schemes=schemes, table=table, default=default, unknown=unknown,
            )
            for item in x
        ]  # fmt: skip
        return [item for item in concepts if item] or None
    result = _coded(ctx, x, to, system, text, display, equivalence, schemes, table, unknown)
    if result is None:
        return None
    for problem in result.wrong:
        ctx.flag("FB-MAP-212", problem)
    if result.unmapped is None:
        return result.concept
    ctx.unmapped[result.unmapped] += 1
    if default is not None:
        return _with_default(ctx, result, to, default)
    if else_ == "keep":
        return result.concept
    return _without_target(ctx, result, to, else_)


def _with_default(ctx: Context, translated: _Coded, to: Any, default: str) -> CodeableConcept:
    wanted = _wanted(to)
    if not wanted:
        raise ValueError("a default code is one of the first system of `to`, which is not given")
    assert translated.unmapped is not None
    known = ctx.terminology.lookup(wanted[0], default)
    if known is None and (ctx.terminology.knows_system(wanted[0]) or not is_well_formed(wanted[0], default)):
        raise ValueError(f"the default {default} is no code of {wanted[0]}")
    coding_ = Coding(system=wanted[0], code=default)
    if known is not None and known.display:
        coding_["display"] = known.display
    ctx.flag(
        "FB-MAP-201",
        f"{_describe(translated.unmapped)} has no mapping to {wanted[0]}; the default {default} is given",
    )
    return CodeableConcept({**translated.concept, "coding": [coding_, *translated.concept.get("coding", ())]})


def _without_target(ctx: Context, translated: _Coded, to: Any, otherwise: str) -> CodeableConcept | None:
    assert translated.unmapped is not None
    message = f"{_describe(translated.unmapped)} has no mapping to {' or '.join(_wanted(to))}"
    if otherwise == "keep+flag":
        ctx.flag("FB-MAP-201", f"{message}; the source's code is kept")
        return translated.concept
    if otherwise == "drop":
        ctx.flag("FB-MAP-205", f"{message}; it was left out")
        return None
    raise Reject(Issue("error", "FB-MAP-203", message))


@builtin("coding", returns="Coding", context=True, reads=("coding",))
def coding(
    ctx: Context,
    x: Any,
    to: Any = None,
    *,
    system: str | None = None,
    display: str | None = None,
    else_: str = "keep",
    equivalence: Any = None,
    schemes: Mapping[str, str] | None = None,
    unknown: str = "keep",
) -> Any:
    """The first coding that `concept` with the same arguments would give; None for text without code."""
    result = concept(
        ctx,
        x,
        to,
        system=system,
        display=display,
        else_=else_,
        equivalence=equivalence,
        schemes=schemes,
        unknown=unknown,
    )
    if not result:
        return result
    if result.__class__ is list:
        firsts = (
            next((first for first in item.get("coding", ()) if "code" in first), None) for item in result
        )
        return [first for first in firsts if first] or None
    return next((first for first in result.get("coding", ()) if "code" in first), None)


@builtin("code", returns="code")
def code(x: Any) -> Any:
    """The bare code of a coded value (its first coding), as a `code`."""
    if x is None or x is CLEARED or x == "":
        return x if x is CLEARED else None
    if x.__class__ is list:
        return [item for item in map(code, x) if item] or None
    codings, _ = source_codings(x)
    return next((Code(result.strip()) for _, result, _, _ in codings if result and result.strip()), None)


@builtin("translate", returns="code", context=True)
def translate(ctx: Context, x: Any, concept_map: str, *, else_: str = "reject") -> Any:
    """The target code of one ConceptMap, for elements of type `code`.

    Args:
        ctx: the run.
        x: a code, or a coded value.
        concept_map: the map's url, id or name.
        else_: without a target: `reject` the output, `keep` the code as it is, `drop` it, or the code to write instead;
            with `+flag` it is reported too (`unknown+flag`). What is dropped without is not counted as unmapped.
    """
    if x.__class__ is str and (known := ctx.concepts.get((concept_map, x))) is not None:
        return known
    if x is None or x is CLEARED or x == "":
        return x if x is CLEARED else None
    if x.__class__ is list:
        return [item for item in (translate(ctx, i, concept_map, else_=else_) for i in x) if item] or None
    wanted = code(x)
    if wanted is None:
        return None
    key = (concept_map, str(wanted))
    known = ctx.concepts.get(key)
    if known is not None:
        return known
    try:
        targets = ctx.terminology.translate_by_map(concept_map, wanted)
    except KeyError as error:
        message = (
            f'no ConceptMap "{concept_map}" is loaded; correct its name or add its folder under terminology:'
        )
        raise Reject(Issue("error", "FB-MAP-202", message)) from error
    match = next((t for t in targets if t.equivalence not in ("unmatched", "disjoint") and t.code), None)
    if match is not None:
        built = Code(match.code)
        ctx.concepts[key] = built
        return built
    if else_ == "drop":
        return None
    ctx.unmapped[(concept_map, wanted, "")] += 1
    otherwise, _, flagged = else_.partition("+")
    if otherwise == "drop":
        ctx.flag(
            "FB-MAP-205", f'the map "{concept_map}" has no target for the code "{wanted}"; it was left out'
        )
        return None
    if otherwise == "reject":
        raise Reject(
            Issue("error", "FB-MAP-203", f'the map "{concept_map}" has no target for the code "{wanted}"')
        )
    result = wanted if otherwise == "keep" else Code(otherwise)
    if flagged:
        ctx.flag(
            "FB-MAP-204",
            f'the map "{concept_map}" has no target for the code "{wanted}"; "{result}" was written',
        )
    return result

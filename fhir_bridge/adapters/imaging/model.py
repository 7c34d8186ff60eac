"""The source model: what a mapping of imaging may name, and the Python that reads it."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from fhir_bridge.adapters.imaging.attribute_reader import is_keyword
from fhir_bridge.adapters.imaging.attributes import INSTANCE, SERIES, STUDY
from fhir_bridge.adapters.imaging.data_dictionary import all_keywords
from fhir_bridge.adapters.imaging.functions import FUNCTIONS
from fhir_bridge.mapping import nearest
from fhir_bridge.plugins import OptionError

__all__ = ["DERIVED", "DicomModel", "Scope"]


class Scope(NamedTuple):
    """A level of the information model, or a part of a document."""

    name: str
    parent: str | None


SCOPES: Final = {
    scope.name: scope
    for scope in (
        Scope("Study", None),
        Scope("Series", "Study"),
        Scope("Instance", "Series"),
        Scope("Physician", "Study"),
        Scope("Equipment", "Study"),
        Scope("Document", "Study"),
        Scope("Measurement", "Document"),
        Scope("Answer", "Document"),
        Scope("Selection", "Study"),
        Scope("Segment", "Study"),
        Scope("Attachment", "Study"),
        Scope("Recording", "Study"),
        Scope("Waveform", "Recording"),
        Scope("Lead", "Waveform"),
        Scope("Annotation", "Recording"),
    )
}

DERIVED: Final[Mapping[str, frozenset[str]]] = {
    "Study": frozenset(
        "uid started offset modalities number_of_series number_of_instances series instances patient birth_date "
        "accession_issuer institution source procedures reasons referrers interpreters physicians equipment "
        "documents recordings selections segments attachments is_dicom accession requests".split()
    ),
    "Series": frozenset(
        "uid number started modality body_site laterality number_of_instances instances equipment performers".split()
    ),
    "Instance": frozenset("uid sop_class number index frames title".split()),
    "Physician": frozenset("key name identifier role".split()),
    "Equipment": frozenset("key name manufacturer model serial uid station software".split()),
    "Document": frozenset(
        "uid title template complete verified time equipment measurements answers references studies requests people "
        "observers verifiers text conclusion conclusions".split()
    ),
    "Measurement": frozenset(
        "position key label is_vital_sign code value unit unit_code unit_text qualifier finding_site "
        "finding_site_key laterality topographical_modifier image_mode method derivation derivation_key finding "
        "tracking_identifier tracking_uid "
        "selection_status cardiac_phase image_view procedure section group time images regions copies qualities "
        "notes comments acquisition_type acquisition_protocol irradiation_event".split()
    ),
    "Answer": frozenset(
        "position key code coded text moment clock time finding_site tracking_identifier tracking_uid section "
        "measured images regions qualities concludes".split()
    ),
    "Selection": frozenset("uid series title text time references studies people equipment".split()),
    "Segment": frozenset(
        "uid series number label description category type region qualifiers laterality algorithm "
        "tracking_identifier tracking_uid time voxels volume sources location morphology equipment".split()
    ),
    "Attachment": frozenset("uid series title code media_type size time verified equipment".split()),
    "Recording": frozenset(
        "uid time equipment waveforms annotations statements statement_codes conclusion marks points is_ecg "
        "is_dicom is_interpreted".split()
    ),
    "Waveform": frozenset(
        "position label derived channels samples frequency period total_samples is_ecg leads marks time".split()
    ),
    "Lead": frozenset("position number name code source factor baseline unit text readable".split()),
    "Annotation": frozenset(
        "position key kind is_vital_sign code value unit unit_code unit_text qualifier implausible".split()
    ),
}
"""Names beyond DICOM's keywords, by scope; docs/adapters/dicom.md says what each means."""

_PARTS: Final = frozenset(
    "value scheme meaning version system text key authority identifier_type alphabetic ideographic phonetic family "
    "given name value frames".split()
).union(*DERIVED.values())
"""What values have: codes, person names, patient identities, and the objects of the scopes."""

_ATTRIBUTE_SCOPES: Final = {
    "Study": frozenset(STUDY),
    "Series": frozenset(SERIES),
    "Instance": frozenset(INSTANCE),
}
_LISTS: Final = {
    ("Study", "Series"): "series",
    ("Series", "Instance"): "instances",
    ("Study", "Instance"): "instances",
}


_OPTIONS = ("name", "join", "decimal", "group", "date")


class DicomModel:
    """Selectors of the `dicom` adapter.

    `StudyDescription` is a keyword of the data dictionary read at the rule's scope; `Series.Modality` names the
    level, which may be around the rule's scope (one value) or below it (a list); `series.body_site` is a derived
    name of a level. A bare `Series` is the list of them.
    """

    root = "Study"
    scopes = MappingProxyType(SCOPES)
    functions: Mapping[str, Callable[..., Any]] = MappingProxyType(FUNCTIONS)
    token = ""
    """Dotted names are enough."""

    def with_options(self, options: Mapping[str, Any]) -> DicomModel:
        """The same for all options.

        Raises:
            OptionError: an option is unknown.
        """
        for option in options:
            if option not in _OPTIONS:
                advice = nearest(option, _OPTIONS) or f"there are {', '.join(_OPTIONS)}"
                raise OptionError(option, f"source.{option} is no option of dicom", advice)
        return self

    def selector(self, text: str, scope: str) -> str:
        """Python source that reads selector `text` with `s` bound to an object of `scope`.

        Raises:
            LookupError: there is no such attribute or derived name, or it is at another level.
        """
        head, _, rest = text.partition(".")
        level = next((name for name in SCOPES if name.lower() == head.lower()), None)
        if level is not None and (head == level or head == level.lower()):
            if not rest:
                return self._level(level, scope, text)
            return self._of_level(level, rest.split("."), scope, text)
        if not is_keyword(head):
            raise LookupError(_unknown(head, scope))
        self._check_level(head, scope)
        source = f"{self._reach(self._attribute_scope(scope), scope)}.get({head!r})"
        return self._dig(source, rest.split(".") if rest else [], listed=False)

    def _of_level(self, level: str, names: list[str], scope: str, text: str) -> str:
        name = names[0]
        derived = name in DERIVED[level]
        if not derived:
            if level not in _ATTRIBUTE_SCOPES or not is_keyword(name):
                raise LookupError(_unknown(name, level))
            self._check_level(name, level)
        read = f".{name}" if derived else f".get({name!r})"
        if level in _ancestors(scope):
            return self._dig(self._reach(level, scope) + read, names[1:], listed=False)
        # No assignment expressions: this may be within another comprehension.
        source = f"[v for x in {self._level(level, scope, text)} for v in (x{read},) if v is not None]"
        return self._dig(source, names[1:], listed=True)

    def _level(self, level: str, scope: str, text: str) -> str:
        if level in _ancestors(scope):
            return self._reach(level, scope)
        for around in _ancestors(scope):
            name = _LISTS.get((around, level))
            if name is not None:
                return f"{self._reach(around, scope)}.{name}"
        plural = {
            "Physician": "physicians",
            "Document": "documents",
            "Recording": "recordings",
            "Equipment": "equipment",
            "Selection": "selections",
            "Segment": "segments",
            "Attachment": "attachments",
        }
        if level in plural:
            return f"{self._reach('Study', scope)}.{plural[level]}"
        if (SCOPES[level].parent or "") in _ancestors(scope):
            return f"{self._reach(SCOPES[level].parent or '', scope)}.{level.lower()}s"
        raise LookupError(f"{text} can't be reached from a rule for {scope}")

    @staticmethod
    def _reach(level: str, scope: str) -> str:
        return "s" + ".outer" * _ancestors(scope).index(level)

    @staticmethod
    def _attribute_scope(scope: str) -> str:
        return next(name for name in _ancestors(scope) if name in _ATTRIBUTE_SCOPES)

    @staticmethod
    def _check_level(keyword: str, scope: str) -> None:
        around = _ancestors(scope)
        for level, keywords in _ATTRIBUTE_SCOPES.items():
            if keyword in keywords and level not in around:
                raise LookupError(f"{keyword} is on the {level}; write {level}.{keyword}")

    @staticmethod
    def _dig(source: str, names: list[str], *, listed: bool) -> str:
        """Read on: a keyword in the items of a sequence (a list), or a part of a value (`identifier.system`)."""
        for name in names:
            if is_keyword(name):
                source = (
                    f"[w for i in ({source} or ()) for v in (getattr(i, {name!r}, None),) if v is not None"
                    " for w in (v if isinstance(v, list) else (v,))]"
                )
                listed = True
            elif name not in _PARTS:
                raise LookupError(_unknown(name, "value"))
            elif listed:
                source = (
                    f"[v for i in ({source} or ()) for v in (getattr(i, {name!r}, None),) if v is not None]"
                )
            else:
                source = f"getattr({source}, {name!r}, None)"
        return source


def _ancestors(scope: str) -> list[str]:
    chain = []
    name: str | None = scope
    while name is not None:
        chain.append(name)
        name = SCOPES[name].parent
    return chain


def _unknown(name: str, scope: str) -> str:
    candidates = [*DERIVED.get(scope, _PARTS if scope == "value" else ()), *all_keywords()]
    near = difflib.get_close_matches(name, candidates, n=1, cutoff=0.6)
    if not near:
        folded = {candidate.lower(): candidate for candidate in candidates}
        near = [folded[match] for match in difflib.get_close_matches(name.lower(), folded, n=1, cutoff=0.6)]
    hint = f'; did you mean "{near[0]}"?' if near else ""
    return f'"{name}" is neither a DICOM keyword nor a derived name of {scope}{hint}'

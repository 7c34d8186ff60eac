"""What a mapping of HL7 v2 may name, and the Python that reads it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from fhir_bridge.adapters.ehr.hl7v2 import documents, names, numbers, parties, remainder, variants, vitals
from fhir_bridge.adapters.ehr.hl7v2.definitions import data_types, doubt_of, table_of
from fhir_bridge.adapters.ehr.hl7v2.groups import (
    ALIASES,
    FACT,
    OBSERVATION,
    ORDER,
    PATIENT,
    REMAINDER,
    RESULTS,
    ROOT,
    SCOPES,
    SPECIMEN,
    USUAL_PLACES,
    holder,
    home,
    parent_of,
    placements,
)
from fhir_bridge.adapters.ehr.hl7v2.languages import language
from fhir_bridge.adapters.ehr.hl7v2.options import check_options
from fhir_bridge.adapters.ehr.hl7v2.selectors import (
    DERIVED,
    OF_ORDER,
    OF_PATIENT,
    OF_SPECIMEN,
    SELECTOR,
    TOKENS,
)
from fhir_bridge.adapters.ehr.notes.extracted import FACT_NAMES
from fhir_bridge.mapping import Usual, nearest

__all__ = ["SEGMENTS", "Hl7v2Model"]

SEGMENTS: Final = frozenset(
    """ABS ACC ADD ADJ AFF AIG AIL AIP AIS AL1 APR ARQ ARV AUT BHS BLC BLG BPO BPX BTS BTX BUI CDM CDO CER CM0
    CM1 CM2 CNS CON CSP CSR CSS CTD CTI CTR DB1 DEV DG1 DMI DON DPS DRG DSC DSP DST ECD ECR EDU EQP EQU ERR
    EVN FAC FHS FT1 FTS GOL GP1 GP2 GT1 IAM IAR IIM ILT IN1 IN2 IN3 INV IPC IPR ISD ITM IVC IVT LAN LCC LCH
    LDP LOC LRL MCP MFA MFE MFI MRG MSA MSH NCK NDS NK1 NPU NSC NST NTE OBR OBX ODS ODT OH1 OH2 OH3 OH4 OM1
    OM2 OM3 OM4 OM5 OM6 OM7 OMC ORC ORG OVR PAC PCE PCR PD1 PDA PEO PES PID PKG PM1 PMT PR1 PRA PRB PRC PRD
    PRT PSG PSH PSL PSS PTH PV1 PV2 PYE QAK QID QPD QRD QRF QRI RCP RDF RDT REL RF1 RFI RGS RMI ROL RQ1 RQD
    RXA RXC RXD RXE RXG RXO RXR RXV SAC SCD SCH SCP SDD SFT SGH SGT SHP SID SLT SPM STF STZ TCC TCD TQ1 TQ2
    TXA UAC UB1 UB2 VAR VND""".split()
)
"""Segments of HL7 v2.8; Z-segments are always taken."""

_NOT_ALONE: Final = {
    "OBX": OBSERVATION,
    "OBR": ORDER,
    "ORC": ORDER,
    "SPM": SPECIMEN,
    "PID": PATIENT,
    "MSH": ROOT,
}

_TEXT: Final = "(f[5] if n > 5 else '') if len(s.segments) == 1 else s.raws('OBX', 5)"
"""What decides the text of a result."""

_FUNCTIONS: Final = {
    **names.FUNCTIONS,
    **numbers.FUNCTIONS,
    **parties.FUNCTIONS,
    **documents.FUNCTIONS,
    **vitals.FUNCTIONS,
    **variants.FUNCTIONS,
    **remainder.FUNCTIONS,
    "language": language,
}


@dataclass(frozen=True, slots=True)
class Scope:
    """A group that `for:` iterates."""

    name: str
    parent: str | None


class _Scopes(Mapping[str, Scope]):
    """The groups, and besides them any other segment as a scope of its own (`AL1`, `ZPD`), in the group it is in."""

    def __init__(self, placed: Mapping[str, str]) -> None:
        self._placed = placed

    def __getitem__(self, name: str) -> Scope:
        full = ALIASES.get(name, name)
        if full in SCOPES:
            return Scope(full, SCOPES[full])
        if name in (FACT, REMAINDER):
            return Scope(name, PATIENT)
        if name not in _NOT_ALONE and _is_segment(name):
            return Scope(name, self._placed.get(name, PATIENT))
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        yield from SCOPES
        yield from ALIASES
        yield FACT
        yield REMAINDER

    def __len__(self) -> int:
        return len(SCOPES) + len(ALIASES) + 2


def _is_in_order(scope: str, placed: Mapping[str, str]) -> bool:
    """Whether a scope is an order, or is in one."""
    around: str | None = scope
    while around is not None and around != ORDER:
        around = parent_of(around, placed)
    return around == ORDER


def _is_segment(name: str) -> bool:
    return name in SEGMENTS or (len(name) == 3 and name[0] == "Z" and name.isalnum() and name.isupper())


def _of_fact(text: str, scope: str) -> str:
    """Python source of `fact.value`.

    Raises:
        LookupError: a fact has no such part, or the rule is for something else.
    """
    name = text.removeprefix("fact.")
    if scope != FACT or name not in FACT_NAMES:
        raise LookupError(f'"{text}" is known only within for: {FACT}, as one of {", ".join(FACT_NAMES)}')
    return f"s.{name}"


class Hl7v2Model:
    """Groups, selectors and functions of the `hl7v2` adapter.

    Selectors: `SEG-f`, `SEG-f.c`, `SEG-f.c.s` with a repetition in brackets (`PID-3[2].1`, from 1; `PID-3[*]` is
    the list of all), `SEG[*]-f` for the field in all segments of the name, `SEG[2]-f` for the second segment, `SEG`
    alone for the segment itself, `SEG[*]` for all of the name (`for: k in NK1[*]`, then `k.2` is NK1-2). A field
    without brackets is one value, or a list where it repeats; with a component it is that of the first repetition.
    Besides: `observation.text`, `observation.ordinal`, `observation.instance`, `order.number`,
    `specimen.order`, `notes`, `segment.ordinal`, `subject.identifiers`,
    `subject.otherwise`, `visit.number`.
    """

    root: str = ROOT
    last: str | None = REMAINDER
    """The scope whose rules are applied after all others."""
    token: str = TOKENS
    pure: bool = True
    """Selectors never raise and give the same each time, so that a rule reads each once."""
    accounts: bool = True
    """Records report what no rule represents, from the reads that the compiler notes."""

    varying: frozenset[str] = frozenset(
        f"f[{number}] if n > {number} else ''" for number in (1, 4, 5, 14, 19, 21)
    )
    """Of `key`: set id, sub-id, value, times and instance of an OBX, which differ from result to result."""

    def __init__(self, placed: Mapping[str, str] = USUAL_PLACES) -> None:
        self._placed = placed
        self.scopes: Mapping[str, Scope] = _Scopes(placed)

    def with_options(self, options: Mapping[str, Any]) -> Hl7v2Model:
        """The model of a `source:` block, whose `groups` put segments into groups.

        Raises:
            OptionError: an option is unknown or wrong.
        """
        check_options(options)
        placed = placements(options)
        return self if placed is USUAL_PLACES else Hl7v2Model(placed)

    @property
    def functions(self) -> Mapping[str, Callable[..., Any]]:
        """Functions for HL7's composite types."""
        return _FUNCTIONS

    def scope_name(self, name: str) -> str:
        """The full name of a scope: aliases such as `OBSERVATION` are resolved."""
        return ALIASES.get(name, name)

    def selector(self, text: str, scope: str) -> str:
        """Python source that reads the selector from the group `s`.

        Raises:
            LookupError: no such segment or derived value.
        """
        text = text.strip().strip("`")
        scope = ALIASES.get(scope, scope)
        if text in DERIVED:
            if text.startswith("observation.") and scope not in RESULTS:
                raise LookupError(f'"{text}" is known only within for: {OBSERVATION}')
            if text.startswith("remainder.") and scope != REMAINDER:
                raise LookupError(f'"{text}" is known only within for: {REMAINDER}')
            return f"s.{DERIVED[text]}"
        if text.startswith("fact."):
            return _of_fact(text, scope)
        if text in OF_PATIENT:
            return f"s{'.outer' * holder('PID', scope, self._placed)}.{OF_PATIENT[text]}"
        if text in OF_ORDER:
            steps = holder("OBR", scope, self._placed)
            if not _is_in_order(scope, self._placed):
                raise LookupError(f'"{text}" is known only within for: {ORDER}')
            return f"s{'.outer' * steps}.{OF_ORDER[text]}"
        if text in OF_SPECIMEN:
            if scope != SPECIMEN:
                raise LookupError(f'"{text}" is known only within for: {SPECIMEN}')
            return f"s.{OF_SPECIMEN[text]}"
        if text == "segment.ordinal":
            if scope in SCOPES:
                raise LookupError('"segment.ordinal" is known only where `for:` names a segment')
            return f"s.repeated({scope!r})"
        match = SELECTOR.match(text)
        if match is None:
            near = difflib.get_close_matches(
                text, [*DERIVED, *OF_ORDER, *OF_PATIENT, *OF_SPECIMEN, "OBX-5", "PID-3.1"], 1, 0.5
            )
            suggestion = f"; did you mean {near[0]}?" if near else ""
            raise LookupError(
                f'"{text}" is no selector of HL7 v2: write SEG-field.component, as in PID-3.1{suggestion}'
            )
        name = match["segment"]
        if not _is_segment(name):
            meant = nearest(name, sorted(SEGMENTS), cutoff=0.5)
            raise LookupError(f'HL7 v2 has no segment "{name}"{f"; {meant}" if meant else ""}')
        steps = holder(name, scope, self._placed)
        group = "s" + ".outer" * steps
        self._within(name, scope, steps)
        if match["field"] is None:
            return f"{group}.all({name!r})" if match["which"] == "*" else f"{group}.segment({name!r})"
        return _read(group, name, match, text)

    texts: bool = True
    """Values are text: they equal no number."""

    foreign: frozenset[str] = frozenset(("times", "codes"))
    """What is written in another form than FHIR's."""

    def doubt(self, text: str, scope: str, numbers: Sequence[int]) -> tuple[str, str] | None:
        """Why a field is in no message by any version of the standard, and what may be meant."""
        return self._unplaced(text, scope) or doubt_of(text, numbers)

    def _unplaced(self, text: str, scope: str) -> tuple[str, str] | None:
        """A segment of the site that a rule of a group reads, and that no group has: all would see the first."""
        match = SELECTOR.match(text)
        name = match["segment"] if match else ""
        scope = self.scope_name(scope)
        if not name.startswith("Z") or name in self._placed or scope in (self.root, PATIENT, name):
            return None
        near = nearest(name, [each for each in self._placed if each.startswith("Z")], cutoff=0.5)
        advice = near or f"source: {{groups: {{{scope}: [{name}]}}}}"
        return f'"{name}" is in no group: each {scope} would have the first one of the message', advice

    def table(self, text: str, numbers: Sequence[int]) -> str | None:
        """The code system of a value whose codes HL7 defines."""
        return table_of(text, numbers)

    def codes(self, system: str) -> frozenset[str] | None:
        """The codes of a table that no code system holds."""
        return data_types() if system.endswith("v2-0125") else None

    def own(self, text: str, scope: str) -> bool:
        """Whether a selector reads a group itself, and none around it."""
        if text in DERIVED or text == "segment.ordinal" or text.startswith("fact."):
            return True
        match = SELECTOR.match(text)
        name = (
            "PID" if text in OF_PATIENT else "OBR" if text in OF_ORDER else match["segment"] if match else ""
        )
        return holder(name, self.scope_name(scope), self._placed) == 0

    def example(self, scope: str) -> str:
        """A field of a group."""
        fields = {**dict.fromkeys(RESULTS, "OBX-3.1"), ORDER: "OBR-3.1", SPECIMEN: "SPM-2.1"}
        scope = self.scope_name(scope)
        return fields.get(scope, "PID-3.1" if scope == PATIENT else f"{scope}-1")

    def _within(self, name: str, scope: str, steps: int) -> None:
        """Whether a segment that is always in a group further in is looked for around it.

        Raises:
            LookupError: it would never be there.
        """
        inner = home(name, self._placed)
        around: str | None = scope
        for _ in range(steps):
            around = parent_of(around, self._placed) if around else None
        if inner is not None and around == PATIENT:
            raise LookupError(
                f'"{name}" is in {inner}, which a rule for {scope} does not see: write for: {inner}'
            )

    def key_head(self, scope: str) -> list[str]:
        """Statements that `key` needs: the fields of an observation's OBX."""
        if ALIASES.get(scope, scope) in RESULTS:
            return ["f = s.segments[0].fields", "n = len(f)"]
        return []

    def usual(self, scope: str) -> Usual | None:
        """Most results: one OBX without comments, and no field after the time of the observation."""
        if not self.key_head(scope):
            return None
        fields = ", ".join(f"u{number}" for number in range(_USUAL))
        names = {
            f"f[{number}] if n > {number} else ''": f"u{number}" if number < _USUAL else "''"
            for number in range(_LONGEST)
        }
        head = [f"if n < {_USUAL}: f = f + [''] * ({_USUAL} - n)", f"{fields} = f"]
        test = f"n <= {_USUAL} and len(s.segments) == 1"
        return Usual(test, head, {**names, _TEXT: "u5", "s.notes": "None"})

    def key(self, source: str, scope: str) -> str | None:
        """Source of a text, or a tuple of such, that decides what a selector's source gives; None: it is unknown."""
        match = _SOURCE.match(source)
        if match is None:
            present = _PRESENCE.match(source)
            return f"{present[1]} is not None" if present else None
        group = match["group"]
        observation = ALIASES.get(scope, scope) in RESULTS and group == "s"
        if match["derived"]:
            template = _KEYS.get(match["derived"])
            if template is None or (match["derived"] == "text" and not observation):
                return None
            return template.format(group=group)
        name = match["name"]
        if match["method"] in ("segment", "all"):
            return f"{group}.raws({name!r}, 0)"
        at = _FIELD_AT.get(match["method"])
        if at is None or not match["numbers"]:
            return None
        number = int(match["numbers"].split(",")[at])
        if observation and name == "OBX" and match["method"] == "every" and number == 5:
            return _KEYS["text"]
        if observation and name == "OBX" and match["method"] not in ("every", "nth"):
            return f"f[{number}] if n > {number} else ''"
        return f"{group}.raws({name!r}, {number})"

    def present(self, source: str) -> str | None:
        """The segment that a message must have so that a selector's source may give a value; None: it is unknown."""
        match = _SOURCE.match(source)
        return None if match is None else match["name"] or _OF_SEGMENT.get(match["derived"])

    def together(self, text: str) -> tuple[list[str], str]:
        """Statements that read a segment's fields at once, and the code with those reads in place of single ones."""
        head: list[str] = []
        for pattern, stem, method, several in (
            (_RAW, "k", "raw_list", "{name}[{number}]"),
            (
                _VALUE,
                "w",
                "value_list",
                "({name}[0].{method}({number}{rest}) if {name}[1][{number}] else None)",
            ),
        ):
            widths: dict[tuple[str, str], list[int]] = {}
            for match in pattern.finditer(text):
                widths.setdefault((match["group"], match["name"]), []).append(int(match["number"]))
            names = {
                (group, name): (f"{stem}{group.count('.')}{name}", max(numbers) + 1)
                for (group, name), numbers in widths.items()
                if len(numbers) >= _WORTHWHILE
            }
            head += (
                f"{variable} = {group}.{method}({name!r}, {width})"
                for (group, name), (variable, width) in names.items()
            )

            def replaced(match: re.Match[str], names: Any = names, several: str = several) -> str:
                known = names.get((match["group"], match["name"]))
                return several.format(**{**match.groupdict(), "name": known[0]}) if known else match[0]

            text = pattern.sub(replaced, text)
        text = _LOOP.sub(r"(iterate(\1) if \2 else ())", text)
        text = _TRUTH.sub(r"(truth(\1) if \2 else False)", text)
        numbers = [int(match[1]) for match in _OWN.finditer(text)]
        if len(numbers) >= _MANY_OWN:
            width = max(numbers) + 1
            head.append(f"if n < {width}: f = f + [''] * ({width} - n)")
            text = _OWN.sub(r"f[\1]", text)
        return head, text


_USUAL: Final = 15
"""Fields that the OBX of most results have at most, the segment's name among them."""

_LONGEST: Final = 64

_WORTHWHILE: Final = 3
"""Fields of a segment from which they are read at once."""

_MANY_OWN: Final = 8
"""Fields of an observation's OBX from which it is filled up to the last of them."""

_OWN: Final = re.compile(r"f\[(\d+)\] if n > \1 else ''(?!\))")

_GROUP: Final = r"(?<![\w.])(?P<group>s(?:\.outer)*)"
_RAW: Final = re.compile(_GROUP + r"\.raws\('(?P<name>\w{3})', (?P<number>[1-9]\d*)\)")
_VALUE: Final = re.compile(
    _GROUP + r"\.(?P<method>field|part)\('(?P<name>\w{3})', (?P<number>\d+)(?P<rest>(?:, \d+)?)\)"
)

_AT_ONCE: Final = r"\(\((w\d\w+\[0\]\.\w+\([\d, ]+\)) if (w\d\w+\[1\]\[\d+\]) else None\)\)"
_LOOP: Final = re.compile(r"(?<![\w.])iterate" + _AT_ONCE)
_TRUTH: Final = re.compile(r"(?<![\w.])truth" + _AT_ONCE)
"""What is done with a field that was read at once; nothing, where it is empty."""

_SOURCE: Final = re.compile(
    r"(?P<group>s(?:\.outer)*)\."
    r"(?:(?P<derived>[a-z]+)|(?P<method>[a-z]+)\('(?P<name>\w{3})'(?:, (?P<numbers>[\d, ]+))?\))\Z"
)
_PRESENCE: Final = re.compile(r"truth\((s(?:\.outer)*\.segment\('\w{3}'\))\)\Z")
_FIELD_AT: Final = {"field": 0, "part": 0, "at": 0, "repeats": 0, "every": 0, "nth": 1}
"""Which of a reading method's numbers is the field's."""

_OF_SEGMENT: Final = {"notes": "NTE", "visit": "PV1"}
"""The segment that a derived value is of."""

_KEYS: Final = {
    "identifiers": "({group}.raws('PID', 2), {group}.raws('PID', 3), {group}.raws('PID', 4))",
    "text": _TEXT,
    "notes": "{group}.notes",
    "ordinal": "{group}.ordinal",
    "instance": "{group}.instance",
    "number": "{group}.number",
    "otherwise": "{group}.otherwise",
    "visit": "{group}.visit",
}
"""What decides a derived value."""


def _read(group: str, name: str, match: re.Match[str], text: str) -> str:
    field = _position(match["field"], "fields", text)
    component = _position(match["component"], "components", text)
    subcomponent = _position(match["subcomponent"], "subcomponents", text)
    which, repetition = match["which"], match["repetition"]
    if which == "*":
        return f"{group}.every({name!r}, {field}, {component}, {subcomponent})"
    if repetition == "*":
        if which is not None:
            raise LookupError(f'"{text}": take either one segment or all repetitions, not both')
        return f"{group}.repeats({name!r}, {field}, {component}, {subcomponent})"
    if which is not None:
        number = _position(which, "segments", text)
        times = _position(repetition, "repetitions", text) or 1
        return f"{group}.nth({name!r}, {number}, {field}, {times}, {component}, {subcomponent})"
    if repetition is None and not subcomponent:
        if not component:
            return f"{group}.field({name!r}, {field})"
        return f"{group}.part({name!r}, {field}, {component})"
    times = _position(repetition, "repetitions", text) or 1
    return f"{group}.at({name!r}, {field}, {times}, {component}, {subcomponent})"


def _position(digits: str | None, what: str, text: str) -> int:
    """A position; 0 where none is written.

    Raises:
        LookupError: it is written as 0.
    """
    if digits is None:
        return 0
    if int(digits) == 0:
        raise LookupError(f'"{text}": {what} count from 1')
    return int(digits)

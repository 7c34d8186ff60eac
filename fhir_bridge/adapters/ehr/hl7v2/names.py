"""Names, addresses and telecoms (XPN, XAD, XTN; HL7 v2.5.1 §2.A.88, §2.A.84, §2.A.89)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from fhir_bridge.adapters.ehr.hl7v2.composites import READERS, Components, each, reader
from fhir_bridge.fhir.datatypes import Address, ContactPoint, HumanName
from fhir_bridge.mapping import Context, function
from fhir_bridge.mapping.functions.times import period

__all__ = ["FUNCTIONS", "name_of_xcn", "spoken_name"]

V = TypeVar("V", bound=dict[str, Any])

_NAMES: Final = "XPN and nickname"

_NAME_USE: Final = {
    "L": "official",
    "R": "official",
    "D": "usual",
    "M": "maiden",
    "N": "nickname",
    "S": "anonymous",
    "MSK": "anonymous",
    "TEMP": "temp",
    "BAD": "old",
    "NOUSE": "old",
}
"""Table 0200 where R4 name-use has the same meaning; other types leave `use` out."""

_ADDRESS_USE: Final = {
    "H": "home",
    "P": "home",
    "B": "work",
    "O": "work",
    "C": "temp",
    "BA": "old",
    "BI": "billing",
}
_ADDRESS_TYPE: Final = {"M": "postal", "SH": "postal"}
"""Table 0190 where R4 address-use and address-type have the same meaning."""

_TELECOM_USE: Final = {"PRN": "home", "ORN": "home", "VHN": "temp", "WPN": "work", "PRS": "mobile"}
_TELECOM_SYSTEM: Final = {
    "PH": "phone",
    "CP": "phone",
    "SAT": "phone",
    "FX": "fax",
    "BP": "pager",
    "TDD": "other",
    "TTY": "other",
    "MD": "other",
}
_NAME_QUALIFIER: Final = {"B": "BR", "C": "AD", "P": "SP"}
"""Table 0200 where ISO 21090 qualifies the family name: of birth, by adoption, of the spouse."""

_NAME_OTHER_USE: Final = {"I": "C", "T": "I", "REL": "R", "S": "P"}
"""Table 0200 where a use of ISO 21090 has the same meaning: licence, indigenous, religious, pseudonym."""

_CORE: Final = "http://hl7.org/fhir/StructureDefinition/"
_TELECOM_USES: Final = "http://terminology.hl7.org/CodeSystem/v2-0201"
_EXTENSION: Final = "http://hl7.org/fhir/StructureDefinition/humanname-"
_OTHER_USES: Final = {
    "PRN": "Primary Residence Number",
    "ORN": "Other Residence Number",
    "WPN": "Work Number",
    "VHN": "Vacation Home Number",
    "ASN": "Answering Service Number",
    "EMR": "Emergency Number",
    "NET": "Network (email) Address",
    "BPN": "Beeper Number",
    "PRS": "Personal",
}
"""Table 0201: what a number is for, where `use` does not say it."""
_STREET: Final = "http://hl7.org/fhir/StructureDefinition/iso21090-ADXP-"
_OF_STREET: Final = ((2, "streetName"), (3, "houseNumber"))
"""Subcomponents of SAD that R4 has extensions of an address line for."""

_OF_FAMILY: Final = ((2, "own-prefix"), (3, "own-name"), (4, "partner-prefix"), (5, "partner-name"))
"""Subcomponents of FN that R4 has extensions of the family name for."""


def _family(c: Components, number: int) -> tuple[str | None, list[dict[str, str]]]:
    """FN: the surname as it is used (FN.1, which carries its own prefix already), and its parts as extensions.

    Where FN.1 is empty the surname is put together from its parts.
    """
    name = c.text(number, 1)
    parts = [(sub, suffix, c.text(number, sub)) for sub, suffix in _OF_FAMILY]
    if name is None:
        own = " ".join(text for sub, _, text in parts if text and sub < 4)
        name = own or " ".join(text for _, _, text in parts if text) or None
        if own and any(text for sub, _, text in parts if sub > 3):
            return name, [_part(suffix, text) for _, suffix, text in parts if text]
        return name, []
    return name, [_part(suffix, text) for _, suffix, text in parts if text]


def _part(suffix: str, text: str) -> dict[str, str]:
    return {"url": f"{_EXTENSION}{suffix}", "valueString": text}


def _human_name(c: Components, shift: int) -> HumanName | None:
    """XPN, or with `shift` 1 the name in an XCN."""
    name = HumanName()
    surname, extensions = _family(c, 1 + shift)
    if surname:
        name["family"] = surname
    if extensions:
        name["_family"] = {"extension": extensions}
    if given_names := [part for number in (2, 3) if (part := c.text(number + shift))]:
        name["given"] = given_names
    if prefix := c.text(5 + shift):
        name["prefix"] = [prefix]
    last = 14 if not shift else 21
    if suffix := [part for number in (4 + shift, 6 + shift, last) if (part := c.text(number))]:
        name["suffix"] = suffix
    if not name:
        if not shift:
            c.pass_over(7, 8, 11)  # which of the person's names is not there
        return None
    c.pass_over(*((15, 18) if shift else (8, 11)))  # how the name is written and put together
    kind = 10 if shift else 7
    use = c.of(kind, _NAME_USE)
    if surname and (qualifier := c.of(kind, _NAME_QUALIFIER)):
        parts = [{"url": f"{_CORE}iso21090-EN-qualifier", "valueCode": qualifier}]
        name["_family"] = {"extension": [*name.get("_family", {}).get("extension", []), *parts]}
    elif other := c.of(kind, _NAME_OTHER_USE):
        name["extension"] = [{"url": f"{_CORE}iso21090-EN-use", "valueCode": other}]
    elif (c.peek(kind) or "").upper() == "U":
        c.pass_over(kind)  # a name of no known type
    result = HumanName({"use": use, **name} if use else name)
    start, end, within = (19, 20, 17) if shift else (12, 13, 10)
    return _valid(c, result, start, end, within)


def _valid(c: Components, result: V, start: int, end: int, within: int = 0) -> V:
    """The value with when it is valid, its dates as written until a function creates a Period of them."""
    if stated := c.validity(start=start, end=end, within=within):
        result["period"] = stated
    return result


def _dated(ctx: Context, built: Any) -> Any:
    """Values of readers with their dates as a Period."""
    for value in built if built.__class__ is list else [built]:
        if value and value.__class__ is not str and value.get("period").__class__ is tuple:
            result = period(ctx, *value.pop("period"))
            if result:
                value["period"] = result
    return built


@reader("XPN")
def read_name(c: Components) -> HumanName | None:
    """HumanName of an XPN."""
    return _human_name(c, 0)


@reader(_NAMES)
def read_names(c: Components) -> list[HumanName] | None:
    """HumanNames of an XPN: the name, and what the person is called by (XPN.15)."""
    names = [name for name in (read_name(c),) if name]
    if called := c.text(15):
        names.append(HumanName(use="nickname", given=[called]))
    return names or None


@reader("XCN")
def read_name_of_xcn(c: Components) -> HumanName | None:
    """HumanName of the name in an XCN."""
    return _human_name(c, 1)


def surname(c: Components, number: int) -> str | None:
    """FN as people read it: FN.1, which has the prefix already; else put together from its parts."""
    name = c.text(number, 1)
    if not name:
        return " ".join(part for sub in (2, 3) if (part := c.text(number, sub))) or None
    prefix = c.text(number, 2)
    own = c.peek(number, 3)
    if own and own in name:
        c.text(number, 3)
    return f"{prefix} {name}" if prefix and prefix not in name else name


def spoken_name(*parts: str | None) -> str | None:
    """The parts of a name in the order in which people read them: `Dr. Ada Keller MD`."""
    return " ".join(part for part in parts if part) or None


@reader("XCN display")
def _display(c: Components) -> str | None:
    return name_of_xcn(c) or c.text(1)


def name_of_xcn(c: Components) -> str | None:
    """The name in an XCN as people read it."""
    return spoken_name(*(c.text(n) for n in (6, 3, 4)), surname(c, 2), *(c.text(n) for n in (5, 7, 21)))


@reader("XAD")
def read_address(c: Components) -> Address | None:
    """Address of an XAD; a bad address is marked."""
    result = Address()
    street = c.text(1, 1)
    parts = [(suffix, text) for sub, suffix in _OF_STREET if (text := c.text(1, sub))]
    lines = [street or " ".join(text for _, text in parts), c.text(2), c.text(8), c.text(19)]
    if any(lines):
        result["line"] = [line for line in lines if line]
    if street and parts:
        result["_line"] = [
            {"extension": [{"url": f"{_STREET}{suffix}", "valueString": text} for suffix, text in parts]},
            *[None] * (len(result["line"]) - 1),
        ]
    for element, number in (("city", 3), ("district", 9), ("state", 4), ("postalCode", 5), ("country", 6)):
        if part := c.text(number):
            result[element] = part
    if (county := c.text(9, 2)) and county != result.get("district"):  # a code and its text
        result["district"] = f"{county} ({result['district']})" if "district" in result else county
    if not result:
        return None
    built = Address()
    if use := c.of(7, _ADDRESS_USE):
        built["use"] = use
    if kind := c.of(7, _ADDRESS_TYPE):
        built["type"] = kind
    extensions, of_line = _of_address(c, built)
    if extensions:
        built["extension"] = extensions
    if of_line:
        lines_beside = result.setdefault("_line", [None] * len(result.get("line", ())) or [None])
        first = lines_beside[0] or {}
        lines_beside[0] = {"extension": [*first.get("extension", []), of_line]}
    c.pass_over(11)  # how the address is written
    built.update(result)
    return _valid(c, built, 13, 14, 12)


def _of_address(c: Components, built: Address) -> tuple[list[dict[str, Any]], dict[str, Any] | None]:
    """Extensions of an address and of its first line; its use and type by what XAD.16 to XAD.18 say."""
    extensions: list[dict[str, Any]] = []
    kind = (c.peek(7) or "").upper()
    if kind == "L":
        c.text(7)
        extensions.append({"url": f"{_CORE}address-official", "valueBoolean": True})
    elif kind == "V":
        c.text(7)
        extensions.append({"url": f"{_CORE}iso21090-AD-use", "valueCode": "HV"})
    if c.of(16, _YES):
        built.setdefault("use", "temp")
    if c.of(17, _YES):
        built["use"] = "old"
    for number in (16, 17):
        c.of(number, _NO)  # as every address is that does not say so
    if form := c.of(18, {"M": "postal", "V": "physical"}):
        stated = built.get("type")
        built["type"] = form if stated in (None, form) else "both"
    if (rank := c.peek(21)) == "1":
        c.text(21)
        extensions.append({"url": f"{_CORE}iso21090-preferred", "valueBoolean": True})
    elif rank:
        c.pass_over(21)
    if protection := c.text(22) or c.text(22, 2):
        c.pass_over(22)
        extensions.append({"url": f"{_CORE}confidential", "valueCodeableConcept": {"text": protection}})
    tract = c.text(10)
    return extensions, {"url": f"{_STREET}censusTract", "valueString": tract} if tract else None


_YES: Final = {"Y": "Y"}
_NO: Final = {"N": "N"}


def _telecoms(c: Components, use: str | None) -> list[ContactPoint] | None:
    """ContactPoints of an XTN: an e-mail address from XTN.4, and the number as written, else put together."""
    mail = c.text(4)
    number = c.text(12) or c.text(1) or _number(c) or _remark_as_number(c)
    if number and mail == number:
        number = None
    if not number and not mail:
        c.pass_over(2, 3, 9, 13, 14, 15, 16, 17, 18)  # use and equipment of a number that is not there
        return None
    equipment = (c.peek(3) or "").upper()
    points = []
    if mail:
        points.append(_point("email", mail, c.of(2, _TELECOM_USE) or use))
        if equipment == "INTERNET":
            c.text(3)
        if (c.peek(2) or "").upper() == "NET":
            c.text(2)
    if number:
        system = "email" if "@" in number else c.of(3, _TELECOM_SYSTEM) or "phone"
        if equipment == "INTERNET" and not mail:  # an address of some kind, and no telephone
            c.text(3)
            system = system if "@" in number else "url" if "://" in number else "other"
        stated = "mobile" if equipment == "CP" else c.of(2, _TELECOM_USE) or use
        points.insert(0, _point(system, number, stated))
        if stated_parts := _parts_beside(c, number):
            points[0]["_value"] = {"extension": stated_parts}
        # As it was written before v2.3.1, and another number.
        if (1, 1) not in c.taken and (further := c.text(1)):
            points.append(_point(system, further, stated))
    rank = c.peek(18) or ""
    if points[0].get("use") == "mobile" and (c.peek(2) or "").upper() == "PRS":
        c.text(2)
    if extensions := _of_point(c):
        points[0]["extension"] = extensions
    for point in points:
        if rank.isascii() and rank.isdigit() and 0 < int(rank) < 2**31:
            c.text(18)
            point["rank"] = int(rank)
        _valid(c, point, 13, 14)
    return points


def _of_point(c: Components) -> list[dict[str, Any]]:
    """Extensions of a ContactPoint: what its use and system can't say, remarks, protection."""
    extensions: list[dict[str, Any]] = []
    use = (c.peek(2) or "").upper()
    if use and (2, 1) not in c.taken and use in _OTHER_USES:
        c.text(2)
        concept = {"coding": [{"system": _TELECOM_USES, "code": use, "display": _OTHER_USES[use]}]}
        extensions.append({"url": f"{_CORE}contactpoint-purpose", "valueCodeableConcept": concept})
    if (9, 1) not in c.taken and (remark := c.text(9)):
        extensions.append({"url": f"{_CORE}contactpoint-comment", "valueString": remark})
    if protection := c.text(16) or c.text(16, 2):
        c.pass_over(16)
        extensions.append({"url": f"{_CORE}confidential", "valueCodeableConcept": {"text": protection}})
    return extensions


def _remark_as_number(c: Components) -> str | None:
    """A number that stands in the remark (XTN.9) alone."""
    remark = c.peek(9)
    return c.text(9) if remark and re.fullmatch(r"[+\d][\d\s()./-]{4,}", remark) else None


def _number(c: Components) -> str | None:
    local = c.text(7)
    if not local:
        return None
    country, area, extension = (c.text(number) for number in (5, 6, 8))
    number = f"({area}) {local}" if area else local
    number = f"+{country.lstrip('+')} {number}" if country else number
    return f"{number} ext. {extension}" if extension else number


def _parts_beside(c: Components, number: str) -> list[dict[str, Any]]:
    """The parts of a number as extensions, where they say more than the number as it is written."""
    _repeated(c, number)
    return [
        {"url": f"http://hl7.org/fhir/StructureDefinition/contactpoint-{name}", "valueString": text}
        for part, name in ((5, "country"), (6, "area"), (7, "local"), (8, "extension"))
        if (part, 1) not in c.taken and (text := c.text(part))
    ]


def _repeated(c: Components, number: str) -> None:
    """Take the other forms of a number, where they say no more than the one that is written."""
    digits = _digits(number)
    for other in (1, 12):
        if _digits(c.peek(other)) == digits:
            c.text(other)
    for parts in ((5, 6, 7, 8), (6, 7, 8), (5, 6, 7), (6, 7), (7,)):
        if digits and c.peek(7) and "".join(_digits(c.peek(part)) for part in parts) == digits:
            for part in parts:
                c.text(part)
            return


def _digits(text: str | None) -> str:
    return re.sub(r"\D", "", text or "")


def _point(system: str, value: str, use: str | None) -> ContactPoint:
    point = ContactPoint(system=system, value=value)
    if use:
        point["use"] = use
    return point


@reader("XTN")
def _telecoms_as_stated(c: Components) -> list[ContactPoint] | None:
    return _telecoms(c, None)


@function(context=True, nulls=True, reads=(f"kind={_NAMES}",), pure=True)
def human_name(ctx: Context, x: Any, kind: str = _NAMES) -> Any:
    """HumanName of each XPN, and what the person is called by as a nickname.

    Args:
        ctx: the run.
        x: the field.
        kind: `XPN` without the nickname, for elements that take one name; `XCN` for the name in an XCN.
    """
    if kind not in (_NAMES, "XPN", "XCN"):
        raise ValueError("the kind of a name is XPN or XCN")
    return _dated(ctx, _flat(each(x, READERS[kind])))


@function(nulls=True, returns="string", reads=("XPN display",), pure=True)
def name_text(x: Any) -> Any:
    """The name in each XPN as people read it: `Dr. Ada Keller`."""
    return each(x, read_spoken_name)


@function(nulls=True, reads=("XCN display",), pure=True)
def person_display(x: Any) -> str | None:
    """The name of the first XCN as people read it: `Dr. Ada Keller`; its id where there is no name."""
    result = each(x, _display)
    return result[0] if isinstance(result, list) else result or None


@reader("XPN display")
def read_spoken_name(c: Components) -> str | None:
    """The name in an XPN as people read it."""
    name = spoken_name(*(c.text(n) for n in (5, 2, 3)), surname(c, 1), *(c.text(n) for n in (4, 6, 14)))
    if name:
        c.pass_over(7, 8, 11)  # which of the person's names it is, and how it is written
    return name


@function(context=True, reads=("XAD",), pure=True)
def address(ctx: Context, x: Any, county: str | None = None, home: bool = True, born: bool = True) -> Any:
    """Address of each XAD; a bad address is marked.

    Args:
        ctx: the run.
        x: the field.
        county: the district of the first address (PID-12), where its XAD.9 states none.
        home: whether it may be of use `home`. An organization's may not (R4 org-2): an extension says it instead.
        born: whether where the person was born (XAD.7 BDL) is one.
    """
    read = read_address if home else _away_from_home
    result = each(x, read if born else lambda c: None if c.text(7) == _BIRTHPLACE else read(c))
    if county:
        first = result[0] if result.__class__ is list else result or Address()
        first.setdefault("district", county)
        result = result or first
    return _dated(ctx, result)


_BIRTHPLACE: Final = "BDL"
"""In XAD.7: where the person was born."""


@reader("XAD of birth")
def read_birth_address(c: Components) -> Address | None:
    """The address of an XAD that is where the person was born."""
    return read_address(c) if c.text(7) == _BIRTHPLACE else None


@function(context=True, reads=("XAD of birth",), pure=True)
def birth_address(ctx: Context, x: Any) -> Any:
    """Address of the first XAD that is where the person was born (XAD.7 BDL)."""
    results = _dated(ctx, each(x, read_birth_address))
    return next(iter(results), None) if results.__class__ is list else results


def _away_from_home(c: Components) -> Address | None:
    """As `read_address`; the home that XAD.7 speaks of is an extension."""
    result = read_address(c)
    if result and result.get("use") == "home":
        del result["use"]
        of_home = {"url": f"{_CORE}iso21090-AD-use", "valueCode": "HP"}
        result["extension"] = [*result.get("extension", ()), of_home]
    return result


@function(context=True, nulls=True, reads=("XTN",), pure=True)
def contact_point(ctx: Context, x: Any, use: str | None = None, home: bool = True) -> Any:
    """ContactPoint of each XTN: an e-mail address from XTN.4, and the number as written, else put together.

    Args:
        ctx: the run.
        x: the field.
        use: where XTN.2 states none (`home` for PID-13, `work` for PID-14).
        home: whether it may be of use `home`. An organization's may not (R4 org-3): a purpose says it instead.
    """
    return _dated(ctx, _flat(each(x, lambda c: _telecoms(c, use) if home else _telecoms_away(c, use))))


def _telecoms_away(c: Components, use: str | None) -> list[ContactPoint] | None:
    """As `_telecoms`; the residence that XTN.2 speaks of is a purpose."""
    points = _telecoms(c, use)
    for point in points or ():
        if point.get("use") == "home":
            del point["use"]
            code = (c.peek(2) or "").upper()
            concept = {"coding": [{"system": _TELECOM_USES, "code": code, "display": _OTHER_USES[code]}]}
            purpose = {"url": f"{_CORE}contactpoint-purpose", "valueCodeableConcept": concept}
            point["extension"] = [*point.get("extension", ()), purpose]
    return points


def _flat(result: Any) -> Any:
    """One list of what a reader gives in lists."""
    if result.__class__ is not list:
        return result
    values = [value for item in result for value in (item if item.__class__ is list else [item])]
    return values[0] if len(values) == 1 else values


FUNCTIONS: Final[Mapping[str, Callable[..., Any]]] = {
    "human_name": human_name,
    "name_text": name_text,
    "person_display": person_display,
    "address": address,
    "birth_address": birth_address,
    "contact_point": contact_point,
}
"""Functions that `hl7v2` adds to the expression language."""

"""Acknowledgments: the ACKs that answer a message (HL7 v2.5.1 §2.9, §2.13.1)."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final, Literal

__all__ = ["Code", "acknowledgments"]

Code = Literal["AA", "AE", "AR"]
"""Accepted; not accepted, as an error shows; not taken at all."""

_OF_HEADER = {"FB-HL7-022": ("MSH", "1", "10"), "FB-HL7-026": ("MSH", "1", "11")}
"""Issues of the header, and where it is wrong (ERR-2)."""
_CONDITIONS = {
    "FB-HL7-002": ("100", "Segment sequence error"),
    "FB-HL7-003": ("102", "Data type error"),
    "FB-HL7-004": ("103", "Table value not found"),
    "FB-HL7-020": ("100", "Segment sequence error"),
    "FB-HL7-021": ("100", "Segment sequence error"),
    "FB-HL7-022": ("101", "Required field missing"),
    "FB-HL7-026": ("202", "Unsupported processing id"),
}
"""Codes of table 0357; 207 for all others."""

_BLANK = b"\r\n\x00\x1a \t"
_MARK = b"\xef\xbb\xbf"
MOST_ERRORS = 10
_LENGTH: Final = 20
"""Of MSH-10 before v2.7."""
_TWO_PARTS = ("2.1", "2.2", "2.3")
"""Versions whose MSH-9 has no third component."""
_ONE_FIELD = (*_TWO_PARTS, "2.3.1", "2.4")
"""Versions whose ERR has one field, and that have the text for people in MSA-3."""


def acknowledgments(
    message: bytes, code: Code, key: int, errors: Sequence[tuple[str, str, str]] = (), *, kept: bool = True
) -> list[bytes]:
    """The ACKs of a message, in its own delimiters: one in original mode; in enhanced mode those that it asks for.

    In enhanced mode (MSH-15 or MSH-16 has a value) the first says whether the message is in safe storage, the second
    what became of it there.

    Args:
        message: what is answered, as it came; where it has no MSH, the answer names none.
        key: of the message among those that are kept, which the answers' MSH-10 begin with; 0 where it is not.
        errors: severity (`E`, `W`, `I`), code and text; of an accepted message those alone that are of its header.
        kept: whether the message is in safe storage.
    """
    header = _header(message)
    separator = header[3:4].decode("latin-1") if header else "|"
    fields = header.decode("latin-1").split(separator) if header else ["MSH", "^~\\&"]
    value = dict(enumerate(fields, start=1))
    accept, application = value.get(15, "").strip(), value.get(16, "").strip()
    if not (accept or application):
        return [_written(value, separator, code, key, errors)]
    stored: _Mode = "CA" if kept and code != "AR" else "CR" if code == "AR" else "CE"
    answers = []
    if _is_due(accept, failed=stored != "CA"):
        answers.append(_written(value, separator, stored, key, errors if stored != "CA" else ()))
    if stored == "CA" and _is_due(application, failed=code != "AA"):
        answers.append(_written(value, separator, code, key, errors))
    return answers


_Mode = Literal["AA", "AE", "AR", "CA", "CE", "CR"]


def _is_due(condition: str, *, failed: bool) -> bool:
    """Whether an ACK is wanted, by a code of table 0155; empty is never."""
    return {"AL": True, "ER": failed, "SU": not failed}.get(condition, False)


def _control_id(key: int) -> str:
    """MSH-10 of an answer, of 20 characters: of no other answer, whichever process sends it and however often it was
    begun; a message that is sent again gets another."""
    begin = f"FB{key}."
    return begin + base64.b32encode(secrets.token_bytes(15)).decode()[: max(_LENGTH - len(begin), 6)]


def _written(
    value: dict[int, str], separator: str, mode: _Mode, key: int, errors: Sequence[tuple[str, str, str]]
) -> bytes:
    characters = value.get(2, "") or "^~\\&"
    component = characters[0]
    event = value.get(9, "").split(component)
    trigger = event[1] if len(event) > 1 else ""
    version = (value.get(12, "") or "2.5.1").split(component)[0]
    structure = () if version in _TWO_PARTS else ("ACK",)
    kind = component.join(("ACK", trigger, *structure)) if trigger else "ACK"
    sent = datetime.now(UTC).strftime("%Y%m%d%H%M%S+0000")
    # Who received answers to who sent: the pairs change places.
    answer = [
        "MSH",
        characters,
        value.get(5, "") or "FHIR_BRIDGE",
        value.get(6, ""),
        value.get(3, ""),
        value.get(4, ""),
        sent,
        "",
        kind,
        _control_id(key),
        value.get(11, "") or "P",
        value.get(12, "") or "2.5.1",
    ]
    if charset := value.get(18, ""):
        answer += [""] * 5 + [charset]
    shown = [item for item in errors if item[1] in _OF_HEADER] if mode in ("AA", "CA") else errors
    result = ["MSA", mode, value.get(10, "")]
    if version not in _ONE_FIELD:
        lines = [_error(item, separator, characters) for item in shown[:MOST_ERRORS]]
    elif shown:
        result.append(_escaped(shown[0][2], separator, characters))
        repetition = characters[1:2] or "~"
        older = (_older_error(item, separator, characters) for item in shown[:MOST_ERRORS])
        lines = [separator.join(["ERR", repetition.join(older)])]
    else:
        lines = []
    lines = [separator.join(answer), separator.join(result), *lines]
    return ("\r".join(lines) + "\r").encode("latin-1", "replace")


def _header(message: bytes) -> bytes:
    """The MSH segment; empty where there is none."""
    start = message[:65536].lstrip(_BLANK).removeprefix(_MARK).lstrip(_BLANK)
    if start[:3] != b"MSH" or not start[3:4] or start[3:4].isalnum():
        return b""
    return start.replace(b"\n", b"\r").split(b"\r", 1)[0]


def _error(item: tuple[str, str, str], separator: str, characters: str) -> str:
    severity, code, text = item
    component = characters[0]
    number, name = _CONDITIONS.get(code, ("207", "Application internal error"))
    condition = component.join([number, name, "HL70357"])
    location = component.join(_OF_HEADER.get(code, ()))
    local = component.join([code, _escaped(text, separator, characters), "FHIR_BRIDGE"])
    return separator.join(
        ["ERR", "", location, condition, severity, local, "", "", _escaped(text, separator, characters)]
    )


def _older_error(item: tuple[str, str, str], separator: str, characters: str) -> str:
    """Place and code of an error as ERR-1 has them before v2.5; the code in subcomponents."""
    _, code, text = item
    component, subcomponent = characters[0], characters[3:4] or "&"
    number, name = _CONDITIONS.get(code, ("207", "Application internal error"))
    local = (code, _escaped(text, separator, characters), "FHIR_BRIDGE")
    location = _OF_HEADER.get(code, ("", "", ""))
    return component.join((*location, subcomponent.join((number, name, "HL70357", *local))))


def _escaped(text: str, separator: str, characters: str) -> str:
    """Text without line ends, its delimiters escaped (§2.7)."""
    used = characters + "^~\\&"[len(characters) :]
    escape = used[2]
    names = dict(zip((separator, *used[:4]), "FSRET", strict=True))
    plain = " ".join(text.split()).encode("ascii", "replace").decode("ascii")
    return "".join(f"{escape}{names[c]}{escape}" if c in names else c for c in plain)[:400]

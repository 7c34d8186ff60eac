"""Delimiters of a message (HL7 v2.5.1 §2.5.4) and its escape sequences (§2.7)."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from fhir_bridge.fhir.characters import NO_TEXT

__all__ = ["STANDARD", "UNDECLARED", "Delimiters", "escape", "illegible", "unescape", "unreadable_escapes"]

UNDECLARED = "\x00"
"""Stands for a delimiter that MSH-2 leaves out: a character that no decoded message holds."""


class Delimiters(NamedTuple):
    """The characters that MSH-1 and MSH-2 declare.

    `charset` is the Python name of the encoding in which the bytes of an escape `Xdd` are read.
    """

    field: str = "|"
    component: str = "^"
    repetition: str = "~"
    escape: str = "\\"
    subcomponent: str = "&"
    truncation: str = UNDECLARED
    charset: str = "utf-8"

    @classmethod
    def declared(cls, field: str, encoding_characters: str, charset: str = "utf-8") -> Delimiters:
        """Delimiters from MSH-1 and MSH-2.

        Raises:
            ValueError: there is no component separator, or two delimiters are the same character.
        """
        characters = encoding_characters.strip()
        if not characters:
            raise ValueError("MSH-2 is empty")
        if characters[2:4] == "\\\\":  # written by a program that escaped the backslash for its own source
            characters = characters[:3] + characters[4:]
        characters = characters[:5]
        if len({field, *characters}) != len(characters) + 1:
            raise ValueError("two delimiters in MSH-1 and MSH-2 are the same character")
        five = [*characters, *[UNDECLARED] * (5 - len(characters))]
        return cls(field, five[0], five[1], five[2], five[3], five[4], charset)


STANDARD = Delimiters()


def illegible(message: str) -> str:
    """The characters of a message that no text of FHIR holds, each once; its delimiters are none of them."""
    held = set(NO_TEXT.findall(message))
    if not held:
        return ""
    begin = message.find("MSH") + 3
    return "".join(sorted(held - (set(message[begin : begin + 5]) - {UNDECLARED})))


def unreadable_escapes(text: str, delimiters: Delimiters) -> list[str]:
    r"""The characters that escapes `\Xdd…\` give and no text of FHIR holds."""
    if f"{delimiters.escape}X" not in text:
        return []
    bodies = _hexadecimals(delimiters.escape).findall(text)
    decoded = (_decoded(body, delimiters.charset) for body in bodies)
    return [character for each in decoded if each for character in NO_TEXT.findall(each)]


@lru_cache(maxsize=64)
def _hexadecimals(mark: str) -> re.Pattern[str]:
    mark = re.escape(mark)
    return re.compile(f"{mark}X([0-9A-Fa-f ]+)(?={mark})")


@lru_cache(maxsize=64)
def _pattern(mark: str) -> re.Pattern[str]:
    mark = re.escape(mark)
    return re.compile(f"{mark}([^{mark}\r\n]+){mark}")


def unescape(text: str, delimiters: Delimiters) -> str:
    r"""The text with its escape sequences resolved.

    `\F\ \S\ \T\ \R\ \E\ \P\` give the delimiters, `\Xdd…\` the bytes in the message's character set, `\.br\`,
    `\.sp\` and `\.ce\` a line end; `\H\`, `\N\` and the other formatting commands give nothing. What is no
    escape sequence (and local `\Z…\`) is left as it is, so that nothing of the text is lost.
    """
    mark = delimiters.escape
    if mark not in text:
        return text
    pattern = _pattern(mark)
    out: list[str] = []
    position = 0
    while match := pattern.search(text, position):
        resolved = _resolve(match.group(1), delimiters)
        out.append(text[position : match.start()])
        if resolved is None:  # the mark opens nothing: it is text, and the next one may open an escape
            out.append(mark)
            position = match.start() + 1
        else:
            out.append(resolved)
            position = match.end()
    out.append(text[position:])
    return "".join(out)


def _resolve(body: str, delimiters: Delimiters) -> str | None:
    simple = {
        "F": delimiters.field,
        "S": delimiters.component,
        "T": "&" if delimiters.subcomponent == UNDECLARED else delimiters.subcomponent,
        "R": "~" if delimiters.repetition == UNDECLARED else delimiters.repetition,
        "E": delimiters.escape,
        "P": "#" if delimiters.truncation == UNDECLARED else delimiters.truncation,
        "H": "",
        "N": "",
    }.get(body)
    if simple is not None:
        return simple
    if body[0] == "X":
        return _hexadecimal(body[1:], delimiters.charset)
    if body[0] == ".":
        return _formatting(body[1:3].lower(), body[3:].strip().lstrip("+"))
    return None


def _decoded(digits: str, charset: str) -> str | None:
    try:
        return bytes.fromhex(digits).decode(charset)
    except (ValueError, UnicodeDecodeError):
        return None


def _hexadecimal(digits: str, charset: str) -> str | None:
    text = _decoded(digits, charset)
    return NO_TEXT.sub("", text.replace("\r\n", "\n").replace("\r", "\n")) if text else None


def _formatting(command: str, argument: str) -> str | None:
    """The formatting commands of §2.7.6: line ends stay, indents and fills go."""
    if command in ("br", "ce"):
        return "\n"
    if command == "sp":
        return "\n" * (min(int(argument), 50) if argument.isascii() and argument.isdecimal() else 1)
    if command == "sk":
        return " "
    return "" if command in ("fi", "nf", "in", "ti") else None


def escape(text: str, delimiters: Delimiters = STANDARD) -> str:
    r"""The text as it may be in a field: delimiters escaped, a line end as `\.br\`."""
    mark = delimiters.escape
    table = {
        mark: "E",
        delimiters.field: "F",
        delimiters.component: "S",
        delimiters.repetition: "R",
        delimiters.subcomponent: "T",
        delimiters.truncation: "P",
        "\n": ".br",
    }
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    return "".join(f"{mark}{table[c]}{mark}" if c in table else c for c in lines)

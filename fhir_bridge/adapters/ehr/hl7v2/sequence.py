"""Which of two messages of one business time is the later one: MSH-7, then MSH-13, then MSH-10."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo

__all__ = ["sequence"]

_LENGTH = 8
"""Figures of the length that goes before digits: no field of a message has more digits than it can count."""


def sequence(sent: datetime | None, number: str | None, control_id: str | None, zone: tzinfo | None) -> str:
    """Text that sorts by code point as the messages follow on each other.

    A missing part sorts first. Digits compare by value and before text, which compares by its UTF-8 bytes.

    Args:
        sent: MSH-7. Without offset it is a time of `zone`; without that, of UTC.
        number: MSH-13, the sequence number.
        control_id: MSH-10.
        zone: the site's.
    """
    return f"{_time(sent, zone)} {_text(number)} {_text(control_id)}"


def _time(sent: datetime | None, zone: tzinfo | None) -> str:
    if sent is None:
        return "0"
    try:
        moment = (sent if sent.tzinfo else sent.replace(tzinfo=zone or UTC)).astimezone(UTC)
    except OverflowError:  # the first or last hours of the calendar
        moment = sent
    text = moment.isoformat(timespec="microseconds")[:26]
    return f"1{text[:4]}{text[5:7]}{text[8:10]}{text[11:13]}{text[14:16]}{text[17:19]}{text[20:]}"


def _text(text: str | None) -> str:
    """A part so that parts of any length, joined by spaces, sort by the first that differs."""
    text = (text or "").strip()
    if not text:
        return "0"
    if text.isascii() and text.isdigit():
        digits = text.lstrip("0")
        return f"1{len(digits):0{_LENGTH}}{digits}"
    return f"2{text.encode('utf-8', 'surrogatepass').hex()}"

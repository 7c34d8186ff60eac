"""Canonicals with versions, and which of several versions is the newest."""

from __future__ import annotations

import re
from collections.abc import Iterable

__all__ = ["named", "newest", "split", "version_key"]

_PART = re.compile(r"\d+|[A-Za-z]+")
MAX_PARTS = 12


def split(canonical: str) -> tuple[str, str]:
    """A canonical as its url and its version, which is empty where it names none; a fragment is left aside."""
    url, _, version = canonical.partition("|")
    return url.partition("#")[0], version.partition("#")[0]


def version_key(version: str) -> tuple[tuple[int, int, str], ...]:
    """A key to sort versions by: numbers by value, and a release before it is released (`-ballot`) below itself.

    Versions that are no semantic versions (a date, a letter) sort by the same rule, so that the order is total.
    """
    # Semantic Versioning §10: what is behind `+` has no part in the order.
    release, dash, label = version.partition("+")[0].partition("-")
    parts = [_part(p) for p in _PART.findall(release)[:MAX_PARTS]]
    if dash:
        parts.append((-1, 0, ""))
        parts += [_part(p) for p in _PART.findall(label)[:MAX_PARTS]]
    else:
        parts.append((0, 0, ""))
    return tuple(parts)


def _part(text: str) -> tuple[int, int, str]:
    # Versions are foreign text, and int() refuses thousands of digits.
    return (1, int(text[:18]), "") if text.isdigit() else (0, 0, text)


def newest(versions: Iterable[str]) -> str:
    """The newest of some versions.

    Raises:
        ValueError: there is none.
    """
    return max(versions, key=version_key)


def named(version: str, known: Iterable[str]) -> str | None:
    """The version that a canonical names: this one, else the newest that it is the beginning of (`0.2` of `0.2.1`)."""
    results = [item for item in known if item == version or item.startswith(version + ".")]
    return version if version in results else newest(results) if results else None

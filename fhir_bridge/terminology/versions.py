"""Versions of code systems and value sets: which is newer, and which suits a pattern such as `1.0.x`."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

__all__ = ["fitting", "matches", "newest", "order", "split_canonical", "year_first"]

_PARTS = re.compile(r"\d+|[^\d.\-+_/\s]+")
_MONTH_FIRST = re.compile(r"((?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01]))((?:19|20)[0-9]{2})")


def split_canonical(canonical: str) -> tuple[str, str | None]:
    """`url|version` as (url, version); no version is None."""
    url, bar, version = canonical.partition("|")
    return url, (version or None) if bar else None


def year_first(version: str) -> str:
    """A version that is a day as `MMDDYYYY`, as RxNorm states its releases, as `YYYYMMDD`; others as they are."""
    return _MONTH_FIRST.sub(r"\2\1", version) if _MONTH_FIRST.fullmatch(version) else version


def order(version: str) -> tuple[tuple[int, int, str], ...]:
    """A key that sorts versions: numbers by value (1.10 after 1.9), dates too, a pre-release before its release."""
    key = [
        (1, int(part), "") if part.isdigit() else (0, 0, part.casefold())
        for part in _PARTS.findall(year_first(version))
    ]
    if not any(kind == 0 for kind, _, _ in key):
        key.append((0, 0, "~"))  # after any word: 1.0.0-beta < 1.0.0
    return tuple(key)


def newest(versions: Iterable[str]) -> str | None:
    """The newest; None of none."""
    return max(versions, key=order, default=None)


def fitting(pattern: str, versions: Collection[str]) -> str | None:
    """The version that is the pattern itself, else the newest that suits it; None where none does."""
    return (
        pattern
        if pattern in versions
        else newest(version for version in versions if matches(pattern, version))
    )


def matches(pattern: str, version: str) -> bool:
    """Whether a version suits a pattern.

    A pattern is a version, one with a wild card for a part (`1.x`, `1.0.*`), one with `?` at its end for "or any that
    begins so", or a SNOMED CT edition (`http://snomed.info/sct/900000000000207008`), which suits each of its versions.
    """
    if pattern == version:
        return True
    if pattern.startswith("http://snomed.info/"):
        return version.startswith(pattern.rstrip("/") + "/version/")
    if pattern.endswith("?"):
        stem = pattern[:-1]
        return version == stem or version.startswith(stem + ".")
    wanted, parts = pattern.split("."), version.split(".")
    if not any(part in ("x", "X", "*") for part in wanted):
        return False
    if len(parts) < len(wanted) and wanted[-1] != "*":
        return False
    return len(parts) <= max(len(wanted), 3) and all(
        want in ("x", "X", "*") or want == part for want, part in zip(wanted, parts, strict=False)
    )

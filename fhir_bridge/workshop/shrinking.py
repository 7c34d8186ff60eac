"""The smallest scrubbed input that still gives an issue: of messages, tables, variant files."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fhir_bridge.mapping import CompiledMapping, Site
from fhir_bridge.workshop.reducing import smallest
from fhir_bridge.workshop.scrubbing import Scrubber
from fhir_bridge.workshop.source_forms import SourceForm, form_of
from fhir_bridge.workshop.trial import try_mapping

__all__ = ["NotShown", "Shrunk", "Signs", "shrink"]

_DRAWS = 12


class NotShown(ValueError):
    """The input does not give what is looked for."""


@dataclass(frozen=True, slots=True)
class Signs:
    """What a reduced input must still show.

    Attributes:
        code: an issue code that a run with the mapping reports; empty for none.
        other: another mapping whose output must differ; None for none.
    """

    code: str = ""
    other: CompiledMapping | None = None


@dataclass(slots=True)
class Shrunk:
    """A result.

    Attributes:
        text: the smallest scrubbed input.
        kept: places whose value could not be replaced, since it is what the issue is about; they are left out of the
            text unless allowed, and then `text` is empty.
    """

    text: bytes = b""
    kept: list[str] = field(default_factory=list)
    runs: int = 0


def shrink(
    source: Path,
    mapping: CompiledMapping,
    signs: Signs,
    *,
    site: Site | None = None,
    keep: frozenset[str] = frozenset(),
    seed: int = 1,
    advance: Callable[[str], None] = lambda _: None,
) -> Shrunk:
    """Reduce an input, then replace what it says of patients.

    Args:
        keep: places (`OBX-5`, a column) whose values may stay.

    Raises:
        NotShown: the whole input does not show it.
        OSError: the input can't be read.
    """
    form = form_of(source, mapping.adapter)
    result = Shrunk()
    suffix = ".vcf" if mapping.adapter == "vcf" else source.suffix  # what is packed is not packed again

    def shows(text: bytes) -> bool:
        result.runs += 1
        advance(f"{len(text):,} bytes")
        return _shows(text, suffix, mapping, signs, site)

    if not shows(form.text()):
        raise NotShown(f"{source.name} does not give {signs.code or 'a difference'}")
    _reduce(form, shows)
    _scrub(form, shows, keep, seed, result, _names_of(site))
    if not result.kept:
        result.text = form.text()
    return result


def _reduce(form: SourceForm[Any], shows: Callable[[bytes], bool]) -> None:
    """Leave out records, then lines, then fields, until none can go."""
    for level in range(form.levels):
        pieces = form.pieces(level)
        form.keep(level, smallest(pieces, lambda some, level=level: shows(form.text_of(level, some))))  # type: ignore[misc]


def _names_of(site: Site | None) -> frozenset[str]:
    """Names of assigning authorities and code systems that the site file lists: they are of no patient."""
    if site is None:
        return frozenset()
    return frozenset((*(site.identity.authorities if site.identity else ()), *site.schemes))


def _scrub(
    form: SourceForm[Any],
    shows: Callable[[bytes], bool],
    keep: frozenset[str],
    seed: int,
    result: Shrunk,
    names: frozenset[str],
) -> None:
    """Replace all values at once where the issue allows it; else value by value, and what resists is reported."""
    scrubber = Scrubber(seed)
    values = {value: place for place, value in form.values() if place not in keep and value not in names}
    for _ in range(3):
        replacements = {value: scrubber.replace(value) for value in values}
        if shows(form.replaced(replacements)):
            form.replace(replacements)
            return
        for value in values:
            scrubber.again(value)
    done: dict[str, str] = {}
    for value, place in values.items():
        for _ in range(_DRAWS):
            replacements = {**done, value: scrubber.replace(value)}
            if shows(form.replaced(replacements)):
                done = replacements
                break
            scrubber.again(value)
        else:
            result.kept.append(place)
    form.replace(done)


def _shows(text: bytes, suffix: str, mapping: CompiledMapping, signs: Signs, site: Site | None) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"sample{suffix}"
        file.write_bytes(text)
        trial = try_mapping(mapping, [file], site)
        if signs.code:
            return any(code == signs.code for _, code, _ in trial.account.issues)
        assert signs.other is not None
        return trial.resources != try_mapping(signs.other, [file], site).resources

"""A region of the genome as SVG: the gene, its variants, each a link to its row, and what was called of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from markupsafe import Markup, escape

from fhir_bridge.adapters.genomics.query import Interval
from fhir_bridge.server.pages.regions import Mark, Region

__all__ = ["draw", "words_of"]

_WIDTH: Final = 640.0
_HEIGHT: Final = 108.0
_LEFT: Final = 12.0
_RIGHT: Final = 12.0
_GENE: Final = 46.0
_COVERAGE: Final = 66.0
_AXIS: Final = 84.0
_RANKS: Final = 3


def words_of(region: Region) -> str:
    """What the drawing shows, for who can't see it."""
    count = len(region.marks)
    text = (
        f"{region.gene}, chromosome {region.chromosome} ({region.build}), bases {region.first:,} to {region.last:,}: "
        f"{count} variant{'' if count == 1 else 's'}"
    )
    if region.called is None:
        text += "; what was called of it is not stated as regions"
    else:
        text += f"; {_share(region.called, region)} of it called"
    if region.uncalled:
        text += f", {_share(region.uncalled, region)} could not be called"
    return text


def _share(parts: Sequence[Interval], region: Region) -> str:
    bases = sum(part.end - part.start for part in parts)
    return f"{100 * bases / (region.last - region.first + 1):.0f} %"


def draw(region: Region) -> Markup:
    """The drawing. A mark is a shape as well as a colour: reportable variants are squares, others circles."""
    parts = [
        f'<svg class="region" viewBox="0 0 {_WIDTH:g} {_HEIGHT:g}" role="group" '
        f'aria-label="{escape(words_of(region))}">',
        f'<rect class="gene" x="{_LEFT:g}" y="{_GENE - 5:g}" width="{_WIDTH - _LEFT - _RIGHT:g}" height="10"/>',
        f'<text x="{_LEFT:g}" y="12">{escape(region.gene)}</text>',
        *(_bar(part, region, "called", "called") for part in region.called or ()),
        *(_bar(part, region, "uncalled", "could not be called") for part in region.uncalled or ()),
    ]
    if region.called is None:
        parts.append(f'<text x="{_LEFT:g}" y="{_COVERAGE + 6:g}">coverage not stated</text>')
    parts += [
        f'<path class="axis" d="M{_LEFT:g} {_AXIS:g}H{_WIDTH - _RIGHT:g}"/>',
        f'<text x="{_LEFT:g}" y="{_HEIGHT - 8:g}">{escape(region.chromosome)}:{region.first:,}</text>',
        f'<text class="end" x="{_WIDTH - _RIGHT:g}" y="{_HEIGHT - 8:g}">{region.last:,}</text>',
        *(_mark(mark, region) for mark in region.marks),
        "</svg>",
    ]
    return Markup("".join(parts))  # noqa: S704 - every text from a record went through escape


def _x(position: int, region: Region) -> float:
    share = (position - region.first) / max(1, region.last - region.first)
    return _LEFT + (_WIDTH - _LEFT - _RIGHT) * min(1.0, max(0.0, share))


def _bar(part: Interval, region: Region, style: str, word: str) -> str:
    start, end = _x(part.start + 1, region), _x(part.end, region)
    width = max(1.0, end - start)
    shape = f'<rect class="{style}" x="{start:.1f}" y="{_COVERAGE - 4:g}" width="{width:.1f}" height="8">'
    return f"{shape}<title>{part.start + 1:,} to {part.end:,} {word}</title></rect>"


def _mark(mark: Mark, region: Region) -> str:
    start, end = _x(mark.first, region), _x(mark.last, region)
    middle, title = (start + end) / 2, f"<title>{escape(mark.words)}</title>"
    reportable = mark.rank < _RANKS
    lines = f'<path class="stem" d="M{middle:.1f} 30V{_GENE - 5:g}"/>'
    if end - start > 2:
        lines += (
            f'<rect class="extent" x="{start:.1f}" y="{_GENE - 5:g}" width="{end - start:.1f}" height="10"/>'
        )
    if reportable:
        shape = f'<rect class="rank-{mark.rank}" x="{middle - 4.5:.1f}" y="20" width="9" height="9">{title}</rect>'
    else:
        shape = f'<circle class="other" cx="{middle:.1f}" cy="25" r="4">{title}</circle>'
    return f'<a href="#Observation-{escape(mark.id)}" aria-label="{escape(mark.words)}">{lines}{shape}</a>'

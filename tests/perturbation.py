"""Another plausible value in one place of a source: whether the output changes, a report says so, or neither.

Ids, where a resource came from, and narrative say nothing by themselves and don't count as output.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

from fhir_bridge.fhir.canonical import SOURCE_EXTENSION
from fhir_bridge.fhir.ids import DEMO_KEY, IdKey
from fhir_bridge.mapping import Context, IdentityResolver, Site, load_mapping
from fhir_bridge.plugins import adapters
from fhir_bridge.terminology import get_terminology

__all__ = ["SITE", "Outcome", "Tally", "compiled", "convert", "other_text", "shown"]

SITE: Final = Site(site="test", zone="Europe/Rome", demo_key=True)


@dataclass
class Outcome:
    """What a mapping made of sources."""

    resources: list[dict[str, Any]] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    rejected: int = 0


@cache
def compiled(mapping: str) -> Any:
    """A mapping, shipped or a file's, compiled once."""
    return load_mapping(mapping, adapters=adapters())


def convert(mapping: str, paths: Sequence[Path], site: Site = SITE) -> Outcome:
    """Read and convert sources as a run does, up to the sink."""
    loaded = compiled(mapping)
    options = dict(loaded.source_options)
    context = Context(site, get_terminology(), IdentityResolver(site, IdKey(DEMO_KEY)), loaded.adapter)
    reading: Any = SimpleNamespace(options=options, site=site, selectors=loaded.selectors)
    outcome = Outcome()
    for record in adapters()[loaded.adapter].read(list(paths), reading):
        if record.outcome == "read":
            conversion = loaded.convert(record, context)
            outcome.messages += [issue.message for issue in conversion.issues]
            outcome.resources += [output.resource for output in conversion.outputs]
            outcome.rejected += conversion.outcome == "rejected"
        outcome.rejected += record.outcome == "rejected"
        outcome.messages += [issue.message for issue in record.issues]
    return outcome


_HASH: Final = re.compile(r"\b[0-9a-f]{32}\b")
_OWN: Final = frozenset(("id", "div", "source", "lastUpdated"))


def shown(resources: Iterable[dict[str, Any]], *, links: bool = True) -> str:
    """The output without what says nothing by itself; `links`: with what a resource refers to."""
    left_out = _OWN if links else _OWN | {"reference"}

    def plain(part: Any) -> Any:
        if isinstance(part, dict):
            if part.get("url") == SOURCE_EXTENSION:
                return None
            return {key: plain(value) for key, value in part.items() if key not in left_out}
        return [plain(item) for item in part] if isinstance(part, list) else _HASH.sub("", str(part))

    return json.dumps(sorted(json.dumps(plain(resource), sort_keys=True) for resource in resources))


_TIME: Final = re.compile(
    r"(19|20)\d{2}((0[1-9]|1[0-2])((0[1-9]|[12]\d|3[01])(\d{2,6}(\.\d+)?)?)?)?([+-]\d{4})?"
)


def other_text(text: str) -> str:
    """Another value of the same kind: another day, other digits, another word."""
    if len(text) >= 8 and _TIME.fullmatch(text):
        if text[6:8] == "31":
            return text[:6] + "12" + text[8:]
        return text[:7] + ("2" if text[7] != "2" else "3") + text[8:]
    digits = list(re.finditer(r"\d", text))
    if digits and not re.search("[A-Za-z]{3}", text):
        at = digits[-1].start()
        return text[:at] + str((int(text[at]) + 1) % 10 or 1) + text[at + 1 :]
    letters = list(re.finditer(r"[A-Za-z]", text))
    if letters:
        at = letters[-1].start() if len(text) > 1 else 0
        new = "aeiou"[("aeiou".find(text[at].lower()) + 1) % 5]
        return text[:at] + (new.upper() if text[at].isupper() else new) + text[at + 1 :]
    return text + "x"


@dataclass
class Tally:
    """How many places changed the output, are reported, or neither.

    Attributes:
        reported, silent: how often, by the name of the place.
    """

    counts: Counter[str] = field(default_factory=Counter)
    reported: Counter[str] = field(default_factory=Counter)
    silent: Counter[str] = field(default_factory=Counter)

    def add(self, place: str, *, changed: bool, reported: bool) -> None:
        """Count a place."""
        if changed:
            self.counts["changed"] += 1
        elif reported:
            self.counts["reported"] += 1
            self.reported[place] += 1
        else:
            self.counts["silent"] += 1
            self.silent[place] += 1

    def compare(
        self, place: str, before: Outcome, after: Outcome, names: Callable[[str], bool], *, links: bool = True
    ) -> None:
        """Count a place by the outcomes with one value and with another; `names`: whether a message reports it."""
        changed = shown(before.resources, links=links) != shown(after.resources, links=links)
        fresh = Counter(after.messages) - Counter(before.messages)
        reported = (
            after.rejected > before.rejected
            or bool(fresh)
            or any(map(names, before.messages))
            or any(map(names, after.messages))
        )
        self.add(place, changed=changed and after.rejected <= before.rejected, reported=reported)

    @property
    def total(self) -> int:
        """All places."""
        return self.counts.total()

    def share(self, outcome: str) -> float:
        """Of all places, the part with an outcome."""
        return self.counts[outcome] / max(self.total, 1)

    def __str__(self) -> str:
        parts = [f"{outcome} {self.share(outcome):.2%}" for outcome in ("changed", "reported", "silent")]
        return f"{self.total} places: {', '.join(parts)}"

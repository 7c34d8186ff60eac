"""What a message says of a resource: who says it, when, and of which elements. No database here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, lru_cache
from typing import Any
from uuid import UUID

from fhir_bridge.fhir import definitions
from fhir_bridge.fhir.canonical import ASSUMED, MOVED_FROM, SOURCE_EXTENSION
from fhir_bridge.fhir.search.values import date_range
from fhir_bridge.storage.errors import BadResource
from fhir_bridge.storage.stored import canonical, digest

__all__ = [
    "JOINED",
    "PASSING",
    "REST",
    "STATUS_RANK",
    "Contribution",
    "Order",
    "element_of",
    "incoming",
    "version_order",
]

REST = "urn:fhir-bridge:rest"
"""The source of what was written over REST to a resource that other sources also write. Its elements win."""

PASSING = "#passing"
"""Ends the name of the source of what records tell in passing."""

JOINED = "joined."
"""How the element id of a reference begins that no source states: numbers in common give it. It goes with them."""

# The statuses of all types in one list: those of one type keep their order, and messages
# of two types are never compared.
_ORDER = "registered draft planned requested partial preliminary active in-progress available completed finished final "
STATUS_RANK = {
    status: rank
    for rank, status in enumerate(
        (_ORDER + "amended corrected appended cancelled entered-in-error").split(),
        1,
    )
}
"""Which of two messages of the same time is the later, by status."""

_NEVER = datetime.min.replace(tzinfo=UTC)  # sorts before every business time

Order = tuple[datetime, int, str, str, int, bytes]
"""The order of a source's messages: business time, arrival (where messages have no time), the source's own sequence,
mapping version, status rank. The hash makes it total; two messages that differ in nothing else are a conflict."""


@dataclass(frozen=True, slots=True)
class Contribution:
    """A message of a source, or all its messages so far.

    Attributes:
        time: business time; None where the source gives none.
        arrival: counts messages without time, which go by arrival.
        sequence: order among messages of one business time, as bytes compare (HL7 v2: MSH-7, MSH-13, MSH-10).
        mapping: version of the mapping that made the last message, as `version_order` writes it.
        hash: of the last message; with the source it names it.
        load: the load that brought the last message.
        resource: the elements, without meta.versionId, lastUpdated, and the instructions of a delta.
        orders: element to order, where elements are of different messages; "" is the newest snapshot. A cleared element
            has an order and no value.
        delta: whether the message speaks only of what it holds and clears.
        cleared: elements that the message takes away.
        joined: the message holds all the references that numbers in common give (`JOINED`), and speaks of nothing else.
        assumed: elements that the message holds and does not state.
        moved_from: ids of the Patients whose it was before this message, which says that it is another's from then on.
        nul: whether a text of the message may hold the character NUL.
    """

    source: str
    time: datetime | None
    arrival: int
    rank: int
    hash: bytes
    resource: dict[str, Any]
    load: UUID | None = None
    orders: Mapping[str, Order] | None = None
    delta: bool = False
    cleared: tuple[str, ...] = ()
    sequence: str = ""
    mapping: str = ""
    joined: bool = False
    assumed: frozenset[str] = frozenset()
    moved_from: frozenset[str] = frozenset()
    nul: bool = False

    @property
    def order(self) -> Order:
        """The place of the (last) message among the source's messages."""
        return (self.time or _NEVER, self.arrival, self.sequence, self.mapping, self.rank, self.hash)

    @property
    def passing(self) -> bool:
        """Whether it is said in passing."""
        return self.source.endswith(PASSING)

    @property
    def adapter(self) -> str:
        """The adapter in `urn:fhir-bridge:<adapter>:<source name>`; the whole source where it has another form."""
        parts = self.source.removesuffix(PASSING).split(":", 3)
        return parts[2] if self.source.startswith("urn:fhir-bridge:") and len(parts) > 2 else self.source


@lru_cache(256)
def version_order(version: str) -> str:
    """A mapping's version as text whose bytes compare as versions do: 1.9 < 1.10, 2.0-rc1 < 2.0."""
    if not version:
        return ""
    # Numbers are padded. A blank sorts before "-", and "-" before ".": 2.0-rc1 < 2.0 < 2.0.1.
    return re.sub(r"\d+", lambda result: result.group().zfill(8), version).replace("-", " ") + "-"


def incoming(
    resource: dict[str, Any], adapter: str, load: UUID | None = None, *, mapping: str = "", arrival: int = 0
) -> Contribution:
    """Read a converted resource: who says it, when, and whether it is a snapshot or a delta.

    Args:
        adapter: names the source of a resource that names none itself.
        mapping: version of the mapping that made it.
        arrival: of a message without time that arrived before.

    Raises:
        BadResource: the source-record extension can't be read.
    """
    meta = resource.get("meta")
    meta = dict(meta) if isinstance(meta, dict) else {}
    # The server's stamp is no content: with it nothing that comes again would be recognised.
    meta.pop("versionId", None)
    meta.pop("lastUpdated", None)
    source = meta.get("source")
    if not isinstance(source, str) or not source:
        source = f"urn:fhir-bridge:{adapter}"
    time, sequence, update, cleared, kept = _source_record(meta.get("extension"))
    # Hashed with the source-record extension: the same content at another time is another message.
    content = {name: value for name, value in resource.items() if name != "meta"}
    whole = {**content, "meta": meta} if meta else content
    text = canonical(whole)
    if kept:
        meta["extension"] = kept
    else:
        meta.pop("extension", None)
    if meta:
        content["meta"] = meta
    status = resource.get("status")
    rank = STATUS_RANK.get(status, 0) if isinstance(status, str) else 0
    # Messages with time go by it, and never by arrival: their order must not depend on when they were sent.
    at = arrival if time is None else 0
    version = version_order(mapping)
    delta = update in ("delta", "joined", "passing")
    return Contribution(
        source + PASSING if update == "passing" else source,
        time,
        at,
        rank,
        digest(text),
        content,
        load,
        None,
        delta,
        cleared,
        sequence,
        version,
        update == "joined",
        _without_marks(content) if delta else frozenset(),
        _without_move(content) if delta else frozenset(),
        # As JSON, NUL is an escape: to look for it there takes a fraction of a look at each text.
        b"\\u0000" in text,
    )


def _without_move(content: dict[str, Any]) -> frozenset[str]:
    """Take off whose a resource was before; gives their ids. `content` is changed, its members are not."""
    extensions = content.get("extension")
    stated: list[Any] = extensions if isinstance(extensions, list) else []
    moves = [item for item in stated if item.get("url") == MOVED_FROM]
    if not moves:
        return frozenset()
    content["extension"] = [item for item in stated if item.get("url") != MOVED_FROM]
    if not content["extension"]:
        del content["extension"]
    references = (str((item.get("valueReference") or {}).get("reference")) for item in moves)
    return frozenset(name.removeprefix("Patient/") for name in references if name.startswith("Patient/"))


def _without_marks(content: dict[str, Any]) -> frozenset[str]:
    """Take the marks off what a message assumes; gives these elements. `content` is changed, its members are not."""
    assumed = set()
    for name, value in list(content.items()):
        first = value[0] if isinstance(value, list) and value else value
        marks = first.get("extension") if isinstance(first, dict) and name != "meta" else None
        if not isinstance(marks, list) or not any(mark.get("url") == ASSUMED for mark in marks):
            continue
        assumed.add(element_of(content["resourceType"], name))
        others = [mark for mark in marks if mark.get("url") != ASSUMED]
        kept = {key: item for key, item in first.items() if key != "extension"}
        kept |= {"extension": others} if others else {}
        if isinstance(value, list):
            content[name] = [kept, *value[1:]]
        elif kept:
            content[name] = kept
        else:
            del content[name]
    return frozenset(assumed)


def _source_record(
    extensions: Any,
) -> tuple[datetime | None, str, str, tuple[str, ...], list[Any]]:
    """Business time, sequence, kind of update, cleared elements, and the extensions to keep (without instructions)."""
    time: datetime | None = None
    sequence = ""
    update = ""
    cleared: list[str] = []
    kept: list[Any] = []
    for extension in extensions if isinstance(extensions, list) else ():
        if not isinstance(extension, dict) or extension.get("url") != SOURCE_EXTENSION:
            kept.append(extension)
            continue
        parts = []
        for part in extension.get("extension") or ():
            match part.get("url"):
                case "time":
                    text = part.get("valueDateTime") or part.get("valueString")
                    try:
                        # Of a time that is less exact than an instant its beginning counts.
                        time = date_range(text)[0]
                    except (TypeError, ValueError) as error:
                        raise BadResource("meta.extension(source-record).time is not a dateTime") from error
                    parts.append(part)
                case "sequence":
                    sequence = str(part.get("valueString") or "")
                    parts.append(part)
                case "update":
                    # Instructions of a delta speak of this message alone; they are carried out,
                    # and not part of what is stored.
                    update = str(part.get("valueCode"))
                case "cleared":
                    cleared.append(str(part.get("valueString")))
                case _:
                    parts.append(part)
        if parts:
            kept.append({**extension, "extension": parts})
    return time, sequence, update, tuple(cleared), kept


@cache
def _groups(resource_type: str) -> dict[str, str]:
    """JSON name to element, for choices: `valueQuantity` and `valueString` are one element, `value[x]`."""
    definition = definitions.find_type(resource_type)
    return {
        name: element.name
        for element in (definition.children(resource_type) if definition else ())
        if element.is_choice
        for name in (*element.json_names, element.name, element.name.removesuffix("[x]"))
    }


def element_of(resource_type: str, name: str) -> str:
    """The element that a JSON name (perhaps of a primitive's extension, `_birthDate`) belongs to."""
    bare = name.removeprefix("_")
    # `_birthDate` belongs to birthDate: value and extension of one primitive have one owner.
    return _groups(resource_type).get(bare, bare)

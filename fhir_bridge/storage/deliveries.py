"""Deliveries: files that say all of something, of which the newest counts (docs/decisions/0006-deliveries.md).

A VCF says all variants of a sample that it looked for. What it says of one sample of one patient is an edition of a
series. A newer edition replaces an older one whole where both files have one name, or the newer has lines for at least
half of what the older has lines for; else only at the places that it has lines for itself. Which outputs count is a
function of the deliveries that are stored, and of no order of arrival.
"""

# ruff: noqa: S608 - the parts of statements are our own

from __future__ import annotations

from array import array
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from psycopg import AsyncConnection

from fhir_bridge.fhir.issues import Issue
from fhir_bridge.storage.issues import CODES

__all__ = [
    "Delivery",
    "Edition",
    "Standing",
    "end_delivery",
    "lock_series",
    "mark",
    "misplaced",
    "note_places",
    "register",
    "standing",
    "superseded",
    "unknown_places",
]

# Places of one statement: the file of a genome has millions, and one list of all
# would be in memory several times.
_PIECE = 50_000


@dataclass(slots=True)
class Delivery:
    """A file on its way into the store.

    Attributes:
        id: hash of its content, whatever it is called.
        name: what it is called; empty for a stream.
        within: what two files must have in common to speak of the same (the genome build).
        time: business time; naive where the source gives no zone, and taken as UTC to be compared.
        complete: all of it could be read and written.
        places: what its lines speak of.
        replaces: names of others that it says it replaces.
        whole: the part that it speaks of whole, for each patient of its resources, also where it says nothing of it.
        editions: numbers of the series that it has given something for, by (part, patient).
    """

    adapter: str
    id: str
    name: str
    within: str
    time: datetime | None
    complete: bool = True
    places: array[int] = field(default_factory=lambda: array("q"))
    editions: dict[tuple[str, str], int] = field(default_factory=dict)
    replaces: Sequence[str] = ()
    whole: str = ""


@dataclass(frozen=True, slots=True)
class Edition:
    """An active edition of a series, with its delivery."""

    key: int
    delivery: int
    names: frozenset[str]
    time: datetime | None
    complete: bool

    def newer(self, other: Edition) -> bool:
        """Whether its business time is later; one without time is older than all."""
        return self.time is not None and (other.time is None or self.time > other.time)


@dataclass(slots=True)
class Standing:
    """How the editions of a series are to each other.

    Attributes:
        replaced: editions of which nothing counts.
        beside: (edition, delivery): the newer delivery counts where it has lines.
    """

    replaced: set[int] = field(default_factory=set)
    beside: list[tuple[int, int]] = field(default_factory=list)


async def register(
    connection: AsyncConnection, delivery: Delivery, wanted: Collection[tuple[str, str]]
) -> None:
    """Enter the delivery and editions of these (part, patient), in autocommit so that nobody waits for a batch."""
    # In one order, so that two loads of one file enter its editions without waiting for each other crosswise.
    new = sorted(set(wanted) - delivery.editions.keys())
    if not new:
        return
    # DO UPDATE, where nothing else changes too: DO NOTHING would return no key of a row that is there. A file
    # that is loaded under another name keeps both: either may be the one that a newer file repeats.
    row = await (
        await connection.execute(
            "INSERT INTO delivery AS d (adapter, id, names, time) VALUES (%s, %s, %s::text[], %s) "
            "ON CONFLICT (adapter, id) DO UPDATE SET time = excluded.time, names = CASE WHEN d.names @> excluded.names "
            "THEN d.names ELSE d.names || excluded.names END RETURNING key",
            (delivery.adapter, delivery.id, _names(delivery), _aware(delivery.time)),
        )
    ).fetchone()
    assert row is not None
    series = [_series(delivery, part, patient) for part, patient in new]
    await connection.execute(
        "INSERT INTO edition (series, delivery) SELECT s, %s FROM unnest(%s::text[]) s ON CONFLICT DO NOTHING",
        (row[0], series),
    )
    rows = await connection.execute(
        "SELECT series, key FROM edition WHERE delivery = %s AND series = ANY(%s)", (row[0], series)
    )
    keys: dict[str, int] = {name: key for name, key in await rows.fetchall()}  # noqa: C416 - typed
    delivery.editions.update((pair, keys[name]) for pair, name in zip(new, series, strict=True))


async def end_delivery(connection: AsyncConnection, delivery: Delivery) -> tuple[int, list[str]]:
    """Note that a delivery was read to its end; gives its key, and the series of which it is not the only edition."""
    row = await (
        await connection.execute(
            "UPDATE delivery SET ended = true, complete = %s WHERE adapter = %s AND id = %s RETURNING key",
            (delivery.complete, delivery.adapter, delivery.id),
        )
    ).fetchone()
    if row is None:  # it gave nothing for any patient
        return 0, []
    await note_places(connection, row[0], delivery.places)
    # What the file gave a patient before, and gives no more (a corrected
    # crosswalk), stops replacing older files.
    await connection.execute(
        "UPDATE edition SET active = (key = ANY(%s)) WHERE delivery = %s AND active <> (key = ANY(%s))",
        (list(delivery.editions.values()), row[0], list(delivery.editions.values())),
    )
    rows = await connection.execute(
        "SELECT series FROM edition WHERE series IN (SELECT series FROM edition WHERE delivery = %s) "
        "GROUP BY series HAVING count(*) > 1 ORDER BY series",
        (row[0],),
    )
    return row[0], [series for (series,) in await rows.fetchall()]


async def unknown_places(connection: AsyncConnection, newer: int) -> array[int]:
    """Places of older deliveries, sorted, that are not noted of a newer one of which only some are (a kept file)."""
    rows = await connection.execute(
        "SELECT DISTINCT p.place FROM edition e JOIN delivery n ON n.key = e.delivery "
        "JOIN edition f ON f.series = e.series AND f.active "
        "JOIN delivery o ON o.key = f.delivery AND o.ended AND n.time > coalesce(o.time, '-infinity') "
        "JOIN delivery_place p ON p.delivery = o.key WHERE e.delivery = %s AND e.active AND NOT EXISTS "
        "(SELECT FROM delivery_place q WHERE q.delivery = n.key AND q.place = p.place) ORDER BY 1",
        (newer,),
        binary=True,
    )
    results = array("q")
    while piece := await rows.fetchmany(_PIECE):
        results.extend(place for (place,) in piece)
    return results


async def note_places(connection: AsyncConnection, delivery: int, places: Sequence[int]) -> None:
    """Note what a delivery speaks of."""
    for start in range(0, len(places), _PIECE):
        await connection.execute(
            "INSERT INTO delivery_place SELECT %s, unnest(%s::bigint[]) ON CONFLICT DO NOTHING",
            (delivery, list(places[start : start + _PIECE])),
        )


async def standing(
    connection: AsyncConnection, series: str, shares: dict[tuple[int, int], bool], own: int = 0
) -> tuple[Standing, list[Issue]]:
    """How the editions of a series are, and what is to be reported of the delivery that was loaded.

    Args:
        shares: which deliveries have lines for at least half of another's; filled as it is found out.
        own: key of the delivery that was loaded.
    """
    # Only deliveries that were read to their end count: half a file would seem to
    # take back what it had yet to say.
    rows = await connection.execute(
        "SELECT e.key, d.key, d.names, d.time, d.complete FROM edition e JOIN delivery d ON d.key = e.delivery "
        "WHERE e.series = %s AND e.active AND d.ended ORDER BY e.key",
        (series,),
    )
    result = Standing()
    issues: list[Issue] = []
    editions = [
        Edition(key, delivery, frozenset(names), time, complete)
        for key, delivery, names, time, complete in await rows.fetchall()
    ]
    for older in editions:
        for newer in editions:
            concerned = own in (older.delivery, newer.delivery)
            if newer.newer(older):
                whole = newer.complete and await _repeats(connection, newer, older, shares)
                if whole:
                    result.replaced.add(older.key)
                else:
                    result.beside.append((older.key, newer.delivery))
                if whole and own == older.delivery:
                    issues.append(
                        _issue(
                            "FB-STALE",
                            "a newer file of the sample, phone or document is stored and replaces this one",
                        )
                    )
                elif concerned and not whole:
                    issues.append(_issue("FB-STORE-029", _KEPT if newer.complete else _INCOMPLETE))
            elif older.key < newer.key and concerned and not older.newer(newer):
                # Each pair once, and only where it concerns this load: others were
                # reported when they were loaded.
                same = await _repeats(connection, newer, older, shares)
                if same or await _repeats(connection, older, newer, shares):
                    issues.append(_issue("FB-STORE-028", _UNDATED if older.time is None else _SAME_DATE))
    return result, issues


_KEPT = "a file of the sample or phone, or version, has another date and other lines: what it says elsewhere is kept"
_INCOMPLETE = "the newer file, or version, can't be read whole: what the older says elsewhere is kept"
_UNDATED = (
    "a file of the sample or phone, or version, says other things of the same places, undated: both are kept"
)
_SAME_DATE = (
    "a file of the sample or phone, or version, of one date says other things of these places: both are kept"
)


def _issue(code: str, message: str) -> Issue:
    return Issue(CODES[code].severity, code, message)


async def _repeats(
    connection: AsyncConnection, newer: Edition, older: Edition, shares: dict[tuple[int, int], bool]
) -> bool:
    """Whether one delivery is another one anew: by its name, or since it speaks of at least half of the same places."""
    if newer.names & older.names:
        return True
    # By pair of deliveries, not of editions: a file with many samples is compared with another one once.
    pair = (newer.delivery, older.delivery)
    if pair not in shares:
        row = await (
            await connection.execute(
                "SELECT count(n.place), count(*) FROM delivery_place o LEFT JOIN delivery_place n "
                "ON n.delivery = %s AND n.place = o.place WHERE o.delivery = %s",
                pair,
            )
        ).fetchone()
        assert row is not None
        # Half, since a reissue repeats the sample's own variants, while parts of one study (chromosomes,
        # panels) have few places in common (decision 6).
        shares[pair] = row[0] > 0 and row[1] <= 2 * row[0]
    return shares[pair]


# `superseded <> (…)` selects only what is wrong: a second run, or a parallel one, finds nothing to do.
_WRONG = (
    "o.active AND o.edition IN (SELECT key FROM edition WHERE series = %(series)s) AND o.superseded <> "
    "(o.edition = ANY(%(replaced)s::bigint[]) OR EXISTS (SELECT FROM unnest(%(older)s::bigint[], %(newer)s::bigint[]) "
    "AS b (edition, delivery) JOIN delivery_place p ON p.delivery = b.delivery AND p.place = o.place "
    "WHERE b.edition = o.edition))"
)
_MISPLACED = "SELECT DISTINCT o.resource FROM output o WHERE " + _WRONG + " ORDER BY 1"
_MARK = (
    "UPDATE output o SET superseded = NOT o.superseded WHERE o.resource = ANY(%(resources)s) AND "
    + _WRONG
    + " RETURNING o.resource, o.superseded"
)
_UNSAID = (
    "SELECT r.key FROM resource r WHERE r.key = ANY(%s) AND NOT EXISTS (SELECT FROM output o "
    "WHERE o.resource = r.key AND o.active AND NOT o.superseded AND o.hash = r.hash)"
)
"""Resources whose current content no output that counts says: the newer file's own content is current already."""


def _parameters(series: str, result: Standing) -> dict[str, object]:
    return {
        "series": series,
        "replaced": sorted(result.replaced),
        "older": [edition for edition, _ in result.beside],
        "newer": [delivery for _, delivery in result.beside],
    }


async def misplaced(connection: AsyncConnection, series: str, result: Standing) -> list[int]:
    """Resources of which an output of the series counts and should not, or the other way round."""
    rows = await connection.execute(_MISPLACED, _parameters(series, result))
    return [key for (key,) in await rows.fetchall()]


async def mark(
    connection: AsyncConnection, series: str, result: Standing, resources: Sequence[int]
) -> list[int]:
    """Mark which outputs of the series count, of these resources; gives those whose content may be another now."""
    parameters = {**_parameters(series, result), "resources": list(resources)}
    rows = await connection.execute(_MARK, parameters)
    marked = await rows.fetchall()
    back = {key for key, replaced in marked if not replaced}
    rows = await connection.execute(_UNSAID, (sorted({key for key, _ in marked} - back),))
    return sorted(back | {key for (key,) in await rows.fetchall()})


async def lock_series(connection: AsyncConnection, series: str) -> None:
    """Let nobody else mark outputs of the series until the transaction ends."""
    # 9: advisory locks are one space; the seed keeps these apart from those of conditional creates (7).
    await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 9))", (series,))


async def superseded(connection: AsyncConnection, outputs: Sequence[tuple[int, int | None]]) -> list[bool]:
    """Which outputs (edition, place) a newer delivery replaces already, as far as names and places show it."""
    # As `standing`, but without the rule of half of the places, which needs both files whole: what it
    # misses is marked at the file's end.
    # Results come back by position (WITH ORDINALITY): a join alone keeps no order.
    rows = await connection.execute(
        "SELECT EXISTS (SELECT FROM edition e JOIN delivery o ON o.key = e.delivery JOIN edition f "
        "ON f.series = e.series AND f.active JOIN delivery n ON n.key = f.delivery AND n.ended "
        "AND n.time > coalesce(o.time, '-infinity') WHERE e.key = w.edition AND ((n.complete AND n.names && o.names) "
        "OR EXISTS (SELECT FROM delivery_place p WHERE p.delivery = n.key AND p.place = w.place))) "
        "FROM unnest(%s::bigint[], %s::bigint[]) WITH ORDINALITY AS w (edition, place, n) ORDER BY w.n",
        ([edition for edition, _ in outputs], [location for _, location in outputs]),
    )
    return [replaced for (replaced,) in await rows.fetchall()]


def _series(delivery: Delivery, part: str, patient: str) -> str:
    # Tab, which neither an adapter's name nor an id holds.
    return "\t".join((delivery.adapter, delivery.within, patient, part))


def _names(delivery: Delivery) -> list[str]:
    name = delivery.name
    for ending in (".gz", ".bgz"):  # a file that was compressed meanwhile is the same file
        name = name.removesuffix(ending)
    return [*([name] if name else []), *delivery.replaces]


def _aware(time: datetime | None) -> datetime | None:
    return time.replace(tzinfo=UTC) if time is not None and time.tzinfo is None else time

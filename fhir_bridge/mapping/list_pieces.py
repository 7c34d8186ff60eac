"""A long list of a resource in pieces, so that its items are remembered by what each of them depends on."""

from __future__ import annotations

from collections.abc import Iterable

from fhir_bridge.fhir.record import elements_of_owners
from fhir_bridge.mapping.statements import Piece, RuleHead

__all__ = ["in_items", "joined_items", "list_head"]


def in_items(members: list[Piece], head: RuleHead) -> list[Piece]:
    """The elements of a rule with each list divided into its items, every one a list by itself.

    A list stays whole where something else looks at it: a required one, one that says whom the resource is about.
    """
    needed = {name for names in head.required for name in names} | elements_of_owners(head.type)
    pieces: list[Piece] = []
    for piece in members:
        if len(piece.starts) < 3 or head.delta or piece.name in needed:
            pieces.append(piece)
            continue
        for start, end in zip(piece.starts, piece.starts[1:], strict=False):
            pieces.append(_part(piece, range(start, end)))
    return pieces


def joined_items(members: Iterable[tuple[int, Piece]]) -> list[tuple[int, Piece]]:
    """The same with neighbouring items of one list as one piece, at the place of the first."""
    result: list[tuple[int, Piece]] = []
    last = -1
    for place, piece in sorted(members, key=lambda member: member[0]):
        before = result[-1][1] if result else None
        if (
            before is not None
            and piece.item
            and before.item
            and before.name == piece.name
            and place == last + 1
        ):
            lines = [*before.lines[:-1], *piece.lines[1:]]
            positions = [*before.positions[:-1], *piece.positions[1:]]
            result[-1] = (result[-1][0], Piece(piece.name, lines, positions, item=True))
        else:
            result.append((place, piece))
        last = place
    return result


def list_head(name: str) -> bytes:
    """What is written before the items of a list."""
    return b',"%s":[' % name.encode()


def _part(piece: Piece, lines: range) -> Piece:
    """Some lines of a list's statements, between its first and its last."""
    return Piece(
        piece.name,
        [piece.lines[0], *(piece.lines[line] for line in lines), piece.lines[-1]],
        [piece.positions[0], *(piece.positions[line] for line in lines), piece.positions[-1]],
        item=True,
    )

# ruff: noqa: E501 - makers of cells are written as they come out
"""Tables drawn at random: headers of the vocabulary in any language, cells of any kind, written in any usual way."""

from __future__ import annotations

import csv
import io
import random
from collections.abc import Callable

from fhir_bridge.workshop.first_mapping.lexicon import rows_of

__all__ = ["random_table"]

_QUALIFIERS = (
    "pre post vor nach voor na avant après antes dopo mother baby donor admission last total".split()
)
_PATIENTS = ("MRN", "PatNr", "IPP", "NHC", "Patient ID", "Mother NHS No")
_UNITS = ("(kg)", "(ml)", "(mg/dl)", "(mmol/L)", "(%)", "[g/dl]", "(cm)", "/min", "_MG")
_WORDS = {
    "sex": ("M F", "V M", "H M", "W M", "K M", "Male Female", "m w d"),
    "bool": ("0 1", "Y N", "ja nein", "OUI NON", "pos neg", "x"),
    "grade": ("negativ positiv", "keine leicht", "none mild severe", "0 + ++", "I II III", "S I R"),
    "status": ("final preliminary", "completed cancelled", "gegeben verweigert", "Dispensed Returned", "aktiv inaktiv"),
    "doctor": ("Dr.Meier Dr.Schulz", "DR_COLIN DR_PETIT", "Dra.Vidal Dr.Casas"),
    "blood": ("A_pos 0_neg B_pos", "AB+ O- A+"),
    "code": ("I10 E11.9 J45.0", "5-511.11 8-800.c0", "718-7 2160-0", "N02BE01 C09AA05", "W01 W02"),
    "text": ("Penicillin Latex No_conocidas", "Hemo_kultur Urin", "Aspirin_100_mg Heparin_5000_IE", "Ward_27 MLU"),
}  # fmt: skip


def _phrases(table: str) -> list[str]:
    return [
        phrase
        for row in rows_of(table)
        for phrase in row[0 if table == "measures.tsv" else 1].split(";")
        if phrase
    ]


def _header(draw: random.Random, words: list[str], measures: list[str]) -> str:
    parts = [draw.choice(measures if draw.random() < 0.35 else words)]
    if draw.random() < 0.4:
        parts.append(draw.choice(words))
    if draw.random() < 0.2:
        parts.insert(draw.choice((0, len(parts))), draw.choice(_QUALIFIERS))
    if draw.random() < 0.15:
        parts.append(draw.choice(_UNITS))
    joined = draw.choice((" ", "_", " ", "-", ".")).join(parts)
    return draw.choice((str, str.upper, str.title, str.capitalize))(joined)


def _cells(draw: random.Random, *, comma: bool) -> Callable[[int], str]:
    """What gives the cells of one column."""
    kind = draw.choice(
        ("date", "time", "clock", "id", "few-ids", "whole", "decimal", "pressure", "bounded", "free", *_WORDS)
    )
    form = draw.choice(
        (
            "{2:02}.{1:02}.{0}",
            "{0}-{1:02}-{2:02}",
            "{2:02}/{1:02}/{0}",
            "{1:02}/{2:02}/{0}",
            "{0}{1:02}{2:02}",
        )
    )
    low = draw.choice((0, 3, 40, 1000, 900_000))
    words = [word.replace("_", " ") for word in draw.choice(_WORDS.get(kind, ("a b",))).split()]
    makers: dict[str, Callable[[int], str]] = {
        "date": lambda _: form.format(draw.randint(1930, 2025), draw.randint(1, 12), draw.randint(1, 28)),
        "time": lambda _: f"{form.format(2025, draw.randint(1, 12), draw.randint(1, 28))} {draw.randint(0, 23):02}:{draw.randint(0, 59):02}",
        "clock": lambda _: f"{draw.randint(0, 23):02}:{draw.randint(0, 59):02}",
        "id": lambda row: f"{draw.choice(('', 'A', 'ORD-'))}{700_000 + row}",
        "few-ids": lambda row: str(40_000 + row // 4),
        "whole": lambda _: str(draw.randint(low, 2 * low + 9)),
        "decimal": lambda _: f"{draw.uniform(low, 2 * low + 9):.1f}".replace(".", "," if comma else "."),
        "pressure": lambda _: f"{draw.randint(100, 180)}/{draw.randint(50, 95)}",
        "bounded": lambda _: f"{draw.choice(('', '<', '<=', '>'))}{draw.randint(1, 64)}",
        "free": lambda _: " ".join(draw.choice("pain seen at home geht gut sin cambios RAS".split()) for _ in range(draw.randint(1, 6))),
    }  # fmt: skip
    return makers.get(kind, lambda _: draw.choice(words))


def random_table(seed: int) -> str:
    """A table; the same for the same seed."""
    draw = random.Random(seed)
    words, measures = _phrases("words.tsv"), _phrases("measures.tsv")
    headers: dict[str, Callable[[int], str]] = {}
    comma = draw.random() < 0.5
    if draw.random() < 0.8:
        headers[draw.choice(_PATIENTS)] = lambda row: f"{81_000 + row // 2}"
    for _ in range(draw.randint(2, 26)):
        headers[_header(draw, words, measures)] = _cells(draw, comma=comma)
    names = list(headers)
    draw.shuffle(names)
    blank = {name: 0.0 if name in _PATIENTS else draw.choice((0.0, 0.0, 0.1, 0.7)) for name in names}
    out = io.StringIO()
    table = csv.writer(out, delimiter=draw.choice(",;\t|"))
    table.writerow(names)
    for row in range(draw.randint(3, 30)):
        table.writerow(["" if draw.random() < blank[name] else headers[name](row) for name in names])
    return out.getvalue()

# ruff: noqa: E501 - lists of words are written as they come out
"""Cells that name nobody in columns of people and places, and columns of insurers that name what is insured by which law."""

from __future__ import annotations

import re
from typing import Final

from fhir_bridge.workshop.first_mapping.guess import Guess
from fhir_bridge.workshop.first_mapping.lexicon import slots, tokens
from fhir_bridge.workshop.first_mapping.selecting import cells_of, of_roles
from fhir_bridge.workshop.first_mapping.table import Sample

__all__ = ["kinds_of_cover", "nobody"]

_NAMING: Final = (
    "gp", "provider", "contact-name", "contact-phone", "organization", "insurer", "ward", "specialty", "manufacturer", "device",
    "phone", "phone-home", "phone-mobile", "phone-work", "fax", "email", "address", "city",
)  # fmt: skip
"""Roles of columns whose cells are names or numbers of someone."""
_NO: Final = frozenset(
    "no not none kein keine keiner keinen keines keinem ohne nicht without nil sans pas aucun aucune nessun nessuno nessuna senza non sin "
    "ningun ninguno ninguna geen zonder niet sem nenhum nenhuma unknown unbekannt unbekannter inconnu inconnue sconosciuto desconocido onbekend un".split()
)
"""Words that a cell begins with which names nobody."""
_ALONE: Final = frozenset(
    "none no nil kein keine keiner ohne aucun aucune nessuno nessuna ninguno ninguna geen unknown unbekannt inconnu inconnue sconosciuto "
    "sconosciuta desconocido desconocida onbekend unassigned unregistered nobody niemand".split()
)
"""Words that say so alone."""
_SELF: Final = re.compile(
    r"selbst(einweis|zuweis|vorstell)\w*|self(( |-)?refer\w*)?|eigenzuweis\w*|auto(presen|deri|refer)\w*|zelfverwij\w*|spontan\w*|propia iniciativa|"
    r"voluntari\w*|outside|extern\w*|walk[- ]?in"
)
"""Cells of columns of people who sent a patient, by which nobody did."""
_KNOWN: Final = frozenset(
    "known registered assigned recorded available given specified stated angegeben bekannt vorhanden zugeordnet zugewiesen erfasst connu "
    "renseigne indique noto assegnato indicato asignado conocido registrado bekend opgegeven de di du des d den einen eine listed on file "
    "ha hausarzt arzt mt medecin traitant medico medecins base gp doctor pcp physician huisarts arts cabecera mmg provider practitioner".split()
)
"""Words that may follow."""


def nobody(sample: Sample, guesses: list[Guess]) -> None:
    """Note the cells of people, places and numbers that say that there is none: `kein HA`, `None`, `no GP registered`."""
    for guess in of_roles(guesses, *_NAMING):
        cells = cells_of(sample, guess)
        none = tuple(
            sorted(
                cell
                for cell in set(cells) - set(guess.missing)
                if _is_nobody(cell, guess) or (guess.role == "provider" and _SELF.fullmatch(cell.casefold()))
            )
        )
        if not none or len(none) == guess.distinct:
            continue
        guess.missing, guess.local = (*guess.missing, *none), (*guess.local, *none)
        guess.filled -= sum(1 for cell in cells if cell in none)
        guess.distinct -= len(none)
        guess.questions.append(f"{guess.column}: {', '.join(none)} is taken for that there is none: is it?")


def _is_nobody(cell: str, guess: Guess) -> bool:
    words = tokens(cell).split()
    if not words:
        return False
    if len(words) == 1:
        return words[0] in _ALONE
    if words[0] not in _NO:
        return False
    own = set(tokens(guess.column).split())
    concepts = frozenset[str]().union(*(part.concepts for part in slots(tokens(guess.column))))
    return all(
        word in own
        or word in _KNOWN
        or frozenset[str]().union(*(part.concepts for part in slots(word))) & concepts
        for word in words[1:]
    )


_LAWS: Final = frozenset("kvg uvg vvg ivg iv mvg mv ahv suva-uvg lamal laa lca lai lam ohg".split())
"""Laws by which Switzerland insures."""
_KINDS: Final = _LAWS | frozenset(
    "gkv pkv bg sz selbstzahler gesetzlich privat public private self-pay selfpay commercial amo amc ame".split()
)
"""Kinds of insurance, with them."""


def kinds_of_cover(sample: Sample, guesses: list[Guess]) -> None:
    """A column of insurers that names laws or kinds of insurance says what kind a coverage is, beside who pays."""
    insurers = of_roles(guesses, "insurer")
    for guess in insurers:
        words = {cell.casefold() for cell in cells_of(sample, guess) if cell not in guess.missing}
        laws = bool(words) and words <= _LAWS
        if laws or (words and words <= _KINDS and len(insurers) > 1):
            guess.role = "coverage-type"
            guess.evidence.append("its cells are laws or kinds of insurance, not who pays")
            guess.questions.append(
                f"{guess.column}: is it the kind of insurance (Coverage.type), as is assumed?"
            )

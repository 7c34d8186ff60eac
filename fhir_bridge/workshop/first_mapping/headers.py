# ruff: noqa: E501
"""What the name of a column says, in English, German, French, Italian and Spanish."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from fhir_bridge.workshop.first_mapping.lexicon import fitting_roles, tokens
from fhir_bridge.workshop.units import ucum_of

__all__ = ["bare", "is_bracketed", "language_of", "role_in", "tokens", "ucum", "unit_in"]

_WORDS: Final = {
    "de": "datum nummer wert einheit geburtsdatum geschlecht nachname vorname bezeichnung auftrag befund ort plz strasse "
    "aufnahme entlassung alter nr zeit fall bemerkung arzt station kode diagnose sicherheit kennung groesse gewicht puls",
    "fr": "prenom nom sexe naissance valeur unite libelle adresse ville resultat poids taille medecin date",
    "it": "cognome nome sesso nascita valore unita descrizione indirizzo citta risultato peso altezza data esame",
    "es": "apellido apellidos nombre sexo nacimiento valor unidad descripcion direccion ciudad resultado peso fecha",
}


@lru_cache(5_000)
def role_in(name: str) -> str:
    """The role that a column's name gives it; nothing where it says none."""
    fitting = fitting_roles(tokens(_without_unit(name)[0]))
    return fitting[0][1] if fitting else ""


def language_of(columns: tuple[str, ...]) -> str:
    """The language of most names, by words of other languages than English; `en` without any."""
    words = {word for column in columns for word in tokens(column).split()}
    compounds = " ".join(words)
    counts = {
        language: sum(1 for word in known.split() if word in words or (len(word) > 4 and word in compounds))
        for language, known in _WORDS.items()
    }
    best = max(counts, key=lambda language: counts[language])
    return best if counts[best] >= 2 or (counts[best] == 1 and len(columns) < 4) else "en"


_BRACKETED: Final = re.compile(r"\s*[(\[]([^()\[\]]+)[)\]]\s*$")
_PART: Final = re.compile(r"(?i)\b(pap?|rv|lv|ao|bp|rr|abp|art|nibp|ta|pressure)[ ._-]*[(\[][sdm][)\]]\s*$")
"""Names of pressures with the part of the beat in brackets, which is no unit: `PA (s)`."""
_SUFFIXES: Final = frozenset(
    "kg cm mm mmhg kpa meq bpm lpm mgy gycm mg g ml dl ug ng pg mmol umol nmol mol iu miu meq hours hour hrs hr days day weeks months years "
    "year yrs min minutes sec seconds ms percent pct celsius fahrenheit mgdl mmoll gdl mgg".split()
)
_RATIO: Final = re.compile(
    r"(?:[fpnµμumk]?g|[fpnµμumk]?mol|[µμumk]?(?:IU|IE|U|Eq|eq)|m?[lL]|[GT]|10\^?\d+)/(?:[dmµ]?[lL]|min|h|24h|d|kg|g|m2)"
)
"""An amount in another one, as headers write it after a blank: `CRP mg/l`, `TSH µU/ml`, `Leuko G/l`."""
_PER: Final = frozenset("dl l ml min h kg m m2 mol".split())
_DURATION: Final = re.compile(
    r"time|dauer|duration|duree|durata|duracion|zeit|tiempo|temps|tempo|length|exercise|wait|delay|turnaround|\btat\b|\bto\b"
)
_SYMBOLS: Final = frozenset("% °C °F in inch inches ft lb lbs".split())
_IMPERIAL: Final = re.compile(
    r"(?i)(?:(?<=height)|(?<=height.)|(?<=stature.)|(?<=waist.)|(?<=ht.)|(?<=size.)|(?<=length.))[ _(]?(in|inch|inches|ft)$"
    r"|(?:(?<=weight)|(?<=weight.)|(?<=wt.)|(?<=mass.))[ _(]?(lbs?)$"
)
_JOINED: Final = re.compile(r"(?i)^(?:wt|weight|ht|height|bmi|size)(kg|cm|mm|m2)$")


@lru_cache(5_000)
def _without_unit(name: str) -> tuple[str, str]:
    match = _BRACKETED.search(name)
    if (
        match
        and not _PART.search(name)
        and (
            ucum_of(match[1].strip())
            or "/" in match[1]
            or match[1].strip() in _SYMBOLS
            or match[1].strip().casefold() in _SPELT
        )
    ):
        return name[: match.start()], match[1].strip()
    last = name.rsplit(" ", 1)
    if len(last) == 2 and last[1] in ("%", "°C", "°F", "mmHg"):
        return last[0], last[1]
    if len(last) == 2 and re.search(r"[/²]", last[1]) and _ucum(last[1]):
        return last[0], last[1]
    per_minute = re.fullmatch(r"(.*[^\W\d_])(/ ?min)", name)
    if per_minute and not ucum_of(name.rsplit(" ", 1)[-1]):
        return per_minute[1], "/min"
    if len(last) == 2 and _RATIO.fullmatch(last[1]):
        return last[0], last[1]
    imperial = _IMPERIAL.search(name)
    if imperial:
        return _before(name, imperial), imperial[1] or imperial[2]
    joined = _JOINED.match(name)
    if joined:
        return name[: joined.start(1)], joined[1]
    pieces = list(re.finditer(r"[^\W\d_]+|[%°]+|\d+", name))
    words = [match[0] for match in pieces]
    for count in (3, 2):
        tail = words[-count:]
        if (
            len(words) > count
            and (_is_suffix(tail[0], name) or _is_flow(tail))
            and len(tail) == count
            and all(word.isalnum() for word in tail)
        ):
            if count == 3 and tail[1].casefold() == "per":
                return _before(name, pieces[-3]), f"{tail[0]}/{tail[2]}"
            if count == 2 and tail[1].casefold() in _PER:
                ratio = f"{tail[0]}/{tail[1]}"
                return _before(name, pieces[-2]), ratio.casefold() if name.isupper() else ratio
    if len(words) > 1 and words[-1].casefold() == "min" and not _DURATION.search(tokens(name)):
        return name, ""  # the smallest, beside `max` and `mean`
    if len(words) > 1 and words[-1].casefold() == "hr" and not _DURATION.search(tokens(name)):
        return name, ""  # the heart rate, not hours
    if len(words) > 2 and words[-2].casefold() in (
        "past",
        "last",
        "prior",
        "previous",
        "next",
        "this",
        "first",
    ):
        return name, ""  # `falls past year`
    if len(words) > 1 and _is_suffix(words[-1], name):
        return _before(name, pieces[-1]), words[-1].casefold() if name.isupper() else words[-1]
    return name, ""


def _is_flow(words: list[str]) -> bool:
    """Whether words are litres in a time: `L_MIN`."""
    return [word.casefold() for word in words] in (
        ["l", "min"],
        ["l", "h"],
        ["l", "per", "min"],
        ["l", "per", "minute"],
    )


def _is_suffix(word: str, name: str) -> bool:
    """Whether the last word of a name is a unit as units are written: `pg`, not `PG` for a pressure gradient."""
    folded = word.casefold()
    if word in ("um", "µm", "μm", "umol", "msec") and name.endswith("_" + word):
        return True
    if folded not in _SUFFIXES:
        return False
    usual = (
        word in (folded, folded.capitalize(), "mmHg", "mL", "dL", "IU", "mmHG", "mGy", "Gy", "mEq", "kPa")
        or len(folded) > 3
    )
    timed = folded in ("min", "sec", "hrs") and bool(_DURATION.search(tokens(name)))
    return usual or (
        name.isupper() and (timed or folded in ("kg", "cm", "mm", "bpm", "lpm", "mmhg", "ml", "mg", "ms"))
    )


def _before(name: str, unit: re.Match[str]) -> str:
    """The words before a unit, with single blanks."""
    return re.sub(r"[\W_]+", " ", name[: unit.start()]).strip()


def unit_in(name: str) -> tuple[str, str] | None:
    """The unit that a name states, as written and in UCUM (empty where it has none)."""
    _, unit = _without_unit(name)
    if not unit and "%" in name:
        unit = "%"
    return (unit, _ucum(unit)) if unit else None


_SPELT: Final = {
    "hours": "h", "hrs": "h", "days": "d", "day": "d", "weeks": "wk", "months": "mo", "years": "a", "year": "a",
    "yrs": "a", "minutes": "min", "seconds": "s", "sec": "s", "percent": "%", "pct": "%", "celsius": "Cel",
    "fahrenheit": "[degF]", "bpm": "/min", "lpm": "L/min", "1/min": "/min", "mgdl": "mg/dL", "mmoll": "mmol/L", "gdl": "g/dL", "mgg": "mg/g", "mmhg": "mm[Hg]",
    "hour": "h", "ug/l": "ug/L", "mg/dl": "mg/dL", "g/dl": "g/dL", "mmol/l": "mmol/L", "°c": "Cel", "°f": "[degF]",
    "wu": "[wood'U]", "wood": "[wood'U]", "wood units": "[wood'U]", "dynes": "dyn.s/cm5", "dyn·s/cm5": "dyn.s/cm5", "dyn s/cm5": "dyn.s/cm5",
    "dynes.s/cm5": "dyn.s/cm5", "dyn*s/cm5": "dyn.s/cm5", "dyn.sec/cm5": "dyn.s/cm5", "dyn/s/cm5": "dyn.s/cm5", "dyn·s·cm-5": "dyn.s/cm5", "j": "d", "jours": "d", "tage": "d", "tag": "d", "giorni": "d", "dias": "d", "std": "h", "stunden": "h", "heures": "h",
    "ans": "a", "jahre": "a", "anni": "a", "anos": "a", "mois": "mo", "monate": "mo", "sem": "wk", "wochen": "wk",
    "in": "[in_i]", "inch": "[in_i]", "inches": "[in_i]", "ft": "[ft_i]", "lb": "[lb_av]", "lbs": "[lb_av]",
}  # fmt: skip


_DENOMINATORS: Final = {
    "hr": "h", "h": "h", "hour": "h", "std": "h", "stunde": "h", "heure": "h", "day": "d", "tag": "d", "d": "d", "jour": "d", "24h": "d",
    "week": "wk", "wk": "wk", "woche": "wk", "semaine": "wk", "wo": "wk", "month": "mo", "monat": "mo", "year": "a", "yr": "a",
    "jahr": "a", "min": "min", "minute": "min", "sec": "s", "s": "s", "kg": "kg", "m2": "m2", "l": "L", "dl": "dL", "ml": "mL",
}  # fmt: skip
_NUMERATORS: Final = {
    "ml": "mL", "l": "L", "units": "{units}", "unit": "{units}", "u": "{units}", "unites": "{units}", "einheiten": "{units}",
    "drinks": "{drinks}", "beats": "{beats}", "breaths": "{breaths}", "steps": "{steps}", "cig": "{cigarettes}",
    "cigarettes": "{cigarettes}", "zigaretten": "{cigarettes}", "verres": "{drinks}", "glasses": "{drinks}", "packs": "{packs}",
}  # fmt: skip


_BY_CASE: Final = {"G": "10*9/L", "T": "10*12/L"}
"""Counts of cells in giga and tera a litre; `G` alone is gauss in UCUM, and `g` is gram."""


def _ucum(unit: str) -> str:
    unit = unit.replace("²", "2").replace("³", "3")
    counted = re.fullmatch(r"([GT])/[lL]", unit)
    if counted:
        return _BY_CASE[counted[1]]
    folded = unit.casefold().replace("μ", "u").replace("µ", "u")
    units = re.fullmatch(r"([um]?)(iu|ie|u)/(ml|l)", folded)
    if units and units[2] != "u":
        return f"{units[1]}[IU]/{'mL' if units[3] == 'ml' else 'L'}"
    if units:
        return f"{units[1]}U/{'mL' if units[3] == 'ml' else 'L'}"
    ratio = re.fullmatch(r"([a-zµ%\[\]_{}0-9*.]+?) ?(?:/|per) ?([a-z]+)", folded)
    if ratio and ratio[2] in _DENOMINATORS and not ucum_of(unit):
        amount = _NUMERATORS.get(ratio[1]) or _SPELT.get(ratio[1]) or ucum_of(ratio[1]) or ""
        return f"{amount}/{_DENOMINATORS[ratio[2]]}" if amount else ""
    return _SPELT.get(folded) or ucum_of(unit) or ucum_of(folded) or ""


def ucum(unit: str) -> str:
    """A unit as it is written, in UCUM; empty where it has none."""
    return _ucum(unit.strip())


def is_bracketed(name: str) -> bool:
    """Whether the name states its unit in brackets, or as a ratio, not as its last word."""
    return bool(_BRACKETED.search(name)) or "/" in name or "%" in name or "°" in name


def bare(name: str) -> str:
    """The name without its unit."""
    return _without_unit(name)[0].strip(" _-.") or name

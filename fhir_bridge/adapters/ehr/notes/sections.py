"""Headings of clinical texts: what a section is about, and so of whom and of when its sentences are."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

__all__ = ["Section", "label_of", "section_of_heading"]


class Section(NamedTuple):
    """A part of a document.

    Attributes:
        kind: `family`, `social`, `risk`, `plan`, `general` (guidelines, legends, information), `earlier` (previous
        findings), `history` (what led to a stay), or empty.
        heading: its words, which may hold a date.
    """

    kind: str = ""
    heading: str = ""


_KINDS: Final = (
    ("family", r"""fam(?:ily|\.)?\ ?(?:history|hx|medical\ history)|family(?:\ background)?|FHx?|FmHx|famhx
    |familienanamnese|familiäre?\ anamnese|fam\.?-?\ ?anamnese
     |FA|familie|pedigree|stammbaum"""),
    ("social", r"""social\ (?:history|hx)|soc(?:ial|\.)?\ ?(?:hx)?|SHx?|personal\ history|habits|sozialanamnese
    |SA|sozial\w*|noxen
     |genussmittel"""),
    ("risk", r"""(?:cardio(?:vascular|vaskuläre)\ |kardiovaskuläre\ |CV\ ?-?|cardiac[ ]
    |kardiale\ )?(?:risk\ factors?|risikofaktoren|RFs?)
     |CV-?RFs?|risikoprofil|risk\ profile"""),
    ("plan", r"""plan|recommendations?|advice|follow[- ]?up(?:\ plan)?|next\ steps|procedere|prozedere
    |empfehlung(?:en)?
     |therapieempfehlung(?:en)?|weiteres\ vorgehen|vorgehen|(?:goals?|aims?|targets?
    |ziele?)(?:\ [^:]{1,40}(?=:))?|plan\ of\ (?:care|treatment)"""),
    ("general", r"""(?:(?:current|aktuelle)\ )?(?:guidelines?|leitlinien?|criteria|(?:ein|aus)schlusskriterien
    |inclusion\ criteria|exclusion\ criteria)
     |legende?|key|core\ measures?|quality\ measures?|definitions?|definition(?:en)?|merke|nota\ bene
    |patient\ (?:education|information)|information\ for\ patients
     |patienteninformation|hinweise?(?:\ der\ praxis)?|info(?:rmation)?(?:en)?|reference(?:\ (?:values|range))?
    |referenz(?:werte|bereiche?)?
     |norm(?:al)?werte|background|hintergrund|practice|praxishinweis"""),
    ("earlier", r"""previous\ (?:findings?|echo\w*|results?|studies|investigations)|prior\ (?:echo\w*|stud(?:y
    |ies)|results?)
     |vorbefunde?|voruntersuchung(?:en)?|frühere\ befunde|copied(?:\ forward|\ text)?
    |carried\ forward|übernommene[rs]?\ (?:text|befunde?)|comparison|vergleich|old\ (?:echo|results?)"""),
    ("history", r"""(?:aktuelle\ |eigen)?anamnese|history(?:\ of\ (?:the\ )?present(?:ing)?\ (?:illness
    |complaint))?|HPI?C?|HPC|PC|HOPI
    |presenting\ (?:complaint|history)|(?:reason\ for\ )?(?:admission|presentation|referral)|(?:on|at)\ admission
    |aufnahme(?:befund|grund|status|anlass)?
    |bei\ aufnahme|vorgeschichte|jetzige\ anamnese|einweisungs?\w*"""),
    ("", r"""(?:past\ |previous\ )?(?:medical|surgical|cardiac)\ history|(?:PMH|PSH|PH|PMHx|DH|SHx
    |ROS|O/E|OE|Imp|Dx|Rx|Tx|Meds?|VE|EA|NB)
     |diagnos[ei]s|diagnosen?|impression|assessment(?:\ and\ plan)?|beurteilung(?:\ und\ procedere)?|status
    |befunde?|findings|results
     |investigations|untersuchung(?:en)?|examination|physical\ exam(?:ination)?|verlauf
    |medi[ck]ation(?:en)?|allerg(?:y|ies|ien?)
     |history(?:\ of\ present(?:ing)?\ (?:illness|complaint))?|hospital\ course|conclusion|discussion|diskussion
    |labor|labs?|e[ck]g"""),
)  # fmt: skip
_HEADING: Final = re.compile(
    r"[\W\d]*(?:"
    + "|".join(f"(?P<k{at}>{words})" for at, (_, words) in enumerate(_KINDS))
    + r")\s*(?P<end>:|\s[-–]\s|\Z)",
    re.IGNORECASE | re.VERBOSE,
)
_PART: Final = re.compile(
    r"(?<=\w)-?\s*(?:/|&|\+|\band\b|\bund\b)\s*(?:social|soziales?|sozialanamnese|habits|noxen)(?:\ history)?"
    r"(?=\W*\Z)",
    re.IGNORECASE,
)
"""The second part of a heading of two."""
_EXAMINED: Final = re.compile(
    r"[^.:;%]{0,30}\b(?:echo\w*|TTE|TEE|TOE|[ck]?MRT|[ck]?MRI|CMR|MUGA|SPECT|[ck]oro\w*"
    r"|ventri[ck]ulogra\w+|letter|notes?|summary|\w*brief|Epikrise)\b[^.;%]{0,40}\Z",
    re.IGNORECASE,
)
_DATED: Final = re.compile(r"\d")
_LABEL: Final = re.compile(r"\W*[A-ZÄÖÜ][\w./&-]{0,24}(?:[ /-][\w./&()-]{1,20}){0,3}\s*:(?=\s|\Z)")


_RULES: Final = re.compile(
    r"(?:\b(?:guidance|template|hilfstext|textbaustein|algorithm(?:us)?|criteria|kriterien|rules|regeln"
    r"|requirements|anforderungen|protocol"
    r"|SOP|pathway|reference|referenz\w*|norm\w*|legende?|grading|einteilung|classification|klassifikation|score)\b)",
    re.IGNORECASE,
)
"""Words of a heading of what is of no one."""
_FEW: Final = 8


def section_of_heading(line: str) -> Section | None:
    """The section that a line alone on its own begins; None where it is no heading."""
    if len(line) > 60:
        return None
    match = _HEADING.match(_PART.sub("", line))
    if match is not None and not _PART.sub("", line)[match.end() :].strip():
        return Section(_kind(match), line)
    if _EXAMINED.match(line.rstrip(": ")) and (line.endswith(":") or _DATED.search(line)) and "," not in line:
        return Section("", line)
    if _RULES.search(line) and len(line.split()) <= _FEW and not re.search(r"[.,;%]\s*$|%", line):
        return Section("general", line)
    if line.endswith(":") and _LABEL.match(line):
        return Section("", line)
    return None


def label_of(sentence: str) -> tuple[Section, int] | None:
    """The section that the first words of a sentence name, and where they end: `FA: Vater KHK`."""
    match = _HEADING.match(sentence)
    if match is not None and match["end"]:
        return Section(_kind(match), sentence[: match.end()]), match.end()
    other = _LABEL.match(sentence)
    return (Section("", other[0]), other.end()) if other is not None else None


def _kind(match: re.Match[str]) -> str:
    return _KINDS[int((match.lastgroup or "k0")[1:]) if match.lastgroup != "end" else _number(match)][0]


def _number(match: re.Match[str]) -> int:
    return next(at for at in range(len(_KINDS)) if match[f"k{at}"] is not None)

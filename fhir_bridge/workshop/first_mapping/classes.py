# ruff: noqa: E501 - patterns are written as they come out
"""Words for classes of visits."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["STAY", "class_of"]

_CLASSES: Final = {
    "OBSENC": r"\bobs",
    "EMER": r"emer|urgent|notfall|urg[eê]nc|urgenz|pronto|^(e|ed|er|ae|a&e|na|su|ps)$|passage",
    "HH": r"home|domicil|haus(besuch|lich)",
    "VR": r"virt|tele|video",
    "SS": r"^(dh|ds|hj|hdj|hp)$|day[ -](hospital|surgery|admission|care)|regular (day|night)|dagbehandeling|dagverpleging|day attender|day unit|hospital de d[ií]a|dagopname|day ?case|day ?(patient|surgery)|tages|teilstat|day hosp|hospital de jour|hôpital de jour|short stay|vor-|vorstat|nachstat",
    "AMB": r"amb|outpat|öppenvård|dagkirurgi|besök|bezoek|office|wellness|poli|extern|consult|clinic|^(o|op|a|amb|c)$",
    "IMP": r"inp|slutenvård|innlagt|innlegg|indlagt|indlæggelse|internamento|interna[cç][aã]o|internado|station|hospital|ward|ricover|ingres|acute|elective|^(i|ip|s|h|ip|d)$|skilled|snf|hospice|vollstat|ordinari|^ric(\.|ov\.?)?$|ordinary|overnight|admission|admitted|aufnahme|opname|hospitalis|^(ro|hc)$|klinisch",
}
STAY: Final = re.compile(
    r"(?:[0-9][ _-])?(?:ip|op|ed|er|ipd|opd|i/p|o/p|ro|dh|ds|ric|ricov|amb|ps|pronto soccorso|(ricovero )?ordinario|ricovero|(in )?regime ordinario|day[ -]?(hospital|surgery|service)|ambulatoriale|hospitalisation( complete| complète)?|"
    r"hospitali[sz]aci[oó]n|hospital de d[ií]a|h[oô]pital de jour|ambulatoire|ambulatorio|ambulant|stationär|teilstationär|vollstationär|tagesklinik|"
    r"inpatient|outpatient|day case|s[ée]ance|urgence|urgences|consultation( externe)?|ordinary admission|day ?patient|emergency|observation|dagbehandeling|klinische opname|elective|dagopname|klinisch|poliklinisch|hc|hj|hdj|hp)"
)
"""Words for kinds of stays, beside which `Regime` is no insurance."""
_NO_VISIT: Final = re.compile(r"third party|\bletter|\badmin|\breport|did not attend|\bdna\b")
"""Words for contacts at which no patient was seen."""


def class_of(word: str) -> str:
    """The class of visits that a word means; nothing where none is known."""
    if _NO_VISIT.search(word.casefold()):
        return ""
    return next((code for code, pattern in _CLASSES.items() if re.search(pattern, word.casefold())), "")

"""Words for how much of something there is: cells of findings in a chart, whatever the column is called."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

__all__ = ["is_graded"]

_WORDS: Final = frozenset(
    word.strip()
    for word in """alert|confused|lethargic|drowsy|oriented|disoriented|unresponsive|sedated|awake|obtunded|wach|
    somnolent|orientiert|verwirrt|intact|independent|dependent|none|no|absent|absence|negative|
    positive|trace|trivial|minimal|physiologic|physiological|mild|slight|moderate|
    moderately severe|mild-moderate|moderate-severe|mild to moderate|moderate to severe|severe|
    massive|marked|normal|abnormal|reduced|preserved|impaired|borderline|elevated|low|high|good|
    fair|poor|present|possible|probable|definite|unable|unknown|keine|kein|nein|leicht|
    leichtgradig|gering|geringgradig|mittel|mittelgradig|mittelschwer|mäßig|schwer|schwergradig|
    hochgradig|ausgeprägt|eingeschränkt|pathologisch|unauffällig|auffällig|erhalten|vorhanden|gut|
    schlecht|negativ|positiv|absente|aucune|aucun|minime|légère|léger|legere|leger|modérée|
    modéré|moderee|modere|moyenne|sévère|importante|important|normale|anormale|conservée|altérée|
    négatif|positif|négative|présente|présent|assente|nessuna|nessuno|traccia|minima|lieve|lieve-
    moderata|moderata|moderato|moderata-severa|severa|severo|grave|media|conservata|ridotta|
    presente|negativo|positivo|negativa|positiva|ausente|ninguna|ninguno|mínima|leve|ligera|
    ligero|moderada|moderado|conservada|reducida|nenhuma|nenhum|discreta|discreto|acentuada""".split("|")
)
_MARKS: Final = re.compile(
    r"[+]{1,4}|[0-4]\+|[0-4]/4|(grade |grad |grado |stage |klasse |class )?(0|i{1,3}|iv|v|[0-5])[abc]?|-"
)


def is_graded(values: Iterable[str]) -> bool:
    """Whether most of a column's different words say how much of something there is."""
    words = {" ".join(value.casefold().split()) for value in values}
    spoken = {word for word in words if word in _WORDS or word.strip() in _WORDS}
    marked = {word for word in words if _MARKS.fullmatch(word)}
    return bool(spoken) and 1 < len(words) <= 12 and len(spoken | marked) >= 0.6 * len(words)

"""LOINC's axes as they are in its long common names, for content that carries names alone."""

from __future__ import annotations

import re

__all__ = ["Axes", "axes_of_name", "spoken_system"]

Axes = dict[str, str]
"""COMPONENT, PROPERTY, SYSTEM, TIME_ASPCT and METHOD_TYP, as far as they are known."""

_NAME = re.compile(
    r"^(?P<component>.+?)(?: \[(?P<property>[^\]]+)\])?"
    r"(?: \(viral load\))?(?: (?:in|of|on|from) (?P<system>.+?))?(?: by (?P<method>.+?))?(?: --(?P<challenge>.+))?$"
)
_PROPERTIES = {
    "mass/volume": "MCnc",
    "moles/volume": "SCnc",
    "enzymatic activity/volume": "CCnc",
    "units/volume": "ACnc",
    "#/volume": "NCnc",
    "#/area": "Naric",
    "presence": "PrThr",
    "titer": "Titr",
    "mass fraction": "MFr",
    "mole fraction": "SFr",
    "volume fraction": "VFr",
    "mass ratio": "MRto",
    "molar ratio": "SRto",
    "ratio": "Ratio",
    "mass/time": "MRat",
    "moles/time": "SRat",
    "mass/mass": "MCnt",
    "partial pressure": "PPres",
    "entitic mean volume": "EntMeanVol",
    "entitic volume": "EntVol",
    "entitic mass": "EntMass",
    "entitic mass/volume": "EntMCnc",
    "identifier": "Prid",
    "type": "Type",
    "volume": "Vol",
    "time": "Time",
    "distwidth": "Ratio",
    "osmolality": "Osmol",
    "volume rate/area": "ArVRat",
}
_SYSTEMS = {
    "serum or plasma": "Ser/Plas",
    "serum": "Ser",
    "plasma": "Plas",
    "blood": "Bld",
    "serum, plasma or blood": "Ser/Plas/Bld",
    "arterial blood": "BldA",
    "venous blood": "BldV",
    "capillary blood": "BldC",
    "platelet poor plasma": "PPP",
    "red blood cells": "RBC",
    "urine": "Urine",
    "urine sediment": "Urine sed",
    "cerebral spinal fluid": "CSF",
    "stool": "Stool",
    "specimen": "XXX",
    "unspecified specimen": "XXX",
    "body fluid": "Body fld",
    "pleural fluid": "Pleur fld",
    "peritoneal fluid": "Periton fld",
    "synovial fluid": "Synv fld",
    "saliva": "Saliva",
    "sputum": "Sputum",
    "bone marrow": "Bone mar",
    "blood or tissue": "Bld/Tiss",
    "respiratory system specimen": "Respiratory",
    "respiratory specimen": "Respiratory",
    "nasopharynx": "Nph",
    "throat": "Thrt",
    "nose": "Nose",
}


def axes_of_name(name: str) -> Axes:
    """The axes that a long common name shows; empty where it is not built as those of measurements are."""
    match = _NAME.match(name)
    if match is None:
        return {}
    statements = {key: value or "" for key, value in match.groupdict().items()}
    where = statements["system"].casefold().removeprefix("24 hour ")
    named, system = _PROPERTIES.get(statements["property"].casefold()), _SYSTEMS.get(where)
    if named is None and system is None:
        return {}
    challenge = f"^{statements['challenge'].strip()}" if statements["challenge"] else ""
    return {
        "COMPONENT": statements["component"] + challenge,
        "PROPERTY": named or "",
        "SYSTEM": system or statements["system"],
        "TIME_ASPCT": "24H" if where != statements["system"].casefold() else "",
        "METHOD_TYP": statements["method"],
    }


def spoken_system(system: str) -> str:
    """How long common names call a system axis: `Synv fld` as "synovial fluid"."""
    return _SPOKEN.get(system, system.casefold())


_SPOKEN = {axis: spoken for spoken, axis in reversed(_SYSTEMS.items())}

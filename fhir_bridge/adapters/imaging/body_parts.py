"""Body Part Examined (0018,0015) to SNOMED CT (PS3.16 Annex L), with the codes that pydicom carries."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from fhir_bridge.adapters.imaging.codes import Code
from fhir_bridge.adapters.imaging.values import Value
from fhir_bridge.terminology.dicom_concepts import dicom_concepts

__all__ = ["BODY_PARTS", "body_part"]

BODY_PARTS: Final = {
    "ABDOMEN": "Abdomen",
    "ABDOMENPELVIS": "AbdomenAndPelvis",
    "ACJOINT": "AcromioclavicularJoint",
    "ADRENAL": "AdrenalGland",
    "ANKLE": "AnkleJoint",
    "ANUS": "Anus",
    "AORTA": "Aorta",
    "AORTICARCH": "AorticArch",
    "APPENDIX": "Appendix",
    "ARM": "UpperLimb",
    "AXILLA": "Axilla",
    "BACK": "Back",
    "BILEDUCT": "BileDuct",
    "BLADDER": "Bladder",
    "BRAIN": "Brain",
    "BREAST": "Breast",
    "BRONCHUS": "Bronchus",
    "BUTTOCK": "Buttock",
    "CALCANEUS": "Calcaneus",
    "CALF": "StructureOfCalfOfLeg",
    "CAROTID": "CarotidArtery",
    "CEREBELLUM": "Cerebellum",
    "CERVIX": "Cervix",
    "CHEST": "Chest",
    "CHESTABDOMEN": "ChestAndAbdomen",
    "CHESTABDPELVIS": "ChestAbdomenAndPelvis",
    "CLAVICLE": "Clavicle",
    "COCCYX": "Coccyx",
    "COLON": "Colon",
    "CORONARYARTERY": "CoronaryArtery",
    "CSPINE": "CervicalSpine",
    "CTSPINE": "CervicoThoracicSpine",
    "DUODENUM": "Duodenum",
    "EAR": "Ear",
    "ELBOW": "ElbowJoint",
    "ESOPHAGUS": "Esophagus",
    "EXTREMITY": "Extremity",
    "EYE": "Eye",
    "FACE": "Face",
    "FEMUR": "Femur",
    "FIBULA": "Fibula",
    "FINGER": "Finger",
    "FOOT": "Foot",
    "FOREARM": "Forearm",
    "GALLBLADDER": "Gallbladder",
    "HAND": "Hand",
    "HEAD": "Head",
    "HEADNECK": "HeadAndNeck",
    "HEART": "Heart",
    "HIP": "Hip",
    "HUMERUS": "Humerus",
    "IAC": "InternalAuditoryCanal",
    "ILEUM": "Ileum",
    "ILIUM": "Ilium",
    "JAW": "JawRegion",
    "JEJUNUM": "Jejunum",
    "KIDNEY": "Kidney",
    "KNEE": "Knee",
    "LARYNX": "Larynx",
    "LEG": "LowerLeg",
    "LIVER": "Liver",
    "LSPINE": "LumbarSpine",
    "LSSPINE": "LumboSacralSpine",
    "LUNG": "Lung",
    "MANDIBLE": "Mandible",
    "MAXILLA": "Maxilla",
    "MEDIASTINUM": "Mediastinum",
    "NECK": "Neck",
    "NECKCHEST": "NeckAndChest",
    "NECKCHESTABDOMEN": "NeckChestAndAbdomen",
    "NECKCHESTABDPELV": "NeckChestAbdomenAndPelvis",
    "NOSE": "Nose",
    "ORBIT": "OrbitalStructure",
    "OVARY": "Ovary",
    "PANCREAS": "Pancreas",
    "PAROTID": "ParotidGland",
    "PATELLA": "Patella",
    "PELVIS": "Pelvis",
    "PENIS": "Penis",
    "PHANTOM": "Phantom",
    "PHARYNX": "Pharynx",
    "PROSTATE": "Prostate",
    "RECTUM": "Rectum",
    "RIB": "Rib",
    "SACRUM": "Sacrum",
    "SCAPULA": "Scapula",
    "SELLA": "SellaTurcica",
    "SHOULDER": "Shoulder",
    "SIJOINT": "SacroiliacJoint",
    "SINUS": "ParanasalSinus",
    "SKULL": "Skull",
    "SMALLINTESTINE": "SmallIntestine",
    "SPINE": "Spine",
    "SPLEEN": "Spleen",
    "SSPINE": "Sacrum",
    "STERNUM": "Sternum",
    "STOMACH": "Stomach",
    "TESTIS": "Testis",
    "THIGH": "Thigh",
    "THORAX": "Chest",
    "THUMB": "Thumb",
    "THYMUS": "Thymus",
    "THYROID": "Thyroid",
    "TIBIA": "Tibia",
    "TLSPINE": "ThoracoLumbarSpine",
    "TMJ": "TemporomandibularJoint",
    "TOE": "Toe",
    "TRACHEA": "Trachea",
    "TSPINE": "ThoracicSpine",
    "URETER": "Ureter",
    "URETHRA": "Urethra",
    "UTERUS": "Uterus",
    "VAGINA": "Vagina",
    "WHOLEBODY": "EntireBody",
    "WRIST": "WristJoint",
    "ZYGOMA": "Zygoma",
}
"""Defined terms without spaces and underscores, to the keyword of the concept in pydicom's tables."""


@lru_cache(maxsize=512)
def _concept(term: str) -> Code | None:
    keyword = BODY_PARTS.get("".join(character for character in term.upper() if character.isalnum()))
    if keyword is None:
        return None
    return _anatomy()[keyword]


@lru_cache(maxsize=1)
def _anatomy() -> dict[str, Code]:
    wanted = frozenset(BODY_PARTS.values())
    # Reversed: of several codes of a keyword the first counts.
    concepts = [each for each in reversed(dicom_concepts("SCT")) if each.keyword in wanted]
    return {each.keyword: Code(each.code, "SCT", each.meaning) for each in concepts}


def body_part(value: Value) -> Code | None:
    """The SNOMED concept of a defined term; other text has only a meaning, and no code is guessed for it."""
    first = value[0] if isinstance(value, list) else value
    if not first:
        return None
    return _concept(str(first)) or Code(None, None, str(first))

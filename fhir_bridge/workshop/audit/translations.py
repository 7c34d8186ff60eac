"""What engines write for codes of HL7's v2 tables: targets of concept maps, displays of the tables, habits."""

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import Final

from fhir_bridge.fhir import definitions
from fhir_bridge.terminology import get_terminology
from fhir_bridge.workshop.audit.leaves import Role, SourceLeaf
from fhir_bridge.workshop.normal_forms import stems

__all__ = ["display_stems", "same_family", "statuses", "system_of", "translations"]

_HABITS: Final[dict[str, str]] = {
    "0001": "F:female M:male O:other U:unknown A:other,ambiguous N:other X:other",
    "0002": "S:S,never_married M:M D:D W:W A:L,A P:T G:T",
    "0004": "E:EMER I:IMP,ACUTE,NONAC O:AMB,outpatient P:PRENC R:AMB B:IMP,OBSENC C:SS N:N U:UNK",
    "0005": "2106-3:2106-3",
    "0007": "E:EM,emergency",
    "0038": """A:active CA:revoked,cancelled CM:completed DC:revoked,stopped ER:entered-in-error HD:on-hold
        IP:active,accepted RP:revoked SC:active,requested""",
    "0052": "A:AD,admission W:working,CM,provisional F:DD,discharge,billing,confirmed",
    "0063": """SEL:ONESELF SPO:SPS,spouse CHD:CHILD,child MTH:MTH,mother FTH:FTH,father GRD:GUARD PAR:PRN,parent
        SIB:SIB BRO:BRO SIS:SIS EMC:C,emergency FND:FRND,friend GRP:GRPRN GCH:GRNDCHILD OTH:O,other
        EME:E,employer EMR:E DEP:DEP LIF:SIGOTHR OAD:CHILD NCH:NCHILD SCH:STPCHLD FCH:FAMMEMB EXF:FAMMEMB
        NON:O UNK:U""",
    "0062": "01:PATRQT 02:PHYRQT 03:HOPERAT O:OTH U:UNK",
    "0116": """O:occupied U:unoccupied,available K:contaminated I:isolated C:closed H:housekeeping,suspended""",
    "0127": """DA:medication FA:food MA:environment,biologic,allergy MC:medication EA:environment
        AA:environment,animal PA:environment,plant LA:environment""",
    "0128": """SV:high,severe MO:moderate,unable-to-assess,low MI:low,mild U:unable-to-assess,unknown""",
    "0131": "C:C E:E F:F I:I N:N O:O S:S U:U",
    "0136": "Y:true,yes,Y N:false,no,N",
    "0190": """M:postal B:work BA:old BI:billing C:temp,temporary H:home O:work P:home BDL:birth L:legal,home
        RH:home SH:postal V:temp""",
    "0191": "IM:image NS:image SI:image TEXT:text FT:text AP:application AU:audio SD:application",
    "0200": """L:official R:official,registered D:usual M:maiden B:birth,official,maiden N:nickname S:anonymous
        A:usual,old K:usual T:usual,temp BAD:old TEMP:temp NAV:temp NB:temp NOUSE:old MSK:anonymous
        ANON:anonymous C:old,official I:usual,official P:usual,official U:usual""",
    "0201": """PRN:home WPN:work ORN:home VHN:temp,home ASN:home,work EMR:home NET:home,email BPN:mobile,work,pager
        PRS:mobile""",
    "0202": """PH:phone FX:fax MD:other,modem CP:phone,mobile BP:pager Internet:email,url X.400:email
        SAT:other,phone TDD:other,phone TTY:other,phone""",
    "0270": "DI:DI AR:AR CD:CD CN:CN DS:DS",
    "0271": """DI:preliminary DO:preliminary IP:preliminary IN:preliminary PA:preliminary AU:final LA:final""",
    "0273": "AV:current CA:entered-in-error OB:superseded UN:current",
    "0275": "AC:current AA:current AR:current PU:entered-in-error",
    "0277": "Complete:complete,COMPLETE Normal:NORMAL,normal,routine Tentative:TENTATIVE",
    "0278": """Pending:proposed,pending Waitlist:waitlist Booked:booked Started:arrived,checked-in
        Complete:fulfilled Cancelled:cancelled Dc:cancelled Deleted:cancelled,entered-in-error
        Blocked:proposed,busy Overbook:booked Noshow:noshow""",
    "0322": "CP:completed RE:not-done NA:not-done PA:completed",
    "0323": "A:completed U:completed D:entered-in-error X:completed",
    "0485": "S:stat A:asap R:routine P:urgent,routine C:urgent T:urgent,routine PRN:routine,true",
    "0078": "A:A N:N",
    "0296": "eng:en ara:ar ger:de fre:fr spa:es ita:it chi:zh jpn:ja por:pt rus:ru dut:nl",
    "0017": "CG:billable CD:entered-in-error PY:billed AJ:billable",
    "0189": "H:2135-2,hispanic N:2186-5,non U:UNK,unknown",
}
"""Beside concept maps and tables: code -> what is written for it. Before the colon is the code as sent."""

_STATUSES: Final[dict[str, str]] = {
    "OBX-11": """A:amended,corrected,appended,final B:amended,appended,final C:corrected,amended
        D:entered-in-error,cancelled F:final,completed,current I:registered,preliminary,partial,unknown
        N:registered,cancelled,unknown O:registered,unknown,preliminary P:preliminary,partial
        R:preliminary,partial,registered,unknown S:preliminary,partial,registered,unknown
        U:final,amended,corrected V:final W:entered-in-error X:cancelled,entered-in-error""",
    "OBR-25": """O:registered,unknown,active I:registered,partial,unknown,active S:registered,unknown,active
        A:partial,preliminary P:preliminary,partial C:corrected,amended,appended
        R:preliminary,partial,unknown F:final,completed X:cancelled,revoked,entered-in-error
        M:amended,corrected,partial,preliminary N:registered,unknown Y:unknown,cancelled,registered
        Z:unknown,registered""",
    "ORC-5": """A:active,partial,preliminary CA:revoked,cancelled CM:completed,final DC:revoked,stopped,cancelled
        ER:entered-in-error,unknown HD:on-hold IP:active,accepted,in-progress,registered
        RP:revoked,cancelled,entered-in-error SC:active,requested,registered""",
    "RXA-20": "CP:completed RE:not-done NA:not-done,completed PA:completed,in-progress",
    "SCH-25": """PENDING:proposed,pending WAITLIST:waitlist BOOKED:booked STARTED:arrived,checked-in
        COMPLETE:fulfilled CANCELLED:cancelled DC:cancelled DELETED:cancelled,entered-in-error
        BLOCKED:proposed,busy OVERBOOK:booked NOSHOW:noshow""",
    "TXA-17": """DI:preliminary DO:preliminary IP:preliminary IN:preliminary,final PA:preliminary AU:final,amended
        LA:final,amended""",
    "TXA-19": "AV:current CA:entered-in-error,current OB:superseded UN:current",
}
"""Field -> code -> what the status of its resource may then be. Generous: what is reported contradicts the code."""

_SYSTEMS: Final = {
    "LN": "http://loinc.org",
    "SCT": "http://snomed.info/sct",
    "SNM3": "http://snomed.info/sct",
    "UCUM": "http://unitsofmeasure.org",
    "I10": "http://hl7.org/fhir/sid/icd-10",
    "I10C": "http://hl7.org/fhir/sid/icd-10-cm",
    "I9C": "http://hl7.org/fhir/sid/icd-9-cm",
    "CVX": "http://hl7.org/fhir/sid/cvx",
    "MVX": "http://hl7.org/fhir/sid/mvx",
    "NDC": "http://hl7.org/fhir/sid/ndc",
    "RXNORM": "http://www.nlm.nih.gov/research/umls/rxnorm",
    "C4": "http://www.ama-assn.org/go/cpt",
}
_FAMILIES: Final = {
    "icd-9": "icd-?9|icd9|6\\.(2|42|103|104)$",
    "icd-10": "icd-?10|icd/release/10|6\\.(3|4|90)$",
    "icd-11": "icd-?11|icd/release/11",
    "cpt": "cpt|6\\.12$",
    "snomed": "snomed|6\\.96$",
    "loinc": "loinc|6\\.1$",
    "rxnorm": "rxnorm|6\\.88$",
    "ndc": "ndc|6\\.69$",
    "cvx": "cvx|12\\.292$",
    "mvx": "mvx|12\\.227$",
    "ucum": "unitsofmeasure|ucum|6\\.8$",
}
"""Kinds of coding systems by what their URIs have, also as object identifiers (of `2.16.840.1.113883`)."""


def system_of(designator: str) -> str | None:
    """The URI of a coding system that is known to everyone; None for local ones and HL7's own tables."""
    return _SYSTEMS.get(designator.upper())


def same_family(first: str, second: str) -> bool:
    """Whether two URIs are of the same kind of system, such as ICD-10 and its clinical modification."""
    return any(
        re.search(name, first.lower()) and re.search(name, second.lower()) for name in _FAMILIES.values()
    )


@cache
def _table(text: str) -> dict[str, tuple[str, ...]]:
    rows = (item.split(":") for item in text.split())
    return {
        code.upper(): tuple(part.replace("_", " ") for part in targets.split(",")) for code, targets in rows
    }


def statuses(field: str, code: str) -> tuple[str, ...]:
    """What the resource's status may be; nothing where the code is not of the table."""
    return _table(_STATUSES.get(field, "")).get(code.upper(), ())


def translations(leaf: SourceLeaf) -> tuple[str, ...]:
    """What may be written for a code instead of it."""
    if leaf.role is Role.SYSTEM:
        uri = system_of(leaf.value)
        return (uri,) if uri else ()
    return _of(leaf.table, leaf.value)


@lru_cache(20_000)
def _of(table: str, code: str) -> tuple[str, ...]:
    if not table:
        return ()
    results = dict.fromkeys(_table(_HABITS.get(table, "")).get(code.upper(), ()))
    results.update(dict.fromkeys(_mapped(table, code)))
    if name := _display(table, code):
        results[name] = None
    return tuple(results)


def _mapped(table: str, code: str) -> list[str]:
    """The targets of our concept map of a table."""
    name = "administrative-gender" if table == "sex" else f"v2-{table}"
    try:
        return [
            item.code
            for item in get_terminology().translate_by_map(name, code if table != "sex" else code.lower())
            if item.code
        ]
    except LookupError:
        return []


@lru_cache(20_000)
def _display(table: str, code: str) -> str | None:
    system = definitions.code_system(f"http://terminology.hl7.org/CodeSystem/v2-{table}")
    concept = None if system is None else system.concepts.get(code) or system.concepts.get(code.upper())
    return concept.display if concept is not None else None


@lru_cache(20_000)
def display_stems(table: str, code: str) -> frozenset[str]:
    """The beginnings of the words of a code's name in its table."""
    name = _display(table, code) if table else None
    return stems(name) if name else frozenset()

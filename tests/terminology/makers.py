"""Makes terminology files in their official forms: small ones for tests, large ones for speed.

The forms (file names, columns, encodings) are the publishers'; the content is made up, and every file that has a
place for it says so. Nothing here is LOINC's, SNOMED CT's or anyone's content. The same seed gives the same bytes.
"""

from __future__ import annotations

import csv
import io
import random
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from fhir_bridge.terminology.check_digits import loinc_check_digit
from tests.terminology import makers_words as words

MADE = "Made for tests of fhir_bridge in the official form; no licensed content."

LOINC_COLUMNS = (
    "LOINC_NUM COMPONENT PROPERTY TIME_ASPCT SYSTEM SCALE_TYP METHOD_TYP CLASS VersionLastChanged CHNG_TYPE "
    "DefinitionDescription STATUS CONSUMER_NAME CLASSTYPE FORMULA EXMPL_ANSWERS SURVEY_QUEST_TEXT SURVEY_QUEST_SRC "
    "UNITSREQUIRED RELATEDNAMES2 SHORTNAME ORDER_OBS HL7_FIELD_SUBFIELD_ID EXTERNAL_COPYRIGHT_NOTICE EXAMPLE_UNITS "
    "LONG_COMMON_NAME EXAMPLE_UCUM_UNITS STATUS_REASON STATUS_TEXT CHANGE_REASON_PUBLIC COMMON_TEST_RANK "
    "COMMON_ORDER_RANK HL7_ATTACHMENT_STRUCTURE EXTERNAL_COPYRIGHT_LINK PanelType AskAtOrderEntry "
    "AssociatedObservations VersionFirstReleased ValidHL7AttachmentRequest DisplayName"
).split()
VARIANT_COLUMNS = (
    "LOINC_NUM COMPONENT PROPERTY TIME_ASPCT SYSTEM SCALE_TYP METHOD_TYP CLASS SHORTNAME LONG_COMMON_NAME "
    "RELATEDNAMES2 LinguisticVariantDisplayName"
).split()
ANSWER_COLUMNS = (
    "AnswerListId AnswerListName AnswerListOID ExtDefinedYN ExtDefinedAnswerListCodeSystem ExtDefinedAnswerListLink "
    "AnswerStringId LocalAnswerCode LocalAnswerCodeSystem SequenceNumber DisplayText ExtCodeId ExtCodeDisplayName "
    "ExtCodeSystem ExtCodeSystemVersion ExtCodeSystemCopyrightNotice SubsequentTextPrompt Description Score"
).split()


def loinc_number(number: int, prefix: str = "") -> str:
    """`718` -> `718-7`: with the check digit, for parts `LP…`, answers `LA…`, lists `LL…` as well."""
    return f"{prefix}{number}-{loinc_check_digit(str(number))}"


def loinc_components(seed: int) -> Iterator[tuple[str, str]]:
    """Component and class, without end."""
    choose = random.Random(seed)
    results = set()
    while True:
        kind = choose.random()
        if kind < 0.45:
            name, group = choose.choice(words.ANALYTES), "CHEM"
            if choose.random() < 0.7:
                name += f".{choose.choice(words.QUALIFIERS)}"
            if choose.random() < 0.4:
                hours = choose.choice(("1", "2", "3", "4", "6", "8", "12", "24"))
                name += f"^{hours}H post {choose.choice(('dose', 'meal', '75 g glucose', 'exercise'))}"
            if choose.random() < 0.25:
                name += f"/{choose.choice(words.ANALYTES)}"
        elif kind < 0.75:
            name, group = choose.choice(words.ORGANISMS), "MICRO"
            result = ("Ab.IgG", "Ab.IgM", "Ab.IgA", "Ag", "DNA", "RNA", "rRNA")
            name += f" sp {choose.randrange(1, 90)} {choose.choice(result)}"
        else:
            name, group = choose.choice(words.ALLERGENS), "ALLERGY"
            number = f"{choose.choice('abcdefgtw')}{choose.randrange(1, 400)}"
            name += f" ({number}) Ab.{choose.choice(('IgE', 'IgG4', 'IgG'))}"
        if name not in results:
            results.add(name)
            yield name, group


def loinc_rows(concepts: int, seed: int = 1) -> Iterator[dict[str, str]]:
    """Rows of Loinc.csv."""
    choose = random.Random(seed)
    components = loinc_components(seed)
    known: list[tuple[str, str]] = []
    results: set[tuple[str, ...]] = set()
    number = 100
    while len(results) < concepts:
        if len(known) < 50 or choose.random() < 0.25:
            known.append(next(components))
        component, group = choose.choice(known)
        prop, system = choose.choice(list(words.PROPERTIES)), choose.choice(list(words.SYSTEMS))
        method = choose.choice(list(words.METHODS)) if choose.random() < 0.5 else ""
        key = (component, prop, system, method)
        if key in results:
            continue
        results.add(key)
        number += choose.randrange(1, 3)
        spoken = component.split("^")[0].replace(".", " ")
        by = f" by {words.METHODS[method]}" if method else ""
        after = f" --{component.split('^')[1]}" if "^" in component else ""
        scale = {"PrThr": "Ord", "Titr": "Qn"}.get(prop, "Qn")
        long_name = f"{spoken} [{words.PROPERTIES[prop]}] in {words.SYSTEMS[system]}{by}{after}"
        retired = choose.random() < 0.03
        yield {
            "LOINC_NUM": loinc_number(number),
            "COMPONENT": component,
            "PROPERTY": prop,
            "TIME_ASPCT": "Pt",
            "SYSTEM": system,
            "SCALE_TYP": scale,
            "METHOD_TYP": method,
            "CLASS": group,
            "VersionLastChanged": f"2.{choose.randrange(40, 78)}",
            "CHNG_TYPE": "MIN",
            "DefinitionDescription": MADE if number % 50 == 0 else "",
            "STATUS": "DEPRECATED" if retired else "ACTIVE",
            "CONSUMER_NAME": "",
            "CLASSTYPE": "1",
            "RELATEDNAMES2": (
                f"{spoken.lower()}; {words.PROPERTIES[prop]}; Level; Point in time; {words.SYSTEMS[system]}; QNT"
            ),
            "SHORTNAME": f"{component} {system} {method}".strip()[:60],
            "ORDER_OBS": "Both",
            "LONG_COMMON_NAME": long_name,
            "EXAMPLE_UCUM_UNITS": {"MCnc": "mg/dL", "SCnc": "mmol/L", "CCnc": "U/L"}.get(prop, ""),
            "EXAMPLE_UNITS": {"MCnc": "mg/dL", "SCnc": "mmol/L", "CCnc": "U/L"}.get(prop, ""),
            "COMMON_TEST_RANK": str(choose.randrange(1, 2000)) if choose.random() < 0.02 else "0",
            "COMMON_ORDER_RANK": "0",
            "VersionFirstReleased": "2.40",
            "DisplayName": f"{spoken} [{words.PROPERTIES[prop]}] ({words.SYSTEMS[system]})",
        }


def translated(text: str, language: str) -> str:
    """The words of a name that `LANGUAGES` knows, in the other language."""
    table = words.LANGUAGES[language]
    for english in sorted(table, key=len, reverse=True):
        text = text.replace(english, table[english])
    return text


def csv_text(columns: Sequence[str], rows: Iterable[dict[str, str]]) -> str:
    """A CSV as LOINC writes it: every field quoted."""
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, restval="", quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def make_loinc(
    path: Path,
    concepts: int = 300,
    seed: int = 1,
    languages: Sequence[str] = ("deDE", "frFR"),
    release: str = "2.78",
) -> list[str]:
    """A LOINC zip as Regenstrief lays it out; returns the LOINC numbers in order."""
    rows = list(loinc_rows(concepts, seed))
    rows[0]["VersionLastChanged"] = release
    parts: dict[tuple[str, str], str] = {}

    def part(kind: str, name: str) -> str:
        return parts.setdefault((kind, name), loinc_number(10000 + len(parts), "LP"))

    root = loinc_number(29693, "LP")
    hierarchy = [
        {"PATH_TO_ROOT": "", "SEQUENCE": "1", "IMMEDIATE_PARENT": "", "CODE": root, "CODE_TEXT": "Laboratory"}
    ]
    links: list[dict[str, str]] = []
    placed: set[str] = set()
    for row in rows:
        group, component = part("CLASS", row["CLASS"]), part("COMPONENT", row["COMPONENT"].split("^")[0])
        for code, above, text in (
            (group, [root], row["CLASS"]),
            (component, [root, group], row["COMPONENT"].split("^")[0]),
            (row["LOINC_NUM"], [root, group, component], row["LONG_COMMON_NAME"]),
        ):
            if code not in placed:
                placed.add(code)
                hierarchy.append(
                    {
                        "PATH_TO_ROOT": ".".join(above),
                        "SEQUENCE": str(len(hierarchy)),
                        "IMMEDIATE_PARENT": above[-1],
                        "CODE": code,
                        "CODE_TEXT": text,
                    }
                )
        for kind, name in (("COMPONENT", component), ("SYSTEM", part("SYSTEM", row["SYSTEM"]))):
            links.append(
                {
                    "LoincNumber": row["LOINC_NUM"],
                    "LongCommonName": row["LONG_COMMON_NAME"],
                    "PartNumber": name,
                    "PartName": row[kind].split("^")[0],
                    "PartCodeSystem": "http://loinc.org",
                    "PartTypeName": kind,
                    "LinkTypeName": "Primary",
                    "Property": f"http://loinc.org/property/{kind}",
                }
            )
    answers = [("Positive", "LA", 6576), ("Negative", "LA", 6577), ("Trace", "LA", 9634)]
    answer_list = loinc_number(360, "LL")
    ordinal = [row for row in rows if row["SCALE_TYP"] == "Ord"][: max(1, concepts // 20)]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:

        def write(name: str, columns: Sequence[str], content: Iterable[dict[str, str]]) -> None:
            archive.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), csv_text(columns, content), 8)

        archive.writestr(zipfile.ZipInfo("LoincReadMe.txt", (2026, 1, 1, 0, 0, 0)), MADE)
        write("LoincTable/Loinc.csv", LOINC_COLUMNS, rows)
        deprecated = [row for row in rows if row["STATUS"] == "DEPRECATED"]
        write(
            "LoincTable/MapTo.csv",
            ("LOINC", "MAP_TO", "COMMENT"),
            ({"LOINC": r["LOINC_NUM"], "MAP_TO": rows[0]["LOINC_NUM"], "COMMENT": ""} for r in deprecated),
        )
        write(
            "AccessoryFiles/PartFile/Part.csv",
            ("PartNumber", "PartTypeName", "PartName", "PartDisplayName", "Status"),
            (
                {
                    "PartNumber": code,
                    "PartTypeName": kind,
                    "PartName": name,
                    "PartDisplayName": name,
                    "Status": "ACTIVE",
                }
                for (kind, name), code in [(("CLASS", "Laboratory"), root), *parts.items()]
            ),
        )
        write("AccessoryFiles/PartFile/LoincPartLink_Primary.csv", list(links[0]), links)
        write(
            "AccessoryFiles/ComponentHierarchyBySystem/ComponentHierarchyBySystem.csv",
            list(hierarchy[0]),
            hierarchy,
        )
        write(
            "AccessoryFiles/ConsumerName/ConsumerName.csv",
            ("LoincNumber", "ConsumerName"),
            (
                {
                    "LoincNumber": r["LOINC_NUM"],
                    "ConsumerName": f"{r['COMPONENT'].split('.')[0]}, {words.SYSTEMS[r['SYSTEM']]}",
                }
                for r in rows[::2]
            ),
        )
        write(
            "AccessoryFiles/AnswerFile/AnswerList.csv",
            ANSWER_COLUMNS,
            (
                {
                    "AnswerListId": answer_list,
                    "AnswerListName": "Pos/Neg/Trace",
                    "AnswerListOID": "2.25.360",
                    "ExtDefinedYN": "N",
                    "AnswerStringId": loinc_number(number, prefix),
                    "SequenceNumber": str(location),
                    "DisplayText": text,
                }
                for location, (text, prefix, number) in enumerate(answers, 1)
            ),
        )
        write(
            "AccessoryFiles/AnswerFile/LoincAnswerListLink.csv",
            (
                "LoincNumber",
                "LongCommonName",
                "AnswerListId",
                "AnswerListName",
                "AnswerListLinkType",
                "ApplicableContext",
            ),
            (
                {
                    "LoincNumber": r["LOINC_NUM"],
                    "LongCommonName": r["LONG_COMMON_NAME"],
                    "AnswerListId": answer_list,
                    "AnswerListName": "Pos/Neg/Trace",
                    "AnswerListLinkType": "NORMATIVE",
                }
                for r in ordinal
            ),
        )
        write(
            "AccessoryFiles/LinguisticVariants/LinguisticVariants.csv",
            ("ID", "ISO_LANGUAGE", "ISO_COUNTRY", "LANGUAGE_NAME", "PRODUCER"),
            (
                {
                    "ID": str(n),
                    "ISO_LANGUAGE": item[:2],
                    "ISO_COUNTRY": item[2:],
                    "LANGUAGE_NAME": item,
                    "PRODUCER": MADE,
                }
                for n, item in enumerate(languages, 5)
            ),
        )
        for n, language in enumerate(languages, 5):
            write(
                f"AccessoryFiles/LinguisticVariants/{language}{n}LinguisticVariant.csv",
                VARIANT_COLUMNS,
                (
                    {
                        "LOINC_NUM": r["LOINC_NUM"],
                        "COMPONENT": translated(r["COMPONENT"], language),
                        "LONG_COMMON_NAME": translated(r["LONG_COMMON_NAME"], language),
                    }
                    for r in rows
                ),
            )
    return [row["LOINC_NUM"] for row in rows]

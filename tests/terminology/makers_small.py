"""Makes small files of the other forms: RxNorm, ClaML, ICD-10-CM, ATC, OBO, HGNC, OMOP, FHIR, Usagi, SSSOM.

As in `makers`: the forms are the publishers', the content is made up or too small to be anybody's.
"""

# ruff: noqa: E501 - rows as the forms have them
from __future__ import annotations

import io
import json
import tarfile
import zipfile
from pathlib import Path
from typing import Any

from tests.terminology.makers import MADE

ATORVASTATIN, TABLET, BRAND = "83367", "617318", "617320"


def make_rxnorm(path: Path) -> None:
    """A release zip with an ingredient, a clinical drug and a branded drug that is no longer active."""
    conso = [
        (ATORVASTATIN, "ENG", "RXNORM", "IN", "83367", "atorvastatin", "N"),
        (ATORVASTATIN, "ENG", "DRUGBANK", "SY", "DB01076", "Atorvastatine", "N"),
        (TABLET, "ENG", "RXNORM", "PSN", TABLET, "atorvastatin 20 MG Oral Tablet, made", "N"),
        (TABLET, "ENG", "RXNORM", "SCD", TABLET, "atorvastatin 20 MG Oral Tablet", "N"),
        (BRAND, "ENG", "RXNORM", "SBD", BRAND, "atorvastatin 20 MG Oral Tablet [Madebrand]", "O"),
    ]
    lines = [
        f"{cui}|{lat}||||||A{n}||||{sab}|{tty}|{code}|{name}||{suppress}|4096|"
        for n, (cui, lat, sab, tty, code, name, suppress) in enumerate(conso)
    ]
    relations = [f"{ATORVASTATIN}||CUI|RO|{TABLET}||CUI|has_ingredient|||RXNORM|RXNORM|||N|4096|"]
    attributes = [f"{TABLET}|||A3|AUI|{TABLET}|||NDC|RXNORM|00071015623|N|4096|"]
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("rrf/RXNCONSO.RRF", "\n".join(lines) + "\n")
        archive.writestr("rrf/RXNREL.RRF", "\n".join(relations) + "\n")
        archive.writestr("rrf/RXNSAT.RRF", "\n".join(attributes) + "\n")
        archive.writestr("Readme_Full_01052026.txt", MADE)


def make_claml(path: Path, title: str = "ICD-10-GM", version: str = "2026", language: str = "de") -> None:
    """A classification with a chapter, a block, a category with a modifier and one without."""

    def label(kind: str, text: str) -> str:
        return (
            f'<Rubric kind="{kind}"><Label xml:lang="{language}" xml:space="default">{text}</Label></Rubric>'
        )

    path.write_text(
        f"""<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE ClaML SYSTEM "ClaML.dtd">
<!-- {MADE} -->
<ClaML version="2.0.0">
  <Title name="{title}" date="2026-01-01" version="{version}">{title} (made)</Title>
  <ClassKinds><ClassKind name="chapter"/><ClassKind name="block"/><ClassKind name="category"/></ClassKinds>
  <Modifier code="S04E10_4"><SubClass code=".0"/><SubClass code=".9"/></Modifier>
  <ModifierClass code=".0" modifier="S04E10_4"><SuperClass code="S04E10_4"/>{label("preferred", "Mit Koma")}</ModifierClass>
  <ModifierClass code=".9" modifier="S04E10_4"><SuperClass code="S04E10_4"/>
    {label("preferred", "Ohne Komplikationen")}</ModifierClass>
  <Class code="IV" kind="chapter"><SubClass code="E10-E14"/>{label("preferred", "Endokrine Krankheiten")}</Class>
  <Class code="E10-E14" kind="block"><SuperClass code="IV"/><SubClass code="E10"/>
    {label("preferred", "Diabetes mellitus")}</Class>
  <Class code="E10" kind="category"><Meta name="MortBSG" value="x"/><SuperClass code="E10-E14"/>
    <ModifiedBy code="S04E10_4"/>
    {label("preferred", "Diabetes mellitus, Typ 1 <Reference>E10.-</Reference>")}
    {label("inclusion", "Juveniler Diabetes mellitus")}
    {label("exclusion", "Neonataler Diabetes <Reference>P70.2</Reference>")}</Class>
  <Class code="E11" kind="category"><SuperClass code="E10-E14"/>{label("preferred", "Diabetes mellitus, Typ 2")}</Class>
</ClaML>
""",
        encoding="utf-8",
    )


def make_icd10cm_order(path: Path) -> None:
    """An order file: order number, code, whether it is valid for use, short and long description."""
    rows = [
        ("A00", 0, "Cholera", "Cholera"),
        (
            "A000",
            1,
            "Cholera due to V. cholerae 01, made",
            "Cholera due to Vibrio cholerae 01, biovar cholerae, made",
        ),
        (
            "S72001A",
            1,
            "Fx unsp part of nk of r femr, init",
            "Fracture of unspecified part of neck of right femur, made",
        ),
    ]
    path.write_text(
        "".join(
            f"{n:05d} {code:<7} {valid} {short:<60} {full}\n"
            for n, (code, valid, short, full) in enumerate(rows, 1)
        )
    )


def make_icd10cm_tabular(path: Path) -> None:
    """A tabular with a section of one category, 7th characters that are inherited, and some that don't apply."""
    path.write_text(
        f"""<?xml version="1.0" encoding="utf-8"?>
<ICD10CM.tabular>
  <version>2026</version><title>{MADE}</title>
  <chapter><name>19</name><desc>Injury (S00-T88)</desc>
    <sectionIndex><sectionRef first="S00" last="S09" id="S00-S09">Injuries to the head</sectionRef></sectionIndex>
    <section id="S00-S09"><desc>Injuries to the head (S00-S09)</desc>
      <diag><name>S06</name><desc>Intracranial injury</desc>
        <includes><note>traumatic brain injury</note></includes>
        <sevenChrNote><note>The appropriate 7th character is to be added to each code from category S06</note></sevenChrNote>
        <sevenChrDef><extension char="A">initial encounter</extension><extension char="S">sequela</extension></sevenChrDef>
        <notes><note>7th character S does not apply to codes in category S06 with 6th character 7 - death due to
          brain injury, or 8 - death due to other cause.</note></notes>
        <diag><name>S06.0X7</name><desc>Concussion with death</desc></diag>
        <diag><name>S06.1</name><desc>Cerebral edema</desc><inclusionTerm><note>Swelling</note></inclusionTerm></diag>
      </diag>
    </section>
    <section id="T07"><desc>Unspecified multiple injuries (T07)</desc>
      <diag><name>T07</name><desc>Unspecified multiple injuries</desc></diag>
    </section>
  </chapter>
</ICD10CM.tabular>
""",
        encoding="utf-8",
    )


def make_atc(path: Path) -> None:
    """A table as WHO's index is passed on: one row for each DDD."""
    path.write_text(
        "atc_code,atc_name,ddd,uom,adm_r,note\n"
        "C,CARDIOVASCULAR SYSTEM,NA,NA,NA,NA\nC10,LIPID MODIFYING AGENTS,NA,NA,NA,NA\n"
        'C10A,"LIPID MODIFYING AGENTS, PLAIN",NA,NA,NA,NA\nC10AA,HMG CoA reductase inhibitors,NA,NA,NA,NA\n'
        "C10AA05,atorvastatin,20,mg,O,NA\nC10AA05,atorvastatin,10,mg,P,made\n",
        encoding="utf-8",
    )


def make_obo(path: Path) -> None:
    """An ontology with an obsolete term, an alternative id, synonyms and two parents."""
    path.write_text(
        f"""format-version: 1.2
data-version: hp/releases/2026-01-16
ontology: hp
remark: {MADE}

[Term]
id: HP:0000001
name: All

[Term]
id: HP:0000118
name: Phenotypic abnormality
is_a: HP:0000001 ! All

[Term]
id: HP:0001250
name: Seizure
alt_id: HP:0001275
def: "A seizure is \\"made\\" here." [HPO:probinson]
synonym: "Epileptic seizure" EXACT [ORCID:0]
synonym: "Fits" RELATED layperson []
xref: UMLS:C0036572
is_a: HP:0000118 ! Phenotypic abnormality
is_a: HP:0000001 {{source="made"}} ! All

[Term]
id: HP:0000057
name: obsolete Clitoromegaly
is_obsolete: true
replaced_by: HP:0001250

[Typedef]
id: part_of
name: part of
""",
        encoding="utf-8",
    )


def make_hgnc(path: Path) -> None:
    """A complete set with an approved and a withdrawn gene."""
    columns = "hgnc_id symbol name locus_group status alias_symbol prev_symbol entrez_id omim_id date_modified".split()
    rows = [
        ("HGNC:1100", "BRCA1", "BRCA1 DNA repair associated", "protein-coding gene", "Approved",
         '"RNF53|BRCC1"', "", "672", "113705", "2026-01-03"),
        ("HGNC:13", "A1S9T~withdrawn", "made entry withdrawn", "withdrawn", "Entry Withdrawn", "", "", "", "", "2011-01-01"),
    ]  # fmt: skip
    path.write_text(
        "\t".join(columns) + "\n" + "".join("\t".join(row) + "\n" for row in rows), encoding="utf-8"
    )


def make_omop(path: Path) -> None:
    """Athena's tables: a LOINC concept, a local one that maps to it, and one above it."""
    concept = (
        "concept_id concept_name domain_id vocabulary_id concept_class_id standard_concept concept_code "
        "valid_start_date valid_end_date invalid_reason"
    )
    concepts = [
        (
            "3000963",
            'Hemoglobin "Hb" in Blood',
            "Measurement",
            "LOINC",
            "Lab Test",
            "S",
            "718-7",
            "19700101",
            "20991231",
            "",
        ),
        ("45884084", "Hb local", "Measurement", "MyLab", "Lab Test", "", "HB", "19700101", "20991231", ""),
        (
            "37208644",
            "Hematology",
            "Measurement",
            "LOINC",
            "Class",
            "C",
            "LP7803-4",
            "19700101",
            "20991231",
            "",
        ),
        ("1", "gone", "Observation", "LOINC", "Lab Test", "", "1-8", "19700101", "20200101", "D"),
    ]
    relations = [
        ("45884084", "3000963", "Maps to", "19700101", "20991231", ""),
        ("3000963", "3000963", "Maps to", "19700101", "20991231", ""),
        ("3000963", "37208644", "Is a", "19700101", "20991231", ""),
        ("1", "37208644", "Is a", "19700101", "20200101", "D"),
    ]

    def table(columns: str, rows: list[tuple[str, ...]]) -> str:
        return "\t".join(columns.split()) + "\n" + "".join("\t".join(row) + "\n" for row in rows)

    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("CONCEPT.csv", table(concept, concepts))
        archive.writestr(
            "CONCEPT_RELATIONSHIP.csv",
            table(
                "concept_id_1 concept_id_2 relationship_id valid_start_date valid_end_date invalid_reason",
                relations,
            ),
        )
        archive.writestr(
            "CONCEPT_SYNONYM.csv",
            table(
                "concept_id concept_synonym_name language_concept_id", [("3000963", "Hämoglobin", "4182504")]
            ),
        )
        archive.writestr(
            "VOCABULARY.csv",
            table(
                "vocabulary_id vocabulary_name vocabulary_reference vocabulary_version vocabulary_concept_id",
                [("None", "OMOP Standardized Vocabularies", "made", "v5.0 01-JAN-26", "44819096")],
            ),
        )


def colours(version: str = "1.0") -> dict[str, Any]:
    """A CodeSystem with what one can have: nesting, parent properties, statuses, designations, extensions."""
    return {
        "resourceType": "CodeSystem",
        "id": "colours",
        "url": "https://example.org/colours",
        "version": version,
        "name": "Colours",
        "status": "active",
        "content": "complete",
        "caseSensitive": False,
        "language": "en",
        "hierarchyMeaning": "is-a",
        "property": [{"code": "shade", "type": "integer"}, {"code": "weight", "type": "decimal"}],
        "concept": [
            {
                "code": "Warm",
                "display": "Warm colour",
                "property": [{"code": "notSelectable", "valueBoolean": True}],
                "concept": [
                    {
                        "code": "Red",
                        "display": "Red",
                        "definition": "As blood.",
                        "designation": [
                            {"language": "de", "value": "Rot"},
                            {
                                "language": "fr",
                                "value": "Rouge",
                                "use": {"system": "https://u", "code": "x", "display": "X"},
                            },
                        ],
                        "property": [
                            {"code": "shade", "valueInteger": 7},
                            {"code": "weight", "valueDecimal": 1.5},
                            {"code": "like", "valueCoding": {"system": "https://o", "code": "o1"}},
                        ],
                        "extension": [{"url": "https://e", "valueString": "e"}],
                    },
                    {"code": "Pink", "display": "Pink", "property": [{"code": "parent", "valueCode": "Red"}]},
                ],
            },
            {"code": "Puce", "display": "Puce", "property": [{"code": "status", "valueCode": "retired"}]},
        ],
    }


def paint_map() -> dict[str, Any]:
    """A ConceptMap with two targets for one code, text as source, a code without target."""
    return {
        "resourceType": "ConceptMap",
        "url": "https://example.org/paint",
        "name": "Paint",
        "status": "active",
        "group": [
            {
                "source": "https://example.org/paints",
                "target": "https://example.org/colours",
                "element": [
                    {
                        "code": "p1",
                        "target": [
                            {"code": "Warm", "equivalence": "wider"},
                            {"code": "Red", "display": "Red", "equivalence": "equivalent", "comment": "seen"},
                        ],
                    },
                    {"code": "p2", "target": [{"equivalence": "unmatched", "comment": "no such colour"}]},
                ],
                "unmapped": {"mode": "fixed", "code": "Puce"},
            },
            {
                "target": "https://example.org/colours",
                "element": [{"code": "Dark Red", "target": [{"code": "Red", "equivalence": "wider"}]}],
            },
        ],
    }


def make_fhir_package(path: Path, *resources: dict[str, Any]) -> None:
    """An npm package of FHIR resources (FHIR NPM package specification)."""
    files = {
        "package/package.json": {"name": "made.for.tests", "version": "1.0.0", "fhirVersions": ["4.0.1"]}
    }
    for resource in resources:
        files[f"package/{resource['resourceType']}-{resource.get('id', resource['name'])}.json"] = resource
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            data = json.dumps(content).encode()
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))


def make_usagi(path: Path) -> None:
    """An export with an approved, an unchecked and an unmatched row."""
    path.write_text(
        "sourceCode,sourceName,sourceFrequency,sourceAutoAssignedConceptIds,matchScore,mappingStatus,equivalence,"
        "statusSetBy,statusSetOn,conceptId,conceptName,domainId,mappingType,comment,createdBy,createdOn,assignedReviewer\n"
        'HB,"Hämoglobin, Blut",120,,0.91,APPROVED,EQUIVALENT,ann,1767225600000,3000963,Hemoglobin,Measurement,MAPS_TO,,'
        "ann,1767225600000,\n"
        "KREA,Kreatinin,80,,0.55,UNCHECKED,UNREVIEWED,<auto>,0,3016723,Creatinine,Measurement,MAPS_TO,,<auto>,0,\n"
        "XYZ,Unklar,1,,0,APPROVED,UNMATCHED,ann,1767225600000,0,Unmapped,,MAPS_TO,nothing like it,ann,1767225600000,\n",
        encoding="utf-8",
    )


def make_sssom(path: Path) -> None:
    """A mapping set with its metadata, predicates of several kinds and one that is negated."""
    path.write_text(
        "# curie_map:\n#   HP: http://purl.obolibrary.org/obo/HP_\n#   SNOMEDCT: http://snomed.info/id/\n"
        "#   LAB: https://lab.example.org/\n"
        "# mapping_set_id: https://example.org/sets/made\n# mapping_set_version: 2026-01-01\n"
        "# license: https://creativecommons.org/publicdomain/zero/1.0/\n"
        "subject_id\tsubject_label\tpredicate_id\tpredicate_modifier\tobject_id\tobject_label\tmapping_justification\n"
        "HP:0001250\tSeizure\tskos:exactMatch\t\tSNOMEDCT:91175000\tSeizure\tsemapv:ManualMappingCuration\n"
        "HP:0001250\tSeizure\tskos:broadMatch\t\tSNOMEDCT:118940003\tDisorder of nervous system\tsemapv:LexicalMatching\n"
        "HP:0001250\tSeizure\tskos:exactMatch\tNot\tSNOMEDCT:313307000\tEpileptic\tsemapv:ManualMappingCuration\n"
        "LAB:HB\tHb\tskos:exactMatch\t\thttp://snomed.info/id/38082009\tHemoglobin\tsemapv:ManualMappingCuration\n",
        encoding="utf-8",
    )

"""Makes SNOMED CT releases in RF2 (Release File Specification): small for tests, or of any size for speed.

Identifiers have the right form and check digits, in the partitions of concepts, descriptions and relationships; the
concepts are made up (disorders of structures, their parents both the wider disorder and the wider structure).
Only the concepts of the metadata that the form itself needs keep their published identifiers.
"""

from __future__ import annotations

import io
import random
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from fhir_bridge.terminology.check_digits import snomed_check_digit
from tests.terminology import makers_words as words
from tests.terminology.makers import MADE, translated

CORE, MODEL = "900000000000207008", "900000000000012004"
ROOT, FINDING, STRUCTURE, MORPHOLOGY, PROCEDURE = (
    "138875005",
    "404684003",
    "123037004",
    "49755003",
    "71388002",
)
IS_A, SITE, MORPH = "116680003", "363698007", "116676008"
FSN, SYNONYM, DEFINITION = "900000000000003001", "900000000000013009", "900000000000550004"
US, GB = "900000000000509007", "900000000000508004"
PREFERRED, ACCEPTABLE = "900000000000548007", "900000000000549004"
SAME_AS = "900000000000527005"
STATED, INFERRED = "900000000000010007", "900000000000011006"
SOME = "900000000000451002"
DEFINED, PRIMITIVE = "900000000000073002", "900000000000074008"
CASE = "900000000000448009"
DATE = "20260101"
OLD = "20200131"

_FIXED = {
    ROOT: ("SNOMED CT Concept", "SNOMED CT Concept"),
    FINDING: ("Clinical finding", "finding"),
    STRUCTURE: ("Anatomical structure", "body structure"),
    MORPHOLOGY: ("Morphologically abnormal structure", "morphologic abnormality"),
    PROCEDURE: ("Procedure", "procedure"),
    "106237007": ("Linkage concept", "linkage concept"),
    IS_A: ("Is a", "attribute"),
    SITE: ("Finding site", "attribute"),
    MORPH: ("Associated morphology", "attribute"),
    "900000000000441003": ("SNOMED CT Model Component", "metadata"),
}
_FIXED_PARENTS = {
    FINDING: ROOT,
    STRUCTURE: ROOT,
    MORPHOLOGY: STRUCTURE,
    PROCEDURE: ROOT,
    "106237007": "900000000000441003",
    "900000000000441003": ROOT,
    IS_A: "106237007",
    SITE: "106237007",
    MORPH: "106237007",
}


def sctid(number: int, partition: str) -> str:
    """An identifier of the international namespace: partition `00` concept, `01` description, `02` relationship."""
    digits = f"{number}{partition}"
    return f"{digits}{snomed_check_digit(digits)}"


def structures(count: int, choose: random.Random) -> list[tuple[str, int]]:
    """Names of structures, and the index of the wider one (-1 for none); some are parts of parts of parts."""
    results: list[tuple[str, int]] = [(name, -1) for name in words.STRUCTURES[: max(2, count // 4)]]
    results += [(f"{side} {name}", at) for at, (name, _) in enumerate(results) for side in words.SIDES]
    names = {name for name, _ in results}
    while len(results) < count:
        wider = choose.randrange(max(0, len(results) - 600), len(results))
        name = f"{choose.choice(words.REGIONS)} part of {results[wider][0]}"
        if name not in names:
            names.add(name)
            results.append((name, wider))
    return results[:count]


def morphologies(count: int) -> list[tuple[str, int]]:
    """Names of morphologies, and the index of the wider one."""
    results: list[tuple[str, int]] = [(name, -1) for name in words.MORPHOLOGIES[: max(2, count // 3)]]
    for wider in range(count):
        if len(results) >= count:
            break
        for course in words.COURSES[wider % 2 :: 3]:
            if len(results) < count and course not in results[wider][0]:
                results.append((f"{course} {results[wider][0].lower()}", wider))
    return results[:count]


class Release:
    """A made release: concepts, and the rows of each file."""

    def __init__(self, concepts: int, seed: int = 1) -> None:
        self.choose = random.Random(seed)
        self.concepts: list[tuple[str, str, str, list[str], tuple[str, str] | None]] = []
        for code, (name, tag) in _FIXED.items():
            above = [_FIXED_PARENTS[code]] if code in _FIXED_PARENTS else []
            self.concepts.append((code, name, tag, above, None))
        wanted = concepts - len(self.concepts)
        m = max(2, min(250, int((wanted / 5) ** 0.5)))
        s = max(2, wanted // (m + 1) - m // (m + 1))
        self._number = 1_000_000
        locations, kinds = structures(s, self.choose), morphologies(m)
        s, m = len(locations), len(kinds)
        place_codes = self._add(locations, STRUCTURE, "body structure", "{0} structure")
        kind_codes = self._add(kinds, MORPHOLOGY, "morphologic abnormality", "{0}")
        grid: dict[tuple[int, int], str] = {}
        for (location, (site, wider_site)), (kind, (morph, wider_morph)) in (
            (a, b) for a in enumerate(locations) for b in enumerate(kinds)
        ):
            if len(self.concepts) >= concepts:
                break
            code = grid[location, kind] = self._code()
            above = [
                grid[item] for item in ((wider_site, kind), (location, wider_morph)) if item in grid
            ] or [FINDING]
            name = f"{morph} of {site}"
            self.concepts.append((code, name, "disorder", above, (place_codes[location], kind_codes[kind])))
        above = PROCEDURE
        while len(self.concepts) < concepts:
            code = self._code()
            what, number = self.choose.choice(locations)[0], len(self.concepts)
            name = f"{self.choose.choice(words.PROCEDURES)} of {what}, technique {number}"
            self.concepts.append((code, name, "procedure", [above], None))
            above = PROCEDURE if self.choose.random() < 0.1 else code
        self.retired = [self._code() for _ in range(max(1, concepts // 50))]

    def _code(self) -> str:
        self._number += 1
        return sctid(self._number, "00")

    def _add(self, names: list[tuple[str, int]], top: str, tag: str, form: str) -> list[str]:
        codes: list[str] = []
        for name, wider in names:
            codes.append(self._code())
            above = [codes[wider]] if wider >= 0 else [top]
            self.concepts.append((codes[-1], form.format(name), tag, above, None))
        return codes

    def concept_rows(self) -> Iterator[tuple[str, ...]]:
        for code, _, _, _, defining in self.concepts:
            yield code, DATE, "1", CORE, DEFINED if defining else PRIMITIVE
        for code in self.retired:
            yield code, DATE, "0", CORE, PRIMITIVE

    def descriptions(self) -> Iterator[tuple[tuple[str, ...], bool | None]]:
        """Rows in English, and whether each is preferred (None: a fully specified name)."""
        number = 2_000_000
        for code, name, tag, _, _ in self.concepts:
            for term, kind, preferred in ((f"{name} ({tag})", FSN, None), (name, SYNONYM, True)):
                number += 1
                yield (sctid(number, "01"), DATE, "1", CORE, code, "en", kind, term, CASE), preferred
            if tag == "disorder" and number % 3 == 0:
                number += 1
                other = " ".join(reversed(name.split(" of ", 1)))
                yield (sctid(number, "01"), DATE, "1", CORE, code, "en", SYNONYM, other, CASE), False
        for code in self.retired:
            number += 1
            yield (
                (
                    sctid(number, "01"),
                    DATE,
                    "1",
                    CORE,
                    code,
                    "en",
                    FSN,
                    f"Retired thing {code} (finding)",
                    CASE,
                ),
                None,
            )

    def german(self) -> Iterator[tuple[str, ...]]:
        number = 900_000_000
        for code, name, _, _, _ in self.concepts[::20]:
            number += 1
            yield sctid(number, "01"), DATE, "1", CORE, code, "de", SYNONYM, translated(name, "deDE"), CASE

    def relationships(self) -> Iterator[tuple[str, ...]]:
        number = 3_000_000
        for code, _, _, above, defining in self.concepts:
            for parent in above:
                number += 1
                yield sctid(number, "02"), DATE, "1", CORE, code, parent, "0", IS_A, INFERRED, SOME
            if defining:
                for kind, value in zip((SITE, MORPH), defining, strict=True):
                    number += 1
                    yield sctid(number, "02"), DATE, "1", CORE, code, value, "1", kind, INFERRED, SOME
        number += 1
        yield sctid(number, "02"), DATE, "0", CORE, self.concepts[-1][0], ROOT, "0", IS_A, INFERRED, SOME


_HEADERS = {
    "concept": "id effectiveTime active moduleId definitionStatusId",
    "description": "id effectiveTime active moduleId conceptId languageCode typeId term caseSignificanceId",
    "relationship": "id effectiveTime active moduleId sourceId destinationId relationshipGroup typeId "
    "characteristicTypeId modifierId",
    "concrete": "id effectiveTime active moduleId sourceId value relationshipGroup typeId "
    "characteristicTypeId modifierId",
    "refset": "id effectiveTime active moduleId refsetId referencedComponentId",
}


def make_rf2(path: Path, concepts: int = 400, seed: int = 1, kind: str = "Snapshot") -> Release:
    """A release zip with these many concepts (besides retired ones), as `Snapshot` or `Full`."""
    release = Release(concepts, seed)
    top = f"SnomedCT_MadeForTests_{DATE}T120000Z"
    stamp = f"INT_{DATE}"
    reference = iter(range(10**9))

    def uuid() -> str:
        return f"00000000-0000-4000-8000-{next(reference):012x}"

    english = list(release.descriptions())
    german = list(release.german())
    history: dict[str, list[tuple[str, ...]]] = {"concept": [], "description": []}
    if kind == "Full":  # an older state of some components, which the newer rows replace
        for row in list(release.concept_rows())[::7]:
            history["concept"].append((row[0], OLD, "1", CORE, PRIMITIVE))
        for row, _ in english[::5]:
            history["description"].append((row[0], OLD, "1", *row[3:7], f"Old name: {row[7]}", row[8]))
    refset = "700043003"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:

        def write(name: str, header: str, rows: Iterable[tuple[str, ...]]) -> None:
            info = zipfile.ZipInfo(f"{top}/{kind}/{name}", (2026, 1, 1, 0, 0, 0))
            info.compress_type = zipfile.ZIP_DEFLATED
            with (
                archive.open(info, "w", force_zip64=True) as raw,
                io.TextIOWrapper(raw, "utf-8", newline="") as text,
            ):
                text.write("\t".join(header.split()) + "\r\n")
                text.writelines("\t".join(row) + "\r\n" for row in rows)

        archive.writestr(zipfile.ZipInfo(f"{top}/Readme_en_{DATE}.txt", (2026, 1, 1, 0, 0, 0)), MADE)
        terms, sets = "Terminology", "Refset"
        write(
            f"{terms}/sct2_Concept_{kind}_{stamp}.txt",
            _HEADERS["concept"],
            [*history["concept"], *release.concept_rows()],
        )
        write(
            f"{terms}/sct2_Description_{kind}-en_{stamp}.txt",
            _HEADERS["description"],
            [*history["description"], *(row for row, _ in english)],
        )
        write(f"{terms}/sct2_Description_{kind}-de_{stamp}.txt", _HEADERS["description"], german)
        write(
            f"{terms}/sct2_TextDefinition_{kind}-en_{stamp}.txt",
            _HEADERS["description"],
            [
                (
                    sctid(1_999_999, "01"),
                    DATE,
                    "1",
                    CORE,
                    FINDING,
                    "en",
                    DEFINITION,
                    f'A "finding". {MADE}',
                    CASE,
                )
            ],
        )
        write(
            f"{terms}/sct2_Relationship_{kind}_{stamp}.txt", _HEADERS["relationship"], release.relationships()
        )
        write(
            f"{terms}/sct2_RelationshipConcreteValues_{kind}_{stamp}.txt",
            _HEADERS["concrete"],
            [
                (
                    sctid(2_999_999, "02"),
                    DATE,
                    "1",
                    CORE,
                    release.concepts[-1][0],
                    "#5.5",
                    "1",
                    SITE,
                    INFERRED,
                    SOME,
                )
            ],
        )
        write(
            f"{sets}/Language/der2_cRefset_Language{kind}-en_{stamp}.txt",
            f"{_HEADERS['refset']} acceptabilityId",
            (
                (uuid(), DATE, "1", CORE, dialect, row[0], ACCEPTABLE if preferred is False else PREFERRED)
                for row, preferred in english
                for dialect in (US, GB)
            ),
        )
        write(
            f"{sets}/Content/der2_Refset_Simple{kind}_{stamp}.txt",
            _HEADERS["refset"],
            ((uuid(), DATE, "1", CORE, refset, concept[0]) for concept in release.concepts[::50]),
        )
        write(
            f"{sets}/Content/der2_cRefset_Association{kind}_{stamp}.txt",
            f"{_HEADERS['refset']} targetComponentId",
            ((uuid(), DATE, "1", CORE, SAME_AS, code, release.concepts[-1][0]) for code in release.retired),
        )
        write(
            f"{sets}/Map/der2_iisssccRefset_ExtendedMap{kind}_{stamp}.txt",
            f"{_HEADERS['refset']} mapGroup mapPriority mapRule mapAdvice mapTarget correlationId mapCategoryId",
            (
                (
                    uuid(),
                    DATE,
                    "1",
                    CORE,
                    "447562003",
                    concept[0],
                    "1",
                    "1",
                    "TRUE",
                    "ALWAYS A00.1",
                    "A00.1",
                    "447561005",
                    "447637006",
                )
                for concept in release.concepts[-5:]
            ),
        )
        write(
            f"{sets}/Metadata/der2_ssRefset_ModuleDependency{kind}_{stamp}.txt",
            f"{_HEADERS['refset']} sourceEffectiveTime targetEffectiveTime",
            [(uuid(), DATE, "1", CORE, "900000000000534007", MODEL, DATE, DATE)],
        )
    return release

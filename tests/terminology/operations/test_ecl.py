"""ECL 2.2 over a small made SNOMED CT release whose answers can be read off."""

from __future__ import annotations

import contextlib
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_bridge.terminology.imports.run import import_file
from fhir_bridge.terminology.operations.ecl import EclError, Query, compile_ecl, parse_ecl
from fhir_bridge.terminology.operations.ecl.work import Work
from fhir_bridge.terminology.store import StoredSystem, open_store
from tests.effort import counted_calls
from tests.terminology.makers_ecl import (
    ACCEPTABLE,
    CORE,
    EXTENSION,
    MAP,
    NEW,
    OLD,
    PREFERRED,
    SETS,
    STRENGTH,
    Described,
    Made,
    Row,
    World,
    mapped,
)
from tests.terminology.makers_rf2 import (
    DEFINITION,
    FINDING,
    FSN,
    GB,
    MORPH,
    PROCEDURE,
    ROOT,
    SAME_AS,
    SITE,
    STRUCTURE,
    US,
    sctid,
)

SCT = "http://snomed.info/sct"
DRUG, INGREDIENT, CAUSE = "763158003", "127489000", "246075003"


def code(number: int) -> str:
    return sctid(3_000_000 + number, "00")


HEART, VALVE, LUNG = code(1), code(2), code(3)
NARROW, THICK = code(11), code(12)
BOTH, SPLIT, LOOSE, TWICE = code(21), code(22), code(23), code(24)
AMOXI, STRONG, WEAK, BRANDED = code(31), code(32), code(33), code(34)
GONE, LOST = code(41), code(42)
ATTACK = code(51)


def release() -> World:
    """Findings of sites and morphologies in role groups, products with strengths, retired concepts."""
    world = World()
    tops = (
        (FINDING, "Finding"),
        (STRUCTURE, "Structure"),
        (DRUG, "Medicinal product"),
        (PROCEDURE, "Procedure"),
    )
    world.add(Made(ROOT, names=[Described("Root", FSN)]))
    for top, name in tops:
        world.add(Made(top, {ROOT}, names=[Described(name, FSN)]))
    for attribute in (SITE, MORPH, INGREDIENT, CAUSE, STRENGTH, *SETS, MAP, SAME_AS, "900000000000523009"):
        world.add(Made(attribute, {ROOT}))
    for site, above in ((HEART, STRUCTURE), (VALVE, HEART), (LUNG, STRUCTURE)):
        world.add(Made(site, {above}, names=[Described(f"Site {site}", FSN)]))
    for shape in (NARROW, THICK, AMOXI):
        world.add(Made(shape, {ROOT}))
    roles = {
        BOTH: [(1, SITE, VALVE), (1, MORPH, NARROW)],
        SPLIT: [(1, SITE, VALVE), (1, MORPH, THICK), (2, SITE, LUNG), (2, MORPH, NARROW)],
        LOOSE: [(0, SITE, VALVE), (0, MORPH, NARROW)],
        TWICE: [(1, SITE, VALVE), (1, SITE, LUNG), (1, MORPH, NARROW), (2, SITE, VALVE), (2, MORPH, NARROW)],
    }
    for finding, its in roles.items():
        world.add(Made(finding, {FINDING}, defined=finding == BOTH, roles=its))
    world.add(Made(STRONG, {DRUG}, roles=[(1, INGREDIENT, AMOXI), (1, STRENGTH, "#500")]))
    world.add(
        Made(WEAK, {DRUG}, roles=[(1, INGREDIENT, AMOXI), (1, STRENGTH, "#2.50"), (2, STRENGTH, "#500")])
    )
    world.add(Made(BRANDED, {DRUG}, roles=[(0, STRENGTH, '"A \\ B"'), (0, STRENGTH, "true")]))
    world.add(Made(GONE, active=False, module=EXTENSION, time=OLD, names=[Described("Old thing", FSN)]))
    world.add(Made(LOST, active=False, time=OLD))
    names = [
        Described("Heart attack", dialects={US: PREFERRED, GB: ACCEPTABLE}),
        Described("Sjögren's résumé (of *stars*)", dialects={GB: PREFERRED}),
        Described("hjärtinfarkt", language="sv", module=EXTENSION),
        Described("Heart attack (disorder)", FSN, dialects={US: PREFERRED, GB: PREFERRED}),
        Described("Death of heart muscle.", DEFINITION),
        Described("Coronary", active=False, time=OLD),
    ]
    world.add(Made(ATTACK, {FINDING}, names=names))
    world.rows = [
        Row(SETS[0], BOTH),
        Row(SETS[0], SPLIT, module=EXTENSION, time=OLD),
        Row(SETS[0], TWICE, active=False),
        Row(SETS[1], GONE),
        Row(SAME_AS, GONE, {"targetComponentId": BOTH}),
        Row("900000000000523009", LOST, {"targetComponentId": BOTH}),
        mapped(MAP, BOTH, "J45.9"),
        mapped(MAP, SPLIT, "I21", mapGroup="2", mapPriority="2"),
    ]
    return world


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> StoredSystem:
    folder = tmp_path_factory.mktemp("ecl")
    store = open_store(folder / "store")
    import_file(store, release().write(folder / "made"))
    entry = store.get(SCT)
    assert entry is not None
    return entry


def found(system: StoredSystem, expression: str) -> set[str]:
    """What it has, found both ways."""
    query = compile_ecl(expression, system)
    codes = set(query.codes())
    assert {item for item in system.codes() if query.matches(item)} == codes
    return codes


# --- role groups ---


def test_a_role_group_holds_its_attributes_together(system: StoredSystem) -> None:
    assert found(system, f"* : {SITE} = << {HEART}, {MORPH} = {NARROW}") == {BOTH, SPLIT, LOOSE, TWICE}
    assert found(system, f"* : {{ {SITE} = << {HEART}, {MORPH} = {NARROW} }}") == {BOTH, TWICE}


def test_an_attribute_of_group_0_occurs_alone(system: StoredSystem) -> None:
    assert LOOSE in found(system, f"* : {{ {SITE} = {VALVE} }}, {{ {MORPH} = {NARROW} }}")
    assert found(system, f"{LOOSE} : [2..2] {{ * = * }}") == {LOOSE}


@pytest.mark.parametrize(
    ("refinement", "wanted"),
    [
        (f"[2..*] {{ {SITE} = * }}", {SPLIT, TWICE}),
        (f"[1..1] {{ {SITE} = <<{HEART} }}", {BOTH, SPLIT, LOOSE}),
        (f"[0..0] {{ {SITE} = {LUNG} }}, {SITE} = *", {BOTH, LOOSE}),
        (f"{{ [2..*] {SITE} = * }}", {TWICE}),
        (f"[2..*] {SITE} = *", {SPLIT, TWICE}),
        (f"{{ {MORPH} = *, [0..0] {SITE} = {VALVE} }}", {SPLIT, LOOSE}),
        (f"{SITE} != <<{HEART}", {SPLIT, TWICE}),
        (f"[0..0] {SITE} != <<{HEART}, {SITE} = *", {BOTH, LOOSE}),
    ],
)
def test_cardinalities_count_attributes_and_groups(
    system: StoredSystem, refinement: str, wanted: set[str]
) -> None:
    assert found(system, f"* : {refinement}") == wanted


def test_an_attribute_may_be_asked_backwards(system: StoredSystem) -> None:
    assert found(system, f"* : R {SITE} = {BOTH}") == {VALVE}
    assert found(system, f"* : [4..*] R {SITE} = *") == {VALVE}
    assert found(system, f"* : [2..2] R ({INGREDIENT} OR {CAUSE}) = *") == {AMOXI}
    assert found(system, f"{SPLIT} . {SITE}") == {VALVE, LUNG}


def test_a_reversed_attribute_in_braces_is_of_the_group_it_comes_from(system: StoredSystem) -> None:
    assert found(system, f"* : {{ R {SITE} = {TWICE} }}") == {VALVE, LUNG}
    assert found(system, f"* : [2..*] {{ R {SITE} = {TWICE} }}") == {VALVE}
    assert found(system, f"* : {{ R {SITE} = {TWICE}, {MORPH} = * }}") == set()


# --- concrete values ---


@pytest.mark.parametrize(
    ("refinement", "wanted"),
    [
        (f"{STRENGTH} = #500", {STRONG, WEAK}),
        (f"{STRENGTH} = #2.5", {WEAK}),
        (f"{STRENGTH} < #500.0", {WEAK}),
        (f"{STRENGTH} >= #+2.5, {STRENGTH} <= #3", {WEAK}),
        (f"{STRENGTH} != #500", {WEAK}),
        (f"{{ {INGREDIENT} = *, {STRENGTH} = #500 }}", {STRONG}),
        (f'{STRENGTH} = "A \\\\ B"', {BRANDED}),
        (f'{STRENGTH} = ("other" "A \\\\ B")', {BRANDED}),
        (f'{STRENGTH} != "A \\\\ B"', set()),
        (f"{STRENGTH} = TRUE", {BRANDED}),
        (f"{STRENGTH} = false", set()),
        (f"{STRENGTH} = *", {STRONG, WEAK, BRANDED}),
    ],
)
def test_concrete_values_are_compared_by_their_type(
    system: StoredSystem, refinement: str, wanted: set[str]
) -> None:
    assert found(system, f"<< {DRUG} : {refinement}") == wanted


# --- filters ---


@pytest.mark.parametrize(
    ("expression", "wanted"),
    [
        (f"< {FINDING} {{{{ C definitionStatus = defined }}}}", {BOTH}),
        (f"< {FINDING} {{{{ C definitionStatusId != 900000000000074008 |Primitive| }}}}", {BOTH}),
        ("* {{ C active = 0 }}", {GONE, LOST}),
        ("* {{ C active = 0, moduleId = 900000000000012004 }}", {GONE}),
        (f"* {{{{ c moduleId = ({CORE} |Core| {EXTENSION}), active != true }}}}", {GONE, LOST}),
        ('* {{ C effectiveTime < "20200201" }}', {GONE, LOST}),
        (f'* {{{{ C effectiveTime = ("19990101" "{OLD}") }}}}', {GONE, LOST}),
        (f"({GONE} OR {BOTH}) {{{{ C active = * }}}}", {GONE, BOTH}),
    ],
)
def test_concepts_are_filtered_by_their_own_state(
    system: StoredSystem, expression: str, wanted: set[str]
) -> None:
    assert found(system, expression) == wanted


@pytest.mark.parametrize(
    "conditions",
    [
        'term = "heart att"',
        'D term = "ATT hea"',
        'term = match:"heart"',
        'term = ("nothing" "attack")',
        'term = (match:"nothing" wild:"heart*(disorder)")',
        'term = wild:"Heart attack"',
        'term = wild:"heart*tack"',
        'term = "sjogren"',
        'term = "Sjögren resume"',
        'term = wild:"*of \\*stars\\*)"',
        'term != "heart"',
        'term = "hjar", language = sv',
        'term = "heart", type = fsn',
        'term = "heart", type = (syn fullySpecifiedName)',
        'term = "death", typeId = 900000000000550004 |Definition|',
        'term = "heart", dialect = en-us (prefer), type = syn',
        'term = "heart", dialect = en-gb (acceptable)',
        'term = "sjögren", dialect = (en-us (prefer) en-gb (prefer))',
        'term = "sjögren", dialect = (en-us en-gb) (prefer)',
        f'term = "heart att", dialectId = ({US} |US| {GB})',
        f"type = syn, dialectId = {GB} (900000000000549004 |Acceptable| accept)",
        'term = "heart", dialect != en-us, type = def',
        "moduleId = 900000000000012004, language = sv",
        'term = "coronary", active = 0',
        f'effectiveTime = "{OLD}", active = *',
        'term = "heart" }} {{ term = "hjärt"',
    ],
)
def test_one_description_meets_all_conditions_of_a_filter(system: StoredSystem, conditions: str) -> None:
    assert found(system, f"< {FINDING} {{{{ {conditions} }}}}") == {ATTACK}


@pytest.mark.parametrize(
    "conditions",
    [
        'term = "eart"',
        'term = "heart hjärt"',
        'term = wild:"heart"',
        'term = wild:"attack*heart"',
        'term = "résumè"',
        'term = "sjögrén"',
        'term = "coronary"',
        'term = "heart", language = sv',
        'term = "sjögren", dialect = en-us',
        'term = "hjärt", dialect = en-us',
        'term = "heart att", dialect = (en-us (accept) en-gb (prefer)), type = syn',
        'term != "heart", type = def',
    ],
)
def test_a_description_that_misses_a_condition_does_not_count(system: StoredSystem, conditions: str) -> None:
    assert found(system, f"< {FINDING} {{{{ {conditions} }}}}") == set()


def test_a_description_is_found_by_its_id(system: StoredSystem) -> None:
    assert system.logic is not None
    number = system.numbering.number(ATTACK)
    assert number is not None
    ids = [identity for identity, _ in system.logic.description_kinds(number)]
    assert found(system, f"* {{{{ id = {ids[0]} }}}}") == {ATTACK}
    assert found(system, f"* {{{{ D id = ({ids[0]} {ids[1]}) }}}}") == {ATTACK}


# --- reference sets ---


@pytest.mark.parametrize(
    ("expression", "wanted"),
    [
        (f"^ {SETS[0]}", {BOTH, SPLIT}),
        (f"^ ({SETS[0]} OR {SETS[1]})", {BOTH, SPLIT, GONE}),
        ("^ *", {BOTH, SPLIT, GONE, LOST}),
        (f"^ {SETS[0]} {{{{ M active = 0 }}}}", {TWICE}),
        (f"^ {SETS[0]} {{{{ M active = * }}}}", {BOTH, SPLIT, TWICE}),
        (f'^ {SETS[0]} {{{{ M moduleId = {EXTENSION}, effectiveTime <= "{OLD}" }}}}', {SPLIT}),
        (f"^ {SETS[0]} {{{{ m referencedComponentId = <<{BOTH} }}}}", {BOTH}),
        (f'^ {MAP} {{{{ M mapTarget = "J45" }}}}', {BOTH}),
        (f'^ {MAP} {{{{ M mapTarget = wild:"*.9" }}}} {{{{ M mapRule = "true" }}}}', {BOTH}),
        (f'^ {MAP} {{{{ M mapTarget != "J45" }}}}', {SPLIT}),
        (f"^ {MAP} {{{{ M mapGroup > #1, mapPriority = #2 }}}}", {SPLIT}),
        (f"^ {MAP} {{{{ M correlationId = 447561005 }}}}", {BOTH, SPLIT}),
        (f"^ {SAME_AS} {{{{ M targetComponentId = << {FINDING} }}}}", {GONE}),
        (f"^ [targetComponentId] {SAME_AS}", {BOTH}),
        (f"^ [targetComponentId] {SAME_AS} {{{{ M referencedComponentId = {LOST} }}}}", set()),
        (f"^ [referencedComponentId] {SAME_AS}", {GONE}),
        (f"< (^ {SETS[0]})", set()),
        (f">! ^ {SETS[0]}", {FINDING}),
        (f"^R {BOTH}", {SETS[0], MAP}),
        (f"refsetContainingAny (<< {FINDING})", {SETS[0], MAP}),
    ],
)
def test_members_are_those_whose_rows_fit(system: StoredSystem, expression: str, wanted: set[str]) -> None:
    assert found(system, expression) == wanted


@pytest.mark.parametrize(
    ("supplement", "wanted"),
    [
        ("+ HISTORY-MIN", {BOTH, GONE}),
        ("+history_mod", {BOTH, GONE}),
        ("+ HISTORY-MAX", {BOTH, GONE, LOST}),
        ("+ HISTORY", {BOTH, GONE, LOST}),
        ("+ HISTORY (*)", {BOTH, GONE, LOST}),
        ("+ HISTORY ( 900000000000523009 )", {BOTH, LOST}),
    ],
)
def test_history_supplements_add_what_was_replaced(
    system: StoredSystem, supplement: str, wanted: set[str]
) -> None:
    assert found(system, f"{BOTH} {{{{ {supplement} }}}}") == wanted
    assert found(system, f"(< {FINDING} {{{{ {supplement} }}}}) {{{{ C active = 0 }}}}") == wanted - {BOTH}


# --- syntax ---


@pytest.mark.parametrize(
    ("brief", "long"),
    [
        (f"<< {FINDING}", f"descendantOrSelfOf {FINDING} |Clinical finding (finding)|"),
        (f"!!> (< {FINDING})", f"TOP (descendantof {FINDING})"),
        (f"!!< (< {FINDING})", f"bottom (DescendantOf {FINDING})"),
        (f">>! {BOTH}", f"parentOrSelfOf /* above */ {BOTH}"),
        (f"<<! {FINDING} AND ^ {SETS[0]}", f"childOrSelfOf {FINDING} and memberOf {SETS[0]}"),
        (f"*: [0..1] {SITE} != *", f"any : [0 to 1] {SITE} NOT = ANY"),
        (f"*: [2..*] {SITE} != {LUNG}", f"ANY : [2 to many] {SITE} <> {LUNG}"),
        (f"*: R {SITE} = *", f"* : reverseOf {SITE} = *"),
        (f"*: R << {SITE} = *", f"*:ReverseOf descendantOrSelfOf {SITE} = *"),
        (f"^ [targetComponentId] {SAME_AS}", f"memberOf [targetComponentId] {SAME_AS}"),
    ],
)
def test_the_long_syntax_says_what_the_brief_says(system: StoredSystem, brief: str, long: str) -> None:
    assert found(system, long) == found(system, brief)


@pytest.mark.parametrize(
    ("expression", "offset", "problem"),
    [
        ("", 0, "a concept, \\* or \\(, found the end at character 1"),
        ("<< 404684003 ||", 13, r'expected no "\|" here at character 14'),
        ("404684003 : 363698007", 21, "= or another comparator"),
        ("404684003 : 363698007 = ", 24, "a concept"),
        ("404684003 : [1..] 363698007 = *", 12, "a cardinality as"),
        ("404684003 : [2..1] 363698007 = *", 12, "minimum is not above"),
        ("404684003 : { 363698007 = * ", 28, "expected }"),
        ("404684003 : 363698007 > 5", 24, "a number as #10"),
        ("404684003 /* open", 10, r"\*/ after this comment"),
        ("404684003 AND 404684003 OR 404684003", 24, "brackets, where OR is beside AND"),
        ("404684003 AND 404684003 : 363698007 = *", 24, "brackets around"),
        ("404684003 : 363698007 = * MINUS 404684003", 26, "brackets around the expression with a refinement"),
        ("404684003 . 363698007 OR 404684003", 22, "brackets around the expression with dots"),
        ("404684003 : 363698007 = 404684003 . 363698007", 34, "brackets around"),
        ("LOINC#54486-6", 0, "alternate identifiers"),
        ("^ [mapGroup, mapTarget] 447562003", 3, "several fields"),
        ("404684003 {{ M active = 1 }}", 10, "only directly after the reference sets"),
        ("404684003 {{ + HISTORY-MEAN }}", 15, "HISTORY-MIN"),
        ("404684003 {{ + HISTORY }} {{ C active = 1 }}", 26, "no further filter"),
        ("404684003 {{ C colour = 1 }}", 15, "definitionStatus"),
        ("404684003 {{ C definitionStatus = round }}", 34, "primitive or defined"),
        ("404684003 {{ C active = 2 }}", 24, "1, 0, true or false"),
        ("404684003 {{ C effectiveTime = 2020 }}", 31, "a day as"),
        ('404684003 {{ C effectiveTime = "20201301" }}', 31, "a day as"),
        ("404684003 {{ term = heart }}", 20, "a term in quotes"),
        ('404684003 {{ term = "heart"', 27, ", or }}"),
        ("404684003 {{ term > \"heart\" }}", 18, "= or !="),
        ("404684003 {{ dialect = klingon }}", 23, "a dialect \\(.*en-gb"),
        ("404684003 {{ dialect = en-us (best) }}", 30, "prefer or"),
        ("404684003 {{ type = verb }}", 20, "syn or"),
    ],
)  # fmt: skip
def test_an_error_says_where_and_what_was_expected(expression: str, offset: int, problem: str) -> None:
    with pytest.raises(EclError, match=problem) as caught:
        parse_ecl(expression)
    assert caught.value.offset == offset


@pytest.mark.parametrize(
    ("expression", "problem"),
    [
        (f'^ {MAP} {{{{ M colour = "x" }}}}', "has a field colour .*mapTarget.* at character 18"),
        (f"^ {MAP} {{{{ M mapTarget = {BOTH} }}}}", "mapTarget wants a text in quotes"),
        (f'^ {SAME_AS} {{{{ M targetComponentId = "x" }}}}', "targetComponentId wants a concept"),
        (f"^ [mapTarget] {MAP}", "mapTarget that holds concepts at character 1"),
    ],
)
def test_a_field_that_a_reference_set_has_not_is_reported(
    system: StoredSystem, expression: str, problem: str
) -> None:
    with pytest.raises(EclError, match=problem):
        compile_ecl(expression, system)


def read(text: str, system: StoredSystem) -> tuple[Query | None, int]:
    """The expression, or where it is wrong."""
    try:
        return compile_ecl(text, system), 0
    except EclError as error:
        return None, error.offset or 0


_PIECES = [
    "404684003", "*", "<<", ">!", "!!>", "^", "^R", "(", ")", "{", "}", "{{", "}}", "[", "]", "[0..1]", ":", ",", ".",
    "=", "!=", "<", "R", "AND", "OR", "MINUS", "#5", '"heart"', "|a|", "term", "type", "syn", "dialect", "en-us", "M",
    "C", "D", "active", "1", "+", "HISTORY-MIN", "moduleId", "effectiveTime", '"20200131"', "wild", "mapTarget", "any",
    "not", "descendantOf", "memberOf", "/*", "*/", "363698007",
]  # fmt: skip


@given(st.lists(st.sampled_from(_PIECES), max_size=30), st.sampled_from(["", " "]))
def test_any_pieces_are_read_or_refused_and_both_ways_agree(
    system: StoredSystem, pieces: list[str], between: str
) -> None:
    text = between.join(pieces)
    query, offset = read(text, system)
    assert 0 <= offset <= len(text)
    assert query is None or {item for item in system.codes() if query.matches(item)} == set(query.codes())


@pytest.mark.parametrize(
    "expression",
    [
        "(" * 9_000,
        "<" * 19_000,
        '"' + "\\" * 19_000,
        "/*" + "*" * 19_000,
        "|" * 19_999,
        "a" + "." * 19_000,
        "[ " * 9_000,
        "* : " + "(" * 19_000,
        "* : " + "(*) " * 4_000,
        "* {{ term = (" + '"a" ' * 4_000,
        " OR ".join(["404684003"] * 1_500),
    ],
)
def test_the_effort_to_read_a_text_grows_with_its_length(expression: str) -> None:
    def read() -> None:
        with contextlib.suppress(EclError):
            parse_ecl(expression)

    assert counted_calls(read) < 20 * len(expression) + 1_000


# --- effort ---


def test_one_code_is_decided_without_finding_all(
    system: StoredSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    query = compile_ecl(
        f'<< {FINDING} {{{{ term = "heart" }}}} OR (^ {SETS[0]} : {{ {SITE} = << {HEART}, {MORPH} != {THICK} }})',
        system,
    )
    monkeypatch.setattr(Work, "empty", lambda _: pytest.fail("all were looked for"))
    assert query.matches(BOTH)
    assert query.matches(ATTACK)
    assert not query.matches(SPLIT)


def test_what_takes_too_many_steps_for_one_code_is_found_once_for_all(
    system: StoredSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    nested = f"<< {FINDING}"
    for _ in range(20):
        nested = f"<< (>> ({nested}))"
    query = compile_ecl(nested, system)
    everything = set(query.codes())
    assert {item for item in system.codes() if query.matches(item)} == everything
    monkeypatch.setattr(Work, "empty", lambda _: pytest.fail("all were looked for again"))
    assert query.matches(BOTH)


def test_the_limit_of_an_operation_ends_an_evaluation(system: StoredSystem) -> None:
    class Enough(Exception):
        pass

    def tick() -> None:
        raise Enough

    with pytest.raises(Enough):
        list(compile_ecl(f"< {FINDING}", system, tick).codes())


# --- imports ---


def test_a_release_imported_by_an_earlier_version_says_to_import_it_again(tmp_path: Path) -> None:
    store = open_store(tmp_path / "store")
    import_file(store, release().write(tmp_path / "made"))
    (archive,) = (store.path / "imports").iterdir()
    described = orjson.loads((archive / "import.json").read_bytes())
    described.update(format=1, digest="of an earlier reader")
    for item in described["systems"]:
        del item["logic"]
    (archive / "import.json").write_bytes(orjson.dumps(described))
    old = open_store(store.path).get(SCT)
    assert old is not None
    assert set(compile_ecl(f"* : {SITE} = {LUNG}", old).codes()) == {SPLIT, TWICE}
    assert set(compile_ecl(f"^ {SETS[0]}", old).codes()) == {BOTH, SPLIT}
    for expression in (f"* : {{ {SITE} = * }}", "* {{ dialect = en-us }}", "* {{ + HISTORY }}"):
        with pytest.raises(EclError, match=r"made was imported by an earlier version .* import it again"):
            compile_ecl(expression, old)
    store = open_store(store.path)
    assert f"{SCT}|{old.version}" in import_file(store, tmp_path / "made").replaced
    new = store.get(SCT)
    assert new is not None
    assert found(new, f"* : {{ {SITE} = {LUNG}, {MORPH} = {NARROW} }}") == {SPLIT, TWICE}


def test_importing_the_same_again_changes_nothing(tmp_path: Path, system: StoredSystem) -> None:
    store = open_store(tmp_path / "store")
    folder = release().write(tmp_path / "made")
    import_file(store, folder)
    assert import_file(store, folder).already
    other = store.get(SCT)
    assert other is not None
    grouped = f"* : {{ {SITE} = *, {MORPH} = {NARROW} }}"
    assert found(other, grouped) == found(system, grouped)


def test_without_historical_associations_a_supplement_is_refused(tmp_path: Path) -> None:
    result = release()
    result.rows = [row for row in result.rows if not row.fields.get("targetComponentId")]
    store = open_store(tmp_path / "store")
    import_file(store, result.write(tmp_path / "made"))
    content = store.get(SCT)
    assert content is not None
    with pytest.raises(EclError, match="no historical association was imported at character 3"):
        compile_ecl("* {{ + HISTORY }}", content)


def test_the_newest_row_says_in_which_group_an_attribute_is(tmp_path: Path) -> None:
    folder = release().write(tmp_path / "made")
    (folder / "Snapshot").rename(folder / "Full")
    for path in (folder / "Full").rglob("*.txt"):
        path.rename(path.with_name(path.name.replace("Snapshot", "Full")))
    (path,) = (folder / "Full").rglob("sct2_Relationship_*")
    lines = path.read_text(encoding="utf-8").splitlines()
    (loose,) = [line.split("\t") for line in lines if LOOSE in line.split("\t")[4:5] and MORPH in line]
    earlier, later = [*loose], [*loose]
    earlier[1], earlier[6] = OLD, "0"
    later[1], later[6] = NEW, "7"
    rest = [line for line in lines if line.split("\t")[0] != loose[0]]
    rows = [*rest, "\t".join(later), "\t".join(earlier)]
    (site,) = [row for row in rows if LOOSE in row.split("\t")[4:5] and SITE in row]
    rows = [
        "\t".join([*row.split("\t")[:6], "7", *row.split("\t")[7:]]) if row == site else row for row in rows
    ]
    path.write_text("".join(f"{row}\r\n" for row in rows), encoding="utf-8", newline="")
    store = open_store(tmp_path / "store")
    import_file(store, folder)
    content = store.get(SCT)
    assert content is not None
    assert LOOSE in found(content, f"* : {{ {SITE} = {VALVE}, {MORPH} = {NARROW} }}")

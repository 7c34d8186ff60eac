"""Everything wrong with a mapping is reported at once when it is loaded: file, line, column, and what was meant."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fhir_bridge.fhir.issues import declared
from fhir_bridge.mapping import MappingErrors, load_mapping
from fhir_bridge.mapping.loading import load_text
from tests.mapping.conftest import HEAD
from tests.mapping.sources import ADAPTERS, Adapter, RowModel

Errors = Callable[[str], list[str]]

RULE = """- rule: r
  as: Observation
  key: [row.id]
  status: final
  code: {text: x}
"""


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("statuss: final", 'm.yaml:10:3: Observation has no element "statuss" (did you mean "status"?)'),
        ("whn: row.x", 'm.yaml:10:3: Observation has no element "whn" (did you mean "when"?)'),
        ("value: 1", 'm.yaml:10:3: Observation has no element "value" (write "value[x]")'),
        (
            "valueQuantity: {valu: 1}",
            'm.yaml:10:19: Observation.valueQuantity has no element "valu" (did you mean "value"?)',
        ),
        (
            "method: {coding: [{system: s, cod: x}]}",
            'm.yaml:10:33: Observation.method.coding has no element "cod" (did you mean "code"?)',
        ),
        ("method: =concpt(row.x)", 'm.yaml:10:12: unknown function "concpt" (did you mean "concept"?)'),
        ("method: =concept(row.x, too=[])", 'm.yaml:10:31: concept has no argument "too" (did you mean "to"?)'),
        (
            "method: =concept(row.x, else='kep')",
            "m.yaml:10:32: concept has no else='kep' (did you mean \"keep\"?)",
        ),
        (
            "method: =concept(row.x, equivalence='equl')",
            "m.yaml:10:39: there is no equivalence 'equl' (did you mean \"equal\"?)",
        ),
        (
            "method: =concept(row.x, equivalence=['equal', 'same'])",
            "m.yaml:10:39: there is no equivalence 'same' (one of equal, equivalent, wider, subsumes, narrower, "
            "specializes, inexact, relatedto)",
        ),
        (
            "valueQuantity: =quantity(row.x, 'mg/dL') | in_unit('mmHg')",
            "m.yaml:10:54: 'mmHg' is not UCUM (a code such as mmol/L or mm[Hg])",
        ),
        (
            "valueQuantity: =quantity(row.x, 'mg/dL') | in_unit('mmol/L', molar_mass=-3)",
            "m.yaml:10:75: a molar mass is a number above 0, not -3 (g/mol, such as 113.12)",
        ),
        (
            "valueQuantity: =quantity(row.x, 'mg/dL') | in_unit('mmol/L', else='kept')",
            "m.yaml:10:69: in_unit has no else='kept' (did you mean \"keep\"?)",
        ),
        ("method: =concept()", 'm.yaml:10:12: concept needs the argument "x" (concept(x, to=…, system=…, text=…, '
         "display=…, else=…, equivalence=…, schemes=…, table=…, default=…, unknown=…))"),
        ("method: =period(1, 2, 3)", "m.yaml:10:25: period takes 2 arguments without name, 3 are given "
         "(period(start, end=…))"),
        ("method: =quantity(row.x)", "m.yaml:10:12: Observation.method takes CodeableConcept, and this gives Quantity "
         "(concept(x) makes one)"),
        ("method: Chromatography", "m.yaml:10:11: Observation.method is a CodeableConcept, not a text or number "
         "(write {text: …} or {coding: [{system: …, code: …}]})"),
        ("issued: 2024-01-01", 'm.yaml:10:11: "2024-01-01" is no instant, which Observation.issued takes'),
        ("issued: [=row.a, =row.b]", "m.yaml:10:11: Observation.issued takes one value, not a list"),
        ("value[x]: {text: =row.x}", "m.yaml:10:13: Observation.value[x] has a choice of types and this does not say "
         "which (write valueQuantity or valueCodeableConcept or valueString)"),
        ("value[x]: =human(row.x)", "m.yaml:10:14: Observation.value[x] takes Quantity or CodeableConcept or string or "
         "boolean or integer or Range, and this gives HumanName"),
        ("language: =upper(row.x", "m.yaml:10:25: a comma or closing parenthesis is missing: the expression ends here"),
        ("note: [{text: =ro.x}]", 'm.yaml:10:18: unknown name "ro.x"; columns are written row.<column>'),
        ("subject: =ref('x')", "m.yaml:10:17: no rule is named \"x\""),
        ("subject: =ref('r')", "m.yaml:10:13: Observation.subject refers to Device or Group or Location or Patient, "
         "and this is a Observation"),
        ("component: [{valueString: a}]", "m.yaml:10:15: Observation.component.code is required and never set"),
        ("when: row.a ==", "m.yaml:10:17: an expression is missing here"),
        ("when: ref('r') == null", "m.yaml:10:9: ref can't be in a key, in a condition, or in what they use"),
        ("let: {site: row.x}", 'm.yaml:10:9: "site" can\'t be the name of a variable'),
        ("time: =concept(row.x)", "m.yaml:10:9: `time` is a date or time, and this gives CodeableConcept"),
        ("id: abc", "m.yaml:10:3: `id` is not written by hand (`key:` makes the id, `as:` names the type)"),
        ("meta: {profile: [x]}", "m.yaml:10:10: meta.profile is not written by hand (write `profile:` in the rule)"),
        ("update: delt", 'm.yaml:10:11: update of the rule "r" is not "delt" (did you mean "delta"?)'),
        ("_status: {extension: [{url: u, valueInteger: x}]}", 'm.yaml:10:48: "x" is no integer, which '
         "Observation._status.extension.valueInteger takes"),
        ("_code: {id: x}", "m.yaml:10:3: Observation.code is no primitive, so has no _code"),
        ("effectiveDateTime: {match: row.k, a: =row.x, b: {x: 1}}", "m.yaml:10:51: Observation.effectiveDateTime is a "
         "dateTime, not an object"),
        ("performer: [{for: row.x, display: =row.x}]", "m.yaml:10:21: `for` in a node is written `name in expression` "
         "(for: r in OBX-8)"),
    ],
)  # fmt: skip
def test_each_error_has_its_place_and_a_suggestion(line: str, expected: str, errors: Errors) -> None:
    assert errors(f"{HEAD}{RULE}  {line}\n") == [expected]


def test_a_literal_code_outside_a_required_binding_is_refused(errors: Errors) -> None:
    text = HEAD + "- rule: r\n  as: Patient\n  key: [row.id]\n  gender: femal\n  name: [{use: offical}]\n"
    assert errors(text) == [
        'm.yaml:8:11: "femal" is outside the required binding of Patient.gender (did you mean "female"?)',
        'm.yaml:9:16: "offical" is outside the required binding of Patient.name.use (did you mean "official"?)',
    ]


@pytest.mark.parametrize(
    ("status", "column"),
    [
        ("='finl' if row.x else 'final'", 12),
        ("=coalesce(row.s, 'finl')", 28),
        ("=translate(row.s, 'm', else='finl+flag')", 39),
        ("{match: row.s, F: finl}", 29),
    ],
)
def test_codes_that_an_expression_can_yield_are_checked_too(status: str, column: int, errors: Errors) -> None:
    text = f"{HEAD}- rule: r\n  as: Observation\n  key: [row.id]\n  status: {status}\n  code: {{text: x}}\n"
    assert errors(text) == [
        f'm.yaml:8:{column}: "finl" is outside the required binding of Observation.status (did you mean "final"?)'
    ]


def test_a_required_element_that_is_never_set_is_reported(errors: Errors) -> None:
    assert errors(HEAD + "- rule: r\n  as: Observation\n  key: [row.id]\n") == [
        "m.yaml:5:3: Observation.code is required and never set",
        "m.yaml:5:3: Observation.status is required and never set",
    ]
    assert errors(HEAD + "- rule: r\n  as: MedicationRequest\n  key: [row.id]\n  status: active\n  intent: order\n"
                  "  subject: =patient(row.p)\n") == [
        "m.yaml:5:3: MedicationRequest.medicationCodeableConcept/medicationReference is required and never set"
    ]  # fmt: skip


VARIANT = "http://hl7.org/fhir/uv/genomics-reporting/StructureDefinition/variant"


def test_a_profile_requires_and_fixes(errors: Errors) -> None:
    result = errors(
        f"{HEAD}- rule: r\n  as: Observation\n  profile: {VARIANT}\n  key: [row.id]\n  status: final\n"
        "  code: {coding: [{system: http://loinc.org, code: 69548-7}]}\n"
    )
    assert result == [
        "m.yaml:5:3: Observation.category is required and never set",
        "m.yaml:10:9: the profile fixes Observation.code to {'coding': [{'system': 'http://loinc.org', "
        "'code': '69548-6'}]} (write the profile's value)",
    ]
    assert errors(f"{HEAD}{RULE}  profile: {VARIANT}s\n")[0].endswith(f'(did you mean "{VARIANT}"?)')
    assert errors(HEAD + f"- rule: r\n  as: Patient\n  key: [row.id]\n  profile: {VARIANT}\n") == [
        "m.yaml:8:12: the profile is of Observation, and the rule makes Patient"
    ]


def test_all_errors_of_a_document_are_reported_in_its_order(errors: Errors) -> None:
    result = errors(
        "mapping: m\nsource: {adapter: csv}\nvresion: 1\nrules:\n"
        "- rule: a\n  as: Patiens\n  key: [row.x]\n"
        "- rule: b\n  as: Patient\n  for: rows\n  key: [row.x]\n"
        "- rule: c\n  as: Patient\n  key: []\n"
        "- rule: c\n  as: Patient\n  key: [row.x]\n"
        "- rule: d\n  as: Patient\n"
        "- as: Patient\n  key: 3\n  when: {a: b}\n"
    )
    assert result == [
        "m.yaml:1:1: the document lacks `version:`",
        'm.yaml:3:1: the document has no key "vresion" (did you mean "version"?)',
        'm.yaml:6:7: "Patiens" is no resource type of R4 (did you mean "Patient"?)',
        'm.yaml:10:8: the source has no group "rows" (did you mean "row"?)',
        "m.yaml:14:8: a key needs a part",
        'm.yaml:15:9: two rules are named "c"',
        'm.yaml:18:3: the rule "d" lacks `key:`',
        "m.yaml:20:3: rule 6 lacks `rule:`",
        "m.yaml:21:8: key of rule 6 can't be a number (what distinguishes resources: parts "
        "(`?` at the end: may be empty), or `=patient(…)`)",
        "m.yaml:22:9: when of rule 6 can't be an object (the rule runs only where this is true)",
    ]


def test_an_unknown_column_is_identified_by_the_source_model() -> None:
    adapters = {"csv": Adapter("csv", RowModel(["id", "Temp °C", "Puls"]))}
    with pytest.raises(MappingErrors) as raised:
        load_text(f"{HEAD}{RULE}  valueString: =row.Plus\n", "m.yaml", adapters=adapters)
    assert str(raised.value) == 'm.yaml:10:17: no column "Plus"; did you mean "Puls"?'


def test_an_unknown_adapter_and_an_unknown_mapping_are_reported(errors: Errors) -> None:
    assert errors(HEAD.replace("csv", "cvs") + RULE) == [
        'm.yaml:3:19: no adapter is named "cvs" (did you mean "csv"?)'
    ]
    with pytest.raises(MappingErrors, match='no mapping is named "ehr/nothing-of-this-name"'):
        load_mapping("ehr/nothing-of-this-name", adapters=ADAPTERS)


def test_an_adapter_function_may_not_take_the_name_of_a_built_in() -> None:
    model = RowModel()
    model.functions = {"concept": str}
    with pytest.raises(MappingErrors, match='"concept" has the name of a built-in one'):
        load_text(f"{HEAD}{RULE}", "m.yaml", adapters={"csv": Adapter("csv", model)})


def test_a_key_expression_must_be_of_the_rules_type(errors: Errors) -> None:
    text = (
        HEAD
        + '- rule: r\n  as: Encounter\n  key: "=patient(row.p)"\n  status: planned\n  class: {code: AMB}\n'
    )
    assert errors(text) == ["m.yaml:7:8: the key refers to a Patient, and the rule creates a Encounter"]


def test_unpivot_specs_are_checked(errors: Errors) -> None:
    text = f"{HEAD}{RULE}  unpivot: {{Puls: {{code: 1, unit: /min}}}}\n  valueString: =spec.unti\n"
    assert errors(text) == ['m.yaml:11:17: no column of the unpivot has "unti" (did you mean "unit"?)']


def test_every_code_of_an_error_is_declared(errors: Errors) -> None:
    with pytest.raises(MappingErrors) as raised:
        load_text(f"{HEAD}{RULE}  a: 1\n  subject: =foo(\n", "m.yaml", adapters=ADAPTERS)
    assert {error.code for error in raised.value.errors} <= set(declared())

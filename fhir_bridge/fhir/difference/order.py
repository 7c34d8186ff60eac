"""Lists whose order means something. R4 says so of few elements (ElementDefinition.orderMeaning is not filled in), so
this is a list of our own, by what the definitions say of each element; every other list is compared as a set.

Names and addresses are written in order; documents, lists, forms, instructions and programs are read in order; code
systems and expansions show their concepts in order; the components of a composite parameter are given in order. Free
are codings, identifiers, telecoms, categories, extensions, participants, components of an Observation, names of a
person, and whatever carries its own number or rank (ContactPoint.rank, Claim.item.sequence,
ImagingStudy.series.number).
"""

from __future__ import annotations

__all__ = ["FREE_BUNDLES", "ORDERED"]

ORDERED = frozenset(
    """
    HumanName.given HumanName.prefix HumanName.suffix Address.line
    Bundle.entry Composition.section Composition.section.section Composition.section.entry List.entry
    Communication.payload CommunicationRequest.payload
    Questionnaire.item Questionnaire.item.item Questionnaire.item.answerOption
    QuestionnaireResponse.item QuestionnaireResponse.item.item QuestionnaireResponse.item.answer
    QuestionnaireResponse.item.answer.item
    MedicationRequest.dosageInstruction MedicationDispense.dosageInstruction MedicationStatement.dosage
    ActivityDefinition.dosage
    PlanDefinition.action PlanDefinition.action.action RequestGroup.action RequestGroup.action.action
    TestScript.setup.action TestScript.test TestScript.test.action TestScript.teardown.action
    TestReport.setup.action TestReport.test TestReport.test.action TestReport.teardown.action
    ExampleScenario.process ExampleScenario.process.step ExampleScenario.process.step.process
    ExampleScenario.process.step.alternative.step
    StructureDefinition.snapshot.element StructureDefinition.differential.element
    OperationDefinition.parameter OperationDefinition.parameter.part SearchParameter.component
    StructureMap.group StructureMap.group.input StructureMap.group.rule StructureMap.group.rule.rule
    StructureMap.group.rule.source StructureMap.group.rule.target StructureMap.group.rule.target.parameter
    StructureMap.group.rule.dependent StructureMap.group.rule.dependent.variable
    CodeSystem.concept CodeSystem.concept.concept ValueSet.compose.include ValueSet.compose.include.concept
    ValueSet.expansion.contains ValueSet.expansion.contains.contains
    ConceptMap.group ConceptMap.group.element ConceptMap.group.element.target
    ImplementationGuide.definition.page.page Contract.term
    """.split()
)
"""Paths of elements whose lists are compared in order."""

FREE_BUNDLES = frozenset({"collection", "batch", "transaction"})
"""Bundle.type where the order of entries means nothing (R4 bundle.html, http.html#trules)."""

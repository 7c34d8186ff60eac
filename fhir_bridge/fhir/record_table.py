"""Whose record a resource is in, as data: one row for each of R4's resource types.

A row names the elements that say whom the resource is about. Who performed, recorded, wrote, sent, asserted, pays for,
or receives something is not whom it is about, whatever CompartmentDefinition says of them. Rows were written type by
type from the definitions of R4 4.0.1: elements that map to `FiveWs.subject`, and where a type has none, the element
that says whose it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

__all__ = ["RECORD_TABLE", "Row"]


class Row(NamedTuple):
    """How to find the patients of a type's resources. All empty: such a resource is about no patient.

    Attributes:
        owners: elements whose references to Patients are whom the resource is about; other targets count for nothing.
        through: elements whose references are followed: a Patient is whom the resource is about, anything else lends
            it the patients of its own record.
        holding: elements that hold resources: whom they are about, the resource is about.
    """

    owners: tuple[str, ...] = ()
    through: tuple[str, ...] = ()
    holding: tuple[str, ...] = ()


_NOBODY: Final = Row()
_SUBJECT: Final = Row(("subject",))
_PATIENT: Final = Row(("patient",))
_ANY_SUBJECT: Final = Row(through=("subject",))
# A part has parts of its own, over any number of levels; four are more than any operation of R4 has.
_PARAMETERS: Final = tuple(f"parameter.{'part.' * depth}resource" for depth in range(5))

RECORD_TABLE: Final[Mapping[str, Row]] = {
    "Account": _SUBJECT,
    "ActivityDefinition": _NOBODY,
    "AdverseEvent": _SUBJECT,
    "AllergyIntolerance": _PATIENT,
    "Appointment": Row(("participant.actor",)),
    "AppointmentResponse": Row(("actor",), ("appointment",)),
    "AuditEvent": Row(through=("entity.what",)),
    "Basic": _ANY_SUBJECT,
    "Binary": Row(through=("securityContext",)),
    "BiologicallyDerivedProduct": Row(("collection.source",)),
    "BodyStructure": _PATIENT,
    "Bundle": Row(holding=("entry.resource",)),  # one that is stored: a document, a collection
    "CapabilityStatement": _NOBODY,
    "CarePlan": _SUBJECT,
    "CareTeam": _SUBJECT,
    "CatalogEntry": _NOBODY,
    "ChargeItem": _SUBJECT,
    "ChargeItemDefinition": _NOBODY,
    "Claim": _PATIENT,
    "ClaimResponse": _PATIENT,
    "ClinicalImpression": _SUBJECT,
    "CodeSystem": _NOBODY,
    "Communication": _SUBJECT,
    "CommunicationRequest": _SUBJECT,
    "CompartmentDefinition": _NOBODY,
    "Composition": _ANY_SUBJECT,
    "ConceptMap": _NOBODY,
    "Condition": _SUBJECT,
    "Consent": _PATIENT,
    "Contract": _ANY_SUBJECT,
    "Coverage": Row(("beneficiary",)),
    "CoverageEligibilityRequest": _PATIENT,
    "CoverageEligibilityResponse": _PATIENT,
    "DetectedIssue": _PATIENT,
    "Device": _PATIENT,
    "DeviceDefinition": _NOBODY,
    "DeviceMetric": Row(through=("source", "parent")),
    "DeviceRequest": _SUBJECT,
    "DeviceUseStatement": _SUBJECT,
    "DiagnosticReport": _SUBJECT,
    "DocumentManifest": _SUBJECT,
    "DocumentReference": _SUBJECT,
    "EffectEvidenceSynthesis": _NOBODY,
    "Encounter": _SUBJECT,
    "Endpoint": _NOBODY,
    "EnrollmentRequest": Row(("candidate",)),
    "EnrollmentResponse": Row(through=("request",)),
    "EpisodeOfCare": _PATIENT,
    "EventDefinition": _NOBODY,
    "Evidence": _NOBODY,
    "EvidenceVariable": _NOBODY,
    "ExampleScenario": _NOBODY,
    "ExplanationOfBenefit": _PATIENT,
    "FamilyMemberHistory": _PATIENT,
    "Flag": _SUBJECT,
    "Goal": _SUBJECT,
    "GraphDefinition": _NOBODY,
    "Group": Row(("member.entity",)),
    "GuidanceResponse": _SUBJECT,
    "HealthcareService": _NOBODY,
    "ImagingStudy": _SUBJECT,
    "Immunization": _PATIENT,
    "ImmunizationEvaluation": _PATIENT,
    "ImmunizationRecommendation": _PATIENT,
    "ImplementationGuide": _NOBODY,
    "InsurancePlan": _NOBODY,
    "Invoice": _SUBJECT,
    "Library": _NOBODY,
    "Linkage": Row(through=("item.resource",)),
    "List": Row(("subject", "entry.item")),  # a list of patients is about each of them, as a Group is
    "Location": _NOBODY,
    "Measure": _NOBODY,
    "MeasureReport": _SUBJECT,
    "Media": _ANY_SUBJECT,  # of a Specimen or Device, too
    "Medication": _NOBODY,
    "MedicationAdministration": _SUBJECT,
    "MedicationDispense": _SUBJECT,
    "MedicationKnowledge": _NOBODY,
    "MedicationRequest": _SUBJECT,
    "MedicationStatement": _SUBJECT,
    "MedicinalProduct": _NOBODY,
    "MedicinalProductAuthorization": _NOBODY,
    "MedicinalProductContraindication": _NOBODY,
    "MedicinalProductIndication": _NOBODY,
    "MedicinalProductIngredient": _NOBODY,
    "MedicinalProductInteraction": _NOBODY,
    "MedicinalProductManufactured": _NOBODY,
    "MedicinalProductPackaged": _NOBODY,
    "MedicinalProductPharmaceutical": _NOBODY,
    "MedicinalProductUndesirableEffect": _NOBODY,
    "MessageDefinition": _NOBODY,
    "MessageHeader": Row(through=("focus",)),
    "MolecularSequence": _PATIENT,
    "NamingSystem": _NOBODY,
    "NutritionOrder": _PATIENT,
    "Observation": _SUBJECT,  # "into whose record the observation is placed"; focus is not
    "ObservationDefinition": _NOBODY,
    "OperationDefinition": _NOBODY,
    "OperationOutcome": _NOBODY,
    "Organization": _NOBODY,
    "OrganizationAffiliation": _NOBODY,
    "Parameters": Row(holding=_PARAMETERS),
    "Patient": Row(("id",)),
    "PaymentNotice": Row(through=("request", "response")),
    "PaymentReconciliation": _NOBODY,  # between insurer and provider, about many claims
    "Person": Row(("link.target",)),
    "PlanDefinition": _NOBODY,
    "Practitioner": _NOBODY,
    "PractitionerRole": _NOBODY,
    "Procedure": _SUBJECT,
    "Provenance": Row(through=("target",)),
    "Questionnaire": _NOBODY,
    "QuestionnaireResponse": _ANY_SUBJECT,
    "RelatedPerson": _PATIENT,
    "RequestGroup": _SUBJECT,
    "ResearchDefinition": _NOBODY,
    "ResearchElementDefinition": _NOBODY,
    "ResearchStudy": _NOBODY,
    "ResearchSubject": Row(("individual",)),
    "RiskAssessment": _SUBJECT,
    "RiskEvidenceSynthesis": _NOBODY,
    "Schedule": Row(("actor",)),
    "SearchParameter": _NOBODY,
    "ServiceRequest": _SUBJECT,
    "Slot": Row(through=("schedule",)),
    "Specimen": _SUBJECT,
    "SpecimenDefinition": _NOBODY,
    "StructureDefinition": _NOBODY,
    "StructureMap": _NOBODY,
    "Subscription": _NOBODY,
    "Substance": _NOBODY,
    "SubstanceNucleicAcid": _NOBODY,
    "SubstancePolymer": _NOBODY,
    "SubstanceProtein": _NOBODY,
    "SubstanceReferenceInformation": _NOBODY,
    "SubstanceSourceMaterial": _NOBODY,
    "SubstanceSpecification": _NOBODY,
    "SupplyDelivery": _PATIENT,
    "SupplyRequest": Row(("deliverTo",)),  # R4 names no patient beside where it goes
    "Task": Row(through=("for",)),
    "TerminologyCapabilities": _NOBODY,
    "TestReport": _NOBODY,
    "TestScript": _NOBODY,
    "ValueSet": _NOBODY,
    "VerificationResult": Row(through=("target",)),
    "VisionPrescription": _PATIENT,
}

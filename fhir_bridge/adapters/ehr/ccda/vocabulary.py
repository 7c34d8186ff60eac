"""Names of elements and attributes of CDA R2 with the extensions of C-CDA, so that a misspelt path is an error."""

from __future__ import annotations

from typing import Final

__all__ = ["NAMES"]

NAMES: Final = frozenset(
    """
    ClinicalDocument realmCode typeId templateId id code title effectiveTime confidentialityCode languageCode setId
    versionNumber copyTime recordTarget author dataEnterer informant custodian informationRecipient legalAuthenticator
    authenticator participant inFulfillmentOf documentationOf relatedDocument authorization componentOf component
    patientRole addr telecom patient name administrativeGenderCode birthTime deceasedInd deceasedTime
    maritalStatusCode religiousAffiliationCode raceCode ethnicGroupCode guardian birthplace place languageCommunication
    modeCode proficiencyLevelCode preferenceInd providerOrganization guardianPerson guardianOrganization
    multipleBirthInd multipleBirthOrderNumber genderIdentity
    streetAddressLine city state postalCode country county houseNumber streetName additionalLocator unitID
    prefix given family suffix validTime delimiter useablePeriod
    time assignedAuthor assignedPerson assignedAuthoringDevice manufacturerModelName softwareName
    representedOrganization
    standardIndustryClassCode asOrganizationPartOf wholeOrganization statusCode
    assignedEntity assignedCustodian representedCustodianOrganization intendedRecipient receivedOrganization
    signatureCode signatureText functionCode associatedEntity associatedPerson scopingOrganization
    relatedEntity relatedPerson order serviceEvent performer parentDocument consent encompassingEncounter
    dischargeDispositionCode responsibleParty encounterParticipant location healthCareFacility
    serviceProviderOrganization
    structuredBody nonXMLBody section text entry entryRelationship subject relatedSubject specimen specimenRole
    specimenPlayingEntity desc product consumable manufacturedProduct manufacturedMaterial manufacturedLabeledDrug
    manufacturerOrganization lotNumberText expirationTime participantRole playingEntity playingDevice scopingEntity
    reference externalAct externalObservation externalProcedure externalDocument precondition criterion
    reference seperatableInd sequenceNumber conjunctionCode
    act encounter observation observationMedia organizer procedure regionOfInterest substanceAdministration supply
    priorityCode repeatNumber value interpretationCode methodCode targetSiteCode approachSiteCode referenceRange
    observationRange routeCode doseQuantity rateQuantity maxDoseQuantity administrationUnitCode quantity
    expectedUseTime dischargeDisposition negationInd formCode ingredient ingredientSubstance identifiedBy
    asIngredient asSpecimenPartOf awarenessCode inFulfillmentOf1 actReference
    low high center width period phase event offset numerator denominator originalText translation qualifier
    nullFlavor root extension assigningAuthorityName use mediaType representation unit type operator
    codeSystem codeSystemName codeSystemVersion displayName typeCode classCode moodCode determinerCode
    inclusive alignment institutionSpecified compression integrityCheck integrityCheckAlgorithm
    """.split()
)
"""Local names; those of the extensions (`sdtc:`) without their prefix."""

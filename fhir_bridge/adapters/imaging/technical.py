"""Attributes that say how an object was made and is shown: they stay in it, and the study points to it.

docs/adapters/dicom.md lists them. Whatever else a file holds may bear on the patient, the study or the series.
"""

from __future__ import annotations

from typing import Final

__all__ = ["is_technical"]

_GROUPS: Final = frozenset(
    int(group, 16)
    for group in """0002 0018 0022 0028 0048 0052 0054 0062 0066 0068 0070 0072 0088 2050
    3002 3004 3006 3008 300A 300C 5200 5400 7FE0""".split()
)
"""Acquisition, ophthalmic geometry, pixels, microscopy, intravascular and nuclear imaging, segments, surfaces,
implants, presentation, hanging, storage, look-up tables; images, dose, structures and plans of radiotherapy; functional
groups, waveforms, pixel data."""
_REPEATING: Final = (0x5000, 0x6000)
"""Curves and overlays: groups of these and the even ones up to 0x1E above."""

_OF_OTHER_GROUPS: Final = frozenset(
    """SpecificCharacterSet ImageType InstanceCreationDate InstanceCreationTime InstanceCreatorUID
    RelatedGeneralSOPClassUID ContentDate ContentTime AcquisitionDate AcquisitionTime AcquisitionDateTime
    OverlayDate OverlayTime CurveDate CurveTime ConversionType PresentationIntentType MappingResource
    CodingSchemeIdentificationSequence DerivationDescription DerivationCodeSequence SourceImageSequence
    ReferencedImageSequence ReferencedInstanceSequence ReferencedSeriesSequence ReferencedStudySequence
    ReferencedPerformedProcedureStepSequence ReferencedPatientSequence PixelPresentation VolumetricProperties
    VolumeBasedCalculationTechnique ComplexImageComponent AcquisitionContrast LossyImageCompression
    ContributingEquipmentSequence SOPInstanceStatus LossyImageCompressionRatio LossyImageCompressionMethod
    SynchronizationFrameOfReferenceUID FrameOfReferenceUID PositionReferenceIndicator SliceLocation
    ImagesInAcquisition ImagePositionPatient ImageOrientationPatient ImagePosition ImageOrientation
    PatientOrientation AcquisitionNumber TemporalPositionIdentifier NumberOfTemporalPositions
    TemporalResolution StackID InStackPositionNumber ConcatenationUID InConcatenationNumber
    InConcatenationTotalNumber ConcatenationFrameOffsetNumber SOPInstanceUIDOfConcatenationSource
    DimensionOrganizationSequence DimensionIndexSequence DimensionOrganizationType FrameAcquisitionNumber
    FrameComments OverlayRows RealWorldValueMappingSequence FilmConsumptionSequence
    PatientFrameOfReferenceSource PatientGroupLength CurrentRequestedProcedureEvidenceSequence
    PertinentOtherEvidenceSequence ReferencedRequestSequence ValueType RelationshipType ContinuityOfContent
    ReferencedContentItemIdentifier GraphicType GraphicData ContentTemplateSequence ReferencedSOPSequence
    ObservationUID ModalitiesInStudy DataSetTrailingPadding IconImageSequence DigitalSignaturesSequence
    MACParametersSequence EncryptedAttributesSequence OriginalAttributesSequence ContributingSourcesSequence
    """.split()
)
"""Of the other groups: dates of making, references to objects, geometry, layout of frames and of content trees."""

_NOT: Final = frozenset(
    """ContrastBolusAgent ContrastBolusAgentSequence ContrastBolusRoute ContrastBolusVolume ContrastBolusTotalDose
    ContrastBolusStartTime ContrastBolusStopTime ContrastBolusAdministrationRouteSequence ContrastBolusIngredient
    ContrastBolusIngredientConcentration InterventionDrugName InterventionDrugInformationSequence
    InterventionDrugDose InterventionDrugCodeSequence InterventionDrugStartTime InterventionDrugStopTime
    Radiopharmaceutical RadiopharmaceuticalInformationSequence AdditionalDrugSequence DeviceSerialNumber DeviceUID
    SoftwareVersions ProtocolName BodyPartExamined DeviceDescription PatientGantryRelationshipCodeSequence""".split()
)
"""Of the groups: what was given to the patient, the machine, the body part."""


def is_technical(tag: int, keyword: str) -> bool:
    """Whether a public attribute says how an object was made and is shown, and nothing of patient, study or series."""
    if keyword in _NOT:
        return False
    group = tag >> 16
    return (
        group in _GROUPS
        or keyword in _OF_OTHER_GROUPS
        or any(0 <= group - first <= 0x1E for first in _REPEATING)
    )

"""The genomics operations, for the registry of what is served."""

from __future__ import annotations

from fhir_bridge.plugins import Operation
from fhir_bridge.server.genomics.genotype_operations import (
    Haplotypes,
    SpecificHaplotypes,
    SpecificVariants,
    StructuralIntersectingVariants,
    StructuralSubsumingVariants,
    Variants,
)
from fhir_bridge.server.genomics.metadata_operations import StudyMetadata
from fhir_bridge.server.genomics.phenotype_operations import (
    DiagnosticImplications,
    MolecularConsequences,
    TherapeuticImplications,
)
from fhir_bridge.server.genomics.pinning import PinVariants
from fhir_bridge.server.settings import Settings

__all__ = ["genomics_operations"]


def genomics_operations(settings: Settings) -> list[Operation]:
    """The ten operations about one subject, and the one that stores variants of kept files."""
    return [
        Variants(settings),
        SpecificVariants(settings),
        StructuralIntersectingVariants(settings),
        StructuralSubsumingVariants(settings),
        Haplotypes(settings),
        SpecificHaplotypes(settings),
        TherapeuticImplications(settings),
        DiagnosticImplications(settings),
        MolecularConsequences(settings),
        StudyMetadata(settings),
        PinVariants(settings),
    ]

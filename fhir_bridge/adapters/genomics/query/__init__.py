"""What genomics operations ask for, and how it compares with what is known of a person: no HTTP, no storage."""

from fhir_bridge.adapters.genomics.query.changes import (
    Change,
    QueryError,
    Sequences,
    read_variant,
    same,
)
from fhir_bridge.adapters.genomics.query.haplotypes import (
    genes_named,
    is_ambiguous,
    matches_genotype,
    plain_gene,
)
from fhir_bridge.adapters.genomics.query.intervals import (
    Interval,
    around,
    build_of,
    merged,
    overlapping,
    read_bed,
    read_range,
    uncovered,
)
from fhir_bridge.adapters.genomics.query.lifting import Lifting, read_chains
from fhir_bridge.adapters.genomics.query.observed import (
    ObservedVariant,
    codes_of,
    components,
    read_observation,
)
from fhir_bridge.adapters.genomics.query.questions import (
    Questions,
    RangeQuestion,
    VariantQuestion,
    reach,
)
from fhir_bridge.adapters.genomics.query.transcripts import Transcripts, read_transcripts

__all__ = [
    "Change",
    "Interval",
    "Lifting",
    "ObservedVariant",
    "QueryError",
    "Questions",
    "RangeQuestion",
    "Sequences",
    "Transcripts",
    "VariantQuestion",
    "around",
    "build_of",
    "codes_of",
    "components",
    "genes_named",
    "is_ambiguous",
    "matches_genotype",
    "merged",
    "overlapping",
    "plain_gene",
    "reach",
    "read_bed",
    "read_chains",
    "read_observation",
    "read_range",
    "read_transcripts",
    "read_variant",
    "same",
    "uncovered",
]

"""The clinical tables of OMOP CDM 5.4 and their columns (https://ohdsi.github.io/CommonDataModel/cdm54.html)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

__all__ = ["ADDRESS", "DERIVED_TABLES", "SIMPLE", "TABLES", "VOCABULARY_TABLES", "columns_of"]

_COLUMNS: Final = {
    "location": (
        "location_id address_1 address_2 city state zip county location_source_value country_concept_id "
        "country_source_value latitude longitude"
    ),
    "care_site": (
        "care_site_id care_site_name place_of_service_concept_id location_id care_site_source_value "
        "place_of_service_source_value"
    ),
    "provider": (
        "provider_id provider_name npi dea specialty_concept_id care_site_id year_of_birth gender_concept_id "
        "provider_source_value specialty_source_value specialty_source_concept_id gender_source_value "
        "gender_source_concept_id"
    ),
    "person": (
        "person_id gender_concept_id year_of_birth month_of_birth day_of_birth birth_datetime race_concept_id "
        "ethnicity_concept_id location_id provider_id care_site_id person_source_value gender_source_value "
        "gender_source_concept_id race_source_value race_source_concept_id ethnicity_source_value "
        "ethnicity_source_concept_id"
    ),
    "death": (
        "person_id death_date death_datetime death_type_concept_id cause_concept_id cause_source_value "
        "cause_source_concept_id"
    ),
    "visit_occurrence": (
        "visit_occurrence_id person_id visit_concept_id visit_start_date visit_start_datetime visit_end_date "
        "visit_end_datetime visit_type_concept_id provider_id care_site_id visit_source_value "
        "visit_source_concept_id admitted_from_concept_id admitted_from_source_value discharged_to_concept_id "
        "discharged_to_source_value preceding_visit_occurrence_id"
    ),
    "condition_occurrence": (
        "condition_occurrence_id person_id condition_concept_id condition_start_date condition_start_datetime "
        "condition_end_date condition_end_datetime condition_type_concept_id condition_status_concept_id "
        "stop_reason provider_id visit_occurrence_id visit_detail_id condition_source_value "
        "condition_source_concept_id condition_status_source_value"
    ),
    "drug_exposure": (
        "drug_exposure_id person_id drug_concept_id drug_exposure_start_date drug_exposure_start_datetime "
        "drug_exposure_end_date drug_exposure_end_datetime verbatim_end_date drug_type_concept_id stop_reason "
        "refills quantity days_supply sig route_concept_id lot_number provider_id visit_occurrence_id "
        "visit_detail_id drug_source_value drug_source_concept_id route_source_value dose_unit_source_value"
    ),
    "procedure_occurrence": (
        "procedure_occurrence_id person_id procedure_concept_id procedure_date procedure_datetime "
        "procedure_end_date procedure_end_datetime procedure_type_concept_id modifier_concept_id quantity "
        "provider_id visit_occurrence_id visit_detail_id procedure_source_value procedure_source_concept_id "
        "modifier_source_value"
    ),
    "measurement": (
        "measurement_id person_id measurement_concept_id measurement_date measurement_datetime "
        "measurement_time measurement_type_concept_id operator_concept_id value_as_number value_as_concept_id "
        "unit_concept_id range_low range_high provider_id visit_occurrence_id visit_detail_id "
        "measurement_source_value measurement_source_concept_id unit_source_value unit_source_concept_id "
        "value_source_value measurement_event_id meas_event_field_concept_id"
    ),
    "observation": (
        "observation_id person_id observation_concept_id observation_date observation_datetime "
        "observation_type_concept_id value_as_number value_as_string value_as_concept_id qualifier_concept_id "
        "unit_concept_id provider_id visit_occurrence_id visit_detail_id observation_source_value "
        "observation_source_concept_id unit_source_value qualifier_source_value value_source_value "
        "observation_event_id obs_event_field_concept_id"
    ),
    "device_exposure": (
        "device_exposure_id person_id device_concept_id device_exposure_start_date "
        "device_exposure_start_datetime device_exposure_end_date device_exposure_end_datetime "
        "device_type_concept_id unique_device_id production_id quantity provider_id visit_occurrence_id "
        "visit_detail_id device_source_value device_source_concept_id unit_concept_id unit_source_value "
        "unit_source_concept_id"
    ),
    "note": (
        "note_id person_id note_date note_datetime note_type_concept_id note_class_concept_id note_title "
        "note_text encoding_concept_id language_concept_id provider_id visit_occurrence_id visit_detail_id "
        "note_source_value note_event_id note_event_field_concept_id"
    ),
}

ADDRESS: Final = (
    "address_1", "address_2", "city", "state", "zip", "county", "country_source_value", "country_concept_id",
)  # fmt: skip
"""Columns of a location that its address is of."""

TABLES: Final[Mapping[str, tuple[str, ...]]] = {name: tuple(text.split()) for name, text in _COLUMNS.items()}
"""In the order in which they are read: what others refer to comes first."""

VOCABULARY_TABLES: Final = frozenset(
    "concept vocabulary domain concept_class concept_relationship relationship concept_synonym concept_ancestor "
    "source_to_concept_map drug_strength".split()
)
"""Tables whose rows are no records."""

DERIVED_TABLES: Final = frozenset(
    "condition_era drug_era dose_era observation_period cohort cohort_definition cdm_source metadata".split()
)
"""Tables that were computed from the others, or are about them: no statement on a patient of its own."""

SIMPLE: Final = {"value_as": ("value_as_concept_id", None, "value_source_value")}
"""Coded values whose columns are not named alike: concept, source concept, source value."""


def columns_of(table: str, name: str) -> tuple[str, ...]:
    """The columns that a name reads: a column itself, a coded value, a time (`…_at`), or what is looked up.

    Raises:
        LookupError: the table has no such name.
    """
    columns = TABLES[table]
    if name in columns:
        return (name,)
    if name == "dataset":
        return ()
    if name == "patient" and "person_id" in columns:
        return ("person_id", "person_source_value") if table == "person" else ("person_id",)
    if name in ("death_at", "birth_date") and table == "person":
        return (
            ("year_of_birth", "month_of_birth", "day_of_birth", "birth_datetime")
            if name == "birth_date"
            else ()
        )
    if name == "address" and "location_id" in columns:
        return ("location_id", *ADDRESS) if table == "location" else ("location_id",)
    if name == "unit_code" and "unit_concept_id" in columns:
        return ("unit_concept_id", "unit_source_value")
    if name.endswith("_at"):
        stem = name.removesuffix("_at")
        pair = tuple(column for column in (f"{stem}_datetime", f"{stem}_date") if column in columns)
        if pair:
            return pair
    wanted = SIMPLE.get(name, (f"{name}_concept_id", f"{name}_source_concept_id", f"{name}_source_value"))
    if wanted[0] in columns:
        return tuple(column for column in wanted if column in columns)
    raise LookupError(name)

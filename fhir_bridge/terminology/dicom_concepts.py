"""pydicom's table of the concepts of PS3.16, read for what is taken of it and not kept: it is 13 MB."""

from __future__ import annotations

from fhir_bridge.terminology.pydicom_tables import read_table

__all__ = ["dicom_concepts", "snomed_of_rt"]

Concepts = dict[str, dict[str, dict[str, tuple[str, list[int]]]]]
"""Scheme to keyword to code to its meaning and context groups."""


def dicom_concepts() -> Concepts:
    """All concepts that DICOM uses, read anew each time: take what is needed and let it go.

    Raises:
        ModuleNotFoundError: without the extra `dicom`.
    """
    table: Concepts = read_table("sr._concepts_dict", "concepts")
    return table


def snomed_of_rt() -> dict[str, str]:
    """SNOMED CT identifiers by those of SNOMED RT (PS3.16 8.1.1)."""
    table: dict[str, str] = read_table("sr._snomed_dict", "mapping")["SRT"]
    return table

"""Spans of VCF lines and DICOM attributes are the bytes of their values."""

from __future__ import annotations

import gzip
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, generate_uid

from fhir_bridge.mapping import Read
from fhir_bridge.plugins import adapters

VCF = (
    "##fileformat=VCFv4.3\n##fileDate=20260105\n##reference=GRCh38\n##contig=<ID=chr7,assembly=GRCh38>\n"
    '##INFO=<ID=AF,Number=A,Type=Float,Description="é">\n##FORMAT=<ID=GT,Number=1,Type=String,Description="g">\n'
    '##FORMAT=<ID=AD,Number=R,Type=Integer,Description="d">\n'
    "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tS1\tSé\n"
    "chr7\t100\trs1;rs2\tA\tC,G\t50.5\tPASS\tDB;AF=0.1,0.2\tGT:AD\t0/1:3,4,0\t1/2:0,5,6\n"
    "chr7\t200\t.\tA\tT\t.\tq10\tAF=0.3\tGT:AD\t0/0:9,0\t0|1:1,2\n"
)


def read(adapter: str, path: Path, **options: Any) -> list[Any]:
    return list(adapters()[adapter].read([path], SimpleNamespace(options=options, site=None)))


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("packed", [False, True])
def test_the_values_of_a_vcf_line_are_their_bytes(tmp_path: Path, end: str, packed: bool) -> None:
    raw = VCF.replace("\n", end).encode()
    path = tmp_path / ("v.vcf.gz" if packed else "v.vcf")
    path.write_bytes(gzip.compress(raw) if packed else raw)
    found: dict[tuple[int, str, str], list[tuple[str, bytes]]] = {}
    for record in read("vcf", path):
        for allele in record.scope("Allele"):
            for selector in ("CHROM", "ALT", "INFO.AF", "FORMAT.AD", "call.allelic_state", "variant.hgvs_g",
                             "sample.name", "file.date", "QUAL", "FILTER"):  # fmt: skip
                spans = record.spans(allele, Read("Allele", selector), {})
                assert all(raw[span.start : span.end].decode() == span.text for span in spans)
                key = (allele.line.number, f"{allele.call.name}/{allele.number}", selector)
                found[key] = [(span.label, raw[span.start : span.end]) for span in spans]
        for passage in record.passages():
            assert raw[passage.start : passage.start + len(passage.raw)] == passage.raw
            assert all(raw[leaf.start : leaf.end].decode() == leaf.text for leaf in passage.leaves)
    assert found[9, "Sé/2", "INFO.AF"] == [("INFO.AF[2]", b"0.2")]
    assert found[9, "Sé/2", "FORMAT.AD"] == [("FORMAT.AD[3] (Sé)", b"6")]
    assert found[9, "S1/1", "ALT"] == [("ALT[1]", b"C")]
    assert found[10, "Sé/1", "INFO.AF"] == [("INFO.AF", b"0.3")]
    assert found[10, "Sé/1", "call.allelic_state"] == [("FORMAT.GT (Sé)", b"0|1")]
    assert [label for label, _ in found[10, "Sé/1", "variant.hgvs_g"]] == ["CHROM", "POS", "REF", "ALT"]
    assert found[10, "Sé/1", "QUAL"] == []
    assert found[10, "Sé/1", "sample.name"] == [("sample Sé", "Sé".encode())]
    assert found[10, "Sé/1", "file.date"] == [("##fileDate", b"20260105")]


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
@pytest.mark.parametrize("undefined", [False, True])
def test_the_attributes_of_an_instance_are_their_bytes(tmp_path: Path, syntax: str, undefined: bool) -> None:
    procedure = Dataset()
    procedure.CodeValue, procedure.CodingSchemeDesignator, procedure.CodeMeaning = "P5-09051", "SRT", "MRI"
    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.4"
    dataset.SOPInstanceUID, dataset.StudyInstanceUID, dataset.SeriesInstanceUID = (
        generate_uid() for _ in range(3)
    )
    dataset.PatientID, dataset.PatientName, dataset.Modality = "P1", "Müller^Ada", "MR"
    dataset.ProcedureCodeSequence = [procedure]
    dataset["ProcedureCodeSequence"].is_undefined_length = undefined
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    path = tmp_path / "i.dcm"
    dataset.save_as(path, enforce_file_format=True)
    raw = path.read_bytes()
    (record,) = read("dicom", path)
    (study,) = record.scope("Study")
    (series,) = record.scope("Series")

    def bytes_of(scope: Any, selector: str) -> list[tuple[str, bytes]]:
        return [
            (s.label, raw[s.start : s.end].strip(b"\0 ")) for s in record.spans(scope, Read("", selector), {})
        ]

    assert bytes_of(study, "PatientName") == [("(0010,0010) PatientName", "Müller^Ada".encode())]
    assert bytes_of(study, "study.patient") == [("(0010,0020) PatientID", b"P1")]
    assert bytes_of(series, "series.modality") == [("(0008,0060) Modality", b"MR")]
    assert bytes_of(series, "Study.PatientID") == [("(0010,0020) PatientID", b"P1")]
    assert bytes_of(study, "study.procedures") == [
        ("(0008,1032)[1].(0008,0100) CodeValue", b"P5-09051"),
        ("(0008,1032)[1].(0008,0102) CodingSchemeDesignator", b"SRT"),
        ("(0008,1032)[1].(0008,0104) CodeMeaning", b"MRI"),
    ]

"""Issue codes of the imaging adapter. A message names attributes and files, never a patient's values."""

from __future__ import annotations

from fhir_bridge.fhir.issues import Issue, IssueCode, declare

__all__ = ["CODES", "new_issue"]

CODES = declare(
    IssueCode(
        "FB-DCM-001",
        "information",
        "The file is not DICOM",
        "Nothing to do; give only DICOM files if you don't want it counted as skipped.",
        "informational",
    ),
    IssueCode(
        "FB-DCM-002",
        "information",
        "A DICOMDIR is an index, not an instance",
        "Nothing to do; the files that it lists are read themselves.",
        "informational",
    ),
    IssueCode(
        "FB-DCM-003",
        "error",
        "The file can't be opened or read",
        "Check its permissions and the disk, then convert it again.",
        "exception",
    ),
    IssueCode(
        "FB-DCM-004",
        "error",
        "The DICOM header can't be read",
        "The data set is damaged; fetch the instance from the archive again.",
        "structure",
    ),
    IssueCode(
        "FB-DCM-005",
        "error",
        "The file ends within its header",
        "The copy was cut short; fetch the instance from the archive again.",
        "incomplete",
    ),
    IssueCode(
        "FB-DCM-006",
        "error",
        "A UID that every instance must have is missing",
        "Study, Series, SOP Instance and SOP Class UID are type 1 (PS3.3 C.12.1); correct the instance at its source.",
        "required",
    ),
    IssueCode(
        "FB-DCM-007",
        "error",
        "A UID is not a UID",
        "A UID has at most 64 characters, digits and dots only (PS3.5 9.1); correct the instance at its source.",
        "value",
    ),
    IssueCode(
        "FB-DCM-008",
        "error",
        "One Study Instance UID names two patients",
        "Nothing of this study was converted, because nobody can say whose it is; correct it in the archive.",
        "conflict",
    ),
    IssueCode(
        "FB-DCM-009",
        "information",
        "The instance was already read from another file",
        "Nothing to do: the two say the same, and the instance is counted once.",
        "duplicate",
    ),
    IssueCode(
        "FB-DCM-010",
        "warning",
        "Instances disagree on an attribute of their study or series",
        "The value that most instances carry was kept, of equally many that of the smallest SOP Instance UID; "
        "correct the others in the archive.",
        "conflict",
    ),
    IssueCode(
        "FB-DCM-011",
        "warning",
        "A date, time or zone offset is impossible and was left out",
        "Correct the attribute in the archive.",
        "value",
    ),
    IssueCode(
        "FB-DCM-012",
        "warning",
        "The pixel data end before their stated length",
        "The header was converted; fetch the instance from the archive again.",
        "incomplete",
    ),
    IssueCode(
        "FB-DCM-013",
        "warning",
        "The preamble holds an executable's header",
        "The header was converted. Such a file can be run as a program (CVE-2019-11687); look where it comes from.",
        "security",
    ),
    IssueCode(
        "FB-DCM-014",
        "warning",
        "Text is not in the character set that the file names",
        "Characters that can't be decoded appear as U+FFFD; correct Specific Character Set (0008,0005).",
        "value",
    ),
    IssueCode(
        "FB-DCM-015",
        "error",
        "The content tree of a structured report can't be read",
        "The study was converted without this report's measurements; look at the document.",
        "structure",
    ),
    IssueCode(
        "FB-DCM-016",
        "error",
        "A waveform can't be read",
        "The study was converted without this waveform; look at the message for what is missing.",
        "structure",
    ),
    IssueCode(
        "FB-DCM-017",
        "information",
        "Waveform annotations mark points in time and were not converted",
        "They stay in the DICOM instance; intervals and statements were converted.",
        "informational",
    ),
    IssueCode(
        "FB-DCM-018",
        "warning",
        "Channels of a waveform are sampled at shifted times",
        "FHIR SampledData can't say so; take the samples from the DICOM instance where the shift matters.",
        "not-supported",
    ),
    IssueCode(
        "FB-DCM-019",
        "error",
        "The file has gone since it was read",
        "An attribute that a mapping names, or the instance in the store, was left out; convert or load again.",
        "not-found",
    ),
    IssueCode(
        "FB-DCM-020",
        "warning",
        "The value of an attribute can't be read and was left out",
        "The message says what is wrong with it; the rest of the instance was converted. Correct the attribute in the "
        "archive.",
        "value",
    ),
    IssueCode(
        "FB-DCM-021",
        "information",
        "The object belongs to no patient and no study (PS3.4 GG)",
        "Nothing to do: a colour palette, hanging protocol or implant template says nothing of a patient.",
        "informational",
    ),
    IssueCode(
        "FB-DCM-022",
        "warning",
        "An attribute has several values where one is allowed",
        "The first that can be read was taken, of a code's value or scheme none; correct the attribute in the archive. "
        "A backslash divides values.",
        "value",
    ),
    IssueCode(
        "FB-DCM-023",
        "error",
        "The patient's number or its issuer can't be used",
        "It was left out: the patient is one without number or issuer. Correct Patient ID and convert again.",
        "value",
    ),
    IssueCode(
        "FB-DCM-024",
        "warning",
        "Two contents have one SOP Instance UID",
        "The older one counts, of equally old ones that with the smaller hash; the message says in which attributes "
        "they differ. A changed instance needs a UID of its own (PS3.4 B.3.2).",
        "conflict",
    ),
    IssueCode(
        "FB-DCM-025",
        "information",
        "A rejection note deletes instances of its study (IHE RAD IOCM)",
        "Nothing to do: they are no longer shown. A deleted instance returns with a time after the note's.",
        "informational",
    ),
    IssueCode(
        "FB-DCM-026",
        "information",
        "The instance is deleted by a rejection note",
        "Nothing to do; an instance that was rejected by mistake returns with a time after the note's.",
        "deleted",
    ),
    IssueCode(
        "FB-DCM-027",
        "warning",
        "The value of an attribute is larger than what is kept of an instance",
        "Text beyond 64 KiB, samples beyond 4 MiB and other values beyond 1 KiB stay in the DICOM instance.",
        "too-long",
    ),
    IssueCode(
        "FB-DCM-028",
        "warning",
        "A rejection note can't delete what it names",
        "It deletes instances of its own study, as of its Content Date and Time; look at the note in the archive.",
        "incomplete",
    ),
    IssueCode(
        "FB-DCM-029",
        "warning",
        "One SOP Instance UID is in two studies",
        "Each study lists it; a UID belongs to one instance of one study (PS3.5 9): correct it in the archive.",
        "conflict",
    ),
    IssueCode(
        "FB-DCM-030",
        "warning",
        "Names of people and their identification can't be joined",
        "They are listed each for itself, so that nobody gets another's code; correct the sequence in the archive.",
        "value",
    ),
    IssueCode(
        "FB-DCM-031",
        "warning",
        "Attributes hold values that no rule represents",
        "Add a rule that names them where they matter; private ones by private('creator', group, element).",
        "incomplete",
    ),
    IssueCode(
        "FB-DCM-032",
        "information",
        "Attributes of how the objects were made and are shown are left in them",
        "Nothing to do: the study points to its objects. docs/adapters/dicom.md says which attributes these are.",
        "informational",
    ),
    IssueCode(
        "FB-DCM-033",
        "warning",
        "A machine's measurement can't have the value that it states",
        "The Observation quotes it and has no value: the machine had nothing to measure. Look at the recording.",
        "value",
    ),
    IssueCode(
        "FB-DCM-034",
        "warning",
        "The volume of segments is not certain",
        "The segments were converted without volume; the message says what the segmentation does not state.",
        "incomplete",
    ),
    IssueCode(
        "FB-DCM-035",
        "error",
        "An annotated ECG (HL7 aECG) can't be read",
        "The message says why; export it again from its source. A document type is never read.",
        "structure",
    ),
    IssueCode(
        "FB-DCM-036",
        "warning",
        "A part of an annotated ECG (HL7 aECG) says nothing that can be read",
        "The rest was converted; look at the document.",
        "incomplete",
    ),
    IssueCode(
        "FB-DCM-037",
        "warning",
        "A key object selection and its evidence name different instances",
        "All of them are referred to; the two should be equal (PS3.3 C.17.6.2.1).",
        "conflict",
    ),
)


def new_issue(code: str, message: str, source: str) -> Issue:
    """An issue of this declared code, at a file or a study."""
    return Issue(CODES[code].severity, code, message, source)

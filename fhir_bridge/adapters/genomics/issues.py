"""Issue codes of the VCF reader. A message names what and where; docs/adapters/vcf.md lists the remedies at length."""

from __future__ import annotations

from fhir_bridge.fhir.issues import Issue, IssueCode, declare

__all__ = ["CODES", "issue"]

CODES = declare(
    # The file as a whole
    IssueCode(
        "FB-VCF-001", "error", "The file is no VCF", "Give a file whose first line is ##fileformat=VCFv4.x."
    ),
    IssueCode("FB-VCF-002", "error", "The header can't be read", "Correct the header line that is named."),
    IssueCode("FB-VCF-003", "error", "Two sample columns have the same name", "Rename one of the samples."),
    IssueCode(
        "FB-VCF-004",
        "error",
        "The genome build is unknown",
        "Add ##contig lines with lengths, or say it: --set assembly=GRCh38 (or GRCh37, T2T-CHM13v2.0).",
    ),
    IssueCode(
        "FB-VCF-005",
        "error",
        "The header contradicts itself, or the option given, about the genome build",
        "Find out which reference was used, and correct the header or the option.",
    ),
    IssueCode(
        "FB-VCF-006",
        "error",
        "The file ends too early or is damaged",
        "Fetch the file again; check it with bgzip -t.",
    ),
    IssueCode("FB-VCF-007", "error", "The file can't be opened", "Check that it is there and may be read."),
    IssueCode("FB-VCF-008", "error", "A wanted sample is not in the file", "Correct the option `samples`."),
    IssueCode("FB-VCF-009", "error", "An option of the reader is wrong", "Correct the option that is named."),
    IssueCode("FB-VCF-010", "error", "The BCF file can't be read", "Check it with bcftools view."),
    # One line
    IssueCode(
        "FB-VCF-020",
        "error",
        "Wrong number of columns",
        "Every line has the columns of #CHROM, separated by tabs.",
    ),
    IssueCode("FB-VCF-021", "error", "The line is not UTF-8 text", "Write the file in UTF-8 (VCF 4.3 §1)."),
    IssueCode(
        "FB-VCF-022",
        "error",
        "The line is longer than allowed",
        "Raise the option `max_line` if the line is right.",
    ),
    IssueCode(
        "FB-VCF-023",
        "error",
        "CHROM is wrong",
        "A name without white space, and a declared contig (VCF 4.3 §1.6.1).",
    ),
    IssueCode(
        "FB-VCF-024",
        "error",
        "POS is wrong",
        "A whole number from 0 to the contig's length + 1 (VCF 4.3 §1.6.1).",
    ),
    IssueCode(
        "FB-VCF-025", "error", "REF is wrong", "Bases A, C, G, T, N within the contig (VCF 4.3 §1.6.1)."
    ),
    IssueCode("FB-VCF-026", "error", "ALT is wrong", "Bases, *, ., <ID> or a breakend (VCF 4.3 §1.6.1)."),
    IssueCode(
        "FB-VCF-093",
        "warning",
        "ID or FILTER gives a name twice; it is taken once",
        "See VCF 4.3 §1.6.1; `--check` refuses it.",
    ),
    IssueCode(
        "FB-VCF-094",
        "warning",
        "A genotype and a copy number (CN) of one sample contradict each other",
        "The genotype counts. Look at the call: by its copy number the sample has the variant.",
    ),
    IssueCode("FB-VCF-027", "error", "QUAL, FILTER or ID is wrong", "See VCF 4.3 §1.6.1."),
    IssueCode(
        "FB-VCF-028",
        "error",
        "INFO is wrong",
        "Entries KEY or KEY=value, separated by semicolons, each key once.",
    ),
    IssueCode("FB-VCF-029", "error", "END lies before POS", "Correct END, or POS."),
    IssueCode(
        "FB-VCF-030",
        "error",
        "FORMAT is wrong",
        "Keys separated by colons, each once, GT first (VCF 4.3 §1.6.2).",
    ),
    IssueCode(
        "FB-VCF-031",
        "error",
        "A value is not of its declared type, and is left out",
        "Correct the value or the header.",
    ),
    IssueCode("FB-VCF-032", "error", "A header line is among the records", "Header lines are before #CHROM."),
    IssueCode(
        "FB-VCF-033",
        "warning",
        "INFO has white space, an empty entry, an unusual key, or a value that is none; it is kept",
        "Write INFO as VCF 4.3 §1.6.1 has it.",
    ),
    IssueCode(
        "FB-VCF-034",
        "warning",
        "A value is impossible or has another count than its Number says, and is left out",
        "Correct the value or the header (VCF 4.3 §1.4.2; §1.6.1 for reserved keys).",
    ),
    IssueCode(
        "FB-VCF-035",
        "warning",
        "A line gives the variant of the line before again",
        "Join the two lines (bcftools norm -d exact); where a sample's calls differ both are written.",
    ),
    IssueCode(
        "FB-VCF-037",
        "information",
        "A sample's call is the same as on an earlier line, and is written once",
        "Nothing to do.",
    ),
    IssueCode(
        "FB-VCF-038",
        "warning",
        "A sample's variant is called in another way than on an earlier line: both calls are written",
        "Find out which call is right; the note of the later one says that there are two.",
    ),
    IssueCode(
        "FB-VCF-092",
        "warning",
        "A sample's variant is called again on a later line that spells it in another way: both calls are written",
        "Find out which call is right (the note of the later one has both); bcftools norm spells them alike.",
    ),
    IssueCode(
        "FB-VCF-036",
        "warning",
        "A value can't be used as its header declares it; what would be computed from it is not stated",
        "Correct Number and Type of the key that is named (docs/adapters/vcf.md).",
    ),
    IssueCode(
        "FB-VCF-039",
        "warning",
        "REF is not what the reference sequence (option `reference`) has there: g.HGVS and SPDI are not stated",
        "Give the FASTA file that the calls were made with.",
    ),
    # One sample or allele of a line
    IssueCode(
        "FB-VCF-040",
        "error",
        "A genotype can't be read",
        "Allele numbers and / or |, none above the count of ALTs.",
    ),
    IssueCode("FB-VCF-041", "error", "A sample has more values than FORMAT", "Correct the sample's column."),
    IssueCode(
        "FB-VCF-042",
        "information",
        "Half call: one allele is known, zygosity is not stated",
        "Nothing to do.",
    ),
    IssueCode(
        "FB-VCF-043",
        "information",
        "g.HGVS is not stated: the 3' rule needs the reference sequence here",
        "REF, ALT and position are kept.",
    ),
    IssueCode(
        "FB-VCF-044",
        "warning",
        "Breakend without mate: REF and ALT are kept as written, no junction is stated",
        "Nothing to do where it is single; else call both ends in one file.",
    ),
    IssueCode(
        "FB-VCF-045",
        "information",
        "Structural variant without usable END, SVLEN or intervals: its note has them, no extent is stated",
        "Add END, or SVLEN for each ALT; correct CIPOS and CIEND.",
    ),
    IssueCode(
        "FB-VCF-046",
        "warning",
        "ClinVar's values are not tied to one allele of a line with several ALTs, and are left out",
        "Declare the fields with Number=A, or split the line (bcftools norm -m -).",
    ),
    IssueCode(
        "FB-VCF-047",
        "warning",
        "A sample is called for <NON_REF>, <*> or an ALT `.`: no allele is named",
        "Use the genotyped VCF.",
    ),
    IssueCode(
        "FB-VCF-048",
        "information",
        "A called spanning deletion (*) is no allele of its own here",
        "Nothing to do.",
    ),
    IssueCode(
        "FB-VCF-049",
        "information",
        "The mitochondrial reference is not known, so g.HGVS is not stated",
        "Add ##contig.",
    ),
    IssueCode(
        "FB-VCF-050",
        "information",
        "A call fails a filter (FILTER, FT or AS_FilterStatus): it is kept, with confidence low",
        "Name filters that count as passed with the option `passing`.",
    ),
    IssueCode(
        "FB-VCF-051",
        "information",
        "A call fails a filter (FILTER, FT or AS_FilterStatus): it is left out, as the option `filtered` says",
        "Nothing to do, or --set filtered=keep.",
    ),
    IssueCode(
        "FB-VCF-052",
        "warning",
        "A ClinVar classification is in no words of ClinVar's, or of classes that conflict",
        "Annotate again with a present release of ClinVar; the report's conclusion counts such alleles.",
    ),
    IssueCode(
        "FB-VCF-053",
        "warning",
        "Consequences can't be read: the header does not name their fields",
        "Declare CSQ, ANN or BCSQ with the order of its fields in Description, as its annotator writes it.",
    ),
    IssueCode(
        "FB-VCF-054",
        "warning",
        "INFO/SOMATIC is not tied to a sample: the header does not say which is the tumour, so no class is stated",
        "Name it in the header (##tumor_sample=, ##normal_sample=), or set --set source_class=.",
    ),
    IssueCode(
        "FB-VCF-056",
        "information",
        "A somatic variant without a genotype: the tumour has it by INFO/SOMATIC, zygosity is not stated",
        "Nothing to do.",
    ),
    IssueCode(
        "FB-VCF-057",
        "warning",
        "A variant is before the first or beyond the last base of its contig: neither g.HGVS nor SPDI is stated",
        "Find out which reference the calls were made with; REF, ALT and position are kept.",
    ),
    IssueCode(
        "FB-VCF-058",
        "warning",
        "A consequence annotation can't be tied to an ALT: the gene and the effect that it states are left out",
        "Split the lines (bcftools norm -m -) before they are annotated, or read the file whole.",
    ),
    IssueCode(
        "FB-VCF-059",
        "warning",
        "Two consequence annotations of an allele differ: the first of CSQ, ANN and BCSQ counts",
        "Find out which one is right; the other one is not represented.",
    ),
    IssueCode(
        "FB-VCF-055",
        "error",
        "REF or an ALT is longer than a FHIR string",
        "Write it as a symbolic allele, <INS> or <DEL> with SVLEN or END.",
    ),
    # Why a line is skipped
    IssueCode("FB-VCF-060", "information", "Skipped: all samples are called as reference", "Nothing to do."),
    IssueCode(
        "FB-VCF-061", "information", "Skipped: gVCF block, a region called as reference", "Nothing to do."
    ),
    IssueCode("FB-VCF-062", "information", "Skipped: no sample is called here", "Nothing to do."),
    IssueCode(
        "FB-VCF-063",
        "information",
        "Skipped: the file has no genotypes",
        "Give a VCF with FORMAT and samples.",
    ),
    IssueCode(
        "FB-VCF-064", "information", "Skipped: only a spanning deletion (*) is called here", "Nothing to do."
    ),
    IssueCode(
        "FB-VCF-065",
        "warning",
        "Skipped: FORMAT has no GT, so that the line does not say which sample has its ALT; the reports are partial",
        "Give a VCF with genotypes; of somatic lines name the tumour (##tumor_sample=).",
    ),
    IssueCode(
        "FB-VCF-066",
        "information",
        "Skipped: all calls fail a filter and the option `filtered` leaves them out",
        "Nothing to do, or --set filtered=keep.",
    ),
    IssueCode(
        "FB-VCF-067",
        "information",
        "Skipped: samples are called only for alleles that the line does not name",
        "Use the genotyped VCF.",
    ),
    IssueCode(
        "FB-VCF-068",
        "information",
        "Skipped: outside of the regions that the option `regions` names",
        "Nothing to do.",
    ),
    # Once a file
    IssueCode(
        "FB-VCF-080",
        "information",
        "INFO or FORMAT keys are used but not declared; they are read as text",
        "Declare them.",
    ),
    IssueCode(
        "FB-VCF-081",
        "warning",
        "More reportable variants than a report lists",
        "Raise the option `max_findings`.",
    ),
    IssueCode(
        "FB-VCF-082",
        "warning",
        "bgzip's end-of-file block is missing; the file may be cut",
        "Fetch the file again.",
    ),
    IssueCode(
        "FB-VCF-083",
        "warning",
        "The header departs from the specification; it was read as it is",
        "Correct the lines named (VCF 4.3 §1.4 and the reserved keys of §1.6).",
    ),
    IssueCode(
        "FB-VCF-084",
        "warning",
        "Lines are not sorted by position, or those of a contig do not occur together",
        "Sort the file (bcftools sort); all lines were read (VCF 4.3 §1.6.1).",
    ),
    IssueCode(
        "FB-VCF-085",
        "information",
        "Calls that fail a filter were left out of a file, by the option `filtered`",
        "Nothing to do, or --set filtered=keep.",
    ),
    IssueCode(
        "FB-VCF-069",
        "information",
        "The alleles of the line stay in the kept file: none of them is reportable",
        "Nothing to do: genomics operations find them. A pin or a wider panel stores them.",
    ),
    IssueCode(
        "FB-VCF-089",
        "information",
        "Homozygous calls of which less than 0.6 of the reads have the allele",
        "Look at them: the genotype and the reads disagree.",
    ),
    IssueCode(
        "FB-VCF-090",
        "warning",
        "A region of a setting is on a contig that neither the build nor the file has: it matches nothing",
        "Correct the name of the contig.",
    ),
    IssueCode(
        "FB-VCF-091",
        "information",
        "Individuals of the pedigree are not samples of the file",
        "Nothing to do, or name them in the pedigree as the file names its samples.",
    ),
    IssueCode(
        "FB-VCF-088",
        "warning",
        "Not all lines of the file were taken: the report is partial",
        "Convert without --limit.",
    ),
    IssueCode(
        "FB-VCF-086",
        "warning",
        "INFO keys, FORMAT keys or columns hold values that no rule represents",
        "Add a rule, or list the key under source.ignore (`INFO/MQ`) where it is not wanted.",
    ),
    IssueCode(
        "FB-VCF-087",
        "information",
        "Keys or columns hold values that the mapping leaves out by its source.ignore",
        "Nothing to do.",
    ),
)


def issue(code: str, message: str, source: str = "") -> Issue:
    """An issue of the declared severity."""
    return Issue(CODES[code].severity, code, message, source)

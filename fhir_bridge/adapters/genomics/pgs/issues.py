"""Issue codes of polygenic scores."""

from __future__ import annotations

from fhir_bridge.fhir.issues import Issue, IssueCode, declare

__all__ = ["CODES", "issue"]

CODES = declare(
    IssueCode(
        "FB-PGS-001",
        "error",
        "The scoring file can't be read",
        "Give a scoring file of the PGS Catalog: tab-separated, with effect_allele and effect_weight.",
    ),
    IssueCode(
        "FB-PGS-002",
        "error",
        "The scoring file is of another genome build than the VCF",
        "Fetch the harmonised file of the VCF's build (PGS…_hmPOS_GRCh37 or _hmPOS_GRCh38).",
    ),
    IssueCode(
        "FB-PGS-003",
        "error",
        "The scoring file has positions of no stated build, and no rsIDs",
        "Fetch the harmonised file, or say the build: --set score_build=GRCh37.",
    ),
    IssueCode(
        "FB-PGS-004", "error", "A row of the scoring file can't be read", "Correct the row that is named."
    ),
    IssueCode(
        "FB-PGS-005",
        "error",
        "An option of the polygenic scores is wrong",
        "Correct the option that is named.",
    ),
    IssueCode(
        "FB-PGS-006",
        "error",
        "No variant of the score is called, in the file or in a sample: no score is stated",
        "Check that file and score are of one build and cover the same variants.",
    ),
    IssueCode(
        "FB-PGS-007",
        "error",
        "The file with reference distributions can't be read",
        "Correct the entry that is named; docs/adapters/pgs.md has the format.",
    ),
    IssueCode("FB-PGS-010", "information", "What became of a score's variants", "Nothing to do."),
    IssueCode(
        "FB-PGS-011",
        "warning",
        "Variants of the score could not be used",
        "Fill them in by imputation, or take a score that fits the file.",
    ),
    IssueCode(
        "FB-PGS-012",
        "warning",
        "Alleles of the score would match on the other strand",
        "Check the score's strand; --set flip=true takes them.",
    ),
    IssueCode(
        "FB-PGS-013",
        "information",
        "No reference distribution fits: the score alone can't be interpreted",
        "Give a distribution of this score for the sample's ancestry (options distributions and ancestry).",
    ),
    IssueCode(
        "FB-PGS-014",
        "warning",
        "A variant of the score is on several lines",
        "Join the lines (bcftools norm -m+any); the first that fits was used.",
    ),
    IssueCode(
        "FB-PGS-015",
        "warning",
        "Rows of the score name the same allele at the same place",
        "Take the repeated rows out of the scoring file; the first of them was used.",
    ),
    IssueCode(
        "FB-PGS-016",
        "warning",
        "The scoring file says that its weights are ratios (OR, HR): they are added as they are",
        "Find out by its publication whether they are ratios or their logarithms; in place of ratios give logarithms.",
    ),
    IssueCode(
        "FB-PGS-017",
        "warning",
        "Lines have no dosages of the kind that is asked for: genotypes (GT) are counted in their place",
        "Take a file with DS or GP, or leave `dosage` at GT.",
    ),
    IssueCode(
        "FB-PGS-018",
        "warning",
        "The file has too few samples for their mean: a sample without a call adds nothing",
        "Score the samples together with others of their cohort (50 at least), or leave `missing` at none.",
    ),
    IssueCode("FB-PGS-020", "information", "No score has a variant on the line", "Nothing to do."),
)


def issue(code: str, message: str, source: str = "") -> Issue:
    """An issue of the declared severity."""
    return Issue(CODES[code].severity, code, message, source)

"""What authors of mappings work with: explanations, coverage, golden examples, differences, audits.

Above the pipeline, since all of it looks at what a run reads and writes; the command line shows it.
"""

from fhir_bridge.workshop.coverage_report import coverage_lines, coverage_page
from fhir_bridge.workshop.coverage_run import coverage_of_corpus, coverage_of_examples
from fhir_bridge.workshop.covering import Coverage, parse_thresholds
from fhir_bridge.workshop.explaining import RecordExplanation, explain_record, report_issues
from fhir_bridge.workshop.golden import (
    Comparison,
    Example,
    Hunk,
    compare,
    convert_example,
    golden_examples,
    hunks,
    write_expected,
)
from fhir_bridge.workshop.html_page import page
from fhir_bridge.workshop.hunk_text import hunk_lines
from fhir_bridge.workshop.reporting import records_as_json, report_lines
from fhir_bridge.workshop.traced import Traced, TracedRun, files_by_mapping
from fhir_bridge.workshop.versions import VersionComparison, compare_versions

__all__ = [
    "Comparison",
    "Coverage",
    "Example",
    "Hunk",
    "RecordExplanation",
    "Traced",
    "TracedRun",
    "VersionComparison",
    "compare",
    "compare_versions",
    "convert_example",
    "coverage_lines",
    "coverage_of_corpus",
    "coverage_of_examples",
    "coverage_page",
    "explain_record",
    "files_by_mapping",
    "golden_examples",
    "hunk_lines",
    "hunks",
    "page",
    "parse_thresholds",
    "records_as_json",
    "report_issues",
    "report_lines",
    "write_expected",
]

PUBLIC_MODULES = ("audit", "first_mapping", "mutating", "shrinking", "stored", "trial")
"""What else other packages may import (`stored` needs the database driver); checked by scripts/check_interfaces.py."""

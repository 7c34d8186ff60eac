"""A model card: what a person needs to know before trusting a result, with all 31 source attributes of HTI-1.

45 CFR 170.315(b)(11)(iv)(B), nine groups. What a model does not state is said to be not stated.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

__all__ = ["SOURCE_ATTRIBUTES", "markdown"]

SOURCE_ATTRIBUTES: Final[tuple[tuple[str, tuple[tuple[str, str], ...]], ...]] = (
    (
        "Details and output",
        (
            ("developer", "Developer and contact"),
            ("funding", "Funding of the technical implementation"),
            ("output", "Value that is produced"),
            (
                "output_type",
                "Prediction, classification, recommendation, evaluation, analysis, or another type",
            ),
        ),
    ),
    (
        "Purpose",
        (
            ("intended_use", "Intended use"),
            ("intended_population", "Intended patients"),
            ("intended_users", "Intended users"),
            ("decision_role", "Role in the decision (informs, augments, replaces)"),
        ),
    ),
    (
        "Cautioned out-of-scope use",
        (
            ("out_of_scope", "Tasks, situations and populations that it is not meant for"),
            ("known_risks", "Known risks, limitations, inappropriate settings and uses"),
        ),
    ),
    (
        "Development and input features",
        (
            ("training_criteria", "Inclusion and exclusion criteria of the training data"),
            ("sensitive_inputs", "Use of demographic and social variables as inputs"),
            ("training_representativeness", "Demographic representativeness of the training data"),
            ("training_relevance", "Relevance of the training data to the intended setting"),
        ),
    ),
    (
        "Fairness in development",
        (
            ("fairness_approach", "How fairness was ensured"),
            ("bias_management", "How bias was managed or reduced"),
        ),
    ),
    (
        "External validation",
        (
            ("external_data", "Source, setting and environment of the external data"),
            ("external_party", "Who validated"),
            ("external_representativeness", "Demographic representativeness of the external data"),
            ("external_process", "How it was validated"),
        ),
    ),
    (
        "Quantitative performance",
        (
            ("validity_test", "Validity in test data of the same source"),
            ("fairness_test", "Fairness in test data of the same source"),
            ("validity_external", "Validity in external data"),
            ("fairness_external", "Fairness in external data"),
            ("outcome_evaluation", "Evaluations of its use on outcomes"),
        ),
    ),
    (
        "Ongoing maintenance",
        (
            ("validity_monitoring", "How and how often validity is monitored"),
            ("validity_local", "Validity in local data"),
            ("fairness_monitoring", "How and how often fairness is monitored"),
            ("fairness_local", "Fairness in local data"),
        ),
    ),
    (
        "Updates",
        (
            ("update_process", "How and how often it is updated"),
            ("correction_schedule", "How soon performance is corrected when a risk is found"),
        ),
    ),
)
"""Group, and key and label of each attribute."""


def markdown(title: str, facts: Mapping[str, str], attributes: Mapping[str, str]) -> str:
    """The card as a person reads it.

    Args:
        facts: what stands above the groups: name, version, maker, approval.
        attributes: by the keys of `SOURCE_ATTRIBUTES`; others are left out.
    """
    lines = [f"# {_line(title)}", ""]
    lines += [f"- {name}: {_line(text)}" for name, text in facts.items()]
    for group, entries in SOURCE_ATTRIBUTES:
        lines += ["", f"## {group}", ""]
        lines += [f"- {label}: {_line(attributes.get(key, '')) or 'not stated'}" for key, label in entries]
    return "\n".join(lines) + "\n"


def _line(text: str) -> str:
    return " ".join(str(text).split())

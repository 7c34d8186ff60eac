"""Issue codes of predictions."""

from fhir_bridge.fhir.issues import IssueCode, declare

__all__ = ["CODES"]

CODES = declare(
    IssueCode(
        "FB-PRED-001",
        "error",
        "The predictor is not enabled at this site",
        "Enable it in the site file under `parameters: predictions: <name>: {enabled: true, …}` (docs/predictors.md).",
        "forbidden",
    ),
    IssueCode(
        "FB-PRED-002",
        "error",
        "There is no such predictor",
        "`fhir-bridge plugins` lists the predictors that are installed.",
        "not-found",
    ),
    IssueCode(
        "FB-PRED-003",
        "error",
        "The predictor failed on this record",
        "The failure is recorded on the patient; the message names what went wrong.",
        "exception",
    ),
    IssueCode(
        "FB-PRED-004",
        "error",
        "A prediction is not valid FHIR and was not stored",
        "This is a defect of the predictor; the message names the element.",
        "invalid",
    ),
    IssueCode(
        "FB-PRED-005",
        "error",
        "A setting that the predictor needs is missing",
        "Add it to the site file; nothing is assumed in its place.",
        "required",
    ),
    IssueCode(
        "FB-PRED-006",
        "error",
        "The model can't be run in a process of its own",
        "The message says what its import raised; a predictor is a class of an importable module (docs/predictors.md).",
        "exception",
    ),
    IssueCode(
        "FB-PRED-007",
        "error",
        "The model.yaml of a model can't be used",
        "The message has the line and the key; docs/models.md describes each.",
        "invalid",
    ),
    IssueCode(
        "FB-PRED-008",
        "error",
        "This version of the model may not run here",
        "The message says what was promoted, retired or has expired; `fhir-bridge model list` shows all.",
        "business-rule",
    ),
)

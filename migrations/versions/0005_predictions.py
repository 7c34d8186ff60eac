"""Results of predictors: which one is current, and what each rests on.

Revision: 0005
After: 0004
"""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

UPGRADE = """
-- One row for each result, in whichever state. c current; o outdated: an input says something new, and the result is
-- not yet computed again; s superseded: a newer result took its place; w withdrawn: an input was wrong.
-- horizon: years; 0 where the model gave no risk. companion: the RiskAssessment beside the Observation.
-- since: when it came into this state. cause_*: the input that made it o or w, and its version before and after.
CREATE TABLE prediction (
    result bigint PRIMARY KEY,
    companion bigint,
    patient bigint NOT NULL,
    model text COLLATE "C" NOT NULL,
    horizon integer NOT NULL,
    state "char" NOT NULL CHECK (state IN ('c', 'o', 's', 'w')),
    since timestamptz NOT NULL DEFAULT now(),
    cause_input bigint,
    cause_from integer,
    cause_to integer
);
CREATE UNIQUE INDEX prediction_current ON prediction (patient, model, horizon) WHERE state = 'c';
CREATE INDEX prediction_patient ON prediction (patient, model);

-- What a result rests on. elements: the names of the used elements; null: all but meta. hash: of what they said.
-- label, value: what it is and what was used of it, for people.
CREATE TABLE derived_input (
    input bigint NOT NULL,
    result bigint NOT NULL,
    version integer NOT NULL,
    elements text[],
    hash bytea NOT NULL,
    label text NOT NULL,
    value text NOT NULL,
    PRIMARY KEY (input, result)
);
CREATE INDEX derived_input_result ON derived_input (result);

-- Of jobs with one dedupe, one waits at most: whoever adds it again finds that it is there.
ALTER TABLE job ADD dedupe text COLLATE "C";
CREATE UNIQUE INDEX job_dedupe ON job (dedupe) WHERE state = 'ready';
"""

# Results of earlier programs, which did not say which of them counts: the next run of their model supersedes them all.
ADOPT = """
WITH labelled AS (
    SELECT r.key, r.type, r.id, convert_from(r.bytes, 'UTF8')::jsonb AS said
    FROM resource r JOIN label l ON l.key = ANY(r.labels)
    WHERE NOT r.deleted AND r.type IN ('Observation', 'RiskAssessment') AND l.code = 'AIAST'
), results AS (
    SELECT key, id, said, said -> 'code' -> 'coding' -> 0 ->> 'code' AS code,
        said -> 'code' -> 'coding' -> 0 ->> 'system' AS system
    FROM labelled WHERE type = 'Observation' AND said ->> 'status' <> 'entered-in-error'
), models AS (
    SELECT *, CASE
        WHEN code IN ('score2', 'score2-op') THEN 'score2'
        WHEN code = 'hcm-risk-scd' THEN code
        WHEN starts_with(system, 'urn:fhir-bridge:predictor:') THEN replace(system, 'urn:fhir-bridge:predictor:', '')
    END AS model
    FROM results
)
INSERT INTO prediction (result, companion, patient, model, horizon, state)
SELECT m.key, k.key, p.key, m.model, 0, 'o'
FROM models m
JOIN resource p ON p.type = 'Patient' AND 'Patient/' || p.id = m.said -> 'subject' ->> 'reference'
LEFT JOIN labelled k ON k.type = 'RiskAssessment'
    AND k.said -> 'basis' -> 0 ->> 'reference' = 'Observation/' || m.id
WHERE m.model IS NOT NULL
ON CONFLICT DO NOTHING
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(UPGRADE)
    op.get_bind().exec_driver_sql(ADOPT)


def downgrade() -> None:
    op.get_bind().exec_driver_sql(
        "DROP INDEX job_dedupe; ALTER TABLE job DROP dedupe; DROP TABLE derived_input; DROP TABLE prediction"
    )

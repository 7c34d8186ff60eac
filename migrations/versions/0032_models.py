"""Versions of models side by side, what shadows say, and the cards that were shown.

Revision: 0032
After: 0025
"""

from __future__ import annotations

from alembic import op

revision = "0032"
down_revision = "0025"
branch_labels = None
depends_on = None

UP = """
-- Which content of a model may run. No row of a model: the site file alone decides.
CREATE TABLE model_version (
    model text COLLATE "C" NOT NULL,
    content text COLLATE "C" NOT NULL,
    version text NOT NULL,
    state text NOT NULL CHECK (state IN ('active', 'retired')),
    approver text NOT NULL,
    reason text NOT NULL DEFAULT '',
    since timestamptz NOT NULL DEFAULT now(),
    expires timestamptz,
    PRIMARY KEY (model, content)
);
CREATE UNIQUE INDEX model_version_active ON model_version (model) WHERE state = 'active';

-- What a shadow says of a patient beside the result that people see; never a resource, and shown to nobody.
CREATE TABLE shadow_result (
    patient bigint NOT NULL,
    shadow text COLLATE "C" NOT NULL,
    content text COLLATE "C" NOT NULL,
    model text COLLATE "C" NOT NULL,
    version text NOT NULL,
    result text COLLATE "C" NOT NULL,
    stated jsonb NOT NULL,
    shown jsonb NOT NULL,
    recorded timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (patient, shadow, content)
);
CREATE INDEX shadow_result_model ON shadow_result (model, shadow);

-- Cards of CDS Hooks. stated: category and validity, which a card is about. answered, outcome: the feedback.
CREATE TABLE cds_card (
    id uuid PRIMARY KEY,
    client text COLLATE "C" NOT NULL,
    person text NOT NULL,
    patient bigint NOT NULL,
    model text COLLATE "C" NOT NULL,
    stated text NOT NULL,
    result text COLLATE "C" NOT NULL,
    shown timestamptz NOT NULL DEFAULT now(),
    outcome text CHECK (outcome IN ('accepted', 'overridden')),
    feedback jsonb,
    answered timestamptz
);
CREATE INDEX cds_card_patient ON cds_card (patient, client, model, shown);

ALTER TABLE bulk_job DROP CONSTRAINT bulk_job_kind_check;
ALTER TABLE bulk_job ADD CONSTRAINT bulk_job_kind_check CHECK (kind IN ('export', 'import', 'predict'));
"""

DOWN = """
DROP TABLE cds_card, shadow_result, model_version;
DELETE FROM bulk_job WHERE kind = 'predict';
ALTER TABLE bulk_job DROP CONSTRAINT bulk_job_kind_check;
ALTER TABLE bulk_job ADD CONSTRAINT bulk_job_kind_check CHECK (kind IN ('export', 'import'));
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(UP)


def downgrade() -> None:
    op.get_bind().exec_driver_sql(DOWN)

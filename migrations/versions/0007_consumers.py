"""Consumers of the change feed, with durable cursors. No table of compartments: nothing reads it.

Access goes by records since 0003; a compartment that is searched is found by its parameters.
"""

from __future__ import annotations

from alembic import op

from fhir_bridge.fhir.definitions import patient_compartment

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

UP = """
DROP TABLE compartment;

-- (xid, sequence): the last change that the consumer has taken. Leased like a job.
CREATE TABLE consumer (
    name text PRIMARY KEY,
    xid xid8 NOT NULL,
    sequence bigint NOT NULL,
    leased_by text,
    leased_until timestamptz NOT NULL DEFAULT '-infinity',
    not_before timestamptz NOT NULL DEFAULT '-infinity',
    failures integer NOT NULL DEFAULT 0
);

INSERT INTO job (kind, queue, payload, dedupe)
SELECT 'reindex', 1, '{}', 'reindex' FROM setting WHERE name = 'records' ON CONFLICT DO NOTHING;
"""

DOWN = """
DROP TABLE consumer;
CREATE TABLE compartment (
    patient bigint NOT NULL,
    resource bigint NOT NULL,
    PRIMARY KEY (patient, resource)
);
CREATE INDEX compartment_resource ON compartment (resource, patient);
INSERT INTO compartment SELECT key, key FROM resource WHERE type = 'Patient';
"""

FILL = """
INSERT INTO compartment SELECT DISTINCT x.target, x.resource
FROM reference x JOIN parameter p ON p.key = x.parameter JOIN resource t ON t.key = x.target
WHERE p.type = %s AND p.code = ANY(%s) AND t.type = 'Patient' ON CONFLICT DO NOTHING
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(UP)


def downgrade() -> None:
    bind = op.get_bind()
    bind.exec_driver_sql(DOWN)
    for kind, parameters in patient_compartment().items():
        bind.exec_driver_sql(FILL, (kind, list(parameters)))

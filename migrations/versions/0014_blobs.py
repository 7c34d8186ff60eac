"""Blobs and who refers to them; exports and imports in bulk; which patients deny which purpose.

Revision: 0014
After: 0011
"""

from __future__ import annotations

import orjson
from alembic import op

from fhir_bridge.fhir.consent import denials

revision = "0014"
down_revision = "0011"
branch_labels = None
depends_on = None

UP = """
-- Contents kept outside the database, each once. touched: when somebody last stored it.
CREATE TABLE blob (
    hash bytea PRIMARY KEY,
    size bigint NOT NULL,
    touched timestamptz NOT NULL DEFAULT now()
);
-- Who needs a blob: `Binary/ID`, `bulk/ID`. One that nobody refers to is collected.
CREATE TABLE blob_reference (
    hash bytea NOT NULL REFERENCES blob (hash),
    owner text COLLATE "C" NOT NULL,
    created timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (owner, hash)
);
CREATE INDEX blob_reference_hash ON blob_reference (hash);

-- An export or import. job: who does it. owner: the caller's subject. progress: how far it is, each part whole.
CREATE TABLE bulk_job (
    id text COLLATE "C" PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('export', 'import')),
    job bigint,
    owner text NOT NULL,
    request text NOT NULL,
    payload jsonb NOT NULL,
    progress jsonb NOT NULL DEFAULT '{}',
    state text NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'done', 'failed')),
    failure text,
    created timestamptz NOT NULL DEFAULT now(),
    finished timestamptz
);
CREATE INDEX bulk_job_owner ON bulk_job (owner) WHERE state = 'running';
-- What it gives: files in the blob store. patients: ids of those whom the file is about.
CREATE TABLE bulk_file (
    job text COLLATE "C" NOT NULL REFERENCES bulk_job (id) ON DELETE CASCADE,
    number integer NOT NULL,
    kind text NOT NULL CHECK (kind IN ('output', 'deleted', 'error')),
    type text NOT NULL,
    hash bytea NOT NULL,
    size bigint NOT NULL,
    count bigint NOT NULL,
    patients text[] NOT NULL,
    PRIMARY KEY (job, number)
);

-- When a patient denies a purpose, by which Consent: low inclusive, high exclusive. purpose empty: none is asserted.
CREATE TABLE consent_denial (
    patient bigint NOT NULL,
    purpose text COLLATE "C" NOT NULL,
    low timestamptz NOT NULL,
    high timestamptz NOT NULL,
    resource bigint NOT NULL
);
CREATE INDEX consent_denial_patient ON consent_denial (patient, purpose);
CREATE INDEX consent_denial_purpose ON consent_denial (purpose, high);
CREATE INDEX consent_denial_resource ON consent_denial (resource);

-- Patients who are one person with somebody who denies the purpose now.
CREATE FUNCTION linked_to_denial(denied text) RETURNS bigint[] LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT linked_patients(ARRAY(
        SELECT n.patient FROM link l JOIN consent_denial n ON n.patient = l.merged
        WHERE n.purpose = denied AND n.low <= now() AND n.high > now()
        UNION
        SELECT n.patient FROM link l JOIN consent_denial n ON n.patient = l.survivor
        WHERE n.purpose = denied AND n.low <= now() AND n.high > now()
    ))
$$;
"""

DOWN = """
DROP FUNCTION linked_to_denial(text);
DROP TABLE consent_denial, bulk_file, bulk_job, blob_reference, blob;
"""

CONSENTS = (
    "SELECT r.key, r.bytes, ARRAY(SELECT o.patient FROM record o WHERE o.resource = r.key AND o.patient <> 0) "
    "FROM resource r WHERE r.type = 'Consent' AND NOT r.deleted"
)


def upgrade() -> None:
    bind = op.get_bind()
    bind.exec_driver_sql(UP)
    for key, content, patients in bind.exec_driver_sql(CONSENTS).fetchall():
        for denial in denials(orjson.loads(bytes(content))):
            for patient in patients:
                bind.exec_driver_sql(
                    "INSERT INTO consent_denial VALUES (%s, %s, coalesce(%s::timestamptz, '-infinity'), "
                    "coalesce(%s::timestamptz, 'infinity'), %s)",
                    (patient, denial.purpose, denial.low, denial.high, key),
                )


def downgrade() -> None:
    op.get_bind().exec_driver_sql(DOWN)

"""Blobs and who refers to them; attachments; exports and imports in bulk; which patients deny which purpose.

Revision: 0014
After: 0013
"""

from __future__ import annotations

import orjson
from alembic import op

from fhir_bridge.fhir.consent import denials

revision = "0014"
down_revision = "0013"
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

-- Binaries that a resource has as attachments (Attachment.url): such a Binary is about whom the resource is about.
CREATE TABLE attachment (
    referrer bigint NOT NULL,
    target bigint NOT NULL,
    PRIMARY KEY (referrer, target)
);
CREATE INDEX attachment_target ON attachment (target, referrer);
CREATE VIEW followed AS
    SELECT resource, target FROM record_through UNION ALL SELECT target, referrer FROM attachment;

INSERT INTO job (kind, queue, payload, dedupe)
SELECT 'reindex', 1, '{}', 'reindex' WHERE EXISTS (SELECT FROM resource WHERE type = 'Binary' AND NOT deleted)
ON CONFLICT DO NOTHING;
"""

FUNCTIONS = """
-- All patients a resource is about, through as many others as it takes.
CREATE OR REPLACE FUNCTION record_owners(about bigint) RETURNS SETOF bigint
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 1 AS $$
BEGIN
    RETURN QUERY
    WITH RECURSIVE chain (resource) AS (
        SELECT about
        UNION
        SELECT t.target FROM chain JOIN EDGES t ON t.resource = chain.resource
    )
    SELECT DISTINCT o.patient FROM chain JOIN record o ON o.resource = chain.resource;
END
$$;

-- What is about one of these patients through another resource. A record is small beside all of them, which PostgreSQL
-- can't determine of a recursive query: without these settings it may read whole tables.
CREATE OR REPLACE FUNCTION about_through(patients bigint[]) RETURNS SETOF bigint
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 100
SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off AS $$
BEGIN
    RETURN QUERY
    WITH RECURSIVE chain (resource) AS (
        SELECT t.resource FROM record o JOIN EDGES t ON t.target = o.resource WHERE o.patient = ANY(patients)
        UNION
        SELECT t.resource FROM chain JOIN EDGES t ON t.target = chain.resource
    )
    SELECT chain.resource FROM chain;
END
$$;

-- What is about these patients and nobody else, by itself and through others.
CREATE OR REPLACE FUNCTION in_record(patients bigint[]) RETURNS SETOF bigint
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 100
SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off AS $$
BEGIN
    RETURN QUERY
    WITH RECURSIVE chain (about, resource) AS (
        SELECT near.resource, near.resource FROM (
            SELECT o.resource FROM record o WHERE o.patient = ANY(patients) UNION SELECT about_through(patients)
        ) near
        UNION
        SELECT chain.about, t.target FROM chain JOIN EDGES t ON t.resource = chain.resource
    )
    SELECT chain.about FROM chain JOIN record o ON o.resource = chain.resource
    GROUP BY chain.about HAVING bool_and(o.patient = ANY(patients));
END
$$;
"""

DOWN = """
DROP VIEW followed;
DROP TABLE attachment;
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
    bind.exec_driver_sql(FUNCTIONS.replace("EDGES", "followed"))
    for key, content, patients in bind.exec_driver_sql(CONSENTS).fetchall():
        for denial in denials(orjson.loads(bytes(content))):
            for patient in patients:
                bind.exec_driver_sql(
                    "INSERT INTO consent_denial VALUES (%s, %s, coalesce(%s::timestamptz, '-infinity'), "
                    "coalesce(%s::timestamptz, 'infinity'), %s)",
                    (patient, denial.purpose, denial.low, denial.high, key),
                )


def downgrade() -> None:
    op.get_bind().exec_driver_sql(FUNCTIONS.replace("EDGES", "record_through"))
    op.get_bind().exec_driver_sql(DOWN)

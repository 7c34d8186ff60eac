"""Resources, history, search index, compartments, contributions, change feed, jobs, settings.

Revision: 0001
After: nothing
"""

from __future__ import annotations

from alembic import op

revision = "0001"
down_revision: str | None = None
branch_labels = None
depends_on = None

UPGRADE = """
-- Site key fingerprint, server secret, and what else holds for the whole database.
CREATE TABLE setting (
    name text PRIMARY KEY,
    value text NOT NULL
);

-- Dictionaries: long texts that repeat in index rows are stored once and kept in each process's memory.
CREATE TABLE parameter (
    key integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    type text COLLATE "C" NOT NULL,
    code text COLLATE "C" NOT NULL,
    UNIQUE (type, code)
);
CREATE TABLE code_system (
    key integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    url text COLLATE "C" NOT NULL UNIQUE
);
CREATE TABLE label (
    key integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    system text COLLATE "C" NOT NULL,
    code text COLLATE "C" NOT NULL,
    UNIQUE (system, code)
);

-- One row for each (type, id) that exists, existed, or is referred to. version 0: only referred to.
-- Live: NOT deleted. The current version's bytes are here alone; older ones in history.
CREATE TABLE resource (
    key bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    type text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    version integer NOT NULL DEFAULT 0,
    last_version integer NOT NULL DEFAULT 0,
    deleted boolean NOT NULL DEFAULT true,
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    last_updated timestamptz,
    business_time timestamptz,
    labels integer[],
    hash bytea,
    bytes bytea,
    UNIQUE (type, id)
);
CREATE INDEX resource_live ON resource (type, key) WHERE NOT deleted;
CREATE INDEX resource_updated ON resource (type, last_updated, key) WHERE NOT deleted;

-- What is not, or no longer, current. kind: v version, d deletion (bytes null), s stale arrival, c conflict loser.
CREATE TABLE history (
    resource bigint NOT NULL REFERENCES resource (key),
    version integer NOT NULL,
    kind "char" NOT NULL DEFAULT 'v',
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    last_updated timestamptz NOT NULL,
    business_time timestamptz,
    hash bytea,
    bytes bytea,
    PRIMARY KEY (resource, version)
);
CREATE INDEX history_updated ON history (last_updated, resource);

-- What each source last said of a resource; owner of the elements it wrote. hash: of its last message. bytes: all it
-- said so far; null where that is the resource's current version. orders: per element, where messages add up.
CREATE TABLE contribution (
    resource bigint NOT NULL REFERENCES resource (key),
    source text COLLATE "C" NOT NULL,
    time timestamptz,
    arrival integer NOT NULL DEFAULT 0,
    rank smallint NOT NULL,
    hash bytea NOT NULL,
    load uuid,
    bytes bytea,
    orders bytea,
    PRIMARY KEY (resource, source)
);

-- Messages that were replaced, or came too late: when one comes again it is known, and changes nothing.
CREATE TABLE superseded (
    resource bigint NOT NULL,
    hash bytea NOT NULL,
    PRIMARY KEY (resource, hash)
);

-- The search index by kind. `parameter` implies the resource type.
-- token.patient: a row for each patient whose compartment the resource is in; 0: none, -1: more than a few.
CREATE TABLE token (
    parameter integer NOT NULL,
    system integer NOT NULL,
    code text COLLATE "C" NOT NULL,
    patient bigint NOT NULL,
    resource bigint NOT NULL
);
CREATE INDEX token_value ON token (parameter, code, patient, system, resource);
CREATE INDEX token_resource ON token (resource, parameter);
CREATE STATISTICS token_codes (ndistinct, mcv) ON parameter, code FROM token;

CREATE TABLE string (
    parameter integer NOT NULL,
    value text COLLATE "C" NOT NULL,
    exact text COLLATE "C" NOT NULL,
    resource bigint NOT NULL
);
CREATE INDEX string_value ON string (parameter, value, resource);
CREATE INDEX string_resource ON string (resource, parameter);

-- low inclusive, high exclusive, UTC; open ends are infinite.
CREATE TABLE date (
    parameter integer NOT NULL,
    low timestamptz NOT NULL,
    high timestamptz NOT NULL,
    resource bigint NOT NULL
);
CREATE INDEX date_low ON date (parameter, low, resource);
CREATE INDEX date_high ON date (parameter, high, resource);
CREATE INDEX date_resource ON date (resource, parameter) INCLUDE (low, high);

CREATE TABLE quantity (
    parameter integer NOT NULL,
    system integer NOT NULL,
    code text COLLATE "C" NOT NULL,
    unit text COLLATE "C",
    low numeric NOT NULL,
    high numeric NOT NULL,
    canonical_code text COLLATE "C",
    canonical_low numeric,
    canonical_high numeric,
    resource bigint NOT NULL
);
CREATE INDEX quantity_value ON quantity (parameter, code, low, resource);
CREATE INDEX quantity_canonical ON quantity (parameter, canonical_code, canonical_low, resource)
    WHERE canonical_code IS NOT NULL;
CREATE INDEX quantity_resource ON quantity (resource, parameter);

CREATE TABLE number (
    parameter integer NOT NULL,
    low numeric NOT NULL,
    high numeric NOT NULL,
    resource bigint NOT NULL
);
CREATE INDEX number_value ON number (parameter, low, resource);
CREATE INDEX number_resource ON number (resource, parameter);

-- target: a resource here, by internal key; url: a canonical or a resource elsewhere.
CREATE TABLE reference (
    parameter integer NOT NULL,
    target bigint,
    url text COLLATE "C",
    resource bigint NOT NULL
);
CREATE INDEX reference_target ON reference (target, parameter, resource) WHERE target IS NOT NULL;
CREATE INDEX reference_url ON reference (parameter, url, resource) WHERE url IS NOT NULL;
CREATE INDEX reference_resource ON reference (resource, parameter);

CREATE TABLE uri (
    parameter integer NOT NULL,
    value text COLLATE "C" NOT NULL,
    resource bigint NOT NULL
);
CREATE INDEX uri_value ON uri (parameter, value, resource);
CREATE INDEX uri_resource ON uri (resource, parameter);

-- Membership by CompartmentDefinition parameters alone; a Patient is in its own compartment.
CREATE TABLE compartment (
    patient bigint NOT NULL,
    resource bigint NOT NULL,
    PRIMARY KEY (patient, resource)
);
CREATE INDEX compartment_resource ON compartment (resource, patient);

-- Merged patients (A40), as the Patient `declared_by` says in Patient.link.
CREATE TABLE link (
    merged bigint NOT NULL REFERENCES resource (key),
    survivor bigint NOT NULL REFERENCES resource (key),
    declared_by bigint NOT NULL REFERENCES resource (key),
    PRIMARY KEY (merged, survivor, declared_by)
);
CREATE INDEX link_survivor ON link (survivor);
CREATE INDEX link_declared_by ON link (declared_by);

-- All keys of one person: the given patients and whoever is linked to them, in either direction.
CREATE FUNCTION linked_patients(patients bigint[]) RETURNS bigint[] LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM link WHERE merged = ANY(patients))
        AND NOT EXISTS (SELECT FROM link WHERE survivor = ANY(patients))
    THEN
        RETURN patients;
    END IF;
    RETURN ARRAY(
        WITH RECURSIVE person (patient) AS (
            SELECT unnest(patients)
            UNION
            SELECT CASE WHEN link.merged = person.patient THEN link.survivor ELSE link.merged END
            FROM person JOIN link ON link.merged = person.patient OR link.survivor = person.patient
        )
        SELECT patient FROM person
    );
END
$$;

-- The change feed. Readers go by (xid, sequence) and stop below the oldest running transaction.
CREATE TABLE change (
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    sequence bigint GENERATED ALWAYS AS IDENTITY,
    resource bigint NOT NULL,
    version integer NOT NULL,
    deleted boolean NOT NULL,
    PRIMARY KEY (xid, sequence)
);

-- Work for the background worker: leased rows with a heartbeat.
CREATE TABLE job (
    key bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind text NOT NULL,
    queue integer NOT NULL DEFAULT 0,
    payload jsonb NOT NULL,
    state text NOT NULL DEFAULT 'ready' CHECK (state IN ('ready', 'leased', 'done', 'failed')),
    attempts integer NOT NULL DEFAULT 0,
    not_before timestamptz NOT NULL DEFAULT now(),
    leased_by text,
    leased_until timestamptz,
    result jsonb,
    created timestamptz NOT NULL DEFAULT now(),
    finished timestamptz
);
CREATE INDEX job_ready ON job (kind, not_before, key) WHERE state IN ('ready', 'leased');
"""

TABLES = (
    "job change link compartment uri reference number quantity date string token superseded contribution history "
    "resource label code_system parameter setting"
).split()


def upgrade() -> None:
    op.get_bind().exec_driver_sql(UPGRADE)


def downgrade() -> None:
    bind = op.get_bind()
    bind.exec_driver_sql("DROP FUNCTION linked_patients(bigint[])")
    bind.exec_driver_sql("DROP TABLE " + ", ".join(TABLES))

"""Indexes that hold equal values once; names of sources and loads as numbers.

PostgreSQL keeps one entry for all rows of an equal value, where nothing else of the row is in the index: of what is
never read in the order of resources they no longer hold the resource.

Revision: 0036
After: 0035
"""

from __future__ import annotations

from alembic import op

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None

UP = """
DROP INDEX token_value, token_resource, date_resource, uri_value, uri_resource, quantity_resource, number_resource,
    string_resource, reference_resource, reference_target, record_resource, resource_live, resource_updated,
    resource_deleted;
-- By a number of the type: where entries are of one size, PostgreSQL fills the pages of what is added in order.
CREATE INDEX resource_live ON resource (hashtext(type), key) WHERE NOT deleted;
CREATE INDEX resource_updated ON resource (hashtext(type), last_updated, key) WHERE NOT deleted;
CREATE INDEX resource_deleted ON resource (hashtext(type), last_updated, key) WHERE deleted AND version > 0;
-- What PostgreSQL knows of the expression of a partial index it does not use.
CREATE STATISTICS resource_number ON (hashtext(type)) FROM resource;
CREATE INDEX token_value ON token (parameter, code, patient);
CREATE INDEX uri_value ON uri (parameter, value);
CREATE INDEX reference_target ON reference (target, parameter) WHERE target IS NOT NULL;
CREATE INDEX token_resource ON token (resource);
CREATE INDEX string_resource ON string (resource);
CREATE INDEX date_resource ON date (resource);
CREATE INDEX quantity_resource ON quantity (resource);
CREATE INDEX number_resource ON number (resource);
CREATE INDEX reference_resource ON reference (resource);
CREATE INDEX uri_resource ON uri (resource);

ALTER TABLE record DROP CONSTRAINT record_pkey, ADD PRIMARY KEY (resource, patient);
CREATE INDEX record_patient ON record (patient);

-- Sources and loads, by which contributions name them.
CREATE TABLE source_name (
    key integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text COLLATE "C" NOT NULL UNIQUE
);
CREATE TABLE load_run (
    key integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id uuid NOT NULL UNIQUE
);
INSERT INTO source_name (name) SELECT DISTINCT source FROM contribution;
INSERT INTO load_run (id) SELECT DISTINCT load FROM contribution WHERE load IS NOT NULL;
ALTER TABLE contribution RENAME TO contribution_before;
ALTER TABLE contribution_before DROP CONSTRAINT contribution_pkey;
CREATE TABLE contribution (
    resource bigint NOT NULL,
    time timestamptz,
    source integer NOT NULL,
    arrival integer NOT NULL DEFAULT 0,
    load integer,
    rank smallint NOT NULL,
    hash bytea NOT NULL,
    sequence text COLLATE "C" NOT NULL DEFAULT '',
    mapping text COLLATE "C" NOT NULL DEFAULT '',
    bytes bytea,
    orders bytea
);
INSERT INTO contribution
    SELECT c.resource, c.time, s.key, c.arrival, l.key, c.rank, c.hash, c.sequence, c.mapping, c.bytes, c.orders
    FROM contribution_before c JOIN source_name s ON s.name = c.source LEFT JOIN load_run l ON l.id = c.load;
DROP TABLE contribution_before;
ALTER TABLE contribution ADD PRIMARY KEY (resource, source), ADD FOREIGN KEY (resource) REFERENCES resource (key);
-- In an order that leaves no gaps between columns.
ALTER TABLE output RENAME TO output_before;
ALTER TABLE output_before DROP CONSTRAINT output_pkey, DROP CONSTRAINT output_resource_fkey;
DROP INDEX output_record, output_edition;
CREATE TABLE output (
    resource bigint NOT NULL,
    record bigint NOT NULL DEFAULT 0,
    edition bigint,
    place bigint,
    arrival integer NOT NULL DEFAULT 0,
    active boolean NOT NULL DEFAULT true,
    timed boolean NOT NULL,
    superseded boolean NOT NULL DEFAULT false,
    hash bytea NOT NULL,
    bytes bytea
);
INSERT INTO output
    SELECT resource, record, edition, place, arrival, active, timed, superseded, hash, bytes FROM output_before;
DROP TABLE output_before;
ALTER TABLE output ADD PRIMARY KEY (resource, record, hash), ADD FOREIGN KEY (resource) REFERENCES resource (key);
CREATE INDEX output_record ON output (record) WHERE record <> 0;
CREATE INDEX output_edition ON output (edition) WHERE edition IS NOT NULL;

-- What is added at the end, and hardly ever between.
ALTER INDEX contribution_pkey SET (fillfactor = 100);
ALTER INDEX record_pkey SET (fillfactor = 100);
ALTER INDEX output_pkey SET (fillfactor = 100);
ALTER INDEX change_pkey SET (fillfactor = 100);
-- Not of a new database: an analyzed table without rows is planned as one that stays so.
DO $$ BEGIN
    IF EXISTS (SELECT FROM resource) THEN ANALYZE resource, contribution, output; END IF;
END $$;
"""

DOWN = """
ALTER INDEX output_pkey RESET (fillfactor);
ALTER INDEX change_pkey RESET (fillfactor);
DROP STATISTICS resource_number;
DROP INDEX token_value, token_resource, date_resource, uri_value, uri_resource, quantity_resource, number_resource,
    string_resource, reference_resource, reference_target, record_patient, resource_live, resource_updated,
    resource_deleted;
CREATE INDEX token_value ON token (parameter, code, patient, system, resource);
CREATE INDEX token_resource ON token (resource, parameter);
CREATE INDEX string_resource ON string (resource, parameter);
CREATE INDEX date_resource ON date (resource, parameter) INCLUDE (low, high);
CREATE INDEX quantity_resource ON quantity (resource, parameter);
CREATE INDEX number_resource ON number (resource, parameter);
CREATE INDEX reference_target ON reference (target, parameter, resource) WHERE target IS NOT NULL;
CREATE INDEX reference_resource ON reference (resource, parameter);
CREATE INDEX uri_value ON uri (parameter, value, resource);
CREATE INDEX uri_resource ON uri (resource, parameter);
CREATE INDEX resource_live ON resource (type, key) WHERE NOT deleted;
CREATE INDEX resource_updated ON resource (type, last_updated, key) WHERE NOT deleted;
CREATE INDEX resource_deleted ON resource (type, last_updated, key) WHERE deleted AND version > 0;
ALTER TABLE record DROP CONSTRAINT record_pkey, ADD PRIMARY KEY (patient, resource);
CREATE INDEX record_resource ON record (resource, patient);

ALTER TABLE contribution RENAME TO contribution_before;
ALTER TABLE contribution_before DROP CONSTRAINT contribution_pkey, DROP CONSTRAINT contribution_resource_fkey;
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
    sequence text COLLATE "C" NOT NULL DEFAULT '',
    mapping text COLLATE "C" NOT NULL DEFAULT '',
    PRIMARY KEY (resource, source)
);
INSERT INTO contribution
    SELECT c.resource, s.name, c.time, c.arrival, c.rank, c.hash, l.id, c.bytes, c.orders, c.sequence, c.mapping
    FROM contribution_before c JOIN source_name s ON s.key = c.source LEFT JOIN load_run l ON l.key = c.load;
DROP TABLE contribution_before, source_name, load_run;
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(UP)


def downgrade() -> None:
    op.get_bind().exec_driver_sql(DOWN)

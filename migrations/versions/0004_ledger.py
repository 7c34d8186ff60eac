"""The output ledger: source records, what each says of which resource, parts of composite records, the inbox.

Revision: 0004
After: 0003
"""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

UP = """
-- A record of a source: a message, a row, a VCF line, a study. id: its business key, the same whenever it is sent.
CREATE TABLE source_record (
    key bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    mapping text COLLATE "C" NOT NULL DEFAULT '',
    UNIQUE (source, id)
);

-- What a record says of a resource. record 0: resources that were loaded as they are, without a record.
-- hash: of the content; bytes: the content, null where it is the resource's current version. active: false once the
-- record, processed again, no longer says it. Rows stay, so that a content that comes again is recognised.
CREATE TABLE output (
    resource bigint NOT NULL REFERENCES resource (key),
    record bigint NOT NULL DEFAULT 0,
    hash bytea NOT NULL,
    active boolean NOT NULL DEFAULT true,
    timed boolean NOT NULL,
    arrival integer NOT NULL DEFAULT 0,
    bytes bytea,
    PRIMARY KEY (resource, record, hash)
);
CREATE INDEX output_record ON output (record) WHERE record <> 0;
INSERT INTO output (resource, hash, timed) SELECT resource, hash, true FROM superseded ON CONFLICT DO NOTHING;
INSERT INTO output (resource, hash, timed, arrival, bytes)
    SELECT resource, hash, time IS NOT NULL, arrival, bytes FROM contribution ON CONFLICT DO NOTHING;
DROP TABLE superseded;

-- Two messages of one business time: the order among them (a source's own sequence, then the mapping's version).
ALTER TABLE contribution ADD COLUMN sequence text COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE contribution ADD COLUMN mapping text COLLATE "C" NOT NULL DEFAULT '';

-- The parts of a record that arrive apart: all contents of a study's instances. deleted: a deletion, with its time.
CREATE TABLE part (
    record bigint NOT NULL REFERENCES source_record (key),
    key text COLLATE "C" NOT NULL,
    subject text NOT NULL,
    time timestamptz,
    hash bytea NOT NULL,
    deleted boolean NOT NULL DEFAULT false,
    content bytea NOT NULL,
    PRIMARY KEY (record, key, hash)
);

-- What people have to look at: records that wait for a patient, refused moves, duplicates, ambiguous ones.
CREATE TABLE inbox (
    key bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('held', 'refused', 'duplicate', 'ambiguous')),
    adapter text NOT NULL,
    source text NOT NULL,
    locator text NOT NULL,
    code text NOT NULL,
    message text NOT NULL,
    state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'done', 'discarded')),
    run jsonb NOT NULL DEFAULT '{}',
    content bytea,
    count integer NOT NULL DEFAULT 1,
    created timestamptz NOT NULL DEFAULT now(),
    changed timestamptz NOT NULL DEFAULT now(),
    UNIQUE (kind, adapter, source, locator, code)
);
CREATE INDEX inbox_open ON inbox (key) WHERE state = 'open';

-- Source files of inbox entries, by hash, in pieces. The blob store takes them over later.
CREATE TABLE kept_source (
    hash bytea NOT NULL,
    piece integer NOT NULL,
    bytes bytea NOT NULL,
    PRIMARY KEY (hash, piece)
);
"""

TABLES = "kept_source inbox part output source_record"


def upgrade() -> None:
    op.get_bind().exec_driver_sql(UP)


def downgrade() -> None:
    bind = op.get_bind()
    bind.exec_driver_sql(
        "CREATE TABLE superseded (resource bigint NOT NULL, hash bytea NOT NULL, PRIMARY KEY (resource, hash));"
        "INSERT INTO superseded SELECT resource, hash FROM output WHERE timed ON CONFLICT DO NOTHING;"
        "ALTER TABLE contribution DROP COLUMN sequence, DROP COLUMN mapping"
    )
    for table in TABLES.split():
        bind.exec_driver_sql(f"DROP TABLE {table}")

"""Files that are kept since not all of them is stored as resources.

Revision: 0025
After: 0024
"""

from __future__ import annotations

from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

UP = """
-- A file of an adapter, by the hash of what it said when it came; data and its index are blobs of the owner `kept/KEY`.
CREATE TABLE kept_file (
    key bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    adapter text NOT NULL,
    id text NOT NULL,
    name text NOT NULL,
    within text NOT NULL,
    mapping text NOT NULL,
    options jsonb NOT NULL,
    data bytea NOT NULL,
    index bytea NOT NULL,
    UNIQUE (adapter, id)
);
-- What it holds of a patient: a sample. document: the DocumentReference by which a caller comes to it. study: the
-- Procedure of the test. replaced: a newer file says the same anew. alone: what is in the file
-- and not stored.
CREATE TABLE kept_part (
    file bigint NOT NULL REFERENCES kept_file (key) ON DELETE CASCADE,
    part text NOT NULL,
    patient bigint NOT NULL,
    document text NOT NULL,
    study text NOT NULL,
    edition bigint,
    replaced boolean NOT NULL DEFAULT false,
    alone bigint NOT NULL,
    PRIMARY KEY (file, part)
);
CREATE INDEX kept_part_patient ON kept_part (patient);
"""

DOWN = """
DROP TABLE kept_part;
DROP TABLE kept_file;
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(UP)


def downgrade() -> None:
    op.get_bind().exec_driver_sql(DOWN)

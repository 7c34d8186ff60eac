"""Messages as they were received, each with what became of it.

Revision: 0021
After: 0016
"""

from __future__ import annotations

from alembic import op

revision = "0021"
down_revision = "0019"
branch_labels = None
depends_on = None

UP = """
-- digest: of the message's content, so that one that is sent again is the same row.
-- status: 'received' until it was converted and stored; source, record: as in source_record.
CREATE TABLE received_message (
    key bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    digest text COLLATE "C" NOT NULL UNIQUE,
    received timestamptz NOT NULL DEFAULT now(),
    channel text NOT NULL,
    peer text NOT NULL,
    control_id text COLLATE "C" NOT NULL,
    kind text COLLATE "C" NOT NULL,
    source text COLLATE "C" NOT NULL,
    record text COLLATE "C" NOT NULL,
    patients text[] NOT NULL,
    copies integer NOT NULL DEFAULT 1,
    status text NOT NULL DEFAULT 'received' CHECK (status IN
        ('received', 'converted', 'partial', 'skipped', 'rejected', 'held', 'refused', 'failed')),
    issues jsonb NOT NULL DEFAULT '[]',
    mapping text NOT NULL DEFAULT '',
    processed timestamptz,
    content bytea NOT NULL
);
CREATE INDEX received_message_waiting ON received_message (key) WHERE status = 'received';
CREATE INDEX received_message_control ON received_message (control_id);
CREATE INDEX received_message_time ON received_message (received);
CREATE INDEX received_message_record ON received_message (source, record);
CREATE INDEX received_message_patients ON received_message USING gin (patients);
ALTER TABLE inbox DROP CONSTRAINT inbox_kind_check;
ALTER TABLE inbox ADD CONSTRAINT inbox_kind_check
    CHECK (kind IN ('held', 'refused', 'duplicate', 'ambiguous', 'failed'));
"""

DOWN = """
DELETE FROM inbox WHERE kind = 'failed' OR run ? 'received';
ALTER TABLE inbox DROP CONSTRAINT inbox_kind_check;
ALTER TABLE inbox ADD CONSTRAINT inbox_kind_check CHECK (kind IN ('held', 'refused', 'duplicate', 'ambiguous'));
DROP TABLE received_message;
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(UP)


def downgrade() -> None:
    op.get_bind().exec_driver_sql(DOWN)

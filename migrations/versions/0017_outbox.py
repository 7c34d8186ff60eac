"""What other systems are to be sent, and what they have of it by now.

Revision: 0017
After: 0016
"""

from __future__ import annotations

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

UP = """
-- A row is a resource at a target, for as long as there is the target: what is sent is its newest content.
-- noted: how often it was found that the target lacks something; (xid, sequence): the last change of the feed that was.
-- content: what `load --to` read; of what is stored here none, it is read when it is sent.
-- remote, remote_version: the resource at the target; sent: a digest of what it was sent, or the status (HL7 v2).
CREATE TABLE outbox (
    key bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    target text NOT NULL,
    type text NOT NULL,
    id text NOT NULL,
    state text NOT NULL DEFAULT 'waiting'
        CHECK (state IN ('waiting', 'delivered', 'withheld', 'parked', 'dropped')),
    noted bigint NOT NULL DEFAULT 1,
    xid xid8,
    sequence bigint,
    content bytea,
    remote text,
    remote_version text,
    sent text,
    waits_for text[] NOT NULL DEFAULT '{}',
    reason text NOT NULL DEFAULT '',
    attempts integer NOT NULL DEFAULT 0,
    not_before timestamptz NOT NULL DEFAULT '-infinity',
    leased_by text,
    leased_until timestamptz NOT NULL DEFAULT '-infinity',
    since timestamptz NOT NULL DEFAULT now(),
    changed timestamptz NOT NULL DEFAULT now(),
    UNIQUE (target, type, id)
);
CREATE INDEX outbox_due ON outbox (target, key) WHERE state = 'waiting';
CREATE INDEX outbox_waits ON outbox USING gin (waits_for) WHERE waits_for <> '{}';
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(UP)


def downgrade() -> None:
    op.get_bind().exec_driver_sql("DROP TABLE outbox")

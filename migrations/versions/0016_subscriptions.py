"""What Subscriptions were told, and what they are still to be told.

Revision: 0016
After: 0014
"""

from __future__ import annotations

from alembic import op

revision = "0016"
down_revision = "0014"
branch_labels = None
depends_on = None

UP = """
-- events: how many there were; delivered: the number of the last one that the receiver took.
CREATE TABLE subscription (
    resource bigint PRIMARY KEY REFERENCES resource (key) ON DELETE CASCADE,
    events bigint NOT NULL DEFAULT 0,
    delivered bigint NOT NULL DEFAULT 0,
    failures integer NOT NULL DEFAULT 0,
    not_before timestamptz NOT NULL DEFAULT '-infinity',
    last_sent timestamptz NOT NULL DEFAULT now(),
    leased_by text,
    leased_until timestamptz NOT NULL DEFAULT '-infinity'
);
-- (xid, sequence): the change's place in the feed; a change that comes again is no second event.
CREATE TABLE subscription_event (
    resource bigint NOT NULL REFERENCES subscription (resource) ON DELETE CASCADE,
    number bigint NOT NULL,
    xid xid8 NOT NULL,
    sequence bigint NOT NULL,
    focus bigint NOT NULL REFERENCES resource (key) ON DELETE CASCADE,
    at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (resource, number),
    UNIQUE (resource, xid, sequence)
);
"""

DOWN = """
DROP TABLE subscription_event;
DROP TABLE subscription;
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(UP)


def downgrade() -> None:
    op.get_bind().exec_driver_sql(DOWN)

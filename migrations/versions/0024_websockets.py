"""Subscriptions are bound to websockets.

Revision: 0024
After: 0021
"""

from __future__ import annotations

from alembic import op

revision = "0024"
down_revision = "0021"
branch_labels = None
depends_on = None

UP = """
-- bound_by: the websocket that is told, by a name of its own.
ALTER TABLE subscription ADD COLUMN bound_by text;
-- Tokens by which a websocket is bound, by their hash; each is used once.
CREATE TABLE subscription_binding (
    hash bytea PRIMARY KEY,
    subscriptions text[] NOT NULL,
    expires timestamptz NOT NULL
);
"""

DOWN = """
DROP TABLE subscription_binding;
ALTER TABLE subscription DROP COLUMN bound_by;
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(UP)


def downgrade() -> None:
    op.get_bind().exec_driver_sql(DOWN)

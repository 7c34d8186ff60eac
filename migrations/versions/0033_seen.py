"""What of a record a result was computed from, by one hash: a run that sees the same again writes nothing.

Revision: 0033
After: 0032
"""

from __future__ import annotations

from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.get_bind().exec_driver_sql("ALTER TABLE prediction ADD seen bytea")


def downgrade() -> None:
    op.get_bind().exec_driver_sql("ALTER TABLE prediction DROP seen")

"""Failed attempts of every kind are counted in one table."""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

UP = """
ALTER TABLE login_failure RENAME TO failed_attempt;
ALTER INDEX login_failure_pkey RENAME TO failed_attempt_pkey;
TRUNCATE failed_attempt;
CREATE INDEX failed_attempt_latest ON failed_attempt (latest);
"""

DOWN = """
DROP INDEX failed_attempt_latest;
TRUNCATE failed_attempt;
ALTER INDEX failed_attempt_pkey RENAME TO login_failure_pkey;
ALTER TABLE failed_attempt RENAME TO login_failure;
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(UP)


def downgrade() -> None:
    op.get_bind().exec_driver_sql(DOWN)

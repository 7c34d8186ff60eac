"""A Binary that is no attachment any more stays withheld from whom the patient denies it.

Revision: 0035
After: 0034
"""

from __future__ import annotations

from alembic import op

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None

# It takes from access and never gives: whose record a Binary is in goes by what has it now.
UP = """
CREATE TABLE attached_before (
    target bigint NOT NULL,
    patient bigint NOT NULL,
    PRIMARY KEY (target, patient)
);
CREATE INDEX attached_before_patient ON attached_before (patient);
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(UP)


def downgrade() -> None:
    op.get_bind().exec_driver_sql("DROP TABLE attached_before")

"""A stored Bundle is about whom its entries are about.

Revision: 0034
After: 0033
"""

from __future__ import annotations

from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None

# Where there is one, records are worked out anew, by `reindex`; until then nobody reads by them.
UP = """
INSERT INTO setting SELECT 'records', 'pending' WHERE EXISTS (
    SELECT FROM resource WHERE type = 'Bundle' AND version > 0) ON CONFLICT DO NOTHING;
INSERT INTO job (kind, queue, payload, dedupe)
    SELECT 'reindex', 1, '{}', 'reindex' WHERE EXISTS (SELECT FROM resource WHERE type = 'Bundle' AND version > 0)
    ON CONFLICT DO NOTHING;
DELETE FROM setting WHERE name = 'reindex' AND EXISTS (SELECT FROM setting WHERE name = 'records');
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(UP)


def downgrade() -> None:
    """Nothing: rows that say whom a Bundle is about hide no more than they should."""

"""A List of patients is about each of them.

Revision: 0019
After: 0016
"""

from __future__ import annotations

from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

# As `fhir.record_table` has it from now on; the index of references has what Lists name (List.entry.item).
UP = """
INSERT INTO record (patient, resource)
SELECT DISTINCT f.target, f.resource FROM reference f
JOIN resource l ON l.key = f.resource AND l.type = 'List'
JOIN resource p ON p.key = f.target AND p.type = 'Patient'
WHERE f.parameter = (SELECT n.key FROM parameter n WHERE n.type = 'List' AND n.code = 'item')
ON CONFLICT DO NOTHING;
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(UP)


def downgrade() -> None:
    """Nothing: rows that say whom a List is about are right by the table before, too, but for what they hide."""

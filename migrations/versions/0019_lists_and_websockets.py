"""A List of patients is about each of them; Subscriptions are bound to websockets.

Revision: 0019
After: 0016
"""

from __future__ import annotations

from alembic import op

revision = "0019"
down_revision = "0016"
branch_labels = None
depends_on = None

UP = """
-- As `fhir.record_table` has it from now on; the index of references has what Lists name (List.entry.item).
INSERT INTO record (patient, resource)
SELECT DISTINCT f.target, f.resource FROM reference f
JOIN resource l ON l.key = f.resource AND l.type = 'List'
JOIN resource p ON p.key = f.target AND p.type = 'Patient'
WHERE f.parameter = (SELECT n.key FROM parameter n WHERE n.type = 'List' AND n.code = 'item')
ON CONFLICT DO NOTHING;

-- bound_by: the websocket that is told, by a name of its own.
ALTER TABLE subscription ADD COLUMN bound_by text;
-- Tokens by which a websocket is bound, by their hash; each is used once.
CREATE TABLE subscription_binding (
    hash bytea PRIMARY KEY,
    subscriptions text[] NOT NULL,
    expires timestamptz NOT NULL
);
"""

# Rows of `record` stay: what they hide more is no harm.
DOWN = """
DROP TABLE subscription_binding;
ALTER TABLE subscription DROP COLUMN bound_by;
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(UP)


def downgrade() -> None:
    op.get_bind().exec_driver_sql(DOWN)

"""Versions of all resources in the order of time: a page of a history reads as many as it gives.

Revision: 0010
After: 0008
"""

from __future__ import annotations

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

UP = """
ALTER TABLE history ADD COLUMN type text COLLATE "C";
UPDATE history h SET type = r.type FROM resource r WHERE r.key = h.resource;
ALTER TABLE history ALTER COLUMN type SET NOT NULL;
CREATE INDEX resource_history ON resource (last_updated, key) WHERE version > 0;
CREATE INDEX resource_deleted ON resource (type, last_updated, key) WHERE deleted AND version > 0;
DROP INDEX history_updated;
CREATE INDEX history_updated ON history (last_updated, resource, version) WHERE kind IN ('v', 'd');
CREATE INDEX history_of_type ON history (type, last_updated, resource, version) WHERE kind IN ('v', 'd');
"""

DOWN = """
DROP INDEX history_updated;
CREATE INDEX history_updated ON history (last_updated, resource);
ALTER TABLE history DROP COLUMN type;
DROP INDEX resource_deleted;
DROP INDEX resource_history;
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(UP)


def downgrade() -> None:
    op.get_bind().exec_driver_sql(DOWN)

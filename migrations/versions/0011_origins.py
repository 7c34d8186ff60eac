"""Where each record was and what converted it, so that a resource can be explained months later.

Revision: 0011
After: 0010
"""

from __future__ import annotations

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

UP = """
-- A mapping as it converted records: name or file, version, and the hash of its content.
CREATE TABLE conversion (
    key integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    adapter text COLLATE "C" NOT NULL,
    mapping text COLLATE "C" NOT NULL,
    version text COLLATE "C" NOT NULL,
    hash text COLLATE "C" NOT NULL,
    UNIQUE (adapter, mapping, version, hash)
);
-- locator: where the record was when it was stored. Both are unknown for what was loaded before this.
ALTER TABLE source_record ADD COLUMN locator text NOT NULL DEFAULT '';
ALTER TABLE source_record ADD COLUMN conversion integer REFERENCES conversion (key);
"""

DOWN = """
ALTER TABLE source_record DROP COLUMN conversion;
ALTER TABLE source_record DROP COLUMN locator;
DROP TABLE conversion;
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(UP)


def downgrade() -> None:
    op.get_bind().exec_driver_sql(DOWN)

"""An inbox entry is one record: files of one name no longer replace each other's."""

from __future__ import annotations

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

UP = """
ALTER TABLE inbox ADD COLUMN identity text;
UPDATE inbox SET identity = source || chr(9) || locator;
ALTER TABLE inbox ALTER COLUMN identity SET NOT NULL;
ALTER TABLE inbox DROP CONSTRAINT inbox_kind_adapter_source_locator_code_key;
ALTER TABLE inbox ADD CONSTRAINT inbox_identity UNIQUE (kind, adapter, code, identity);
"""

DOWN = """
DELETE FROM inbox i USING inbox j WHERE i.key < j.key AND i.kind = j.kind AND i.adapter = j.adapter
    AND i.source = j.source AND i.locator = j.locator AND i.code = j.code;
ALTER TABLE inbox DROP CONSTRAINT inbox_identity;
ALTER TABLE inbox ADD UNIQUE (kind, adapter, source, locator, code);
ALTER TABLE inbox DROP COLUMN identity;
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(UP)


def downgrade() -> None:
    op.get_bind().exec_driver_sql(DOWN)

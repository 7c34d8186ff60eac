"""What resources name beside whom they are about: who denies a purpose is denied there, too.

The rows of what is stored are made by `reindex`, which the index's new version makes due.

Revision: 0039
After: 0038
"""

from __future__ import annotations

from alembic import op

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None

UP = """
-- What a resource names that makes it a matter of a patient who denies something; in nobody's record by that.
CREATE TABLE named (
    resource bigint NOT NULL,
    target bigint NOT NULL,
    PRIMARY KEY (resource, target)
);
CREATE INDEX named_target ON named (target);
CREATE VIEW led AS SELECT resource, target FROM followed UNION ALL SELECT resource, target FROM named;

-- All patients whom a resource is about or names, through as many others as it takes; and what it goes through.
CREATE FUNCTION named_owners(about bigint) RETURNS SETOF bigint LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 2 AS $$
BEGIN
    RETURN QUERY
    WITH RECURSIVE chain (resource) AS (
        SELECT about
        UNION
        SELECT t.target FROM chain JOIN led t ON t.resource = chain.resource
    )
    SELECT o.patient FROM chain JOIN record o ON o.resource = chain.resource
    UNION SELECT chain.resource FROM chain;
END
$$;

-- As `audit_owners`, with all whom what was done to names.
CREATE FUNCTION audit_named_owners(moment timestamptz, named uuid, number integer) RETURNS SETOF bigint
LANGUAGE plpgsql STABLE ROWS 1 AS $$
BEGIN
    RETURN QUERY
    SELECT coalesce(p.key, 0) FROM audit_index j LEFT JOIN resource p ON p.type = 'Patient' AND p.id = j.patient
    WHERE j.recorded = moment AND j.key = named AND j.part = number AND j.patient IS NOT NULL
    UNION
    SELECT o FROM audit_index j
    JOIN resource x ON x.type = split_part(j.resource, '/', 1) AND x.id = split_part(j.resource, '/', 2),
    LATERAL named_owners(x.key) o
    WHERE j.recorded = moment AND j.key = named AND j.part = number AND j.resource IS NOT NULL;
END
$$;
"""

DOWN = """
DROP FUNCTION audit_named_owners(timestamptz, uuid, integer);
DROP FUNCTION named_owners(bigint);
DROP VIEW led;
DROP TABLE named;
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(UP)


def downgrade() -> None:
    op.get_bind().exec_driver_sql(DOWN)

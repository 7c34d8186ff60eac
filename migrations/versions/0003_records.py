"""Whose record each resource is in.

Until now access was by compartment. The records of what is stored are worked out from the resources' own bytes by
`reindex`: an upgraded database neither hides nor shows more than one that was loaded anew.

Revision: 0003
After: 0002
"""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

UP = """
-- The patients a resource is about by its own content. patient 0: someone who is no Patient here. Rows of a deleted
-- resource stay: they are those of its last content.
CREATE TABLE record (
    patient bigint NOT NULL,
    resource bigint NOT NULL,
    PRIMARY KEY (patient, resource)
);

-- Resources whose patients another resource is about, too (Provenance.target).
CREATE TABLE record_through (
    resource bigint NOT NULL,
    target bigint NOT NULL,
    PRIMARY KEY (resource, target)
);
CREATE INDEX record_resource ON record (resource, patient);
CREATE INDEX record_through_target ON record_through (target, resource);

-- All patients a resource is about, through as many others as it takes.
CREATE FUNCTION record_owners(about bigint) RETURNS SETOF bigint LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 1 AS $$
BEGIN
    RETURN QUERY
    WITH RECURSIVE chain (resource) AS (
        SELECT about
        UNION
        SELECT t.target FROM chain JOIN record_through t ON t.resource = chain.resource
    )
    SELECT DISTINCT o.patient FROM chain JOIN record o ON o.resource = chain.resource;
END
$$;

-- What is about one of these patients through another resource. A record is small beside all of them, which PostgreSQL
-- can't determine of a recursive query: without these settings it may read whole tables.
CREATE FUNCTION about_through(patients bigint[]) RETURNS SETOF bigint
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 100
SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off AS $$
BEGIN
    RETURN QUERY
    WITH RECURSIVE chain (resource) AS (
        SELECT t.resource FROM record o JOIN record_through t ON t.target = o.resource WHERE o.patient = ANY(patients)
        UNION
        SELECT t.resource FROM chain JOIN record_through t ON t.target = chain.resource
    )
    SELECT chain.resource FROM chain;
END
$$;

-- What is about these patients and nobody else, by itself and through others.
CREATE FUNCTION in_record(patients bigint[]) RETURNS SETOF bigint
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 100
SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off AS $$
BEGIN
    RETURN QUERY
    WITH RECURSIVE chain (about, resource) AS (
        SELECT near.resource, near.resource FROM (
            SELECT o.resource FROM record o WHERE o.patient = ANY(patients) UNION SELECT about_through(patients)
        ) near
        UNION
        SELECT chain.about, t.target FROM chain JOIN record_through t ON t.resource = chain.resource
    )
    SELECT chain.about FROM chain JOIN record o ON o.resource = chain.resource
    GROUP BY chain.about HAVING bool_and(o.patient = ANY(patients));
END
$$;
"""

INDEXES = """
CREATE INDEX record_resource ON record (resource, patient);
CREATE INDEX record_through_target ON record_through (target, resource);
"""

# What is stored has no records yet: `reindex` makes them while others read and write. Until it is done nobody reads by
# them (0007 adds the job).
PENDING = """
INSERT INTO setting SELECT 'records', 'pending' WHERE EXISTS (SELECT FROM resource WHERE version > 0)
ON CONFLICT DO NOTHING
"""


def upgrade() -> None:
    bind = op.get_bind()
    bind.exec_driver_sql(UP)
    bind.exec_driver_sql(PENDING)


def downgrade() -> None:
    bind = op.get_bind()
    bind.exec_driver_sql("DROP FUNCTION record_owners(bigint)")
    bind.exec_driver_sql("DROP FUNCTION in_record(bigint[])")
    bind.exec_driver_sql("DROP FUNCTION about_through(bigint[])")
    bind.exec_driver_sql("DROP TABLE record_through, record")

"""Whose record each resource is in.

Until now access was by compartment. The records of what is stored are worked out from the resources' own bytes, before
anyone can read by them: an upgraded database neither hides nor shows more than one that was loaded anew.

Revision: 0003
After: 0002
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
import psycopg
from alembic import op

from fhir_bridge.fhir.record import OTHER_PERSON, owners_of

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

BATCH = 1000

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
-- can't tell of a recursive query: without these settings it may read whole tables.
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

READ = """
SELECT r.key, r.type, r.id, coalesce(r.bytes, (
    SELECT h.bytes FROM history h WHERE h.resource = r.key AND h.kind = 'v' ORDER BY h.version DESC LIMIT 1
)) FROM resource r WHERE r.version > 0
"""

NUMBER = """
INSERT INTO resource (type, id) SELECT DISTINCT * FROM unnest(%s::text[], %s::text[]) ON CONFLICT DO NOTHING
"""

RECORD = """
INSERT INTO record SELECT CASE WHEN w.id = '' THEN 0 ELSE p.key END, w.resource
FROM unnest(%s::bigint[], %s::text[]) AS w (resource, id) LEFT JOIN resource p ON p.type = 'Patient' AND p.id = w.id
"""

THROUGH = """
INSERT INTO record_through SELECT w.resource, t.key FROM unnest(%s::bigint[], %s::text[], %s::text[])
AS w (resource, type, id) JOIN resource t ON t.type = w.type AND t.id = w.id
"""

# token.patient held compartments, and holds records from now on: 0 nobody's, -1 more than a few. Rows of compartments
# that are no records may stay, because they only narrow a search down. Where a record lacks its rows, all of the
# resource's are made anew.
TOKENS = """
CREATE TEMPORARY TABLE lacking ON COMMIT DROP AS
    SELECT DISTINCT o.resource FROM record o WHERE o.patient <> 0
    AND NOT EXISTS (SELECT FROM compartment c WHERE c.resource = o.resource AND c.patient = o.patient);
CREATE TEMPORARY TABLE listed ON COMMIT DROP AS
    SELECT DISTINCT t.parameter, t.system, t.code, t.resource FROM token t JOIN lacking USING (resource);
DELETE FROM token t USING lacking l WHERE t.resource = l.resource;
INSERT INTO token (parameter, system, code, patient, resource)
    SELECT listed.parameter, listed.system, listed.code, n.patient, listed.resource
    FROM listed JOIN (
        SELECT resource, unnest(CASE WHEN count(*) > 4 THEN ARRAY[-1]::bigint[] ELSE array_agg(patient) END) AS patient
        FROM record WHERE patient <> 0 GROUP BY resource
    ) n USING (resource);
"""


def upgrade() -> None:
    bind = op.get_bind()
    bind.exec_driver_sql(UP)
    connection: psycopg.Connection[Any] = bind.connection.driver_connection
    connection.execute("LOCK TABLE resource IN SHARE ROW EXCLUSIVE MODE")
    with connection.cursor(name="stored", binary=True) as cursor:
        cursor.execute(READ)
        while rows := cursor.fetchmany(BATCH):
            _fill(connection, rows)
    bind.exec_driver_sql(INDEXES)
    bind.exec_driver_sql(TOKENS)
    bind.exec_driver_sql("ANALYZE record, record_through, token")


def _fill(connection: psycopg.Connection[Any], rows: Sequence[tuple[int, str, str, bytes | None]]) -> None:
    patients: list[tuple[int, str]] = []
    through: list[tuple[int, str, str]] = []
    for key, kind, identity, text in rows:
        if text is None:
            continue
        owners = owners_of({**orjson.loads(text), "resourceType": kind, "id": identity})
        patients += [(key, patient) for patient in owners.patients]
        through += [(key, *target) for target in owners.through]
    named = {("Patient", patient) for _, patient in patients if patient != OTHER_PERSON}
    named |= {(kind, identity) for _, kind, identity in through}
    with connection.cursor() as cursor:
        if named:
            cursor.execute(NUMBER, list(map(list, zip(*sorted(named), strict=True))))
        if patients:
            cursor.execute(RECORD, list(map(list, zip(*patients, strict=True))))
        if through:
            cursor.execute(THROUGH, list(map(list, zip(*through, strict=True))))


def downgrade() -> None:
    bind = op.get_bind()
    bind.exec_driver_sql("DROP FUNCTION record_owners(bigint)")
    bind.exec_driver_sql("DROP FUNCTION in_record(bigint[])")
    bind.exec_driver_sql("DROP FUNCTION about_through(bigint[])")
    bind.exec_driver_sql("DROP TABLE record_through, record")

"""AuditEvents in tables of their own: append-only, a partition each month, with a small index. A check of references.

Those that are resources move over, a batch a transaction: an upgrade that is interrupted goes on where it was. Each
keeps its id, its bytes and its place in the change feed.

Revision: 0012
After: 0011
"""

from __future__ import annotations

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

BATCH = 2000

# IF NOT EXISTS and OR REPLACE: the first part of an interrupted upgrade is there already.
UP = """
CREATE SEQUENCE IF NOT EXISTS audit_sequence;

-- What was done. key: ids of the server are this UUID, others lead to it by their hash (`audit_key`), and are kept.
-- complete: content is the resource as it is served; else it lacks id, meta and patients, which the index has.
-- (xid, sequence): its place in the feed of AuditEvents.
CREATE TABLE IF NOT EXISTS audit (
    key uuid NOT NULL,
    recorded timestamptz NOT NULL,
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    sequence bigint NOT NULL DEFAULT nextval('audit_sequence'),
    complete boolean NOT NULL DEFAULT false,
    id text COLLATE "C",
    content bytea NOT NULL,
    PRIMARY KEY (key, recorded)
) PARTITION BY RANGE (recorded);
CREATE INDEX IF NOT EXISTS audit_feed ON audit (xid, sequence);

-- Whom it was about, what it was done to, and by whom. part: one AuditEvent is served of each, by its head row; the
-- others of a part have what is more than one. patient: id; resource, who: a reference; of who is nobody's reference
-- the identifier after a bar.
CREATE TABLE IF NOT EXISTS audit_index (
    recorded timestamptz NOT NULL,
    key uuid NOT NULL,
    part integer NOT NULL,
    head boolean NOT NULL,
    patient text COLLATE "C",
    resource text COLLATE "C",
    who text COLLATE "C",
    action text COLLATE "C",
    subtype text COLLATE "C",
    outcome text COLLATE "C"
) PARTITION BY RANGE (recorded);
CREATE INDEX IF NOT EXISTS audit_index_time ON audit_index (recorded, key, part);
CREATE INDEX IF NOT EXISTS audit_index_patient ON audit_index (patient, recorded) WHERE patient IS NOT NULL;
CREATE INDEX IF NOT EXISTS audit_index_resource ON audit_index (resource, recorded) WHERE resource IS NOT NULL;
CREATE INDEX IF NOT EXISTS audit_index_who ON audit_index (who, recorded) WHERE who IS NOT NULL;

CREATE OR REPLACE FUNCTION audit_is_fixed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'audit events are never changed or deleted' USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE OR REPLACE TRIGGER audit_fixed BEFORE UPDATE OR DELETE ON audit FOR EACH ROW EXECUTE FUNCTION audit_is_fixed();
CREATE OR REPLACE TRIGGER audit_fixed BEFORE UPDATE OR DELETE ON audit_index
    FOR EACH ROW EXECUTE FUNCTION audit_is_fixed();
CREATE OR REPLACE TRIGGER audit_kept BEFORE TRUNCATE ON audit EXECUTE FUNCTION audit_is_fixed();
CREATE OR REPLACE TRIGGER audit_kept BEFORE TRUNCATE ON audit_index EXECUTE FUNCTION audit_is_fixed();

-- The partitions of a moment's month. Attached, not created in place: that would lock out who writes meanwhile.
CREATE OR REPLACE FUNCTION audit_month(moment timestamptz) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    first timestamptz := date_trunc('month', moment, 'UTC');
    month text := to_char(first AT TIME ZONE 'UTC', 'YYYYMM');
    name text;
BEGIN
    IF to_regclass('audit_index_' || month) IS NOT NULL THEN
        RETURN;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended('audit_month', 7));
    IF to_regclass('audit_index_' || month) IS NOT NULL THEN
        RETURN;
    END IF;
    FOREACH name IN ARRAY ARRAY['audit', 'audit_index'] LOOP
        EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL)', name || '_' || month, name);
        EXECUTE format('CREATE TRIGGER audit_kept BEFORE TRUNCATE ON %I EXECUTE FUNCTION audit_is_fixed()',
            name || '_' || month);
        EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', name, name || '_' || month,
            first, date_trunc('month', first AT TIME ZONE 'UTC' + interval '1 month') AT TIME ZONE 'UTC');
    END LOOP;
END
$$;

CREATE OR REPLACE FUNCTION audit_key(id text) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN id ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN id::uuid
        ELSE encode(substring(sha256(convert_to(id, 'UTF8')) FOR 16), 'hex')::uuid END
$$;

CREATE OR REPLACE FUNCTION audit_instant(said text, otherwise timestamptz) RETURNS timestamptz
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN coalesce(said::timestamptz, otherwise);
EXCEPTION WHEN data_exception THEN
    RETURN otherwise;
END
$$;

-- The content as jsonb; what PostgreSQL can't take (an escaped NUL) says nothing.
CREATE OR REPLACE FUNCTION audit_said(content bytea) RETURNS jsonb LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RETURN convert_from(content, 'UTF8')::jsonb;
EXCEPTION WHEN data_exception THEN
    RETURN '{}';
END
$$;

-- Store an AuditEvent as it is; false where it is there. Its rows of the index pair what it has several of.
CREATE OR REPLACE FUNCTION audit_store(
    id text, content bytea, otherwise timestamptz, xid xid8 DEFAULT NULL, sequence bigint DEFAULT NULL
) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    said jsonb := audit_said(content);
    moment timestamptz := audit_instant(said ->> 'recorded', otherwise);
    named uuid := audit_key(id);
    patients text[];
    resources text[];
    agents text[];
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended(id, 8));
    IF EXISTS (SELECT FROM audit a WHERE a.key = named) THEN
        RETURN false;
    END IF;
    PERFORM audit_month(moment);
    INSERT INTO audit VALUES (named, moment, coalesce(xid, pg_current_xact_id()),
        coalesce(sequence, nextval('audit_sequence')), true, CASE WHEN named::text <> id THEN id END, content);
    SELECT array_agg(DISTINCT substring(x.reference FROM 9)) FILTER (WHERE x.reference ~ '^Patient/'),
        array_agg(DISTINCT x.reference) FILTER (WHERE x.reference !~ '^Patient/')
    INTO patients, resources FROM (
        SELECT regexp_replace(e -> 'what' ->> 'reference', '/_history/[^/]*$', '') AS reference
        FROM jsonb_path_query(said, '$.entity[*]') e
    ) x WHERE x.reference IS NOT NULL;
    SELECT array_agg(DISTINCT x.who) INTO agents FROM (
        SELECT coalesce(regexp_replace(a -> 'who' ->> 'reference', '/_history/[^/]*$', ''),
            '|' || (a -> 'who' -> 'identifier' ->> 'value')) AS who
        FROM jsonb_path_query(said, '$.agent[*]') a
    ) x WHERE x.who IS NOT NULL;
    INSERT INTO audit_index
    SELECT moment, named, 0, n = 1, patients[n], resources[n], agents[n], said ->> 'action',
        jsonb_path_query_first(said, '$.subtype[0].code') #>> '{}', said ->> 'outcome'
    FROM generate_series(1, greatest(1, cardinality(patients), cardinality(resources), cardinality(agents))) n;
    RETURN true;
END
$$;

-- Whom a served event is about, by itself and through what it was done to (as `record_owners`); 0: someone unknown.
CREATE OR REPLACE FUNCTION audit_owners(moment timestamptz, named uuid, number integer) RETURNS SETOF bigint
LANGUAGE plpgsql STABLE ROWS 1 AS $$
BEGIN
    RETURN QUERY
    SELECT coalesce(p.key, 0) FROM audit_index j LEFT JOIN resource p ON p.type = 'Patient' AND p.id = j.patient
    WHERE j.recorded = moment AND j.key = named AND j.part = number AND j.patient IS NOT NULL
    UNION
    SELECT o FROM audit_index j
    JOIN resource x ON x.type = split_part(j.resource, '/', 1) AND x.id = split_part(j.resource, '/', 2),
    LATERAL record_owners(x.key) o
    WHERE j.recorded = moment AND j.key = named AND j.part = number AND j.resource IS NOT NULL;
END
$$;

-- What is only referred to.
CREATE INDEX IF NOT EXISTS resource_absent ON resource (type, key) WHERE version = 0;

-- Fails where one of these resources is not there, or carries a label that is withheld: with the numbers of those.
-- Waits for who is deleting them; each statement within a volatile function sees what was committed before it.
CREATE OR REPLACE FUNCTION require_live(locks integer[], types text[], ids text[], withheld integer[]) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    missing text := '';
BEGIN
    -- Loops: a statement over arrays costs several times as much for the few that a resource names.
    FOR n IN 1 .. cardinality(locks) LOOP
        PERFORM pg_advisory_xact_lock_shared(9, locks[n]);
    END LOOP;
    FOR n IN 1 .. cardinality(ids) LOOP
        PERFORM FROM resource r WHERE r.type = types[n] AND r.id = ids[n] AND NOT r.deleted
            AND (r.labels IS NULL OR NOT r.labels && withheld);
        IF NOT FOUND THEN
            missing := missing || ',' || n;
        END IF;
    END LOOP;
    IF missing <> '' THEN
        RAISE EXCEPTION 'a reference to nothing'
            USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'require_live', DETAIL = missing;
    END IF;
END
$$;

SELECT audit_month(now() + n * interval '1 month') FROM generate_series(0, 2) n;
"""

# A statement, and so a transaction, a batch. A row of `resource` stays where something refers to it, as for all that is
# not stored.
MOVE = """
CREATE FUNCTION audit_move(most integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    moved bigint[];
    name text;
BEGIN
    SELECT coalesce(array_agg(key), '{}') INTO moved FROM (
        SELECT key FROM resource WHERE type = 'AuditEvent' AND NOT deleted ORDER BY key LIMIT most
    ) r;
    PERFORM audit_store(r.id, r.bytes, r.last_updated, coalesce(c.xid, r.xid), c.sequence)
    FROM resource r LEFT JOIN change c ON c.resource = r.key AND c.version = r.version WHERE r.key = ANY(moved);
    FOREACH name IN ARRAY string_to_array(
        'token string date quantity number reference uri record record_through change', ' '
    ) LOOP
        EXECUTE format('DELETE FROM %I WHERE resource = ANY($1)', name) USING moved;
    END LOOP;
    DELETE FROM resource r WHERE r.key = ANY(moved) AND NOT EXISTS (SELECT FROM reference x WHERE x.target = r.key)
        AND NOT EXISTS (SELECT FROM record_through x WHERE x.target = r.key)
        AND NOT EXISTS (SELECT FROM history x WHERE x.resource = r.key)
        AND NOT EXISTS (SELECT FROM contribution x WHERE x.resource = r.key)
        AND NOT EXISTS (SELECT FROM output x WHERE x.resource = r.key);
    UPDATE resource SET version = 0, last_version = 0, deleted = true, last_updated = NULL, labels = NULL,
        hash = NULL, bytes = NULL
    WHERE key = ANY(moved);
    RETURN cardinality(moved);
END
$$;
"""

DOWN = """
CREATE TEMPORARY TABLE served ON COMMIT DROP AS
SELECT a.xid, a.sequence, a.recorded, CASE WHEN a.complete THEN coalesce(a.id, a.key::text)
        WHEN i.part = 0 THEN a.key::text ELSE a.key::text || '.' || i.part END AS id,
    CASE WHEN a.complete THEN a.content ELSE convert_to((
        said || jsonb_build_object('entity', coalesce(said -> 'entity', '[]') || coalesce((
            SELECT jsonb_agg(jsonb_build_object('what', jsonb_build_object('reference', 'Patient/' || p.patient),
                'type', jsonb_build_object('system', 'http://terminology.hl7.org/CodeSystem/audit-entity-type',
                    'code', '1'),
                'role', jsonb_build_object('system', 'http://terminology.hl7.org/CodeSystem/object-role', 'code', '1')))
            FROM audit_index p WHERE p.recorded = i.recorded AND p.key = i.key AND p.part = i.part
                AND p.patient IS NOT NULL
        ), '[]'))
    )::text, 'UTF8') END AS content
FROM audit_index i JOIN audit a ON a.recorded = i.recorded AND a.key = i.key,
    LATERAL (SELECT convert_from(a.content, 'UTF8')::jsonb AS said) s
WHERE i.head;
UPDATE served SET content = convert_to((convert_from(content, 'UTF8')::jsonb || jsonb_build_object('id', id, 'meta',
    jsonb_build_object('versionId', '1', 'lastUpdated', to_char(recorded AT TIME ZONE 'UTC',
        'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'))))::text, 'UTF8')
WHERE NOT convert_from(content, 'UTF8')::jsonb ? 'id';
INSERT INTO resource (type, id, version, last_version, deleted, xid, last_updated, bytes)
SELECT 'AuditEvent', id, 1, 1, false, xid, recorded, content FROM served
ON CONFLICT (type, id) DO UPDATE SET version = 1, last_version = 1, deleted = false, xid = excluded.xid,
    last_updated = excluded.last_updated, bytes = excluded.bytes;
INSERT INTO change (xid, sequence, resource, version, deleted) OVERRIDING SYSTEM VALUE
SELECT s.xid, nextval(pg_get_serial_sequence('change', 'sequence')), r.key, 1, false
FROM served s JOIN resource r ON r.type = 'AuditEvent' AND r.id = s.id;
INSERT INTO job (kind, queue, payload, dedupe) VALUES ('reindex', 1, '{}', 'reindex') ON CONFLICT DO NOTHING;
DROP TABLE audit, audit_index;
DROP FUNCTION require_live, audit_owners, audit_store, audit_said, audit_instant, audit_key, audit_month;
DROP FUNCTION audit_is_fixed;
DROP INDEX resource_absent;
DROP SEQUENCE audit_sequence;
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(UP.replace("%", "%%"))
    op.get_bind().exec_driver_sql(("DROP FUNCTION IF EXISTS audit_move;" + MOVE).replace("%", "%%"))
    with op.get_context().autocommit_block():
        while op.get_bind().exec_driver_sql("SELECT audit_move(%s)", (BATCH,)).scalar_one():
            pass
        op.get_bind().exec_driver_sql("DROP FUNCTION audit_move")


def downgrade() -> None:
    op.get_bind().exec_driver_sql(DOWN.replace("%", "%%"))

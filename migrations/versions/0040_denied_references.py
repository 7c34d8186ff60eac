"""A reference to what a Consent hides from the caller is one to nothing: `require_live` knows the caller's purpose.

Revision: 0040
After: 0039
"""

from __future__ import annotations

from alembic import op

revision = "0040"
down_revision = "0039"
branch_labels = None
depends_on = None

UP = """
DROP FUNCTION require_live(integer[], text[], text[], integer[]);

-- Fails where one of these resources is not there, carries a label that is withheld, or is about or names somebody who
-- denies the purpose: with the numbers of those. asked: this purpose; NULL where Consents decide nothing.
-- Waits for who is deleting them; each statement within a volatile function sees what was committed before it.
CREATE FUNCTION require_live(
    locks integer[], types text[], ids text[], withheld integer[], asked text
) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    missing text := '';
    present bigint;
    denies boolean := asked IS NOT NULL AND EXISTS (
        SELECT FROM consent_denial n WHERE n.purpose = asked AND n.low <= now() AND n.high > now()
    );
BEGIN
    -- Loops: a statement over arrays costs several times as much for the few that a resource names.
    FOR n IN 1 .. cardinality(locks) LOOP
        PERFORM pg_advisory_xact_lock_shared(9, locks[n]);
    END LOOP;
    FOR n IN 1 .. cardinality(ids) LOOP
        SELECT r.key INTO present FROM resource r WHERE r.type = types[n] AND r.id = ids[n] AND NOT r.deleted
            AND (r.labels IS NULL OR NOT r.labels && withheld);
        IF present IS NULL OR denies AND EXISTS (
            SELECT FROM (
                SELECT named_owners(present)
                UNION ALL SELECT b.patient FROM attached_before b WHERE b.target = present
            ) o (patient)
            WHERE EXISTS (
                SELECT FROM consent_denial n WHERE n.patient = o.patient AND n.purpose = asked AND n.low <= now()
                AND n.high > now()
            ) OR o.patient = ANY((SELECT linked_to_denial(asked))::bigint[])
        ) THEN
            missing := missing || ',' || n;
        END IF;
    END LOOP;
    IF missing <> '' THEN
        RAISE EXCEPTION 'a reference to nothing'
            USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'require_live', DETAIL = missing;
    END IF;
END
$$;
"""

DOWN = """
DROP FUNCTION require_live(integer[], text[], text[], integer[], text);

CREATE FUNCTION require_live(locks integer[], types text[], ids text[], withheld integer[]) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    missing text := '';
BEGIN
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
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(UP)


def downgrade() -> None:
    op.get_bind().exec_driver_sql(DOWN)

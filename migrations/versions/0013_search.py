"""Search by composites of repeating elements, by types of identifiers, and by words.

Revision: 0013
After: 0012
"""

from __future__ import annotations

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

TABLES = ("token", "string", "date", "quantity", "number", "reference", "uri")

# element: which of the repeating elements a composite parameter speaks of; null where values need no telling apart.
# Null costs no byte: there are few enough columns that the bitmap of nulls is in the row's header anyway.
ELEMENTS = "".join(f"ALTER TABLE {table} ADD COLUMN element integer;\n" for table in TABLES)

UP = """
-- What is no JSON for PostgreSQL (a lone surrogate in a text) has no words, and is stored all the same.
CREATE FUNCTION resource_json(content bytea) RETURNS jsonb LANGUAGE plpgsql IMMUTABLE COST 2000 AS $$
BEGIN
    RETURN convert_from(content, 'UTF8')::jsonb;
EXCEPTION WHEN OTHERS THEN
    RETURN NULL;
END
$$;

-- As `fhir.search.entries.normalise`: no case, no accents.
CREATE FUNCTION folded(value text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT lower(regexp_replace(normalize(value, NFKD), '[\\u0300-\\u036f]', '', 'g'))
$$;

-- All texts of a resource, for `_content`. A tsvector has 1 MB: of more words those at the beginning. It calls no
-- function of ours: an index is made without our schema in the path.
CREATE FUNCTION content_words(content bytea) RETURNS tsvector LANGUAGE plpgsql IMMUTABLE COST 5000 AS $$
BEGIN
    RETURN jsonb_to_tsvector('simple', convert_from(content, 'UTF8')::jsonb, '["string"]');
EXCEPTION
    WHEN program_limit_exceeded THEN
        RETURN to_tsvector('simple', left(convert_from(content, 'UTF8'), 200000));
    WHEN OTHERS THEN
        RETURN '';
END
$$;

-- The narrative, for `_text`; its tags are no words.
CREATE FUNCTION narrative_words(content bytea) RETURNS tsvector LANGUAGE plpgsql IMMUTABLE COST 5000 AS $$
DECLARE
    narrative text := resource_json(content) #>> '{text,div}';
BEGIN
    RETURN to_tsvector('simple', coalesce(narrative, ''));
EXCEPTION WHEN program_limit_exceeded THEN
    RETURN to_tsvector('simple', left(narrative, 200000));
END
$$;

-- Types of which there are few enough. Of the others each word of each result would be an entry, and each write would
-- pay for it: they are looked through, among those that the other parameters of the search leave.
CREATE INDEX resource_words ON resource USING gin (content_words(bytes))
    WHERE NOT deleted AND type <> ALL ('{Binary,Observation,Provenance}');

-- What is stored has no elements yet: `reindex` makes them, and until then searches that need them are refused.
DELETE FROM setting WHERE name = 'reindex';
INSERT INTO setting SELECT 'index', 'pending' WHERE EXISTS (SELECT FROM resource WHERE version > 0)
    ON CONFLICT DO NOTHING;
INSERT INTO job (kind, queue, payload, dedupe)
    SELECT 'reindex', 1, '{}', 'reindex' FROM setting WHERE name = 'index' ON CONFLICT DO NOTHING;
"""

DOWN = """
DELETE FROM setting WHERE name = 'index';
DROP INDEX resource_words;
DROP FUNCTION narrative_words(bytea);
DROP FUNCTION content_words(bytea);
DROP FUNCTION folded(text);
DROP FUNCTION resource_json(bytea);
"""

# Rows that differ in it alone are one again.
WITHOUT_ELEMENTS = "".join(
    f"DELETE FROM {table} WHERE element IS NOT NULL;\nALTER TABLE {table} DROP COLUMN element;\n"
    for table in TABLES
)


def upgrade() -> None:
    op.get_bind().exec_driver_sql(ELEMENTS)
    op.get_bind().exec_driver_sql(UP)


def downgrade() -> None:
    op.get_bind().exec_driver_sql(DOWN)
    op.get_bind().exec_driver_sql(WITHOUT_ELEMENTS)

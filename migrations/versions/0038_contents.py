"""Contents of resources with marks in place of what most of them have in common.

Revision: 0038
After: 0037
"""

from __future__ import annotations

from alembic import op

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None

# As `storage.contents` has them.
MARKS = (
    (
        3,
        '"category":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"',
    ),
    (4, '"code":{"coding":[{"system":"http://loinc.org","code":"'),
    (5, '"meta":{"versionId":"1","lastUpdated":"'),
    (6, '"system":"http://terminology.hl7.org/CodeSystem/'),
    (7, '"system":"http://unitsofmeasure.org","code":"'),
    (8, '"encounter":{"reference":"Encounter/'),
    (11, '"system":"http://snomed.info/sct","code":"'),
    (12, '"versionId":"1","lastUpdated":"'),
    (14, '"subject":{"reference":"Patient/'),
    (15, '"system":"http://loinc.org","code":"'),
    (16, '"valueQuantity":{"value":'),
    (17, '"identifier":[{"system":"'),
    (18, '"effectiveDateTime":"'),
    (19, '"extension":[{"url":"'),
    (20, '"http://hl7.org/fhir/'),
    (21, '"meta":{"source":"'),
    (22, '"status":"final",'),
    (23, '"reference":"'),
    (24, '"coding":[{'),
    (25, '"display":"'),
    (26, '"system":"'),
    (27, '"value":"'),
    (28, '"code":"'),
    (29, '"text":"'),
    (30, '"unit":"'),
    (31, '"}]}'),
)


def _marked(text: str) -> str:
    """SQL that puts the marks in, the longest text first."""
    for number, meant in sorted(MARKS, key=lambda mark: -len(mark[1])):
        text = f"replace({text}, '{meant}', chr({number}))"
    return text


def _whole(text: str) -> str:
    """SQL that puts the texts in."""
    for number, meant in MARKS:
        text = f"replace({text}, chr({number}), '{meant}')"
    return text


# substr: what follows the length. The whole is written where it is needed, for an index is made without our schema in
# the path, so that its function can call none of ours.
WHOLE = f"""CASE WHEN left(content, 1) = chr(1) THEN
        '{{"resourceType":"' || {_whole("substr(content, strpos(content, chr(2)) + 1)")} ELSE content END"""

UP = f"""
DROP INDEX resource_words;
DROP FUNCTION narrative_words(bytea);
DROP FUNCTION content_words(bytea);
DROP FUNCTION resource_json(bytea);

-- As `storage.contents`.
CREATE FUNCTION resource_text(content varchar) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE COST 20 AS $$
    SELECT {WHOLE}
$$;

-- How long its JSON is.
CREATE FUNCTION resource_size(content varchar) RETURNS integer LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN left(content, 1) = chr(1)
        THEN substr(left(content, 16), 2, strpos(left(content, 16), chr(2)) - 2)::integer
        ELSE octet_length(content) END
$$;

CREATE FUNCTION pg_temp.marked(content bytea) RETURNS varchar LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    said text := convert_from(content, 'UTF8');
BEGIN
    IF NOT starts_with(said, '{{"resourceType":"') THEN
        RETURN said;
    END IF;
    RETURN chr(1) || octet_length(content) || chr(2) || {_marked("substr(said, 18)")};
END
$$;
ALTER TABLE resource ALTER COLUMN bytes TYPE varchar COLLATE "C" USING pg_temp.marked(bytes);
ALTER TABLE history ALTER COLUMN bytes TYPE varchar COLLATE "C" USING pg_temp.marked(bytes);
ALTER TABLE contribution ALTER COLUMN bytes TYPE varchar COLLATE "C" USING pg_temp.marked(bytes);
ALTER TABLE output ALTER COLUMN bytes TYPE varchar COLLATE "C" USING pg_temp.marked(bytes);
DROP FUNCTION pg_temp.marked(bytea);
-- A process of an earlier program that still runs would write its bytes as hexadecimal text.
ALTER TABLE resource ADD CONSTRAINT resource_content CHECK (left(bytes, 1) IN (E'\\x01', '{{'));
ALTER TABLE history ADD CONSTRAINT history_content CHECK (left(bytes, 1) IN (E'\\x01', '{{'));
ALTER TABLE contribution ADD CONSTRAINT contribution_content CHECK (left(bytes, 1) IN (E'\\x01', '{{'));
ALTER TABLE output ADD CONSTRAINT output_content CHECK (left(bytes, 1) IN (E'\\x01', '{{'));

-- As before (0013), of whole contents.
CREATE FUNCTION resource_json(content varchar) RETURNS jsonb LANGUAGE plpgsql IMMUTABLE COST 2000 AS $$
BEGIN
    RETURN resource_text(content)::jsonb;
EXCEPTION WHEN OTHERS THEN
    RETURN NULL;
END
$$;
CREATE FUNCTION content_words(content varchar) RETURNS tsvector LANGUAGE plpgsql IMMUTABLE COST 5000 AS $$
DECLARE
    said text := {WHOLE};
BEGIN
    RETURN jsonb_to_tsvector('simple', said::jsonb, '["string"]');
EXCEPTION
    WHEN program_limit_exceeded THEN
        RETURN to_tsvector('simple', left(said, 200000));
    WHEN OTHERS THEN
        RETURN '';
END
$$;
CREATE FUNCTION narrative_words(content varchar) RETURNS tsvector LANGUAGE plpgsql IMMUTABLE COST 5000 AS $$
DECLARE
    narrative text := resource_json(content) #>> '{{text,div}}';
BEGIN
    RETURN to_tsvector('simple', coalesce(narrative, ''));
EXCEPTION WHEN program_limit_exceeded THEN
    RETURN to_tsvector('simple', left(narrative, 200000));
END
$$;
CREATE INDEX resource_words ON resource USING gin (content_words(bytes))
    WHERE NOT deleted AND type <> ALL ('{{Binary,Observation,Provenance}}');
DO $$ BEGIN
    -- Not of a new database, as in 0036.
    IF EXISTS (SELECT FROM resource) THEN ANALYZE resource; END IF;
END $$;
"""

# As 0013 has them.
DOWN = """
DROP INDEX resource_words;
ALTER TABLE resource DROP CONSTRAINT resource_content;
ALTER TABLE history DROP CONSTRAINT history_content;
ALTER TABLE contribution DROP CONSTRAINT contribution_content;
ALTER TABLE output DROP CONSTRAINT output_content;
DROP FUNCTION narrative_words(varchar);
DROP FUNCTION content_words(varchar);
DROP FUNCTION resource_json(varchar);
ALTER TABLE resource ALTER COLUMN bytes TYPE bytea USING convert_to(resource_text(bytes), 'UTF8');
ALTER TABLE history ALTER COLUMN bytes TYPE bytea USING convert_to(resource_text(bytes), 'UTF8');
ALTER TABLE contribution ALTER COLUMN bytes TYPE bytea USING convert_to(resource_text(bytes), 'UTF8');
ALTER TABLE output ALTER COLUMN bytes TYPE bytea USING convert_to(resource_text(bytes), 'UTF8');
DROP FUNCTION resource_text(varchar);
DROP FUNCTION resource_size(varchar);
CREATE FUNCTION resource_json(content bytea) RETURNS jsonb LANGUAGE plpgsql IMMUTABLE COST 2000 AS $$
BEGIN
    RETURN convert_from(content, 'UTF8')::jsonb;
EXCEPTION WHEN OTHERS THEN
    RETURN NULL;
END
$$;
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
CREATE FUNCTION narrative_words(content bytea) RETURNS tsvector LANGUAGE plpgsql IMMUTABLE COST 5000 AS $$
DECLARE
    narrative text := resource_json(content) #>> '{text,div}';
BEGIN
    RETURN to_tsvector('simple', coalesce(narrative, ''));
EXCEPTION WHEN program_limit_exceeded THEN
    RETURN to_tsvector('simple', left(narrative, 200000));
END
$$;
CREATE INDEX resource_words ON resource USING gin (content_words(bytes))
    WHERE NOT deleted AND type <> ALL ('{Binary,Observation,Provenance}');
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(UP.replace("%", "%%"))


def downgrade() -> None:
    op.get_bind().exec_driver_sql(DOWN.replace("%", "%%"))

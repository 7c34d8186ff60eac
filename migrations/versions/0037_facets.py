"""Status and category of a resource as one number, of the set of their codes.

Nearly all resources of a type have one of few sets of these: a row of the index for each code of each resource, with
its entries in three indexes, was a quarter of the index.

Revision: 0037
After: 0036
"""

from __future__ import annotations

from alembic import op

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None

UP = """
-- Sets of codes, and their members. digest: of the members, as `storage.facets` writes them.
CREATE TABLE facet_set (
    key integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    digest bytea NOT NULL UNIQUE
);
CREATE TABLE facet (
    key integer NOT NULL REFERENCES facet_set (key),
    parameter integer NOT NULL,
    system integer NOT NULL,
    code text COLLATE "C" NOT NULL,
    PRIMARY KEY (key, parameter, system, code)
);
CREATE INDEX facet_value ON facet (parameter, code);

-- 0: none.
ALTER TABLE resource ADD COLUMN facets integer NOT NULL DEFAULT 0;

CREATE TEMPORARY TABLE faceted ON COMMIT DROP AS
    SELECT t.resource, sha256(convert_to(string_agg(t.parameter || '|' || t.system || '|' || char_length(t.code) || '|'
        || t.code, chr(10) ORDER BY t.parameter, t.system, t.code), 'UTF8')) AS digest
    FROM (SELECT DISTINCT i.resource, i.parameter, i.system, i.code FROM token i
        WHERE i.parameter IN (SELECT p.key FROM parameter p WHERE p.code IN ('status', 'category'))) t
    GROUP BY t.resource;
INSERT INTO facet_set (digest) SELECT DISTINCT digest FROM faceted;
INSERT INTO facet
    SELECT DISTINCT f.key, i.parameter, i.system, i.code
    FROM (SELECT s.key, min(d.resource) AS resource FROM faceted d JOIN facet_set s USING (digest) GROUP BY s.key) f
    JOIN token i ON i.resource = f.resource
    WHERE i.parameter IN (SELECT p.key FROM parameter p WHERE p.code IN ('status', 'category'));
UPDATE resource r SET facets = s.key FROM faceted d JOIN facet_set s USING (digest) WHERE d.resource = r.key;
DELETE FROM token WHERE parameter IN (SELECT p.key FROM parameter p WHERE p.code IN ('status', 'category'));
CREATE INDEX resource_facets ON resource (facets) WHERE NOT deleted;
-- Not of a new database, as in 0036. Without it the table would keep the space of what was most of its rows.
DO $$ BEGIN
    IF EXISTS (SELECT FROM resource) THEN
        CLUSTER token USING token_resource;
        ALTER TABLE token SET WITHOUT CLUSTER;
        ANALYZE token, resource;
    END IF;
END $$;
"""

DOWN = """
INSERT INTO token (parameter, system, code, patient, resource)
    SELECT f.parameter, f.system, f.code, p.patient, r.key FROM resource r JOIN facet f ON f.key = r.facets,
    LATERAL (
        SELECT unnest(CASE WHEN count(*) = 0 THEN '{0}' WHEN count(*) <= 4 THEN array_agg(o.patient) ELSE '{-1}' END)
        FROM record o WHERE o.resource = r.key AND o.patient <> 0
    ) p (patient);
DROP INDEX resource_facets;
ALTER TABLE resource DROP COLUMN facets;
DROP TABLE facet, facet_set;
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(UP)


def downgrade() -> None:
    op.get_bind().exec_driver_sql(DOWN)

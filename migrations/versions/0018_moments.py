"""AuditEvents with marks in place of what is alike in most of them; rows of codes that carry the date.

AuditEvents that are stored stay as they are: without marks, they are read as before.

Revision: 0018
After: 0016
"""

from __future__ import annotations

from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

UP = """
-- As `storage.audit_contents`.
CREATE FUNCTION audit_text(content bytea) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    text text := convert_from(content, 'UTF8');
BEGIN
    text := replace(text, chr(1), '{"resourceType":"AuditEvent","type":{"system":"http://terminology.hl7.org/CodeSystem/audit-event-type","code":"rest"},"subtype":[{"system":"http://hl7.org/fhir/restful-interaction","code":"');
    text := replace(text, chr(2), '{"resourceType":"AuditEvent","type":{"system":"http://dicom.nema.org/resources/ontology/DCM","code":"110114"},"subtype":[{"system":"http://dicom.nema.org/resources/ontology/DCM","code":"');
    text := replace(text, chr(3), '"},"type":{"system":"http://terminology.hl7.org/CodeSystem/audit-entity-type","code":"2"},"role":{"system":"http://terminology.hl7.org/CodeSystem/object-role","code":"4"}},{"what":{"identifier":{"value":"');
    text := replace(text, chr(4), '{"type":{"system":"http://terminology.hl7.org/CodeSystem/audit-entity-type","code":"2"},"role":{"system":"http://terminology.hl7.org/CodeSystem/object-role","code":"24"},"query":"');
    text := replace(text, chr(5), '"}},"type":[{"system":"http://terminology.hl7.org/CodeSystem/security-source-type","code":"4"}]},"entity":[{"what":{"reference":"');
    text := replace(text, chr(6), '"}},"type":[{"system":"http://terminology.hl7.org/CodeSystem/security-source-type","code":"4"}]},"entity":[');
    text := replace(text, chr(7), '{"type":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ParticipationType","code":"IRCP"}]},"who":{"reference":"');
    text := replace(text, chr(8), '{"type":{"coding":[{"system":"http://dicom.nema.org/resources/ontology/DCM","code":"110153"}]},"who":{"identifier":{"value":"');
    text := replace(text, chr(14), '{"type":{"coding":[{"system":"http://dicom.nema.org/resources/ontology/DCM","code":"110152"}]},"who":{"identifier":{"value":"');
    text := replace(text, chr(15), '"}},"type":{"system":"https://profiles.ihe.net/ITI/BALP/CodeSystem/BasicAuditEntityType","code":"XrequestId"}}]}');
    text := replace(text, chr(16), ',"purposeOfEvent":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ActReason","code":"');
    text := replace(text, chr(17), '"}},"requestor":true,"network":{"address":"');
    text := replace(text, chr(18), '"}},"requestor":false,"network":{"address":"');
    text := replace(text, chr(19), '"source":{"observer":{"identifier":{"value":"');
    text := replace(text, chr(20), 'http://dicom.nema.org/resources/ontology/DCM');
    text := replace(text, chr(21), 'http://terminology.hl7.org/CodeSystem/');
    RETURN text;
END
$$;

CREATE OR REPLACE FUNCTION audit_said(content bytea) RETURNS jsonb LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RETURN audit_text(content)::jsonb;
EXCEPTION WHEN data_exception THEN
    RETURN '{}';
END
$$;
"""

# moment: of the code of types that have a date, the end of each date (-infinity: it has none), in the row of the first
# patient. So the latest of a code, and those of a time, are a range of one index, however many there are of a code.
MOMENTS = """
ALTER TABLE token ADD COLUMN moment timestamptz;
-- By rows of one resource at a time: what an upgrade finds may have no statistics, by which to choose a plan.
DO $$
DECLARE
    coded integer;
    dated integer;
BEGIN
    SET LOCAL enable_seqscan = off;
    FOR coded, dated IN
        SELECT c.key, coalesce(d.key, 0) FROM parameter c LEFT JOIN parameter d ON d.type = c.type AND d.code = 'date'
        WHERE c.code = 'code' AND c.type IN ('DiagnosticReport', 'Observation', 'Procedure')
    LOOP
        UPDATE token t SET moment = coalesce(
            (SELECT max(d.high) FROM date d WHERE d.resource = t.resource AND d.parameter = dated), '-infinity')
        WHERE t.parameter = coded AND t.ctid = (
            SELECT min(f.ctid) FROM token f WHERE f.resource = t.resource AND f.parameter = coded AND f.code = t.code
                AND f.system = t.system);
        INSERT INTO token (parameter, system, code, patient, resource, element, moment)
        SELECT DISTINCT t.parameter, t.system, t.code, t.patient, t.resource, t.element, d.high
        FROM token t, LATERAL (
            SELECT e.high FROM date e
            WHERE e.resource = t.resource AND e.parameter = dated AND e.high < t.moment OFFSET 0
        ) d
        WHERE t.parameter = coded AND t.moment IS NOT NULL;
    END LOOP;
    SET LOCAL enable_seqscan = on;
END
$$;
CREATE INDEX token_moment ON token (parameter, code, moment DESC, resource) WHERE moment IS NOT NULL;
"""

DOWN = """
DROP INDEX token_moment;
DELETE FROM token t WHERE t.moment IS NOT NULL AND EXISTS (
    SELECT FROM token o WHERE o.resource = t.resource AND o.parameter = t.parameter AND o.code = t.code
        AND o.system = t.system AND o.patient = t.patient AND o.moment > t.moment);
ALTER TABLE token DROP COLUMN moment;
ALTER TABLE audit DISABLE TRIGGER audit_fixed;
UPDATE audit SET content = convert_to(audit_text(content), 'UTF8') WHERE NOT complete;
ALTER TABLE audit ENABLE TRIGGER audit_fixed;
CREATE OR REPLACE FUNCTION audit_said(content bytea) RETURNS jsonb LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RETURN convert_from(content, 'UTF8')::jsonb;
EXCEPTION WHEN data_exception THEN
    RETURN '{}';
END
$$;
DROP FUNCTION audit_text(bytea);
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(UP)
    op.get_bind().exec_driver_sql(MOMENTS)


def downgrade() -> None:
    op.get_bind().exec_driver_sql(DOWN)

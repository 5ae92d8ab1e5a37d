-- Deletes a month of the audit trail: psql "$CMS_DATABASE_DIRECT_URL" --set partition=NAME --file drop_audit_month.sql
\set ON_ERROR_STOP on
BEGIN;
SET LOCAL lock_timeout = '2s';
ALTER TABLE audit_events DETACH PARTITION :"partition";
DROP TABLE :"partition";
COMMIT;

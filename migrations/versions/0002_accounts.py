"""People, clients and what they were granted."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

UP = """
CREATE TABLE account (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    username text NOT NULL,
    display text NOT NULL,
    password_hash text,
    role text NOT NULL CHECK (role IN ('clinician', 'patient', 'admin')),
    fhir_user text,
    patient text,
    disabled boolean NOT NULL DEFAULT false,
    created timestamptz NOT NULL DEFAULT now(),
    CHECK (role <> 'patient' OR patient IS NOT NULL)
);
CREATE UNIQUE INDEX account_username ON account (lower(username));

CREATE TABLE account_session (
    hash bytea PRIMARY KEY,
    account uuid NOT NULL REFERENCES account ON DELETE CASCADE,
    csrf text NOT NULL,
    created timestamptz NOT NULL DEFAULT now(),
    expires timestamptz NOT NULL
);

CREATE TABLE login_link (
    hash bytea PRIMARY KEY,
    account uuid NOT NULL REFERENCES account ON DELETE CASCADE,
    expires timestamptz NOT NULL
);

CREATE TABLE login_failure (
    subject bytea PRIMARY KEY,
    failures integer NOT NULL,
    latest timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE oauth_client (
    id text PRIMARY KEY,
    name text NOT NULL,
    authentication text NOT NULL CHECK (authentication IN ('none', 'secret', 'key')),
    secret_hash bytea,
    redirect_uris text[] NOT NULL DEFAULT '{}',
    launch_uri text,
    scope text NOT NULL,
    jwks_uri text,
    jwks jsonb,
    origins text[] NOT NULL DEFAULT '{}',
    purpose text,
    may_introspect boolean NOT NULL DEFAULT false,
    created timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE oauth_grant (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    client text NOT NULL REFERENCES oauth_client ON DELETE CASCADE,
    account uuid REFERENCES account ON DELETE CASCADE,
    session bytea,
    scope text NOT NULL,
    audience text NOT NULL,
    purpose text,
    patient text,
    encounter text,
    nonce text,
    context jsonb NOT NULL DEFAULT '{}',
    signed_in timestamptz,
    created timestamptz NOT NULL DEFAULT now(),
    expires timestamptz NOT NULL,
    revoked timestamptz
);

CREATE TABLE oauth_code (
    hash bytea PRIMARY KEY,
    grant_id uuid NOT NULL REFERENCES oauth_grant ON DELETE CASCADE,
    redirect_uri text NOT NULL,
    challenge text,
    expires timestamptz NOT NULL,
    used timestamptz
);
CREATE INDEX oauth_code_grant ON oauth_code (grant_id);

CREATE TABLE oauth_token (
    hash bytea PRIMARY KEY,
    grant_id uuid NOT NULL REFERENCES oauth_grant ON DELETE CASCADE,
    kind text NOT NULL CHECK (kind IN ('access', 'refresh')),
    scope text NOT NULL,
    expires timestamptz NOT NULL,
    used timestamptz,
    revoked timestamptz
);
CREATE INDEX oauth_token_grant ON oauth_token (grant_id);

CREATE TABLE oauth_launch (
    hash bytea PRIMARY KEY,
    client text NOT NULL REFERENCES oauth_client ON DELETE CASCADE,
    account uuid NOT NULL REFERENCES account ON DELETE CASCADE,
    patient text NOT NULL,
    encounter text,
    intent text,
    expires timestamptz NOT NULL
);

CREATE TABLE oauth_assertion (
    client text NOT NULL REFERENCES oauth_client ON DELETE CASCADE,
    jti text NOT NULL,
    expires timestamptz NOT NULL,
    PRIMARY KEY (client, jti)
);

CREATE TABLE signing_key (
    kid text PRIMARY KEY,
    jwk jsonb NOT NULL,
    created timestamptz NOT NULL DEFAULT now()
);
"""

TABLES = (
    "signing_key oauth_assertion oauth_launch oauth_token oauth_code oauth_grant oauth_client "
    "login_failure login_link account_session account"
)


def upgrade() -> None:
    op.get_bind().exec_driver_sql(UP)


def downgrade() -> None:
    for table in TABLES.split():
        op.execute(f"DROP TABLE {table}")

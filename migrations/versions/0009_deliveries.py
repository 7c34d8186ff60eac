"""Deliveries: files that say all of something, of which a newer one replaces what an older one said."""

from __future__ import annotations

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

UP = """
-- A file that says all that its source knows of something (the variants of a sample). id: hash of its content.
-- names: what it was called; time: business time. ended: its end was read; complete: all of it could be read then.
CREATE TABLE delivery (
    key bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    adapter text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    names text[] NOT NULL DEFAULT '{}',
    time timestamptz,
    ended boolean NOT NULL DEFAULT false,
    complete boolean NOT NULL DEFAULT false,
    UNIQUE (adapter, id)
);

-- What a delivery speaks of, line by line, whatever it says there.
CREATE TABLE delivery_place (
    delivery bigint NOT NULL REFERENCES delivery (key),
    place bigint NOT NULL,
    PRIMARY KEY (delivery, place)
);

-- What a delivery says of one series: a sample of one patient. active: it does, as it was processed last.
CREATE TABLE edition (
    key bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    series text COLLATE "C" NOT NULL,
    delivery bigint NOT NULL REFERENCES delivery (key),
    active boolean NOT NULL DEFAULT false,
    UNIQUE (series, delivery)
);
CREATE INDEX edition_delivery ON edition (delivery);

-- superseded: a newer edition of the series replaces it; the record says it, and it does not count.
ALTER TABLE output ADD COLUMN edition bigint, ADD COLUMN place bigint,
    ADD COLUMN superseded boolean NOT NULL DEFAULT false;
CREATE INDEX output_edition ON output (edition) WHERE edition IS NOT NULL;
"""

DOWN = """
ALTER TABLE output DROP COLUMN edition, DROP COLUMN place, DROP COLUMN superseded;
DROP TABLE edition;
DROP TABLE delivery_place;
DROP TABLE delivery;
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(UP)


def downgrade() -> None:
    op.get_bind().exec_driver_sql(DOWN)

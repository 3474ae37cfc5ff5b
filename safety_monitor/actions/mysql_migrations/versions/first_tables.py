"""Stations, incidents, readings and deliveries."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.mysql import DATETIME, DOUBLE

revision = "0001"
down_revision = None

TABLE = {"mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_general_ci"}


def upgrade() -> None:
    """Make what is not there yet: every table is committed by itself, so an earlier attempt may have ended half-way."""
    op.create_table(
        "stations",
        sa.Column("id", sa.CHAR(36), primary_key=True),
        sa.Column("name", sa.VARCHAR(191), nullable=False),
        if_not_exists=True,
        **TABLE,
    )
    op.create_table(
        "incidents",
        sa.Column("id", sa.CHAR(36), primary_key=True),
        sa.Column("station_id", sa.CHAR(36), nullable=False),
        sa.Column("state", sa.VARCHAR(32), nullable=False),
        sa.Column("opened_at", DATETIME(fsp=3), nullable=False),
        sa.Column("changed_at", DATETIME(fsp=3), nullable=False),
        sa.Column("confidence", DOUBLE, nullable=False),
        sa.Column("senses", sa.VARCHAR(191), nullable=False),
        sa.Column("labels", sa.VARCHAR(1000), nullable=False),
        sa.Column("reason", sa.VARCHAR(1000), nullable=False),
        sa.Column("source", sa.VARCHAR(1000), nullable=False),
        sa.Column("at_s", DOUBLE, nullable=False),
        sa.Column("latitude", DOUBLE, nullable=True),
        sa.Column("longitude", DOUBLE, nullable=True),
        sa.Column("accuracy_m", DOUBLE, nullable=True),
        sa.Column("address", sa.VARCHAR(1000), nullable=True),
        sa.Column("place_source", sa.VARCHAR(32), nullable=True),
        sa.Column("duress", sa.BOOLEAN, nullable=False),
        sa.Column("test", sa.BOOLEAN, nullable=False),
        if_not_exists=True,
        **TABLE,
    )
    op.create_table(
        "readings",
        sa.Column("incident_id", sa.CHAR(36), primary_key=True),
        sa.Column("sense", sa.VARCHAR(32), primary_key=True),
        sa.Column("label", sa.VARCHAR(191), primary_key=True),
        sa.Column("probability", DOUBLE, nullable=False),
        sa.Column("at_s", DOUBLE, nullable=False),
        if_not_exists=True,
        **TABLE,
    )
    op.create_table(
        "deliveries",
        sa.Column("key", sa.VARCHAR(255), primary_key=True),
        sa.Column("incident_id", sa.CHAR(36), nullable=False),
        sa.Column("channel", sa.VARCHAR(191), nullable=False),
        sa.Column("kind", sa.VARCHAR(32), nullable=False),
        sa.Column("state", sa.VARCHAR(32), nullable=False),
        sa.Column("attempts", sa.INTEGER, nullable=False),
        sa.Column("changed_at", DATETIME(fsp=3), nullable=False),
        sa.Column("detail", sa.VARCHAR(1000), nullable=False),
        if_not_exists=True,
        **TABLE,
    )
    inspector = sa.inspect(op.get_bind())
    for table, index, columns in (
        ("incidents", "incidents_by_station", ["station_id", "opened_at"]),
        ("incidents", "incidents_by_time", ["opened_at"]),
        ("deliveries", "deliveries_by_incident", ["incident_id"]),
    ):
        if index not in {each["name"] for each in inspector.get_indexes(table)}:
            op.create_index(index, table, columns)

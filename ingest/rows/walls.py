"""Orders to walls in SQL: written append-only; of each wall the latest one counts."""

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, Engine, and_, func, select

from ingest.arrivals import Arrival
from ingest.records import WallOrdered, decode_record, encode_record
from ingest.rows.known import KEY, split_known
from ingest.statements import Row, execute_rows, insert_sql
from ingest.tables import as_ms, wall_orders

COLUMNS: Final = (*KEY, "wall", "at", "received_at", "record")
INSERT: Final = insert_sql(wall_orders, COLUMNS)


def write_orders(connection: Connection, arrivals: Iterable[Arrival]) -> list[Arrival]:
    """Write the orders to walls among `arrivals` and return those that were there already, which change nothing."""
    ordered = (arrival for arrival in arrivals if isinstance(arrival.record, WallOrdered))
    new, repeated = split_known(connection, wall_orders, ordered)
    records = [arrival.record for arrival in new.values()]
    execute_rows(connection, INSERT, [_as_row(record) for record in records if isinstance(record, WallOrdered)])
    return repeated


def _as_row(record: WallOrdered) -> Row:
    text = encode_record(record).decode()
    return record.source, record.id, record.wall, as_ms(record.at), as_ms(record.received_at), text


def read_newest_orders(engine: Engine) -> list[WallOrdered]:
    """Return the latest order of each wall; several where they are of one moment."""
    order = wall_orders.c
    latest = select(order.wall, func.max(order.at).label("at")).group_by(order.wall).subquery()
    query = select(order.record).join(latest, and_(order.wall == latest.c.wall, order.at == latest.c.at))
    with engine.connect() as connection:
        records = [decode_record(text.encode()) for text in connection.execute(query).scalars()]
    return [record for record in records if isinstance(record, WallOrdered)]


def read_orders_of_case(engine: Engine, case_id: str, since: datetime) -> list[WallOrdered]:
    """Return the orders that showed a case on walls since a moment, in the order of recording."""
    query = select(wall_orders.c.record).where(wall_orders.c.received_at >= as_ms(since)).order_by(wall_orders.c.id)
    with engine.connect() as connection:
        records = [decode_record(text.encode()) for text in connection.execute(query).scalars()]
    return [record for record in records if isinstance(record, WallOrdered) and record.case_id == case_id]

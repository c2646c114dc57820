from datetime import date

import numpy as np
import pyarrow as pa

from clvbook.simulate.calendar import make_calendar
from clvbook.simulate.campaigns import plan_campaigns
from clvbook.simulate.chunk import ORDERS_A_CHUNK, make_chunk
from clvbook.simulate.truth import Parameters

CALENDAR = make_calendar(date(2025, 1, 1), date(2025, 12, 31), future_days=90, seasons=True)


def chunk(*, number=0, first=0, dirt=True):
    stream = np.random.SeedSequence(5).spawn(3)[number]
    plan = plan_campaigns(CALENDAR)
    return make_chunk(
        stream, 3_000, number=number, first=first, calendar=CALENDAR, plan=plan, truth=Parameters(), dirt=dirt
    )


def tables(made):
    return [(name, pa.table(columns)) for name, columns in made.tables()]


def test_a_chunk_depends_on_its_own_stream_alone():
    assert tables(chunk()) == tables(chunk())
    assert tables(chunk()) != tables(chunk(number=1, first=3_000))


def test_chunks_share_no_customer_and_no_order():
    one, two = chunk(), chunk(number=1, first=3_000)
    assert one.ids[-1].as_py() == "C00003000"
    assert two.ids[0].as_py() == "C00003001"
    orders = [dict(tables(made))["orders"]["order_id"].to_pylist() for made in (one, two)]
    assert not set(orders[0]) & set(orders[1])
    assert orders[1][0] == f"D{ORDERS_A_CHUNK + 1:010}"


def test_purchases_end_with_the_window_and_the_future_follows():
    made = chunk()
    assert made.purchases.day.max() < CALENDAR.window <= made.future.day.min()
    days = np.concatenate([made.purchases.day, made.future.day])
    who = np.concatenate([made.purchases.who, made.future.who])
    assert len(np.unique(who * 10_000 + days)) == who.size  # caused orders never fall on a natural one's day


def test_without_dirt_the_same_purchases_stand_alone():
    clean, dirty = chunk(dirt=False), chunk()
    assert np.array_equal(clean.purchases.net, dirty.purchases.net)
    assert clean.rows.who.size == clean.purchases.who.size
    assert clean.rows.refund.sum() == 0

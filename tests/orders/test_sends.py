"""Sends: the platform's log against the shop's own list of who was chosen, each hazard with its exact outcome."""

import json
from pathlib import Path

import pytest

from clvbook.engine import connect
from clvbook.errors import BadParameters, InputRefused
from clvbook.orders.schema import columns
from clvbook.orders.sends import read_sends
from clvbook.settings import Settings

DEMO = Path(__file__).parents[2] / "data" / "demo"
LOG = "sid,mobile,send_time,text,send_status,report_status,fee,user_receive_time,error_msg\n"
LIST = "campaign_id,customer_id,phone,arm,assigned_at\n"


@pytest.fixture(autouse=True)
def _salted(monkeypatch):
    monkeypatch.setenv("CLVBOOK_SALT", "a salt for tests only")


@pytest.fixture
def sends(write):
    """Read a log and assignments given as texts, or lists of texts for several files."""

    def read(log=(), assignments=(), **more):
        files = {}
        for name, texts in (("log", log), ("assignments", assignments)):
            texts = [texts] if isinstance(texts, str | bytes) else texts
            files[name] = [Path(write(text, f"{name}{place}.csv")) for place, text in enumerate(texts)]
        return read_sends(connect(Settings(shop="t", orders="none")), timezone="Asia/Shanghai", **files, **more)

    return read


def message(sid, mobile="13900000001", at="2026-10-05 10:00:00", state="SUCCESS", fee="1"):
    return f"{sid},{mobile},{at},hello,SUCCESS,{state},{fee},,\n"


def rows(found):
    return [
        (r["campaign_id"], r["customer_id"], r["arm"], str(r["sent_at"] or ""), r["delivered"], r["units"])
        for r in found.table.to_pyarrow().to_pylist()
    ]


def aside(table):
    return [(row["source_file"], row["line"], row["reason"]) for row in table.to_pyarrow().to_pylist()]


def test_the_log_and_the_list_make_one_row_a_customer_and_campaign(sends):
    chosen = LIST + (
        "A,anna,139 0000 0001,treated,2026-10-05 09:00:00\n"
        "A,bert,+8613900000002,treated,2026-10-05 09:00:00\n"
        "A,carl,'13900000003,holdout,2026-10-05 09:00:00\n"
        "A,dora,13900000004,对照组,2026-10-05\n"
        "A,emil,13900000005,treated,2026-10-05\n"
        "A,fred,13900000006,实验组,2026-10-05\n"
    )
    log = LOG + "".join([
        message(1, state="FAIL"),
        message(2, at="2026-10-05 18:00:00", fee="2"),  # sent again: one customer, both billed
        message(3, "8613900000002", state="UNKNOWN"),
        message(4, "13900000004"),  # held out, and written to all the same
        message(5, "13900000006", state="FAIL", fee="0"),
    ])  # fmt: skip
    found = sends(log, chosen)
    assert rows(found) == [
        ("A", "anna", "treated", "2026-10-05 10:00:00", True, 3),
        ("A", "bert", "treated", "2026-10-05 10:00:00", None, 1),
        ("A", "carl", "holdout", "", None, 0),
        ("A", "dora", "holdout", "2026-10-05 10:00:00", True, 1),
        ("A", "emil", "treated", "", None, 0),
        ("A", "fred", "treated", "2026-10-05 10:00:00", False, 0),
    ]
    assert found.summary == {
        "treated": 4, "holdout": 2, "not_in_log": 1, "holdout_written_to": 1, "delivered": 2, "pending": 1, "units": 5,
    }  # fmt: skip
    assert (found.log.rows_read, found.log.rows_used, found.log.set_aside) == (5, 5, {})
    assert not found.without_assignments
    schema = found.table.schema()
    assert {name: str(schema[name]).split("(")[0] for name in schema} == {
        name: column.type for name, column in columns("sends").items()
    }


def test_a_message_belongs_to_the_latest_campaign_that_chose_the_phone_to_be_treated(sends):
    chosen = LIST + (
        "SEP,anna,13900000001,treated,2026-09-10\nOCT,anna,13900000001,treated,2026-10-04\n"
        "HELD,anna,13900000001,holdout,2026-10-05\nNOV,anna,13900000001,treated,2026-11-01\n"
    )
    found = sends(
        LOG + message(1) + message(2, at="2026-09-12 10:00:00") + message(3, at="2026-08-01 10:00:00"), chosen
    )
    assert {row[0]: row[3] for row in rows(found)} == {
        "HELD": "", "NOV": "", "OCT": "2026-10-05 10:00:00", "SEP": "2026-09-12 10:00:00",
    }  # fmt: skip
    assert found.log.set_aside == {"no_campaign": 1}
    assert sends(LOG + message(1, at="2026-10-30 10:00:00"), chosen, within_days=5).log.set_aside == {"no_campaign": 1}


def test_a_log_that_names_its_campaign_is_believed(sends):
    head = LOG.replace("error_msg", "error_msg,campaign_id")
    log = head + message(1).replace("\n", ",OLD\n") + message(2).replace("\n", ",NEW\n")
    chosen = LIST + "OLD,anna,13900000001,treated,2026-01-01\n"
    found = sends(log, chosen)
    assert rows(found) == [("OLD", "anna", "treated", "2026-10-05 10:00:00", True, 1)]
    assert found.log.set_aside == {"no_campaign": 1}


def test_overlapping_exports_and_late_receipts_count_once(sends):
    early = LOG + message(1, state="UNKNOWN") + message(2, "13900000002") + message(2, "13900000002")
    late = LOG + message(1) + message(2, "13900000002")
    found = sends([early, late], campaign_id="A")
    assert found.log.set_aside == {"duplicate_row": 2, "superseded": 1}
    assert aside(found.log_set_aside) == [
        ("log0.csv", 2, "superseded"),
        ("log0.csv", 4, "duplicate_row"),
        ("log1.csv", 3, "duplicate_row"),
    ]
    assert [(row[2], row[4], row[5]) for row in rows(found)] == [("treated", True, 1)] * 2


def test_each_bad_row_has_its_reason_and_its_place(sends):
    bad = [
        message("9.22E+18"), message("9.22E+18", at="2026-10-06 10:00:00"), message(2, "139****0001"), message(3, ""),
        message(4, at="yesterday"), message(5, fee="1.5"), message(6, fee="-1"), message(7, fee=""), message(8),
    ]  # fmt: skip
    found = sends(LOG + "".join(bad), campaign_id="A")
    assert [reason for _, _, reason in aside(found.log_set_aside)] == [
        "lossy_id", "lossy_id", "no_customer", "no_customer", "bad_date", "bad_units", "bad_units", "bad_units",
    ]  # fmt: skip
    assert (found.log.rows_read, found.log.rows_used) == (9, 1)
    assert json.loads(found.log_set_aside.cells.to_pyarrow().to_pylist()[2])["mobile"] == "139****0001"


def test_the_lists_own_bad_rows_have_reasons_and_the_later_entry_holds(sends):
    chosen = LIST + (
        "A,anna,,treated,2026-10-05\nA,anna,,treated,2026-10-05\nA,bert,,treated,2026-10-05\nA,bert,,holdout,2026-10-06\n"
        ",carl,,treated,2026-10-05\nA,,,treated,2026-10-05\nA,dora,,holdout,soon\n"
    )
    found = sends(assignments=chosen)
    assert [reason for _, _, reason in aside(found.assignments_set_aside)] == [
        "duplicate_row", "superseded", "no_campaign", "no_customer", "bad_date",
    ]  # fmt: skip
    assert [(row[1], row[2]) for row in rows(found)] == [("anna", "treated"), ("bert", "holdout")]
    assert (found.log, found.log_set_aside) == (None, None)


def test_without_the_list_there_are_no_arms_and_people_are_hashed_as_orders_hash_them(sends, clean, tmp_path):
    found = sends(LOG + message(1) + message(2, "86 139-0000-0001"), campaign_id="A")
    assert found.without_assignments
    ((campaign, person, arm, _, delivered, units),) = rows(found)
    assert (campaign, arm, delivered, units) == ("A", "treated", True, 2)
    orders = "order_id,phone,paid_at,paid\n1,13900000001,2026-10-06,5\n"
    own = tmp_path / "own.yml"
    own.write_text(
        "name: own\ntitle: t\nlevel: order\nrow: an order\n"
        "columns: {order_id: [order_id], phone: [phone], paid_at: [paid_at], paid: [paid]}\n"
        'required: [order_id, paid_at, paid]\nidentity: [phone]\ntimes: ["%Y-%m-%d"]\n'
    )
    bought = clean(orders, mapping=str(own)).orders.customer_id.to_pyarrow().to_pylist()
    assert bought == [person]
    assert person.startswith("phone:")
    assert sends(LOG + message(1)).log.set_aside == {"no_campaign": 1}


def test_unknown_words_are_refused_with_their_counts(sends):
    with pytest.raises(InputRefused, match=r"state: 1 words .*'DELIVRD' \(2\)"):
        sends(LOG + message(1, state="DELIVRD") + message(2, state="DELIVRD"), campaign_id="A")
    with pytest.raises(InputRefused, match=r"arm: 1 words .*'maybe' \(1\)"):
        sends(assignments=LIST + "A,anna,,maybe,2026-10-05\n")


def test_gb18030_and_nothing_at_all(sends):
    head = "短信ID,手机号,发送时间,状态报告,计费条数\n"
    log = (head + "1,13900000001,2026/10/5 10:00,成功,1\n").encode("gb18030")
    assert sends(log, campaign_id="A").summary["delivered"] == 1
    with pytest.raises(BadParameters, match="0 files"):
        sends()
    with pytest.raises(InputRefused, match="required columns are missing"):
        sends("a,b\n1,2\n")


def test_the_canonical_table_is_read_as_it_stands():
    con = connect(Settings(shop="t", orders="none"))
    found = read_sends(con, timezone="Asia/Shanghai", assignments=[DEMO / "sends.csv.gz"])
    asked = con.read_csv(str(DEMO / "sends.csv.gz"))
    assert found.assignments.set_aside == {}
    assert found.summary["units"] == asked.units.sum().execute()
    assert found.summary["delivered"] == asked.delivered.sum().execute()
    assert found.summary["holdout"] == (asked.arm == "holdout").sum().execute()
    assert found.summary["holdout_written_to"] == 0

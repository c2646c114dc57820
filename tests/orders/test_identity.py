import stat
import threading

import ibis
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from clvbook.engine import connect
from clvbook.errors import BadParameters
from clvbook.orders import identity, load_mapping
from clvbook.settings import Settings, make_settings

GUESTS = """
name: guests
title: orders with e-mail and phone
level: order
row: one row is one order
columns: {order_id: [id], customer_id: [member], email: [mail], phone: [tel], paid_at: [at], paid: [paid]}
required: [order_id, paid_at, paid]
identity: [customer_id, email, phone]
buyer_export: The member export of the shop.
times: ["%Y-%m-%d"]
"""


@pytest.fixture(scope="module")
def con():
    return connect(Settings(shop="t", orders="none"))


def read(con, form, texts):
    table = ibis.memtable({"at": list(range(len(texts))), "text": texts}, schema={"at": "int64", "text": "string"})
    rows = con.to_pyarrow(table.select("at", read=form(table.text)).order_by("at")).to_pylist()
    return [row["read"] for row in rows]


@pytest.fixture
def guests(tmp_path, clean):
    """Clean orders given as (member, mail, tel); returns the cleaned orders, and the customers in that order."""
    (tmp_path / "guests.yml").write_text(GUESTS)

    def cleaned(*buyers, **more):
        lines = [f"{n},{','.join(buyer)},2026-01-01,5" for n, buyer in enumerate(buyers)]
        text = "\n".join(["id,member,mail,tel,at,paid", *lines]) + "\n"
        found = clean(text, mapping=str(tmp_path / "guests.yml"), **more)
        rows = found.orders.to_pyarrow().to_pylist()
        return found, [row["customer_id"] for row in sorted(rows, key=lambda row: int(row["order_id"]))]

    return cleaned


# ---- one form


def test_an_address_has_one_form(con):
    same = [
        "ann@example.com",
        " Ann@Example.COM ",
        "ann+spring@example.com",
        "mailto:ann@example.com",
        "ａnn@example.com",
    ]
    assert set(read(con, identity.email, same)) == {"ann@example.com"}
    assert set(read(con, identity.email, ["ann", "@example.com", "a b@example.com", "ann@example", "a@b@c.d", ""])) == {
        None
    }
    assert read(con, identity.email, ["+tag@example.com", "a.n.n@example.com"]) == [
        "+tag@example.com",
        "a.n.n@example.com",
    ]


def test_a_telephone_number_has_one_form(con):
    same = ["13912345678", "+86 139 1234 5678", "86-13912345678", "0086 139-1234-5678", "'13912345678", "13912345678.0"]
    assert set(read(con, identity.phone, [*same, "１３９１２３４５６７８", "(139) 1234.5678"])) == {"13912345678"}
    assert read(con, identity.phone, ["+44 7700 900123", "0044 7700 900123"]) == ["447700900123"] * 2
    # 86 is taken off Chinese mobile numbers only, and no other country's prefix is guessed
    assert read(con, identity.phone, ["8612345678", "07700 900123"]) == ["8612345678", "07700900123"]
    bad = ["1.39123E+10", "12345", "00000000", "11111111111", "1234567890123456", "none", "139 1234 x5", ""]
    assert set(read(con, identity.phone, bad)) == {None}


@hypothesis_settings(max_examples=10, deadline=None, derandomize=True)
@given(texts=st.lists(st.text(min_size=0, max_size=30), min_size=1, max_size=50))
def test_whatever_the_cell_a_form_is_one_form(con, texts):
    texts = [text.replace("\0", "") for text in texts]
    texts = [text.encode("utf-8", "ignore").decode() for text in texts]
    for form in (identity.email, identity.phone):
        once = [value for value in read(con, form, texts) if value is not None]
        assert not once or read(con, form, once) == once


# ---- who bought


def test_masked_buyers_keep_their_money_and_are_no_customers(guests):
    masked = ["t***n", "张**", "李*", "t＊＊n", "***"]
    cleaned, who = guests(*((name, "a***@example.com", "138****1234") for name in masked), ("tian", "", ""))
    assert who == [None] * 5 + ["tian"]
    told = cleaned.reconciliation
    assert (told.net_kept, told.orders_without_customer, told.net_without_customer, told.customers) == (30, 5, 25, 1)


def test_a_masked_name_leaves_the_next_column_to_say_who_it_is(guests):
    _, who = guests(("t***n", "ann@example.com", ""), ("张**", "", "+86 13912345678"), ("", "", "13912345678"))
    assert who[0].startswith("email:")
    assert who[1] == who[2] == identified("phone", "13912345678")


def identified(kind, value):
    return read(ibis.duckdb.connect(), lambda text: identity.hashed(kind, text, identity.salt()), [value])[0]


def test_personal_cells_are_hashed_and_others_kept(guests):
    _, who = guests(("m1", "ann@example.com", ""), ("", "BOB+x@example.com", ""), ("", "", "13912345678"))
    assert who == ["m1", identified("email", "bob@example.com"), identified("phone", "13912345678")]
    assert all(len(name.partition(":")[2]) == 20 for name in who[1:])


def test_a_guest_goes_to_the_one_customer_with_the_same_address(guests):
    cleaned, who = guests(
        ("m1", "ann@example.com", ""), ("", "Ann@Example.com", ""),
        ("m2", "two@example.com", ""), ("m3", "two@example.com", ""), ("", "two@example.com", ""),
    )  # fmt: skip
    assert who[:2] == ["m1", "m1"]
    assert who[4] == identified("email", "two@example.com")
    assert (cleaned.reconciliation.orders_linked, cleaned.reconciliation.customers) == (1, 4)


def test_the_parameter_says_which_column_is_the_customer(guests):
    buyers = ("m1", "ann@example.com", "13912345678"), ("m2", "ann@example.com", ""), ("m2", "", "13912345678")
    assert guests(*buyers, identity="customer_id")[1] == ["m1", "m2", "m2"]
    assert guests(*buyers, identity="email")[1] == [identified("email", "ann@example.com")] * 2 + [None]
    # the order of m2 without a number goes to the number that m2 has elsewhere
    assert guests(*buyers, identity=["phone", "customer_id"])[1] == [identified("phone", "13912345678")] * 3
    assert guests(*buyers[:2], identity=["phone", "customer_id"])[1] == [identified("phone", "13912345678"), "m2"]


def test_a_column_that_is_not_there_is_told(guests, clean):
    with pytest.raises(BadParameters, match="mapping canonical knows no column for email") as caught:
        clean("order_id,customer_id,paid_at,paid\n1,a,2026-01-01,5\n", identity="email")
    assert "customer_id" in caught.value.hint
    for bad in ("mail", [], ["email", "nick"]):
        with pytest.raises(BadParameters, match=r"identity.*write customer_id, email, phone"):
            make_settings({"shop": "t", "orders": "x", "identity": bad})


def test_an_export_without_a_buyer_says_which_one_has_it(tmp_path, clean):
    (tmp_path / "guests.yml").write_text(GUESTS)
    cleaned = clean("id,at,paid\n1,2026-01-01,5\n", mapping=str(tmp_path / "guests.yml"))
    told = cleaned.reconciliation
    assert (told.net_kept, told.orders_without_customer, told.customers) == (5, 1, 0)
    assert told.no_buyer == (
        "the export has no column that names the buyer (“member” or “mail” or “tel”): The member export of the shop"
    )
    assert told.from_dict(told.as_dict()) == told


# ---- the salt


@pytest.fixture
def no_salt(monkeypatch, tmp_path):
    monkeypatch.delenv("CLVBOOK_SALT")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path / "config" / "clvbook" / "salt"


def test_a_salt_is_made_once_and_for_nobody_else(no_salt):
    first = identity.salt()
    assert len(first) == 64
    assert stat.S_IMODE(no_salt.stat().st_mode) == 0o600
    assert [path.name for path in no_salt.parent.iterdir()] == ["salt"]
    assert identity.salt() == first


def test_of_two_that_make_the_salt_at_once_one_wins(no_salt):
    found = []
    threads = [threading.Thread(target=lambda: found.append(identity.salt())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1


def test_a_salt_that_others_may_read_or_that_is_short_is_refused(no_salt, monkeypatch):
    identity.salt()
    no_salt.chmod(0o644)
    with pytest.raises(BadParameters, match="others may read"):
        identity.salt()
    no_salt.chmod(0o600)
    no_salt.write_text("short\n")
    with pytest.raises(BadParameters, match="5 characters, 16 are needed"):
        identity.salt()
    monkeypatch.setenv("CLVBOOK_SALT", "secret")
    with pytest.raises(BadParameters, match="6 characters") as caught:
        identity.salt()
    assert "secret" not in str(caught.value).replace("secrets", "")


def test_a_salt_that_cannot_be_made_is_told(no_salt):
    no_salt.parent.parent.write_text("a file where a folder should be")
    with pytest.raises(BadParameters, match="cannot be read or made") as caught:
        identity.salt()
    assert "CLVBOOK_SALT" in caught.value.hint


def test_another_salt_gives_other_names_and_another_place_in_the_cache(guests, monkeypatch):
    mapping, made = load_mapping("shopify"), Settings(shop="t", orders="none", mapping="shopify")
    who, mark = guests(("", "ann@example.com", ""))[1], identity.fingerprint(mapping, made)
    monkeypatch.setenv("CLVBOOK_SALT", "another salt altogether")
    assert guests(("", "ann@example.com", ""))[1] != who
    assert identity.fingerprint(mapping, made) != mark


def test_no_salt_is_asked_for_where_nothing_is_hashed(no_salt, clean):
    clean("order_id,customer_id,paid_at,paid\n1,a,2026-01-01,5\n")
    assert identity.fingerprint(load_mapping("canonical"), Settings(shop="t", orders="none")) is None
    assert not no_salt.exists()

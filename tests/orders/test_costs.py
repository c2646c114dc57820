"""Costs: lump sums and campaigns' own, in whatever a shop calls them, to the cent."""

from decimal import Decimal
from pathlib import Path

import pytest

from clvbook.engine import connect
from clvbook.errors import InputRefused
from clvbook.orders.costs import read_costs
from clvbook.settings import Settings

DEMO = Path(__file__).parents[2] / "data" / "demo"


@pytest.fixture
def costs(write):
    """Read cost files given as texts."""

    def read(*texts):
        paths = [Path(write(text, f"costs{place}.csv")) for place, text in enumerate(texts)]
        return read_costs(connect(Settings(shop="t", orders="none")), paths)

    return read


def test_lump_sums_and_campaigns_costs_in_the_shops_own_words(costs):
    found = costs(
        '月份,费用类型,活动,金额\n2026年10月,短信,双11,"￥1,234.50"\n2026-10,客服,,500元\n2026/9/5,礼品,,-20\n'.encode(
            "gb18030"
        )
    )
    assert [tuple(row.values()) for row in found.table.to_pyarrow().to_pylist()] == [
        ("2026-10", "短信", "双11", None, Decimal("1234.5000")),
        ("2026-10", "客服", None, None, Decimal("500.0000")),
        ("2026-09", "礼品", None, None, Decimal("-20.0000")),  # a credit
    ]
    assert (found.spent, found.kept, found.unallocated) == (Decimal("1714.5"), Decimal("1714.5"), Decimal(480))


def test_bad_rows_have_a_reason_and_money_adds_up(costs):
    head = "period,kind,amount\n"
    found = costs(head + "2026-10,sms,1e5\n2026-13,sms,5\n2026-10,,7\n2026-10,sms,1.25\n")
    assert found.account.set_aside == {"bad_amount": 1, "bad_date": 1, "missing_kind": 1}
    aside = found.set_aside.to_pyarrow().to_pylist()
    assert [(row["line"], row["reason"]) for row in aside] == [(2, "bad_amount"), (3, "bad_date"), (4, "missing_kind")]
    assert (found.spent, found.kept) == (Decimal("13.25"), Decimal("1.25"))


def test_equal_rows_stay_within_a_file_and_count_once_across_files(costs):
    text = "period,kind,amount\n2026-10,gift,5\n2026-10,gift,5\n"
    found = costs(text, text + "2026-10,gift,6\n")
    assert (found.kept, found.account.set_aside) == (Decimal(16), {"duplicate_row": 2})


def test_a_file_without_amounts_is_refused(costs):
    with pytest.raises(InputRefused, match="required columns are missing: kind, amount"):
        costs("period,what\n2026-10,sms\n")


def test_the_demos_costs_are_read_whole():
    con = connect(Settings(shop="t", orders="none"))
    found = read_costs(con, [DEMO / "costs.csv"])
    assert found.account.set_aside == {}
    assert float(found.kept) == pytest.approx(con.read_csv(str(DEMO / "costs.csv")).amount.sum().execute(), abs=0.005)

import pytest

from clvbook.simulate import catalog


def test_products_go_from_cheap_to_dear_and_their_titles_need_quoting():
    for _, products in catalog.PRODUCTS:
        prices = [price for *_, price in products]
        assert prices == sorted(prices)
    titles = [title for _, products in catalog.PRODUCTS for _, title, _ in products]
    assert len(set(titles)) == len(titles)
    assert any("," in title for title in titles)
    assert any('"' in title for title in titles)


def test_shares_sum_to_one():
    assert sum(catalog.CATEGORY_SHARES) == pytest.approx(1)
    assert len(catalog.CATEGORY_SHARES) == len(catalog.PRODUCTS)
    assert sum(share for _, share, *_ in catalog.SOURCES) == pytest.approx(1)
    assert len(catalog.TIERS) == len(catalog.TIER_SPEND) + 1

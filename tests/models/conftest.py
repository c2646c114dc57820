"""The CDNOW sample as its papers use it, and models fitted to it: what the tests of this folder share."""

import warnings
from pathlib import Path

import pandas as pd
import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import lifetimes
    from lifetimes.utils import summary_data_from_transaction_data

from clvbook.models import BetaGeoFitter, GammaGammaFitter

DATASETS = Path(lifetimes.__file__).parent / "datasets"


@pytest.fixture(scope="session")
def cdnow() -> pd.DataFrame:
    """2,357 customers to 1997-09-30, weeks = days / 7 (Fader, Hardie & Lee 2005): lifetimes' own sample file."""
    names = ["master_id", "customer_id", "date", "quantity", "amount"]
    rows = pd.read_csv(DATASETS / "CDNOW_sample.txt", sep=r"\s+", header=None, names=names, dtype={"date": str})
    return summary_data_from_transaction_data(
        rows.assign(date=pd.to_datetime(rows.date, format="%Y%m%d")),
        "customer_id",
        "date",
        "amount",
        freq="D",
        freq_multiplier=7,
        observation_period_end="1997-09-30",
    )


@pytest.fixture(scope="session")
def rounded() -> pd.DataFrame:
    """The same customers with times rounded to 0.01 weeks: the summary that lifetimes' Quickstart loads."""
    frame = pd.read_csv(DATASETS / "cdnow_customers_summary_with_transactions.csv", index_col=0)
    return frame.set_axis(["frequency", "recency", "T", "monetary_value"], axis=1)


@pytest.fixture(scope="session")
def orders(cdnow) -> BetaGeoFitter:
    return BetaGeoFitter().fit(cdnow["frequency"], cdnow["recency"], cdnow["T"])


@pytest.fixture(scope="session")
def spend(cdnow) -> GammaGammaFitter:
    repeat = cdnow[cdnow["frequency"] > 0]
    return GammaGammaFitter().fit(repeat["frequency"], repeat["monetary_value"])


@pytest.fixture
def at():
    """A BG/NBD model at given parameters, its customers all of age T."""

    def build(r: float, alpha: float, a: float, b: float, T: float = 39.0) -> BetaGeoFitter:
        model = BetaGeoFitter()
        model.params_ = pd.Series([r, alpha, a, b], index=["r", "alpha", "a", "b"])
        model.data = pd.DataFrame({"frequency": [0], "recency": [0.0], "T": [T], "weights": [1]})
        return model

    return build

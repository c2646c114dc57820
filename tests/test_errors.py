"""errors.py: a fact with its hint, and a missing figure that keeps its reason."""

import pickle

import pytest

from clvbook import errors
from clvbook.errors import ClvbookError, NotComputable


def test_an_error_is_a_fact_then_a_hint():
    error = errors.InputRefused("3 of 10 rows have no day", "bring the export with the payment time")
    assert str(error) == "3 of 10 rows have no day\nHint: bring the export with the payment time"


def test_exit_codes_are_those_of_the_contract():
    # the design, "Commands": 2 bad parameters, 3 input refused, 4 notebook failed, 5 timeout, 6 kernel died, 7 publish
    found = {
        kind.__name__: kind.exit_code for kind in ClvbookError.__subclasses__() if kind.__module__ == "clvbook.errors"
    }
    assert found == {
        "BadParameters": 2,
        "InputRefused": 3,
        "NotebookFailed": 4,
        "NotebookTimeout": 5,
        "KernelDied": 6,
        "PublishFailed": 7,
    }


def test_a_missing_figure_prints_its_reason_and_nothing_else():
    missing = NotComputable("margin_rate is not set")
    assert f"{missing:,.2f}" == str(missing) == "margin_rate is not set"
    assert not missing


def test_what_is_computed_with_a_missing_figure_is_missing_for_the_same_reason():
    missing = NotComputable("3 customers")
    for derived in [missing.total, missing["x"], missing.sum(), -missing, 2 * missing + 1, 1 / missing, abs(missing)]:
        assert derived is missing


def test_protocols_are_not_answered_by_a_missing_figure():
    with pytest.raises(AttributeError):
        _ = NotComputable("why")._repr_html_
    assert pickle.loads(pickle.dumps(NotComputable("why"))) == NotComputable("why")


def test_a_missing_figure_cannot_be_looped_over():
    with pytest.raises(TypeError):
        list(NotComputable("why"))

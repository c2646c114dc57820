import json
from dataclasses import asdict

from clvbook.simulate import read_truth, simulate_shop
from clvbook.simulate.truth import STAGES, Parameters


def test_truth_json_says_what_was_returned(tmp_path):
    truth = simulate_shop(tmp_path, customers=500, months=14, seed=3)
    assert asdict(read_truth(tmp_path)) == json.loads(json.dumps(asdict(truth)))
    assert truth.parameters["r"] == Parameters().r
    assert list(truth.lift) == list(STAGES)

"""The plan in lines for a person."""

from pipeline.planning.description import describe_plan
from pipeline.planning.planner import make_plan
from tests.builders import make_config


def test_treatments_apply_to_suitable_columns_and_are_described(folder):
    features = {"scale": "robust", "encode": "hash", "cyclical": True, "cross": [["c", "t.hour"]], "exclude": ["n"]}
    chosen = make_plan(make_config(folder, features={**features, "columns": {"x": {"scale": "none", "log1p": True}}}))
    assert chosen.features.columns.options == {
        "x": {"scale": "none", "log1p": True},
        "c": {"scale": "robust", "encode": "hash"},
        "t": {"scale": "robust", "cyclical": True},
        "amount": {"scale": "robust"},
        "three": {"scale": "robust"},
        "c:t.hour": {"scale": "robust", "encode": "hash"},
    }
    lines = "\n".join(describe_plan(chosen))
    assert "scale none, log1p True" in lines
    assert "left out: features.exclude" in lines

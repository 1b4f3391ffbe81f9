"""What is decided, and refused, before the first row is read."""

import pytest

from pipeline.errors import ConfigError, DataError
from pipeline.inference.scoring_plan import config_for
from pipeline.models.persistence import dumps
from tests.builders import make_table, write_parquet
from tests.inference.builders import scored

CASES = [
    ({"keep": ["idd"], "frame": lambda f: f.assign(id=1)}, ConfigError, "--keep idd: no such column; did you mean id"),
    ({"keep": ["prediction"], "frame": lambda f: f.assign(prediction=1)}, ConfigError, "of this name"),
    ({"frame": lambda f: f.drop(columns="x")}, DataError, "column 'x': missing from the data"),
    ({"frame": lambda f: f.assign(x="a")}, DataError, "column 'x': category in the data, but numeric"),
    ({"prepare": {"filter": {"late": "gone > 1"}}}, ConfigError, "prepare.filter.late.*gone"),
]


@pytest.mark.parametrize(("keys", "kind", "message"), CASES)
def test_a_wrong_plan_is_refused_before_anything_is_read(model, tmp_path, keys, kind, message):
    write_parquet(keys.pop("frame", lambda f: f)(make_table(60)), tmp_path / "in", 1)
    with pytest.raises(kind, match=message):
        scored(model, tmp_path / "in", tmp_path / "out", **keys)


def test_predictions_are_not_written_among_the_input(model, tmp_path):
    write_parquet(make_table(60), tmp_path / "in", 1)
    with pytest.raises(ConfigError, match="lies in the input"):
        scored(model, tmp_path / "in", tmp_path / "in/out")


def test_the_config_is_that_of_the_run_as_far_as_it_prepares_rows(model, tmp_path):
    (tmp_path / "model.skops").write_bytes(dumps(model))
    (tmp_path / "config.toml").write_text(
        '[data]\npath = "s3://***@gone/x"\nlabel = "y"\nfilters = [["n", ">", 1]]\n[prepare.derive]\nz = "n"\n'
        '[split]\npath = "gone"\n[evaluate]\nthreshold = 0.3\nslices = ["c"]\nmetrics = ["gone:Gone"]\n'
    )
    for place in (tmp_path, tmp_path / "model.skops"):
        config = config_for(str(place), "new", ["prepare.derive.z=n + 1"])
        assert (config.data.path, config.data.filters, config.evaluate.threshold) == ("new", [("n", ">", 1)], 0.3)
        assert config.prepare.derive == {"z": "n + 1"}
        assert (config.split.path, config.evaluate.slices, config.evaluate.metrics) == (None, [], [])

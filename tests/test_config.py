import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import config as cfg
from pipeline.datasets import flights
from pipeline.errors import ConfigError

MINIMAL = '[data]\npath = "d"\nlabel = "y"\n'


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "c.toml"
    file.write_text(MINIMAL)
    return file


def test_defaults_overrides_and_the_way_back(path, tmp_path):
    config = cfg.load(path, ("train.epochs=3", "data.path=some/where", 'split.by="batch"', "features.numeric=['a']"))
    assert (config.train.epochs, config.data.path, config.split.by) == (3, "some/where", "batch")
    assert config.features.numeric == ["a"]
    (tmp_path / "again.toml").write_text(cfg.dump(config))
    assert cfg.load(tmp_path / "again.toml") == config
    assert cfg.load(flights.CONFIG).data.label == "late"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("evaluate.bootstrap=10", "evaluate.bootstrap: 10 resamples are too few for a 95% interval"),
        ("evaluate.slices=[['a', 'b', 'c']]", "evaluate.slices"),
        ("evaluate.threshold=1.5", "evaluate.threshold"),
        ("data.lable=1", "data.lable: unknown config key; did you mean label"),
        ("trian.epochs=1", "trian: unknown config key; did you mean train"),
        ("train.epochs=0", "train.epochs: Expected `int` >= 1"),
        ("data.batch_rows=0", 'data.batch_rows: Expected `int` >= 1 (allowed words: "auto", "file"); see'),
        (
            "features.columns.x={impute='x'}",
            "features.columns.x.impute: Invalid enum value 'x' (allowed words: \"m",
        ),
        ("split.by=hour", "split.by: Invalid enum value 'hour' (allowed words: \"row"),
        (
            "data.join=[{path='a',on=['b'],how='x'}]",
            "data.join[0].how: Invalid enum value 'x' (allowed words: \"",
        ),
        ("train.epochs='two'", "train.epochs: Expected `int`, got `str`"),
        ("split.test=1.5", "split.test"),
        ("data.batch_rows=sometimes", "data.batch_rows"),
        ("split.by=group", "split.column: missing"),
        ("train.lanes=0", "train.lanes"),
        ("train.early_stopping=maybe", "train.early_stopping"),
        ("data.path.deep=1", "is a value, not a section"),
        ("nonsense", "not of the form section.key=value"),
    ],
)
def test_mistakes_are_sentences(path, override, message):
    with pytest.raises(ConfigError) as caught:
        cfg.load(path, (override,))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", ["[data", "", "[data]\npath='x'\n", "\x00"])
def test_files_that_are_no_config(path, content):
    path.write_text(content)
    with pytest.raises(ConfigError):
        cfg.load(path)
    with pytest.raises(ConfigError, match="cannot read the config"):
        cfg.load(path.parent / "none.toml")


@given(
    st.recursive(
        st.none() | st.integers() | st.text(max_size=5) | st.booleans(),
        lambda inner: st.dictionaries(st.sampled_from(["data", "path", "train", "x"]), inner, max_size=3),
    )
)
def test_any_tree_is_a_config_or_a_config_error(raw):
    with contextlib.suppress(ConfigError):
        assert cfg.parse(raw if isinstance(raw, dict) else {"data": raw}).data.path

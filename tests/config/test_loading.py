import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import config as cfg
from pipeline.datasets import flights
from pipeline.errors import ConfigError


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "c.toml"
    file.write_text('[data]\npath = "d"\nlabel = "y"\n')
    return file


def test_load_fills_in_defaults_and_applies_overrides_in_order(path):
    overrides = ("train.epochs=2", "train.epochs=3", "data.path=some/where", "features.numeric=['a']")
    config = cfg.load(path, overrides)
    assert (config.train.epochs, config.data.path, config.features.numeric) == (3, "some/where", ["a"])
    assert (config.train.lanes, config.split.by, config.data.label) == (1, "row", "y")


def test_load_reads_the_config_of_the_demo():
    assert cfg.load(flights.CONFIG).data.label == "late"


@pytest.mark.parametrize("content", ["[data", "", "[data]\npath='x'\n", "\x00"])
def test_load_of_a_text_that_is_no_config_raises(path, content):
    path.write_text(content)
    with pytest.raises(ConfigError):
        cfg.load(path)


def test_load_of_a_missing_or_binary_file_names_it(path):
    with pytest.raises(ConfigError, match=r"none\.toml: cannot read the config"):
        cfg.load(path.parent / "none.toml")
    path.write_bytes(b"\xff")
    with pytest.raises(ConfigError, match=r"c\.toml: not valid TOML"):
        cfg.load(path)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("evaluate.slices=[['a', 'b', 'c']]", "evaluate.slices"),
        ("evaluate.threshold=1.5", "evaluate.threshold"),
        ("train.epochs=0", "train.epochs: Expected `int` >= 1"),
        ("train.epochs='two'", "train.epochs: Expected `int`, got `str`"),
        ("split.test=1.5", "split.test"),
        ("data.batch_rows=sometimes", "data.batch_rows"),
        ("train.lanes=0", "train.lanes"),
        ("train.early_stopping=maybe", "train.early_stopping"),
        ("data.path.deep=1", "is a value, not a section"),
        ("nonsense", "not of the form section.key=value"),
    ],
)
def test_load_with_a_wrong_value_raises_one_sentence_that_names_the_key(path, override, message):
    with pytest.raises(ConfigError) as caught:
        cfg.load(path, (override,))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@given(
    st.recursive(
        st.none() | st.integers() | st.text(max_size=5) | st.booleans(),
        lambda inner: st.dictionaries(st.sampled_from(["data", "path", "train", "x"]), inner, max_size=3),
    )
)
def test_parse_of_any_tree_gives_a_config_or_a_config_error(raw):
    with contextlib.suppress(ConfigError):
        assert cfg.parse(raw if isinstance(raw, dict) else {"data": raw}).data.path


def test_section_is_unchecked_and_empty_if_missing_or_unreadable():
    text = "[cluster]\nworkers = 'many'\n"
    assert cfg.section("cluster", text, ("cluster.timeout=5",)) == {"workers": "many", "timeout": 5}
    assert cfg.section("train", text) == cfg.section("cluster", "[") == cfg.section("cluster", "cluster = 1") == {}

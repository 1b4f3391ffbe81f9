from pipeline import config as cfg
from tests.builders import make_config


def test_dumped_config_is_loaded_as_it_was(tmp_path):
    join = {"path": "j", "on": ["k"], "columns": ["v"]}
    raw = {"data": {"path": "d", "label": "y", "join": [join]}, "search": {"space": {"train.lanes": [1, 2]}}}
    config = cfg.parse(raw)
    (tmp_path / "c.toml").write_text(cfg.dump(config))
    assert cfg.load(tmp_path / "c.toml") == config


def test_dump_leaves_out_search_unless_something_is_searched():
    assert "[search]" not in cfg.dump(make_config("d"))


def test_flat_joins_the_names_of_nested_tables():
    assert cfg.flat({"a": {"b": {"c": 1}, "d": [2]}, "e": {}}) == {"a.b.c": 1, "a.d": [2]}

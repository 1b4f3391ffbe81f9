import tomllib

import pytest

from pipeline.config import TableVersions, dump, pin_versions
from pipeline.errors import ConfigError
from tests.builders import make_config

JOIN = {"on": ["k"], "columns": ["v"]}


def test_versions_are_filled_in_where_the_newest_was_meant():
    config = make_config("t", data={"join": [JOIN | {"path": "a"}, JOIN | {"path": ["b", "c"], "version": 1}]})
    versions = TableVersions(3, None, {"a": 7, "b, c": 8})
    pinned = pin_versions(config, versions)
    assert (pinned.data.version, pinned.split.version) == (3, None)
    assert [join.version for join in pinned.data.join] == [7, 1]
    assert TableVersions.of_saved(tomllib.loads(dump(pinned))) == TableVersions(3, None, {"a": 7, "b, c": 1})
    assert pin_versions(pinned, TableVersions(4, 5, {"a": 9})).data == pinned.data


def test_a_config_without_tables_stays_as_it_is():
    config = make_config("", data={"path": ["a", "b"]}, split={"path": "c"})
    assert pin_versions(config, TableVersions()) == config
    assert TableVersions.of_saved(tomllib.loads(dump(config))) == TableVersions()


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"path": []}, r"data\.path: "),
        ({"path": ["a", 1]}, r"data\.path"),
        ({"version": -1}, r"data\.version: "),
        ({"version": "3"}, r"data\.version: "),
    ],
)
def test_paths_and_versions_of_other_types_are_named(keys, message):
    with pytest.raises(ConfigError, match=message):
        make_config("t", data=keys)

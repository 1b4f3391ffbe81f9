import numpy as np

from pipeline.encoding.output_names import bin_names, bucket_names, category_names, table_names


def test_each_block_names_its_columns():
    assert table_names("t.hour", "cyclical", 2) == ["t.hour.sin", "t.hour.cos"]
    assert table_names("c", "target", 1) == ["c"]
    assert table_names("c", "target", 3) == ["c.0", "c.1", "c.2"]
    assert category_names("c", ["a", 1], True, True) == ["c=a", "c=1", "c=missing", "c=other"]
    assert category_names("c", ["a"], False, False) == ["c=a"]
    assert bucket_names("w", 2) == ["w#0", "w#1"]
    assert bin_names("n", np.array([1.5, 1e6]), True) == [
        "n=[-inf, 1.5)",
        "n=[1.5, 1e+06)",
        "n=[1e+06, inf)",
        "n=missing",
    ]
    assert bin_names("n", np.empty(0), False) == ["n=[-inf, inf)"]

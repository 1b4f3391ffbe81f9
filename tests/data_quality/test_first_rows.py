"""What names and first rows show."""

import numpy as np
import pandas as pd
import pytest

from pipeline.data_quality.first_rows import findings_in_first_rows
from pipeline.preparation.columns import Columns
from tests.builders import make_config

CONFIG = make_config("data")


def kinds(**columns):
    frame = pd.DataFrame(columns)
    numbers = tuple(name for name in frame if frame[name].dtype.kind in "iufb")
    chosen = Columns(numeric=numbers, categorical=tuple(name for name in frame if name not in numbers))
    frame = frame.astype(dict.fromkeys(chosen.categorical, "str"))
    return {each.column: each.kind for each in findings_in_first_rows(frame, chosen, CONFIG)}


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_numbers_that_are_given_once_are_identifiers_and_measured_ones_are_not(rng):
    rows = 8_000
    assert kinds(
        running=rng.permutation(rows),
        with_gaps=np.where(np.arange(rows) % 7 == 0, np.nan, np.arange(rows) * 3.0),
        random=rng.integers(0, 10**15, rows),
        order_id=rng.lognormal(20, 2, rows).astype(np.int64),
        population=rng.lognormal(15, 2, rows).astype(np.int64),
        age=rng.integers(0, 99, rows),
        x=rng.normal(size=rows),
        big=rng.normal(size=rows) * 1e6,
        flag=rng.integers(0, 2, rows).astype(bool),
    ) == {"running": "identifier", "with_gaps": "identifier", "random": "identifier", "order_id": "identifier"}


def test_few_rows_tell_little(rng):
    assert kinds(amount=rng.integers(0, 10**6, 300), row=np.arange(300)) == {"row": "identifier"}
    assert kinds(row=np.arange(50), when=["2026-01-31"] * 50) == {}
    assert kinds(x=np.full(0, 1.0)) == {}


def test_weights_need_values_of_weights(rng):
    assert kinds(weight=rng.uniform(1, 9, 500)) == {"weight": "weight"}
    assert kinds(weight=np.append(rng.uniform(1, 9, 490), np.zeros(10))) == {"weight": "weight"}
    assert kinds(weight=rng.normal(size=500)) == {}
    assert kinds(weight=rng.uniform(50, 90, 500), height=rng.uniform(1.5, 2, 500)) == {}


def test_texts_of_dates_and_numbers(rng):
    days = pd.date_range("2024-01-01", periods=400)
    assert kinds(
        day=days.strftime("%d.%m.%Y"),
        nearly=[*days[:390].strftime("%Y-%m-%d"), *["unknown"] * 10],
        amount=rng.normal(size=400).round(3).astype(str),
        zip_code=[f"{i:05d}" for i in range(400)],
        name=[f"n{i}" for i in range(400)],
        few=rng.integers(0, 9, 400).astype(str),
    ) == {"day": "dates", "nearly": "dates", "amount": "numbers as text"}


def test_codes_and_owners_are_known_by_name_and_number_of_values(rng):
    assert kinds(
        zip=rng.integers(0, 90, 2_000),
        product_type=rng.integers(0, 9, 2_000),
        count=rng.integers(0, 9, 2_000),
        type=rng.integers(0, 2, 2_000),
        user_id=rng.integers(0, 300, 2_000),
    ) == {"zip": "code", "product_type": "code", "user_id": "repeated identifier"}

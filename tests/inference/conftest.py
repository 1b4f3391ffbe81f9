import pytest
from sklearn.pipeline import Pipeline

from tests.inference.builders import trained


@pytest.fixture(scope="module")
def model() -> Pipeline:
    return trained()

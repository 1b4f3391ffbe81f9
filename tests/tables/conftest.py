"""What the tests of whole tables share: a session in this process."""

from collections.abc import Iterator

import pytest

from pipeline import config as cfg
from pipeline.engine.cluster.session import Session, connect


@pytest.fixture(scope="package")
def threads() -> Iterator[Session]:
    with connect(cfg.ClusterConfig(workers=0)) as session:
        yield session

"""A run whose network is cut: ``python -m tests.faults.cut_network DATA SECONDS`` prints its fingerprint."""

import subprocess
import sys
import threading
import time

import dask

from pipeline import config as cfg
from pipeline.engine.cluster.session import connect
from pipeline.models import persistence
from tests.builders import execute, make_small_config


def set_link(state: str) -> None:
    subprocess.run(["ip", "link", "set", "lo", state], check=True)


def main() -> None:
    """Cut the network soon after the run began, for some seconds (0: for good)."""
    data, seconds = sys.argv[1], float(sys.argv[2])
    set_link("up")
    timeouts = {"distributed.comm.timeouts.tcp": "11s", "distributed.comm.timeouts.connect": "4s"}
    with dask.config.set(timeouts), connect(cfg.ClusterConfig(workers=2, dashboard="127.0.0.1:0")) as session:
        config = make_small_config(data, prepare={"function": "tests.faults.user_code:slow"}, data={"keep": "reread"})

        def cut() -> None:
            time.sleep(1.5)
            set_link("down")
            if seconds:
                time.sleep(seconds)
                set_link("up")

        threading.Thread(target=cut, daemon=True).start()
        print(persistence.fingerprint(execute(session, config).model))


if __name__ == "__main__":
    main()

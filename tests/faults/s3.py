"""An S3 with a folder of data in it: ``python -m tests.faults.s3 HOST PORT FOLDER``; says when it is there."""

import logging
import sys
import threading

import fsspec
from moto.server import ThreadedMotoServer


def main() -> None:
    """Serve until somebody ends the process."""
    host, port, folder = sys.argv[1:]
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    ThreadedMotoServer(ip_address=host, port=int(port), verbose=False).start()
    endpoint = {"endpoint_url": f"http://{host}:{port}"}
    store = fsspec.filesystem("s3", key="k", secret="s", client_kwargs=endpoint)
    store.mkdir("bucket")
    store.put(folder, "bucket/data", recursive=True)
    print("there", flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()

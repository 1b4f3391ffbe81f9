"""An S3 server with data: ``python -m tests.faults.s3_server HOST FOLDER`` prints its address when it is ready."""

import logging
import sys
import threading

import fsspec
from moto.server import ThreadedMotoServer


def main() -> None:
    """Serve until the process is ended."""
    host, folder = sys.argv[1:]
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address=host, port=0, verbose=False)
    server.start()
    endpoint = f"http://{host}:{server.get_host_and_port()[1]}"
    store = fsspec.filesystem("s3", key="k", secret="s", client_kwargs={"endpoint_url": endpoint})
    store.mkdir("bucket")
    store.put(folder, "bucket/data", recursive=True)
    print(f"S3 at {endpoint}", flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()

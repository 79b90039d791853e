"""An S3 server of this machine with one bucket."""

import os
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from unittest.mock import patch

BUCKET = "lists"


@contextmanager
def s3_server(folder):
    """Context manager: the environment variables of clients of a new server, which logs into ``folder``."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    names = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
    names["AWS_ENDPOINT_URL"] = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with (folder / "server.log").open("w") as log, subprocess.Popen(command, stdout=log, stderr=log) as server:
        try:
            _wait_for(port)
            import s3fs

            s3fs.S3FileSystem.clear_instance_cache()
            with patch.dict(os.environ, names):
                s3fs.S3FileSystem().mkdir(BUCKET)
            s3fs.S3FileSystem.clear_instance_cache()
            yield names
        finally:
            server.kill()


def _wait_for(port):
    for _ in range(1200):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("the S3 server does not start")

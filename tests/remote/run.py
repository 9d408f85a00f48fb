#!/usr/bin/env python3
"""Starts what keeps states behind a network on this machine, and runs a command that finds them in its environment.

    tests/remote/run.py DIRECTORY COMMAND...

S3 is moto's server, Azure Blob Storage is azurite, Google Cloud Storage a fake of ours (google.py). The first two are installed into
the directory unless they are there. Needs Python with venv and pip, and Node with npm.
"""
import base64
import hashlib
import hmac
import http.client
import json
import os
import pathlib
import socket
import subprocess
import sys
import time
from email.utils import formatdate

HERE = pathlib.Path(__file__).parent
# The account that azurite knows, and no other does.
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def install(directory):
    python = directory / "python" / "bin"
    if not (python / "moto_server").exists():
        subprocess.run([sys.executable, "-m", "venv", directory / "python"], check=True)
        subprocess.run([python / "pip", "install", "--quiet", "--disable-pip-version-check", "moto[server]==5.2.2"], check=True)
    azurite = directory / "node_modules" / ".bin" / "azurite-blob"
    if not azurite.exists():
        subprocess.run(["npm", "install", "--silent", "--no-fund", "--no-audit", "--prefix", directory, "azurite@3.35.0"], check=True)
    return python / "moto_server", azurite


def answers(port):
    for _ in range(300):
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.1)
    sys.exit(f"nothing listens on port {port}")


def put(port, path, headers=None, body=b""):
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("PUT", path, body, {"Content-Length": str(len(body))} | (headers or {}))
    answer = connection.getresponse()
    if answer.status not in (200, 201):
        sys.exit(f"{path}: {answer.status} {answer.read()[:500]}")


def container(port):
    """Azure's containers cannot be made without a signature."""
    headers = {"x-ms-date": formatdate(usegmt=True), "x-ms-version": "2021-08-06"}
    lines = ["PUT", *[""] * 11, *(f"{name}:{value}" for name, value in sorted(headers.items()))]
    text = "\n".join([*lines, f"/{ACCOUNT}/{ACCOUNT}/rooms", "restype:container"])
    signature = base64.b64encode(hmac.digest(base64.b64decode(KEY), text.encode(), hashlib.sha256)).decode()
    put(port, f"/{ACCOUNT}/rooms?restype=container", headers | {"Authorization": f"SharedKey {ACCOUNT}:{signature}"})


def main(directory, *command):
    moto, azurite = install(pathlib.Path(directory).resolve())
    s3, azure, google = free_port(), free_port(), free_port()
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    servers = [
        subprocess.Popen([moto, "-H", "127.0.0.1", "-p", str(s3)], **quiet),
        subprocess.Popen([azurite, "--disableTelemetry", "--inMemoryPersistence", "--silent", "--skipApiVersionCheck",
                          "--blobHost", "127.0.0.1", "--blobPort", str(azure)], **quiet),
        subprocess.Popen([sys.executable, HERE / "google.py", str(google)], **quiet),
    ]
    try:
        for port in (s3, azure, google):
            answers(port)
        authorization = {"Authorization": "AWS4-HMAC-SHA256 Credential=x/20260101/us-east-1/s3/aws4_request"}
        for bucket in ("rooms", "versioned"):
            put(s3, f"/{bucket}", authorization)
        put(s3, "/versioned?versioning", authorization, b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>")
        container(azure)
        environment = os.environ | {
            "ROOMCTL_TEST_STATES": "s3://rooms az://rooms gs://rooms",
            "AWS_ACCESS_KEY_ID": "made-up", "AWS_SECRET_ACCESS_KEY": "canary-s3", "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{s3}",
            "AZURE_STORAGE_ACCOUNT_NAME": ACCOUNT, "AZURE_STORAGE_ACCOUNT_KEY": KEY,
            "AZURE_STORAGE_ENDPOINT": f"http://127.0.0.1:{azure}/{ACCOUNT}",
            "GOOGLE_BASE_URL": f"http://127.0.0.1:{google}",
            "GOOGLE_SERVICE_ACCOUNT_KEY": json.dumps({"gcs_base_url": f"http://127.0.0.1:{google}", "disable_oauth": True, "client_email": "",
                                                      "private_key": "", "private_key_id": ""}),
        }
        return subprocess.run(command, env=environment).returncode
    finally:
        for server in servers:
            server.kill()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

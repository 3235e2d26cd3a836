# SPDX-License-Identifier: Apache-2.0
"""A receiver of OTLP/HTTP logs in JSON that takes only what the protocol's published schema allows.

The schema: the protocol's own messages, where python3-opentelemetry-proto is installed, and
tests/data/otlp-logs.schema.json, where python3-jsonschema is.
"""
import http.server
import json
import os
import threading
from dataclasses import dataclass, field

from runtime import REPO

try:
    import jsonschema
except ImportError:
    jsonschema = None
try:
    from google.protobuf import json_format
    from opentelemetry.proto.collector.logs.v1 import logs_service_pb2
except ImportError:
    json_format = None
CAN_CHECK = bool(jsonschema or json_format)


def check(body):
    """The request as a tree; ValueError and the like if it is none."""
    assert CAN_CHECK, "neither python3-jsonschema nor python3-opentelemetry-proto"
    if json_format:
        json_format.Parse(body, logs_service_pb2.ExportLogsServiceRequest())
    tree = json.loads(body)
    if jsonschema:
        with open(f"{REPO}/tests/data/otlp-logs.schema.json", encoding="utf-8") as f:
            jsonschema.Draft202012Validator(json.load(f)).validate(tree)
    return tree


@dataclass
class Answer:
    status: int = 200
    body: bytes = b"{}"
    headers: dict = field(default_factory=dict)
    serve: object = None    # instead of all that: what is called with the handler


def value_of(any_value):
    """What an AnyValue stands for."""
    if not any_value:
        return None
    (kind, v), = any_value.items()
    if kind == "intValue":
        return int(v)
    if kind == "arrayValue":
        return [value_of(x) for x in v["values"]]
    if kind == "kvlistValue":
        return attributes_of(v["values"])
    return v


def attributes_of(pairs):
    found = {p["key"]: value_of(p["value"]) for p in pairs}
    assert len(found) == len(pairs), f"a key twice: {pairs}"
    return found


class Collector(http.server.ThreadingHTTPServer):
    """On the loopback device.  It gives the answers in their order, then 200 to all that follow."""

    daemon_threads = True

    def __init__(self, *answers, tls=None, path="/v1/logs"):
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers = list(answers)
        self.requests = []      # trees
        self.headers = []
        self.bad = []           # why requests were none
        self.path = path
        self.scheme = "https" if tls else "http"
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_side=True)

    @property
    def url(self):
        return f"{self.scheme}://localhost:{self.server_address[1]}"

    @property
    def records(self):
        """What all requests held, each record with its resource's attributes."""
        return [(r, attributes_of(x["resource"]["attributes"])) for t in self.requests
                for x in t["resourceLogs"] for s in x["scopeLogs"] for r in s["logRecords"]]

    def handle_error(self, request, client_address):
        pass    # who hangs up in the middle

    def __enter__(self):
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()
        return super().__enter__()

    def __exit__(self, *exc):
        self.shutdown()
        super().__exit__(*exc)
        assert not self.bad, self.bad


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        try:
            assert self.path == self.server.path, self.path
            assert self.headers["Content-Type"] == "application/json"
            self.server.requests.append(check(body))
            self.server.headers.append(self.headers)
        except Exception as e:    # whatever is wrong with it, the test has to know
            self.server.bad.append(f"{e}: {body}")
            self.send_error(400)
            return
        answer = self.server.answers.pop(0) if self.server.answers else Answer()
        if answer.serve:
            answer.serve(self)
            return
        self.send_response(answer.status)
        for name, value in {"Content-Type": "application/json",
                            "Content-Length": str(len(answer.body)), **answer.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer.body)

    def log_message(self, *args):
        pass

# SPDX-License-Identifier: Apache-2.0
"""A tiny npm registry: one package, answered over HTTP."""
import base64
import hashlib
import http.server
import io
import json
import socket
import tarfile
import threading

NAME = "left-aligned"


def tarball():
    files = {
        "package/package.json": json.dumps({"name": NAME, "version": "1.0.0", "main": "i.js"}),
        "package/i.js": "module.exports = s => 'left ' + s;\n",
    }
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as t:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(text)
            t.addfile(info, io.BytesIO(text.encode()))
    return out.getvalue()


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, host, port):
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, port), Handler)
        self.tarball = tarball()
        literal = f"[{host}]" if ":" in host else host
        self.url = f"http://{literal}:{port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def stop(self):
        self.shutdown()
        self.server_close()


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        s = self.server
        if self.path.endswith(".tgz"):
            self.answer(s.tarball, "application/octet-stream")
        elif self.path == "/" + NAME:
            integrity = "sha512-" + base64.b64encode(hashlib.sha512(s.tarball).digest()).decode()
            self.answer(json.dumps({
                "name": NAME, "dist-tags": {"latest": "1.0.0"},
                "versions": {"1.0.0": {"name": NAME, "version": "1.0.0", "main": "i.js", "dist": {
                    "tarball": f"{s.url}/{NAME}/-/{NAME}-1.0.0.tgz", "integrity": integrity}}},
            }).encode(), "application/json")
        else:
            self.send_error(404)

    def answer(self, data, kind):
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass

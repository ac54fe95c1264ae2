#!/usr/bin/python3
"""imds.py NOTICE: EC2's metadata service (IMDSv2) on a free port of 127.0.0.1, which it prints. spot/instance-action is 404 until
the file NOTICE exists, then the file's content. Ends when its stdin ends."""
import http.server
import os
import secrets
import sys
import threading
import time

NOTICE = sys.argv[1]
TOKENS = {}
VALUES = {
    "instance-id": "i-0123456789abcdef0",
    "instance-type": "c6i.8xlarge",
    "instance-life-cycle": "spot",
    "placement/availability-zone": "eu-central-1a",
    "placement/region": "eu-central-1",
}


class Service(http.server.BaseHTTPRequestHandler):
    def do_PUT(self):
        lifetime = self.headers.get("X-aws-ec2-metadata-token-ttl-seconds", "")
        if self.path != "/latest/api/token" or not lifetime.isdigit() or not 1 <= int(lifetime) <= 21600:
            return self.answer(400, "")
        token = secrets.token_urlsafe(32)
        TOKENS[token] = time.monotonic() + int(lifetime)
        self.answer(200, token, {"X-aws-ec2-metadata-token-ttl-seconds": lifetime})

    def do_GET(self):
        if TOKENS.get(self.headers.get("X-aws-ec2-metadata-token"), 0) < time.monotonic():
            return self.answer(401, "")
        name = self.path.removeprefix("/latest/meta-data/")
        if name == "spot/instance-action" and os.path.exists(NOTICE):
            with open(NOTICE) as file:
                return self.answer(200, file.read())
        self.answer(200, VALUES[name]) if name in VALUES else self.answer(404, "")

    def answer(self, status, text, headers=()):
        body = text.encode()
        self.send_response(status)
        for name, value in dict(headers).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    def handle_error(self, request, client_address):
        # A machine that is destroyed hangs up in the middle of an answer.
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


server = Server(("127.0.0.1", 0), Service)
print(server.server_port, flush=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
sys.stdin.read()

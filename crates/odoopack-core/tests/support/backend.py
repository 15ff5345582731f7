"""Stands for the gate or for Odoo: says in JSON what it was asked, and as which request of its connection, which it keeps
unless it is asked to close it. Arguments: label, then a port or a socket path."""
import http.server
import json
import os
import socket
import socketserver
import sys

LABEL, PLACE = sys.argv[1:]


class Answer(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    nth = 0

    def address_string(self):
        return "test"

    def log_message(self, *args):
        pass

    def answer(self):
        self.nth += 1
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("Upgrade"):
            self.close_connection = True
            return self.wfile.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\nframe")
        if self.path == "/die":
            self.close_connection = True
            return self.connection.close()
        said = {"by": LABEL, "method": self.command, "path": self.path, "body": len(body), "nth": self.nth,
                "headers": {k.lower(): v for k, v in self.headers.items()}}
        text = json.dumps(said).encode()
        self.send_response(500 if self.path == "/broken" else 200)
        if self.path == "/accel":
            text = b""
            self.send_header("X-Accel-Redirect", "/web/filestore/prod/ab/abcd")
            self.send_header("Content-Security-Policy", "default-src 'none'")
            self.send_header("X-Content-Type-Options", "nosniff")
            self.send_header("Content-Type", "image/svg+xml")
        elif self.path == "/web":
            self.send_header("X-Frame-Options", "DENY")
        self.send_header("Set-Cookie", "session_id=abc; HttpOnly; Path=/")
        self.send_header("Content-Length", str(len(text)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = do_HEAD = answer


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def server_bind(self):
        self.socket.bind(self.server_address)


if PLACE.isdigit():
    server = Server(("127.0.0.1", int(PLACE)), Answer)
else:
    Server.address_family = socket.AF_UNIX
    os.umask(0)
    server = Server(PLACE, Answer)
server.serve_forever()

# An HTTP server in between: keeps every request, and answers it itself or by asking the server behind.
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from kit import http_request, wait_for

# Headers that belong to a connection, not to a message.
HOP_HEADERS = {"host", "connection", "content-length", "transfer-encoding", "accept-encoding", "keep-alive"}


class Kept:
    """A request as it came; header names in lower case."""

    def __init__(self, method, path, headers, body):
        self.method, self.path, self.headers, self.body = method, path, headers, body

    def form(self):
        """The parameters of a form, empty ones too."""
        return dict(urllib.parse.parse_qsl(self.body.decode(), keep_blank_values=True))


class Relay:
    """Listens on loopback. Without a server `behind`, everything is answered with 200."""

    def __init__(self, behind=None):
        self.behind = behind
        self.kept = []
        relay = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def exchange(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                kept = Kept(self.command, self.path, headers, body)
                relay.kept.append(kept)
                status, content_type, content = relay.answer(kept)
                self.send_response(status)
                self.send_header("Content-Type", content_type)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = exchange

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, kept):
        if self.behind is None:
            return 200, "application/json", b"{}"
        headers = {name: value for name, value in kept.headers.items() if name not in HOP_HEADERS}
        answer = http_request(kept.method, self.behind + kept.path, kept.body, headers)
        return answer.status, answer.headers.get("content-type", "application/json"), answer.body

    def when(self, what, fits):
        """The first request that fits, once it came."""
        return wait_for(what, lambda: next((kept for kept in list(self.kept) if fits(kept)), None))

# What every check stands on: claims, waiting for conditions, HTTP, and processes that end with the check.
import atexit
import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
import urllib.parse
from pathlib import Path

# Where logs and data directories go; the runner makes and removes it.
WORK = Path(os.environ["PEERS_WORK"])
# The longest that a condition may take to come true, in seconds.
BOUND_S = 20.0
# How often a condition is looked at, in seconds.
LOOK_S = 0.02
# How long a process may take to end before it is killed, in seconds.
STOP_S = 5.0

# A check that is ended ends what it started.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))


@contextlib.contextmanager
def claim(sentence):
    """Prints the claim that the block shows; ends the check when it does not."""
    try:
        yield
    except BaseException:
        print(f"FAIL  {sentence}", flush=True)
        traceback.print_exc()
        sys.exit(1)
    print(f"ok    {sentence}", flush=True)


def same(found, wanted, what="it"):
    """Fails unless both are equal."""
    if found != wanted:
        raise AssertionError(f"{what} is not as it must be\n  found:  {found!r}\n  wanted: {wanted!r}")


def wait_for(what, look, bound_s=BOUND_S):
    """Looks until there is something, and gives it."""
    deadline = time.monotonic() + bound_s
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"in {bound_s} s it did not come true that {what}; last seen: {found!r}")
        time.sleep(LOOK_S)


class Answer:
    """A response: status, headers with names in lower case, body."""

    def __init__(self, response):
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.body = response.read()

    def json(self):
        return json.loads(self.body)

    def expect(self, status):
        """The body as JSON, if the status is the one wanted."""
        same(self.status, status, f"the status of {self.body!r}")
        return self.json() if self.body[:1] in (b"{", b"[") else self.body


def http_request(method, url, body=None, headers=None):
    """One request on a connection of its own. A body that is no bytes is sent as JSON."""
    parts = urllib.parse.urlsplit(url)
    headers = dict(headers or {})
    if body is not None and not isinstance(body, bytes):
        body = json.dumps(body).encode()
        headers.setdefault("Content-Type", "application/json")
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=BOUND_S)
    try:
        path = parts.path or "/"
        connection.request(method, f"{path}?{parts.query}" if parts.query else path, body, headers)
        return Answer(connection.getresponse())
    finally:
        connection.close()


class Child:
    """A process that writes lines of JSON on stdout and may read some on stdin; its stderr is a log in WORK."""

    def __init__(self, name, command, env=None):
        self.lines = []
        log = open(WORK / f"{name}.log", "ab")
        self.process = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
            env={**os.environ, **(env or {})},
        )
        log.close()
        atexit.register(self.stop)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.append(json.loads(line))

    def first_line(self):
        """What it says when it has started."""
        def look():
            if self.process.poll() is not None and not self.lines:
                raise AssertionError(f"it ended with {self.process.returncode}: {self.process.args}")
            return self.lines[:1]
        return wait_for("it has started", look)[0]

    def tell(self, **command):
        """Gives it a line of JSON."""
        self.process.stdin.write(json.dumps(command).encode() + b"\n")
        self.process.stdin.flush()

    def stop(self):
        """Ends it, by force if it takes too long."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

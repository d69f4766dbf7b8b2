"""The load generator counts what it should and trusts no answer."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count

import pytest

from bench import load


class Door(BaseHTTPRequestHandler):
    """Answers `/well` with 200 and anything else with 500, in two pieces."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200 if self.path == "/well" else 500)
        self.send_header("Content-Length", "10")
        self.end_headers()
        self.wfile.write(b"01234")
        self.wfile.flush()
        self.wfile.write(b"56789")

    def log_message(self, *_):
        pass


@pytest.fixture
def port() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    thread.join()
    server.server_close()


def run(*args, **how):
    """Run the generator in a thread of its own: Playwright keeps an event loop in that of the tests."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        return pool.submit(load.run, *args, **how).result()


def asking(path):
    return (load.request("POST", path, body=b"{}") for _ in count())


def test_answers_of_the_measured_time_count(port):
    answered = run(port, asking("/well"), seconds=0.3, warm_up=0.1, expected=200, connections=2)

    assert len(answered.times) > 10
    assert answered.rate > 10
    assert 0 < answered.percentile(0.5) <= answered.percentile(0.99)
    # The warm-up was answered too, and is not counted.
    assert answered.statuses[200] > len(answered.times)


def test_another_status_than_expected_ends_the_run(port):
    with pytest.raises(RuntimeError, match="500"):
        run(port, asking("/ill"), seconds=0.1, warm_up=0.0, expected=200, connections=1)


def test_requests_that_run_out_end_the_run(port):
    three = iter([load.request("POST", "/well", body=b"{}")] * 3)

    answered = run(port, three, seconds=30, warm_up=0.0, expected=200, connections=2)

    assert answered.statuses[200] == 3

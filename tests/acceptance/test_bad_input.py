"""Whatever is sent to the demo's API is answered or refused: nothing makes it fail.

`HEADRACE_SOAK` is the number of generated requests; the suite sends about a thousand.
"""

from __future__ import annotations

import gzip
import os
import re
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from headrace.cli.demo.writing import write_demo
from headrace.pipeline.building import build
from headrace.pipeline.workspace import open_workspace, plan_workspace
from tests.accounts import key_for

pytestmark = pytest.mark.slow

GENERATED = 1000
# What one run generates for each example that it may take of an operation, at least.
PER_EXAMPLE = 20
MEMORY_BYTES = 50 * 2**20
HOST = b"Host: localhost\r\n"
# What no client may ever read.
INSIDES = re.compile(
    rb"Traceback|File \"|duckdb\.|(Binder|Parser|Catalog|Conversion|Internal) Error|\.py\b|/store/"
)


@dataclass(frozen=True)
class Served:
    """The demo behind a real socket; `key` is of somebody whom all of it is open to."""

    port: int
    process: psutil.Process
    key: str

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def memory_bytes(self) -> int:
        """Of the server and everything that it has started."""
        every = [self.process, *self.process.children(recursive=True)]
        return sum(each.memory_info().rss for each in every)

    def exchange(self, sent: bytes) -> bytes:
        """All that the one with the key is answered, until the end or nothing more comes."""
        received = b""
        sent = sent.replace(HOST, HOST + b"Authorization: Bearer %b\r\n" % self.key.encode(), 1)
        with socket.create_connection(("127.0.0.1", self.port), timeout=1) as client:
            try:
                client.sendall(sent)
                while piece := client.recv(65536):
                    received += piece
            except (TimeoutError, ConnectionResetError, BrokenPipeError):
                # It waits for more of the request, or has said all it had to say.
                pass
        return received


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("demo") / "coffee"
    write_demo(folder)
    workspace = open_workspace(folder)
    assert build(workspace, plan_workspace(workspace, "prod")).failures == ()
    key = key_for(workspace.store, "office", "analyst", "crm")
    command = [sys.executable, "-m", "headrace.cli.main", "serve", "-C", str(folder), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        port = int(server.stdout.readline().rpartition(":")[2])
        while "Ctrl-C" not in server.stdout.readline():
            pass
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz").close()
            yield Served(port, psutil.Process(server.pid), key)
        finally:
            server.terminate()
            server.wait(30)


def test_no_generated_request_makes_it_fail(served: Served, tmp_path: Path) -> None:
    wanted = int(os.environ.get("HEADRACE_SOAK", GENERATED))
    before = served.memory_bytes()
    result = schemathesis(served, tmp_path, examples=max(PER_EXAMPLE, wanted // 16))
    assert result.returncode == 0, result.stdout[-4000:]
    print(result.stdout[-400:])
    [(generated, passed)] = re.findall(r"(\d+) generated, (\d+) passed", result.stdout)
    assert int(generated) == int(passed) >= wanted * 0.9
    assert served.process.is_running()
    assert served.memory_bytes() - before < MEMORY_BYTES


def schemathesis(
    served: Served, folder: Path, *, examples: int
) -> subprocess.CompletedProcess[str]:
    """Requests made up from the API's own description, those that do not fit it, too."""
    program = Path(sys.executable).with_name("schemathesis")
    options = ["--workers", "1", "--seed", "1", "--no-color", "--checks", "not_a_server_error"]
    command = [
        str(program),
        "run",
        f"{served.url}/openapi.json",
        "--header",
        f"Authorization: Bearer {served.key}",
        *options,
        # A stream has no end.
        "--exclude-path-regex",
        "/stream$",
        "--max-examples",
        str(examples),
    ]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=900)


def get(target: bytes, headers: bytes = b"") -> bytes:
    return b"GET %b HTTP/1.1\r\n%b%bConnection: close\r\n\r\n" % (target, HOST, headers)


def post(body: bytes, headers: bytes = b"Content-Type: application/json\r\n") -> bytes:
    length = b"Content-Length: %d\r\n" % len(body)
    return b"POST /batch HTTP/1.1\r\n%b%b%bConnection: close\r\n\r\n%b" % (
        HOST,
        length,
        headers,
        body,
    )


REVENUE = b"/stores/7/revenue"
BODIES = {
    "an open object": b"{",
    "nothing": b"",
    "no UTF-8": b"\xff",
    "half a character": b'"\\ud800"',
    "not a number": b"NaN",
    "too large a number": b"1e999",
    "minus nothing": b"-0",
    "2 to the 63": b"9223372036854775808",
    "2 to the 128": b"340282366920938463463374607431768211456",
    "5,000 digits": b"1" * 5000,
    "100,000 brackets": b"[" * 100_000,
    "100,000 braces": b'{"calls":' * 100_000,
    "a key twice": b'{"calls":[],"calls":[{"path":"/"}]}',
    "NUL": b'{"calls":[{"path":"/\\u0000"}]}',
    "a byte order mark": b'\xef\xbb\xbf{"calls":[]}',
    "a long name": b'{"%b":1}' % (b"a" * 900_000),
    "over the limit": b'{"%b":1}' % (b"a" * 2_000_000),
    "a path that is none": b'{"calls":[{"path":"@evil"},{"path":"//evil/x"},{"path":""}]}',
    "itself": b'{"calls":[{"path":"/batch"}]}',
    "a path of half a character": b'{"calls":[{"path":"/stores/\\ud800/revenue"}]}',
}
TARGETS = {
    "NUL": b"/stores/%00/revenue",
    "up": b"/stores/%2e%2e%2f%2e%2e/revenue",
    "up and away": b"/../../etc/passwd",
    "a Tomcat": b"/stores/..;/revenue",
    "a backslash": b"/stores/\\/revenue",
    "no UTF-8": b"/stores/%FF/revenue",
    "half an escape": b"/stores/%/revenue?since=%2",
    "limit -1": REVENUE + b"?limit=-1",
    "limit 0": REVENUE + b"?limit=0",
    "limit 2^63": REVENUE + b"?limit=9223372036854775808",
    "offset 2^63-1": REVENUE + b"?offset=9223372036854775807",
    "offset 2^63": REVENUE + b"?offset=9223372036854775808",
    "5,000 digits": b"/stores/%b/revenue" % (b"1" * 5000),
    "reversed dates": REVENUE + b"?since=2025-01-01&until=2024-01-01",
    "a date out of range": REVENUE + b"?since=294247-01-10",
    "a date that is none": REVENUE + b"?since=2024-02-30",
    "an infinite date": REVENUE + b"?since=infinity",
    "a repeated parameter": REVENUE + b"?since=2024-01-01&since=2024-01-02",
    "many parameters": REVENUE + b"?" + b"&".join([b"a"] * 3000),
    "a million parameters": REVENUE + b"?" + b"&".join([b"a"] * 1_000_000),
    "SQL": REVENUE + b"?since=2024-01-01'%20OR%201=1--",
    "SQL in a path": b"/stores/7;DROP%20TABLE%20orders/revenue",
    "SQL to sort by": REVENUE + b"?sort=day;DROP%20TABLE%20orders",
    "SQL as a field": REVENUE + b'?fields=day",(SELECT%201)"',
    "a filter of nothing": REVENUE + b"?day[gte]=&[=]&[]&=",
    "a cursor that is none": REVENUE + b"?cursor=AAAA",
    "a long cursor": REVENUE + b"?cursor=" + b"A" * 7000,
    "a snapshot that is none": REVENUE + b"?snapshot=999999999999999999999",
    "a shape that is none": REVENUE + b"?shape=round",
    "a regular expression": b"/products/search?q=" + b"(a%2B)%2B" * 200,
    "another host": b"@evil",
    "an asterisk": b"*",
    "a fragment": REVENUE + b"#x",
}
HEADERS = {
    "10,000 ranges": b"Range: bytes=%b\r\n" % b",".join([b"0-1"] * 10_000),
    "a host that is none": b"Host: evil/../\r\n",
    "a quality that is none": b"Accept: */*;q=NaN\r\n",
    "an Accept of commas": b"Accept: %b\r\n" % (b"," * 8000),
    "cookies of 64 KB": b"Cookie: a=%b\r\n" % (b"b" * 65536),
    "bytes": b"X-Text: \xff\xfe\r\n",
    "an escape": b"X-Text: \x1b[31m\r\n",
    "a tag that is none": b'If-None-Match: W/"\r\n',
    "10,000 tags": b"If-None-Match: %b\r\n" % b",".join([b'"x"'] * 3000),
    "an encoding that is none": b"Accept-Encoding: \xff;q=;,gzip;q=9\r\n",
    "an origin that is none": b"Origin: null\r\n",
    "a request id with a line in it": b"X-Request-Id: a\tb\x0bc\r\n",
    "an event id": b"Last-Event-ID: \xff\r\n",
}
RAW = {
    "a length that is short": b"POST /batch HTTP/1.1\r\n%bContent-Length: 3\r\n\r\n{}" % HOST,
    "a length that is none": b"POST /batch HTTP/1.1\r\n%bContent-Length: x\r\n\r\n{}" % HOST,
    "two lengths": (
        b"POST /batch HTTP/1.1\r\n%bContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}" % HOST
    ),
    "chunks without an end": (
        b"POST /batch HTTP/1.1\r\n%bTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n" % HOST
    ),
    "a chunk that is none": (
        b"POST /batch HTTP/1.1\r\n%bTransfer-Encoding: chunked\r\n\r\nzz\r\n" % HOST
    ),
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "nothing": b"\r\n\r\n",
    "a method that is none": b"BREW / HTTP/1.1\r\n%b\r\n" % HOST,
    "TRACE": b"TRACE /stores/7/revenue HTTP/1.1\r\n%b\r\n" % HOST,
    "no host": b"GET /stores/7/revenue HTTP/1.1\r\n\r\n",
}
GZIP = b"Content-Type: application/json\r\nContent-Encoding: gzip\r\n"
OTHER_TYPE = b"Content-Type: application/xml\r\n"
CORPUS = {
    **{f"body: {name}": post(body) for name, body in BODIES.items()},
    **{f"target: {name}": get(target) for name, target in TARGETS.items()},
    **{
        f"stream: {name}": get(target.replace(b"/revenue", b"/revenue/stream"))
        for name, target in TARGETS.items()
    },
    **{f"header: {name}": get(REVENUE, header) for name, header in HEADERS.items()},
    **{f"raw: {name}": sent for name, sent in RAW.items()},
    "body: without a type": post(b"{}", b""),
    "body: of another type": post(b"{}", OTHER_TYPE),
    "body: zeros, compressed": post(gzip.compress(b"\0" * 2**26), GZIP),
}


def test_everything_that_has_broken_others_is_refused_or_answered(served: Served) -> None:
    before = served.memory_bytes()
    wrong = {}
    for name, sent in CORPUS.items():
        answer = served.exchange(sent)
        if not is_fine(answer):
            wrong[name] = answer[:600]
    assert wrong == {}
    assert served.process.is_running()
    fine = served.exchange(get(REVENUE + b"?limit=1"))
    assert fine.startswith(b"HTTP/1.1 200 ")
    assert served.memory_bytes() - before < MEMORY_BYTES


def is_fine(answer: bytes) -> bool:
    """Whether an answer is one: refused by 4xx without a word of the insides, or right."""
    if not answer:
        # The request has no end, and the server waits for it.
        return True
    status = int(answer.split(b" ", 2)[1])
    return status < 400 or (status < 500 and not INSIDES.search(answer))

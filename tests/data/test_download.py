"""Downloads, exercised against a local server that breaks off, corrupts, redirects and refuses."""

import errno
import hashlib
import http.client
import logging
import re
import socket
import ssl
import struct
import threading

import pytest
from filelock import FileLock

from landscape.data import DataError
from landscape.data import download as module
from landscape.data.download import ATTEMPTS, Remote, download

CONTENT = bytes(range(256)) * 1024
SHA256 = hashlib.sha256(CONTENT).hexdigest()


def silent(*_, **__):
    pass


def sends(content=CONTENT, stop=None, ranges=True):
    """Answer with the content, from where it was asked; break off after `stop` bytes."""

    def answer(handler):
        asked = handler.headers.get("Range") if ranges else None
        start = int(re.findall(r"bytes=(\d+)-", asked)[0]) if asked else 0
        handler.send_response(206 if asked else 200)
        if asked:
            handler.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        handler.send_header("Content-Length", str(len(content) - start))
        handler.end_headers()
        handler.wfile.write(content[start : None if stop is None else start + stop])

    return answer


def in_turn(*answers):
    rest = list(answers)
    return lambda handler: (rest.pop(0) if len(rest) > 1 else rest[0])(handler)


def status(code, **headers):
    def answer(handler):
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


@pytest.fixture
def fetch(server, tmp_path):
    def fetch(*paths, progress=silent, to="file"):
        addresses = tuple(p if "://" in p else server.url(p) for p in paths or ("file",))
        download(Remote("file", len(CONTENT), SHA256, addresses), tmp_path / "to" / to, progress)
        return (tmp_path / "to" / to).read_bytes()

    return fetch


def left(tmp_path):
    return {path.name for path in (tmp_path / "to").iterdir()} - {"file.lock"}


def test_it_comes_whole_and_says_how_far_it_is(server, fetch, tmp_path):
    server.answer, told = sends(), []
    assert fetch(progress=lambda *said: told.append(said)) == CONTENT
    done = [done for _, done, _ in told]
    assert done == sorted(set(done)) and len(done) >= len(CONTENT) / module.BLOCK
    assert told[-1] == ("downloading file", len(CONTENT), len(CONTENT))
    assert left(tmp_path) == {"file"}


def test_what_breaks_off_goes_on_where_it_was(server, fetch):
    server.answer = in_turn(sends(stop=100_000), sends(stop=50_000), sends())
    assert fetch() == CONTENT
    assert [asked for _, asked in server.asked] == [None, "bytes=100000-", "bytes=150000-"]


def test_a_part_of_an_earlier_process_is_used(server, fetch, tmp_path):
    (tmp_path / "to").mkdir()
    (tmp_path / "to/file.part").write_bytes(CONTENT[:70_000])
    server.answer = sends()
    assert fetch() == CONTENT
    assert server.asked == [("/file", "bytes=70000-")]


def test_a_whole_part_is_only_checked(server, fetch, tmp_path):
    (tmp_path / "to").mkdir()
    (tmp_path / "to/file.part").write_bytes(CONTENT)
    assert fetch() == CONTENT and server.asked == []


def test_a_part_longer_than_the_file_is_dropped(server, fetch, tmp_path):
    (tmp_path / "to").mkdir()
    (tmp_path / "to/file.part").write_bytes(CONTENT + b"more")
    server.answer = sends()
    assert fetch() == CONTENT and server.asked == [("/file", None)]


def test_a_server_that_ignores_the_range_is_read_from_the_start(server, fetch):
    server.answer = in_turn(sends(stop=100_000), sends(ranges=False))
    assert fetch() == CONTENT


def test_a_server_that_lies_about_the_range_is_read_from_the_start(server, fetch):
    def lies(handler):
        handler.send_response(206)
        handler.send_header("Content-Range", f"bytes 0-{len(CONTENT) - 1}/{len(CONTENT)}")
        handler.send_header("Content-Length", str(len(CONTENT)))
        handler.end_headers()
        handler.wfile.write(CONTENT)

    server.answer = in_turn(sends(stop=100_000), lies)
    assert fetch() == CONTENT


def test_a_range_that_is_refused_starts_again(server, fetch, tmp_path):
    (tmp_path / "to").mkdir()
    (tmp_path / "to/file.part").write_bytes(b"of another file")
    server.answer = in_turn(status(416), sends())
    assert fetch() == CONTENT and [asked for _, asked in server.asked][1] is None


def test_corruption_sends_to_the_next_mirror(server, fetch):
    wrong = CONTENT[:1000] + b"\0" + CONTENT[1001:]
    server.answer = lambda handler: sends(wrong if handler.path == "/bad" else CONTENT)(handler)
    assert fetch("bad", "good") == CONTENT
    assert [path for path, _ in server.asked] == ["/bad", "/good"]


def test_a_part_of_a_corrupting_mirror_is_not_continued_by_the_next(server, fetch):
    wrong = b"\0" * len(CONTENT)
    bad = in_turn(sends(wrong, stop=1000), sends(wrong))
    server.answer = lambda handler: (bad if handler.path == "/bad" else sends())(handler)
    assert fetch("bad", "good") == CONTENT
    assert server.asked[-1] == ("/good", None)


def test_garbage_that_broke_off_does_not_spoil_the_next_mirror(server, fetch):
    bad = in_turn(sends(b"\0" * len(CONTENT), stop=1000), status(404))
    server.answer = lambda handler: (bad if handler.path == "/bad" else sends())(handler)
    assert fetch("bad", "good") == CONTENT
    assert [asked for path, asked in server.asked if path == "/good"] == ["bytes=1000-", None]


def test_nothing_is_left_when_all_mirrors_corrupt(server, fetch, tmp_path):
    server.answer = sends(b"\0" * len(CONTENT))
    with pytest.raises(DataError) as error:
        fetch("one", "two")
    assert "/one: its SHA-256 is not" in str(error.value) and "/two: its SHA-256 is not" in str(
        error.value
    )
    assert SHA256 in str(error.value) and left(tmp_path) == set()


def test_redirects_are_followed(server, fetch):
    server.answer = lambda handler: (
        status(302, Location="/there") if handler.path == "/file" else sends()
    )(handler)
    assert fetch() == CONTENT
    assert [path for path, _ in server.asked] == ["/file", "/there"]


def test_redirects_in_a_circle_end(server, fetch):
    server.answer = status(302, Location="/file")
    with pytest.raises(DataError, match="302"):
        fetch()


@pytest.mark.parametrize("where", ["http://192.0.2.1/file", "ftp://192.0.2.1/f", "file:///etc/f"])
def test_redirects_lead_nowhere_unsafe(server, fetch, where, tmp_path):
    server.answer = status(302, Location=where)
    with pytest.raises(DataError, match=r"not HTTPS|not allowed"):
        fetch()
    assert left(tmp_path) == set()


def test_addresses_must_be_https(tmp_path):
    with pytest.raises(DataError, match=r"192\.0\.2\.1/file is not HTTPS"):
        remote = Remote("file", 1, SHA256, ("http://192.0.2.1/file",))
        download(remote, tmp_path / "to/file", silent)


@pytest.mark.parametrize("code", [403, 404, 410])
def test_an_address_without_the_file_is_asked_once(server, fetch, code):
    server.answer = lambda handler: (status(code) if handler.path == "/no" else sends())(handler)
    assert fetch("no", "yes") == CONTENT
    assert [path for path, _ in server.asked] == ["/no", "/yes"]


@pytest.mark.parametrize("code", [408, 429, 500, 503])
def test_a_server_in_trouble_is_asked_again_after_a_while(server, fetch, code, monkeypatch):
    paused = []
    monkeypatch.setattr(module, "PAUSE", 0.5)
    monkeypatch.setattr(module.time, "sleep", paused.append)
    server.answer = in_turn(*[status(code)] * 3, sends())
    assert fetch() == CONTENT and paused == [0.5, 1, 2]
    server.answer, server.asked[:] = status(code), []
    with pytest.raises(DataError, match=f"HTTP {code}"):
        fetch("file", to="other")
    assert len(server.asked) == ATTEMPTS


def test_only_attempts_that_bring_nothing_are_counted(server, fetch):
    step = len(CONTENT) // 5
    server.answer = in_turn(*[status(500), sends(stop=step), status(500)] * 5, sends())
    assert fetch() == CONTENT and len(server.asked) > 2 * ATTEMPTS


def test_what_was_there_before_is_nothing_new(server, fetch):
    """A server without ranges that breaks off here and there is not asked for ever."""
    server.answer = in_turn(*[sends(ranges=False, stop=n) for n in (900, 500, 800, 600, 700)])
    with pytest.raises(DataError, match="4 attempts"):
        fetch()
    assert len(server.asked) == 1 + ATTEMPTS


def unmeasured(content):
    """Answer with the content from its start, without a word about its length."""

    def answer(handler):
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(content)

    return answer


def test_more_than_the_file_is_refused(server, fetch, tmp_path):
    server.answer = unmeasured(CONTENT + b"more")
    with pytest.raises(DataError, match=f"sends more than the {len(CONTENT)} bytes of file"):
        fetch()
    assert left(tmp_path) == set()


def test_less_than_the_file_is_said_and_kept(server, fetch, tmp_path):
    server.answer = unmeasured(CONTENT[:1000])
    with pytest.raises(DataError, match=rf"broke off \(1000 of {len(CONTENT)} bytes, 4 attempts"):
        fetch()
    assert left(tmp_path) == {"file.part"}
    assert (tmp_path / "to/file.part").read_bytes() == CONTENT[:1000]


@pytest.mark.parametrize("content", [CONTENT + b"more", CONTENT[:-1], b"<html>no</html>"])
@pytest.mark.parametrize("have", [b"", CONTENT[:10]])
def test_a_file_of_another_length_is_refused_before_it_is_written(
    server, fetch, tmp_path, content, have
):
    (tmp_path / "to").mkdir()
    (tmp_path / "to/file.part").write_bytes(have)
    server.answer = lambda handler: sends(content if handler.path == "/bad" else CONTENT)(handler)
    with pytest.raises(DataError, match=f"has a file of {len(content)} bytes, file has 262144"):
        fetch("bad")
    assert (tmp_path / "to/file.part").read_bytes() == have
    assert fetch("bad", "good") == CONTENT
    assert [path for path, _ in server.asked] == ["/bad", "/bad", "/good"]


def said(**headers):
    """Answer 206 with these headers and nothing else."""
    return status(206, **{name.replace("_", "-"): value for name, value in headers.items()})


@pytest.mark.parametrize(
    "answer",
    [
        said(),
        said(Content_Range="nonsense"),
        said(Content_Range="bytes " + "9" * 5000 + "-9/9"),
        said(Content_Range="bytes 10-11/" + "9" * 5000),
        said(Content_Range="bytes 20-262143/262144"),
        status(302, Location="http://[::1"),
        status(302, Location="http://127.0.0.1:port/"),
        status(302, Location="http://a..b/"),
        status(302, Location="https://" + "a" * 64 + "/"),
    ],
)
def test_an_answer_that_makes_no_sense_leads_on(server, fetch, tmp_path, answer):
    (tmp_path / "to").mkdir()
    (tmp_path / "to/file.part").write_bytes(CONTENT[:10])
    server.answer = lambda handler: (answer if handler.path == "/bad" else sends())(handler)
    assert fetch("bad", "good") == CONTENT
    assert server.asked == [("/bad", "bytes=10-"), ("/good", "bytes=10-")]


def test_a_server_that_hangs_up_is_left(server, fetch):
    server.answer = lambda handler: handler.connection.close()
    with pytest.raises(DataError, match="4 attempts"):
        fetch()


def test_nobody_there(tmp_path):
    remote = Remote("file", 1, SHA256, ("http://127.0.0.1:9/file",))
    with pytest.raises(DataError, match=r":9/file: .*refused"):
        download(remote, tmp_path / "to/file", silent)


@pytest.mark.parametrize("error", [TimeoutError("timed out"), socket.gaierror(-2, "no such name")])
def test_an_address_that_cannot_be_reached_is_tried_once(server, fetch, monkeypatch, error):
    tried, connect = [], http.client.HTTPConnection.connect

    def unreachable(connection):
        tried.append(connection.host)
        if connection.host == "localhost":
            raise error
        connect(connection)

    monkeypatch.setattr(http.client.HTTPConnection, "connect", unreachable)
    server.answer = sends()
    assert fetch(server.url("one", "localhost"), "two") == CONTENT
    assert tried == ["localhost", "127.0.0.1"]


NETWORK = [
    OSError(errno.EHOSTUNREACH, "No route to host"),
    ssl.SSLError(1, "decryption failed or bad record mac"),
    http.client.IncompleteRead(b""),
    ValueError("read of closed file"),
]


@pytest.mark.parametrize("error", NETWORK, ids=lambda error: type(error).__name__)
def test_a_network_that_fails_while_it_is_read_is_the_addresss_answer(
    server, fetch, monkeypatch, error, tmp_path
):
    read1, url = http.client.HTTPResponse.read1, server.url("bad")

    def fails(response, size):
        if response.url == url:
            raise error
        return read1(response, size)

    monkeypatch.setattr(http.client.HTTPResponse, "read1", fails)
    server.answer = sends()
    with pytest.raises(DataError, match=rf"/bad: {type(error).__name__}: .*4 attempts"):
        fetch("bad")
    assert fetch("bad", "good") == CONTENT
    assert left(tmp_path) == {"file"}


def test_only_the_disk_raises_oserror(server, fetch, monkeypatch):
    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module.os, "fsync", full)
    server.answer = sends()
    with pytest.raises(OSError, match="No space left"):
        fetch("one", "two")
    assert server.asked == [("/one", None)]


def resets(after):
    """Answer with the beginning and then an RST."""

    def answer(handler):
        sends(stop=after)(handler)
        abort = struct.pack("ii", 1, 0)
        handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, abort)
        handler.connection.close()

    return answer


def test_a_connection_that_is_reset_goes_on(server, fetch):
    server.answer = in_turn(resets(100_000), resets(100_000), sends())
    assert fetch() == CONTENT and len(server.asked) == 3


def test_a_connection_that_stalls_goes_on_from_its_last_byte(server, fetch, monkeypatch):
    monkeypatch.setattr(module, "TIMEOUT", 0.2)
    over = threading.Event()

    def stalls(handler):
        sends(stop=1234)(handler)
        over.wait(10)

    server.answer = in_turn(stalls, sends())
    assert fetch() == CONTENT
    over.set()
    assert server.asked[:2] == [("/file", None), ("/file", "bytes=1234-")]


def test_a_server_that_never_answers_is_left(server, fetch, monkeypatch):
    monkeypatch.setattr(module, "TIMEOUT", 0.2)
    over = threading.Event()
    server.answer = lambda handler: over.wait(10) if handler.path == "/bad" else sends()(handler)
    assert fetch("bad", "good") == CONTENT
    over.set()
    assert [path for path, _ in server.asked[: ATTEMPTS + 1]] == ["/bad"] * ATTEMPTS + ["/good"]


def test_only_what_began_on_loopback_may_go_on_there_without_tls():
    request = module.urllib.request.Request("https://192.0.2.1/file")
    with pytest.raises(module._Refused, match=r"127\.0\.0\.1/file is not HTTPS"):
        module._OnlySafe().redirect_request(
            request, None, 302, "Found", {}, "http://127.0.0.1/file"
        )


def test_an_interrupted_download_keeps_its_part(server, fetch, tmp_path):
    def interrupt(stage, done, total):
        raise KeyboardInterrupt

    server.answer = sends()
    with pytest.raises(KeyboardInterrupt):
        fetch(progress=interrupt)
    assert left(tmp_path) == {"file.part"}
    kept = (tmp_path / "to/file.part").stat().st_size
    assert kept > 0 and fetch() == CONTENT and server.asked[-1][1] == f"bytes={kept}-"


def test_two_at_once_fetch_it_once(server, fetch):
    server.answer, found = sends(), []
    both = [threading.Thread(target=lambda: found.append(fetch())) for _ in range(2)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    assert found == [CONTENT, CONTENT] and len(server.asked) == 1


def test_whoever_waits_for_another_process_says_so(server, fetch, tmp_path, caplog):
    caplog.set_level(logging.INFO, "lscape")
    (tmp_path / "to").mkdir()
    server.answer, found = sends(), []
    waiting = threading.Thread(target=lambda: found.append(fetch()))
    said = threading.Event()
    handler = logging.Handler()
    handler.emit = lambda record: said.set()
    logging.getLogger("lscape").addHandler(handler)
    try:
        with FileLock(tmp_path / "to/file.lock"):
            waiting.start()
            assert said.wait(10) and server.asked == []
    finally:
        logging.getLogger("lscape").removeHandler(handler)
        waiting.join()
    assert f"{tmp_path / 'to/file'}: another process is downloading it" in caplog.text
    assert found == [CONTENT]

"""Downloads, exercised against a local server that breaks off, corrupts, redirects and refuses."""

import hashlib
import re
import threading

import pytest

from landscape.data import DataError
from landscape.data.download import BLOCK, Remote, download

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
    def fetch(*paths, progress=silent):
        addresses = tuple(server.url(path) for path in paths or ("file",))
        download(Remote("file", len(CONTENT), SHA256, addresses), tmp_path / "to/file", progress)
        return (tmp_path / "to/file").read_bytes()

    return fetch


def left(tmp_path):
    return {path.name for path in (tmp_path / "to").iterdir()} - {"file.lock"}


def test_it_comes_whole_and_says_how_far_it_is(server, fetch, tmp_path):
    server.answer, told = sends(), []
    assert fetch(progress=lambda *said: told.append(said)) == CONTENT
    assert [done for _, done, _ in told] == [BLOCK, 2 * BLOCK, 3 * BLOCK, len(CONTENT)]
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
    bad = sends(b"\0" * len(CONTENT), stop=1000)
    server.answer = lambda handler: (bad if handler.path == "/bad" else sends())(handler)
    assert fetch("bad", "good") == CONTENT
    assert [asked for path, asked in server.asked if path == "/good"] == ["bytes=4000-", None]


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


def test_a_server_in_trouble_is_asked_again(server, fetch):
    server.answer = in_turn(status(503), sends())
    assert fetch() == CONTENT


def test_more_than_the_file_is_refused(server, fetch, tmp_path):
    server.answer = sends(CONTENT + b"more")
    with pytest.raises(DataError, match=f"sends more than the {len(CONTENT)} bytes of file"):
        fetch()
    assert left(tmp_path) == set()


def test_less_than_the_file_is_said_and_kept(server, fetch, tmp_path):
    def short(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        handler.wfile.write(CONTENT[:1000])

    server.answer = in_turn(short, status(416), short)
    with pytest.raises(DataError, match=rf"\(\d+ of {len(CONTENT)} bytes, 4 attempts\)"):
        fetch()
    assert "file" not in left(tmp_path)


def test_a_server_that_hangs_up_is_left(server, fetch):
    server.answer = lambda handler: handler.connection.close()
    with pytest.raises(DataError, match="4 attempts"):
        fetch()


def test_nobody_there(tmp_path):
    remote = Remote("file", 1, SHA256, ("http://127.0.0.1:9/file",))
    with pytest.raises(DataError, match=r":9/file: .*refused"):
        download(remote, tmp_path / "to/file", silent)


def test_an_interrupted_download_keeps_its_part(server, fetch, tmp_path):
    def interrupt(stage, done, total):
        raise KeyboardInterrupt

    server.answer = sends()
    with pytest.raises(KeyboardInterrupt):
        fetch(progress=interrupt)
    assert left(tmp_path) == {"file.part"}
    assert fetch() == CONTENT and server.asked[-1][1] == f"bytes={BLOCK}-"


def test_two_at_once_fetch_it_once(server, fetch):
    server.answer, found = sends(), []
    both = [threading.Thread(target=lambda: found.append(fetch())) for _ in range(2)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    assert found == [CONTENT, CONTENT] and len(server.asked) == 1

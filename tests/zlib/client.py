#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""client.py SERVER: read what tests/zlib/server.c sends by curl, and by Python's zlib, gzip and email."""
import email
import email.policy
import gzip
import http.client
import os
import random
import shutil
import subprocess
import sys
import tempfile
import zlib

ROWS = "".join(f"{i},row number {i * 7}\n" for i in range(20000)).encode()


def make_files(folder):
    chosen = random.Random(7)
    words = ["weft", "warp", "loom", "shuttle", "thread"]
    files = {
        "small.txt": b"short\n",
        "page.html": " ".join(chosen.choice(words) for _ in range(1000)).encode(),
        "large.json": " ".join(chosen.choice(words) for _ in range(400000)).encode(),
        "noise.png": chosen.randbytes(300000),
        "noise.txt": chosen.randbytes(300000),
    }
    for name, content in files.items():
        with open(os.path.join(folder, name), "wb") as file:
            file.write(content)
        os.utime(os.path.join(folder, name), (784111777, 784111777))
    return files | {"rows": ROWS}


def curl(url, *args):
    done = subprocess.run(["curl", "-sS", "--fail", "--max-time", "60", *args, url], check=True,
                          stdout=subprocess.PIPE)
    return done.stdout


def by_curl(url, files, folder):
    for name, content in files.items():
        assert curl(f"{url}/{name}") == content, name
        assert curl(f"{url}/{name}", "--compressed") == content, name
        assert curl(f"{url}/{name}", "--compressed", "--http1.0") == content, name
    sent = int(curl(f"{url}/large.json", "--compressed", "-o", os.devnull, "-w", "%{size_download}"))
    assert sent < len(files["large.json"]) / 2, sent
    # Several on one connection, each whole.
    names = list(files)
    both = subprocess.run(["curl", "-sS", "--compressed", *(f"{url}/{name}" for name in names * 3)],
                          check=True, stdout=subprocess.PIPE).stdout
    assert both == b"".join(files[name] for name in names * 3)
    # What is kept by its tag, compressed, is asked for again, and has not changed.
    tag, kept = os.path.join(folder, "tag"), os.path.join(folder, "kept")
    curl(f"{url}/page.html", "--compressed", "--etag-save", tag, "-o", kept)
    with open(tag, encoding="ascii") as file:
        assert file.read().startswith('W/"')
    status = curl(f"{url}/page.html", "--compressed", "--etag-compare", tag, "-o", kept,
                  "-w", "%{http_code}")
    assert status == b"304", status
    # A download that was broken off goes on where it was.
    with open(kept, "wb") as file:
        file.write(files["large.json"][:1000000])
    curl(f"{url}/large.json", "-C", "-", "-o", kept)
    with open(kept, "rb") as file:
        assert file.read() == files["large.json"]
    assert curl(f"{url}/large.json", "-r", "5-9") == files["large.json"][5:10]


def ask(port, path, method="GET", **headers):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request(method, path, headers={name.replace("_", "-"): value
                                              for name, value in headers.items()})
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer, body


def by_python(port, files):
    for name, content in files.items():
        answer, body = ask(port, f"/{name}", Accept_Encoding="gzip")
        worth_it = name not in ("small.txt", "noise.png")
        assert (answer.getheader("Content-Encoding") == "gzip") == worth_it, name
        assert (gzip.decompress(body) if worth_it else body) == content, name
        answer, body = ask(port, f"/{name}", Accept_Encoding="deflate, identity;q=0")
        assert answer.getheader("Content-Encoding") == "deflate", name
        assert zlib.decompress(body) == content, name
        answer, body = ask(port, f"/{name}", method="HEAD", Accept_Encoding="gzip")
        assert body == b"" and (answer.getheader("Content-Encoding") == "gzip") == worth_it, name


def parts(port, files):
    for name in "page.html", "large.json":
        content = files[name]
        asked = f"bytes=0-9,{len(content) - 300}-,1000-2999,500-509"
        answer, body = ask(port, f"/{name}", Range=asked, Accept_Encoding="gzip")
        assert answer.status == 206 and answer.getheader("Content-Encoding") is None
        head = f"Content-Type: {answer.getheader('Content-Type')}\r\n\r\n".encode()
        message = email.message_from_bytes(head + body, policy=email.policy.HTTP)
        assert message.get_content_type() == "multipart/byteranges" and not message.defects
        found = [(part["Content-Range"], part.get_payload(decode=True))
                 for part in message.iter_parts()]
        assert len(found) == 4
        for place, data in found:
            first, last = map(int, place.removeprefix("bytes ").split("/")[0].split("-"))
            assert place.endswith(f"/{len(content)}") and data == content[first:last + 1], place


def main(program):
    if not shutil.which("curl"):
        print("skipped: there is no curl")
        return 77
    with tempfile.TemporaryDirectory() as folder:
        files = make_files(folder)
        with subprocess.Popen([program, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              text=True) as server:
            try:
                port = int(server.stdout.readline())
                by_curl(f"http://127.0.0.1:{port}", files, folder)
                by_python(port, files)
                parts(port, files)
            finally:
                server.stdin.close()
        assert server.returncode == 0, server.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))

# SPDX-License-Identifier: MIT
"""What the scripts beside this one share: weft's server, the text that it sends, and how tests are run."""
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback
import zlib

LIMIT_S = 120
BLOCK = bytes(i * 2654435761 % 2**32 >> 17 & 0xFF for i in range(65521))


def text(size, offset=0):
    """The `size` bytes at `offset` of the text that /text/SIZE sends."""
    begin = offset % len(BLOCK)
    return (BLOCK * (1 + (begin + size) // len(BLOCK)))[begin:begin + size]


def sum_of(data, trailer=""):
    """What /sum answers to it."""
    return f"{len(data)} {zlib.crc32(data)}{trailer and ' ' + trailer}\n".encode()


def same(found, expected, what=""):
    if found != expected:
        short = [repr(value) if len(repr(value)) < 1000 else f"{len(value)} bytes or items, {repr(value)[:500]}"
                 for value in (found, expected)]
        raise AssertionError(f"{what}: {short[0]}, not {short[1]}")


def need(**tools):
    """Leave with a clear line unless all tools are here: need(ab="apache2-utils")."""
    for tool, package in tools.items():
        if not shutil.which(tool, path=os.environ["PATH"] + ":/usr/sbin"):
            print(f"not run: {tool} is not installed (Debian: {package})")
            sys.exit(77)


def version(*command):
    """The first line of what a tool says of itself that has a number in it; for the log."""
    said = all_said(*command)
    print(next((line.strip() for line in said.splitlines() if re.search(r"\d\.\d", line)), said))


def run(*command, data=None, status=0):
    """What a command prints, as bytes; it must end with that status."""
    done = subprocess.run(command, input=data, capture_output=True, timeout=LIMIT_S, check=False)
    same(done.returncode, status, f"{' '.join(command)}\n{done.stderr.decode(errors='replace')}exit status")
    return done.stdout


def all_said(*command):
    """What a command says, on stderr too, however it ends."""
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=LIMIT_S, check=False,
                          encoding="utf-8", errors="replace").stdout


def write(path, data):
    with open(path, "w" if isinstance(data, str) else "wb") as file:
        file.write(data)
    return path


def default_signals():
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Program:
    """A program that runs beside the test, and whose stderr is kept. It does not outlive the test."""
    started = []

    def __init__(self, folder, *command, **arguments):
        self.asked = False
        self.log = f"{folder}/{os.path.basename(command[0])}.{id(self)}.log"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, preexec_fn=default_signals,
                                            **arguments)
        Program.started.append(self)

    def said(self):
        with open(self.log, encoding="utf-8", errors="replace") as log:
            return log.read()

    @classmethod
    def end_all(cls):
        """Those that a test which failed has left."""
        for one in cls.started:
            one.process.terminate()  # a proxy takes its workers with it
            try:
                one.process.communicate(timeout=10)
            except subprocess.TimeoutExpired:
                one.process.kill()
                one.process.communicate()
        cls.started.clear()

    def ask_to_end(self, number=signal.SIGTERM):
        """Once: a second signal may find nobody who listens to it any more."""
        if not self.asked and self.process.poll() is None:
            self.process.send_signal(number)
        self.asked = True

    def end(self, number=signal.SIGTERM):
        """Its exit status."""
        self.ask_to_end(number)
        try:
            self.process.communicate(timeout=LIMIT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
            raise
        return self.process.returncode


def port_answers(program, host, port):
    while True:
        try:
            socket.create_connection((host, port), timeout=LIMIT_S).close()
            return
        except ConnectionRefusedError:
            if program.process.poll() is not None:
                raise AssertionError(f"it does not start: {program.said()}") from None


def free_address(host=None):
    """(host, port) on which nobody listens; if it may be any host, one on which nobody else is given a port."""
    host = host or "127.%d.%d.%d" % (64 + os.getpid() % 64, os.getpid() // 64 % 256, os.urandom(1)[0] or 1)
    with socket.create_server((host, 0)) as one:
        return host, one.getsockname()[1]


def make_certificate(folder):
    """A certificate of 127.0.0.1 and localhost that signs itself, and its key."""
    paths = f"{folder}/certificate.pem", f"{folder}/key.pem"
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1",
        "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
        "-keyout", paths[1], "-out", paths[0])
    return paths


class Server(Program):
    """tests/world/server.c; `folder` is what /files/ sends. With `certificate`, which is (file, key), HTTPS too."""

    def __init__(self, path, folder, certificate=None):
        super().__init__(folder, path, folder, *(certificate or ()))
        ports = self.process.stdout.readline().split()
        if len(ports) != 4:
            raise AssertionError(f"the server does not start: {self.said()}")
        self.certificate, self.identity = (certificate or (None,))[0], certificate
        self.port, self.proxied_port, self.tls_port, self.proxied_tls_port = map(int, ports)
        self.url = f"http://127.0.0.1:{self.port}"
        self.tls_url = f"https://127.0.0.1:{self.tls_port}"

    def gate(self, **counts):
        """Wait until the handlers of /wait are so many: gate(waiting=1)."""
        while True:
            now = run("curl", "-sS", f"{self.url}/gate").decode()
            if all(f"{count} {name}" in now for name, count in counts.items()):
                return

    def open_files(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def stop(self):
        """A graceful end, in which nothing was aborted and nobody had to be told of a failure."""
        same(self.end(), 0, f"exit status of the server, which says: {self.said()}")


def run_tests(tests, reports=None):
    """
    Each test with a server of its own, test(server, folder); the docstring is what it shows. A server has nothing to
    report, but what reports[test] matches, line by line.
    """
    failed = False
    with tempfile.TemporaryDirectory() as common:
        certificate = make_certificate(common)
        for test in tests:
            with tempfile.TemporaryDirectory() as folder:
                server = Server(sys.argv[1], folder, certificate)
                began = time.monotonic()
                try:
                    test(server, folder)
                    server.stop()
                    expected = (reports or {}).get(test, "nothing")
                    same([line for line in server.said().splitlines() if not re.fullmatch(expected, line)], [],
                         "the server says")
                    print(f"ok, {time.monotonic() - began:.1f} s: {test.__doc__}", flush=True)
                except Exception:  # pylint: disable=broad-except
                    print(f"FAILED: {test.__doc__}\n{traceback.format_exc()}\nserver: {server.said()}", flush=True)
                    failed = True
                finally:
                    Program.end_all()
    sys.exit(failed)

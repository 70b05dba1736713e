# SPDX-License-Identifier: MIT
"""What the two scripts beside this one share: certificates, weft's side (peer.c), other programs, raw TLS."""
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import traceback

LIMIT_S = 30  # for what takes a moment; generous

ALERTS = {0: "close notify", 10: "unexpected message", 20: "bad record mac", 22: "record overflow", 40: "handshake failure",
          42: "bad certificate", 43: "unsupported certificate", 45: "certificate expired", 46: "certificate unknown",
          47: "illegal parameter", 48: "unknown ca", 50: "decode error", 51: "decrypt error", 70: "protocol version",
          71: "insufficient security", 80: "internal error", 86: "inappropriate fallback", 100: "no renegotiation",
          109: "missing extension", 110: "unsupported extension", 112: "unrecognized name", 116: "certificate required",
          120: "no application protocol"}


def same(found, expected, what=""):
    if found != expected:
        raise AssertionError(f"{what}: {found!r}, not {expected!r}")


def has(text, *parts):
    """The text has all of these."""
    for part in parts:
        if part not in text:
            raise AssertionError(f"{text!r} has no {part!r}")


def need(**tools):
    for tool, package in tools.items():
        if not shutil.which(tool):
            print(f"not run: {tool} is not installed (Debian: {package})")
            sys.exit(77)


def run(*command, data=b"", status=0):
    """What a command prints on both; it must end with that status, if it is not None."""
    done = subprocess.run(command, input=data, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=LIMIT_S, check=False)
    text = done.stdout.decode(errors="replace")
    if status is not None:
        same(done.returncode, status, f"{' '.join(command)}\n{text}\nexit status")
    return text


# ---- Certificates -----------------------------------------------------------------------------


class Certificates:
    """Made by openssl; each is a file of the certificate, what leads to the root, and the key."""

    def __init__(self, folder):
        self.folder = folder
        self.made = {}
        self.make("ca", extensions="basicConstraints=critical,CA:TRUE")

    def path(self, name):
        return f"{self.folder}/{name}.pem"

    def text(self, name):
        with open(self.path(name), encoding="ascii") as file:
            return file.read()

    def make(self, name, issuer=None, names="", extensions="", key="ec", days=365, with_issuer=False, digest="sha256"):
        """Returns the path."""
        kind = {"ec": ("ec", "-pkeyopt", "ec_paramgen_curve:P-256")}.get(key, (key,))
        parts = [f"{self.folder}/{name}.{kind}" for kind in ("csr", "key", "crt", "ext")]
        lines = (f"subjectAltName={names}\n" if names else "") + (extensions or "basicConstraints=CA:FALSE") + "\n"
        with open(parts[3], "w", encoding="ascii") as file:
            file.write(lines)
        run("openssl", "req", "-new", "-newkey", *kind, "-nodes", "-subj", f"/CN={name}", "-keyout", parts[1], "-out", parts[0])
        by = ("-CA", f"{self.folder}/{issuer}.crt", "-CAkey", f"{self.folder}/{issuer}.key") if issuer else ("-signkey", parts[1])
        run("openssl", "x509", "-req", "-in", parts[0], "-days", str(days), f"-{digest}", *by,
            "-set_serial", str(len(self.made) + 1), "-extfile", parts[3], "-out", parts[2])
        chain = parts[2:3] + ([f"{self.folder}/{issuer}.crt"] if with_issuer else [])
        with open(self.path(name), "w", encoding="ascii") as file:
            for part in chain + parts[1:2]:
                with open(part, encoding="ascii") as source:
                    file.write(source.read())
        self.made[name] = self.path(name)
        return self.path(name)

    def __getitem__(self, name):
        return self.made[name]


# ---- Programs ---------------------------------------------------------------------------------


class Program:
    """One that is written to and read from, line by line; all that it prints is kept."""

    def __init__(self, *command):
        self.all = ""
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def tell(self, line):
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def line(self):
        """The next line; "" at its end."""
        line = self.process.stdout.readline().decode(errors="replace")
        self.all += line
        return line.rstrip("\n")

    def until(self, *texts):
        """The next line that has all of these; it must come."""
        while True:
            line = self.line()
            if all(text in line for text in texts):
                return line
            if not line and self.process.poll() is not None:
                raise AssertionError(f"no {texts!r} in:\n{self.all}")

    def ask(self, line):
        """The answer to a command of peer.c."""
        self.tell(line)
        return self.line()

    def stop(self):
        """Ends its input, and gives the exit status."""
        self.process.stdin.close()
        self.all += self.process.stdout.read().decode(errors="replace")
        return self.process.wait(LIMIT_S)

    def kill(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


# ---- Raw TLS ----------------------------------------------------------------------------------

TLS13, TLS12, TLS11, TLS10, SSL3 = 0x304, 0x303, 0x302, 0x301, 0x300
GOOD_12 = (0xC02B, 0xC02C, 0xC02F, 0xC030, 0xCCA8, 0xCCA9)
GOOD_13 = (0x1301, 0x1302, 0x1303)
RETRY = bytes.fromhex("CF21AD74E59A6111BE1D8C021E65B891C2A211167ABB8C5E079E09E2C8A8339C")


def short(data):
    return struct.pack(">H", len(data)) + data


def numbers(values):
    return b"".join(struct.pack(">H", value) for value in values)


def record(kind, data, version=TLS10):
    return struct.pack(">BH", kind, version) + short(data)


def handshake(kind, data):
    return struct.pack(">B", kind) + len(data).to_bytes(3, "big") + data


def client_hello(version=TLS12, ciphers=GOOD_12, versions=(), name="example.org", groups=(29, 23, 24), compression=b"\0",
                 signatures=(0x0403, 0x0804, 0x0401, 0x0503, 0x0805), random=b"r" * 32, more=None, key_share=None):
    """A message of a handshake. `more`: other extensions, by number."""
    extensions = {0: short(b"\0" + short(name.encode()))} if name else {}
    if groups:
        extensions[10] = short(numbers(groups))
    extensions[11] = b"\x01\0"
    if signatures:
        extensions[13] = short(numbers(signatures))
    if versions:
        extensions[43] = bytes([2 * len(versions)]) + numbers(versions)
        extensions[51] = short(key_share or b"")
    extensions.update(more or {})
    body = struct.pack(">H", version) + random + b"\0" + short(numbers(ciphers)) + bytes([len(compression)]) + compression
    return handshake(1, body + short(b"".join(struct.pack(">H", number) + short(data) for number, data in extensions.items())))


def hello_record(**arguments):
    return record(22, client_hello(**arguments))


class Raw:
    """A connection on which bytes are sent and records come."""

    def __init__(self, where):
        self.socket = where if isinstance(where, socket.socket) else socket.create_connection(("127.0.0.1", where))
        self.socket.settimeout(LIMIT_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.messages = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        try:
            self.socket.sendall(data)
        except OSError:
            pass  # what it had to say is still there to be read

    def exactly(self, size):
        data = b""
        while len(data) < size:
            try:
                piece = self.socket.recv(size - len(data))
            except ConnectionError:
                piece = b""
            if not piece:
                return b""
            data += piece
        return data

    def record(self):
        """(kind, data); None at the end."""
        head = self.exactly(5)
        return (head[0], self.exactly(struct.unpack(">H", head[3:])[0])) if head else None

    def answer(self):
        """What comes next: an alert's name, "end", or (kind, data) of a message of a handshake."""
        while True:
            if len(self.messages) >= 4:
                size = 4 + int.from_bytes(self.messages[1:4], "big")
                if len(self.messages) >= size:
                    message, self.messages = self.messages[:size], self.messages[size:]
                    return message[0], message[4:]
            got = self.record()
            if not got:
                return "end"
            if got[0] == 21 and len(got[1]) == 2:
                return ALERTS.get(got[1][1], str(got[1][1]))
            if got[0] != 22:
                return f"record {got[0]}"
            self.messages += got[1]


class ServerHello:
    def __init__(self, data):
        self.version = int.from_bytes(data[:2], "big")
        self.random = data[2:34]
        at = 35 + data[34]
        self.cipher = int.from_bytes(data[at:at + 2], "big")
        self.compression = data[at + 2]
        self.extensions = parse_extensions(data[at + 3:])


def parse_extensions(data):
    found, at = {}, 2
    while at < len(data):
        number, size = struct.unpack(">HH", data[at:at + 4])
        found[number] = data[at + 4:at + 4 + size]
        at += 4 + size
    return found


# ---- Running ----------------------------------------------------------------------------------


def too_late(*_):
    raise AssertionError(f"still running after {LIMIT_S} s")


def run_tests(tests, prepare):
    """Each with what prepare(folder) gives: .ours must end well, .others are killed; the docstring is what it shows."""
    failed = 0
    signal.signal(signal.SIGALRM, too_late)
    need(openssl="openssl", curl="curl")
    with tempfile.TemporaryDirectory() as folder:
        stage = prepare(folder)
        for test in tests:
            signal.alarm(LIMIT_S)
            try:
                test(stage)
                for program in stage.ours:
                    same(program.stop(), 0, f"{program.all}\nexit status of weft's side")
                print("ok:", test.__doc__, flush=True)
            except Exception:  # pylint: disable=broad-except
                print(f"FAILED: {test.__doc__}\n{traceback.format_exc()}", flush=True)
                failed += 1
            for program in stage.ours + stage.others:
                program.kill()
            stage.ours, stage.others = [], []
    signal.alarm(0)
    sys.exit(bool(failed))

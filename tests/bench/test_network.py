# SPDX-License-Identifier: MIT
"""How ./dev bench runs servers and asks them."""
import os
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "..", "bench"))

from harness import network  # noqa: E402

# A server: `before` runs before it listens, `each` for every connection. It answers what it is asked.
SERVER = """
import os, select, signal, socket, sys
kept = []
{before}
listener = socket.create_server(("127.0.0.1", {port}), backlog=1000)
print("listening", flush=True)
connections = []
while True:
    for ready in select.select([listener, *connections], [], [])[0]:
        if ready is listener:
            connections.append(listener.accept()[0])
            {each}
            continue
        data = ready.recv(65536)
        ready.sendall(data)
        if not data:
            connections.remove(ready)
"""

# Ends when it has used a fifth of a second of CPU time.
BUSY = "import os\nwhile sum(os.times()[:2]) < 0.2: pass"


def server(before="", each="pass"):
    text = SERVER.format(before=before, each=each, port="int(sys.argv[1])")
    return network.Server([sys.executable, "-c", text])


def is_there(pid):
    return os.path.exists(f"/proc/{pid}")


class Servers(unittest.TestCase):
    def test_a_server_is_there_as_long_as_it_is_needed(self):
        with server() as running:
            with running.connect() as connection:
                connection.sendall(b"hello")
                self.assertEqual(connection.recv(100), b"hello")
            self.assertTrue(is_there(running.pid))
        self.assertFalse(is_there(running.pid))

    def test_one_that_does_not_listen_to_sigterm_is_killed(self):
        network.PATIENCE, patience = 0.1, network.PATIENCE
        with server("signal.signal(signal.SIGTERM, signal.SIG_IGN)") as running:
            pass
        network.PATIENCE = patience
        self.assertFalse(is_there(running.pid))

    def test_one_that_does_not_start_is_an_error_with_its_last_words(self):
        with self.assertRaisesRegex(network.Failed, "no such luck"):
            with server("sys.exit('no such luck')"):
                self.fail("it has not started")

    def test_a_configuration_has_the_port_and_the_folder_filled_in(self):
        with tempfile.NamedTemporaryFile("w", suffix=".conf.in") as template:
            template.write(SERVER.format(before="assert open('@DIR@/index.html').read()", each="pass",
                                         port="@PORT@"))
            template.flush()
            run = "import sys; exec(open(sys.argv[2]).read())"
            with network.Server([sys.executable, "-c", run], config=template.name) as running:
                running.connect().close()

    def test_children_count_as_the_server(self):
        forks = f"read, write = os.pipe()\nif os.fork() == 0:\n  {BUSY.replace(chr(10), chr(10) + '  ')}"
        forks += "\n  os.write(write, b'x')\n  signal.pause()\nos.read(read, 1)"
        with server(forks) as running:
            self.assertEqual(len(network.family(running.pid)), 2)
            self.assertGreaterEqual(running.usage().cpu, 0.19)

    def test_cpu_time_and_memory_are_those_of_the_process(self):
        with server(f"{BUSY}\nkept.append(b'x' * (32 << 20))") as running:
            used = running.usage()
        self.assertGreaterEqual(used.cpu, 0.19)
        self.assertGreaterEqual(used.memory, 32 << 20)


class Clients(unittest.TestCase):
    def program(self, commands):
        """A client that does this."""
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        path = os.path.join(folder.name, "client")
        with open(path, "w", encoding="utf-8") as file:
            file.write(f"#!/bin/sh\n{commands}\n")
        os.chmod(path, 0o755)
        return path

    def test_memory_of_a_connection_is_what_more_of_them_add(self):
        with server(each="kept.append(b'x' * 100000)") as running:
            found = network.idle(running, 10, 110)
        self.assertEqual(found["connections"], (110, "1"))
        bytes_each, unit = found["bytes_per_connection"]
        self.assertEqual(unit, "B")
        self.assertTrue(80000 < bytes_each < 150000, bytes_each)

    def test_a_client_that_fails_is_an_error_with_its_last_words(self):
        with server() as running:
            with self.assertRaisesRegex(network.Failed, "ended with 1: cannot"):
                network.echo(running, self.program("echo cannot >&2; exit 1"), 1, 64, 1)

    def test_costs_are_of_an_operation(self):
        with server() as running:
            client = self.program("echo echo - p99 7 us; echo echo - messages 50 1")
            found = network.echo(running, client, 1, 64, 1)
        self.assertEqual(found["p99"], (7.0, "us"))
        self.assertEqual(found["operations"], (50.0, "1"))
        self.assertLess(found["server_cpu"][0], 1e6)


if __name__ == "__main__":
    unittest.main()

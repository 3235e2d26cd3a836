# SPDX-License-Identifier: Apache-2.0
"""Terminals: the console socket's receiving end, and programs run on a pty."""
import fcntl
import os
import pty
import select
import signal
import socket
import struct
import termios
import time


class Terminal:
    """The master side of a pty."""

    def __init__(self, fd):
        self.fd = fd
        self.seen = ""

    def write(self, text):
        os.write(self.fd, text.encode())

    def expect(self, text, timeout=10):
        """Read until text appears; return everything read so far and forget it."""
        end = time.monotonic() + timeout
        while text not in self.seen:
            left = end - time.monotonic()
            assert left > 0, f"no {text!r} within {timeout} s in {self.seen!r}"
            if select.select([self.fd], [], [], left)[0]:
                chunk = self.read()
                assert chunk is not None, f"closed without {text!r}: {self.seen!r}"
                self.seen += chunk
        head, _, self.seen = self.seen.partition(text)
        return head + text

    def read(self):
        try:
            chunk = os.read(self.fd, 65536)
        except OSError:  # EIO: the last slave is closed
            return None
        return chunk.decode(errors="replace") or None

    def rest(self, timeout=10):
        end = time.monotonic() + timeout
        while True:
            assert time.monotonic() < end, f"not closed within {timeout} s: {self.seen!r}"
            if select.select([self.fd], [], [], 0.1)[0]:
                chunk = self.read()
                if chunk is None:
                    return self.seen
                self.seen += chunk

    def resize(self, rows, cols):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))

    def size(self):
        return struct.unpack("HHHH", fcntl.ioctl(self.fd, termios.TIOCGWINSZ, b"\0" * 8))[:2]

    def close(self):
        os.close(self.fd)


class ConsoleSocket:
    """What an engine does: it listens, and is sent the master side."""

    def __init__(self, path):
        self.path = path
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(path)
        self.socket.listen()
        self.socket.settimeout(10)

    def receive(self):
        """The terminal and the name sent with it."""
        with self.socket.accept()[0] as peer:
            peer.settimeout(10)
            name, fds, _, _ = socket.recv_fds(peer, 4096, 1)
        assert len(fds) == 1
        return Terminal(fds[0]), name.decode()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()
        os.unlink(self.path)


class Spawned(Terminal):
    """A command with a pty as its controlling terminal, as in a person's shell."""

    def __init__(self, args, size=(30, 90), env=None):
        pid, fd = pty.fork()
        if pid == 0:
            try:
                # The size must be there before the command looks.
                fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))
                os.execvpe(args[0], args, env or os.environ)
            finally:
                os._exit(255)
        super().__init__(fd)
        self.pid = pid

    def wait(self, timeout=15):
        """The exit code, -N for signal N."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.pid = None
                return os.waitstatus_to_exitcode(status)
            if select.select([self.fd], [], [], 0.02)[0]:
                chunk = self.read()
                if chunk:
                    self.seen += chunk
                else:
                    time.sleep(0.01)
        raise AssertionError(f"still running after {timeout} s: {self.seen!r}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        self.close()

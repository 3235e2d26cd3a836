# SPDX-License-Identifier: Apache-2.0
"""A seccomp listener: gets the container process state and answers system calls."""
import array
import contextlib
import fcntl
import json
import os
import select
import socket
import struct
import threading
from dataclasses import dataclass

RECV, SEND = 0xC0502100, 0xC0182101    # SECCOMP_IOCTL_NOTIF_RECV, SECCOMP_IOCTL_NOTIF_SEND
NOTIFICATION = struct.Struct("=QIIiIQ6Q")
RESPONSE = struct.Struct("=QqiI")
CONTINUE = object()     # the call goes on as if nobody had been asked


@dataclass
class Call:
    pid: int
    number: int
    args: list

    def text(self, i):
        """The argument's string, in the memory of the caller."""
        with open(f"/proc/{self.pid}/mem", "rb", 0) as f:
            f.seek(self.args[i])
            return f.read(4096).split(b"\0")[0].decode()


class Listener:
    """answer(call) -> the call's result, negative for an errno, or CONTINUE."""

    def __init__(self, path, answer):
        self.path = path
        self.answer = answer
        self.states = []     # one for each connection: the payload, parsed
        self.fds = []        # and how many descriptors came with it
        self.ended = 0       # and how many connections were closed after it
        self.calls = []
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(path)
        self.socket.listen()
        self.stop, stop = os.pipe()
        self.held = [stop]
        self.threads = []
        self._begin(self._accept)

    def _wait(self, fd):
        return self.stop not in [f for f, _ in self._poll(fd)]

    def _poll(self, fd):
        p = select.poll()
        p.register(fd, select.POLLIN)
        p.register(self.stop, select.POLLIN)
        return p.poll()

    def _begin(self, target, *args):
        self.threads.append(threading.Thread(target=target, args=args))
        self.threads[-1].start()

    def _accept(self):
        """In the order of the connections: threads that read them would race."""
        while self._wait(self.socket.fileno()):
            c = self.socket.accept()[0]
            c.settimeout(10)
            self._hear(c)
            self._begin(self._end, c)

    def _hear(self, c):
        payload, control, _, _ = c.recvmsg(65536, socket.CMSG_SPACE(4 * 16))
        fds = array.array("i")
        for level, kind, data in control:
            assert (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS)
            fds.frombytes(data)
        self.held += fds
        self.fds.append(len(fds))
        self.states.append(json.loads(payload))
        for fd in fds:
            self._begin(self._serve, fd)

    def _end(self, c):
        """One state, then the end; not every runtime closes it at once."""
        with c:
            if self._wait(c.fileno()):
                assert c.recv(65536) == b""
                self.ended += 1

    def _serve(self, fd):
        while True:
            events = dict(self._poll(fd))
            if self.stop in events or events[fd] & select.POLLHUP:
                return
            buf = bytearray(NOTIFICATION.size)
            try:
                fcntl.ioctl(fd, RECV, buf)
                cookie, pid, _, number, _, _, *args = NOTIFICATION.unpack(buf)
                call = Call(pid, number, args)
                self.calls.append(call)
                r = self.answer(call)
                fcntl.ioctl(fd, SEND, RESPONSE.pack(
                    cookie, 0 if r is CONTINUE else max(r, 0), 0 if r is CONTINUE else min(r, 0),
                    r is CONTINUE))
            except FileNotFoundError:
                pass      # the caller is gone

    def close(self):
        os.close(self.held[0])
        for t in self.threads:
            t.join(10)
        for fd in self.held[1:] + [self.stop]:
            os.close(fd)
        self.socket.close()
        os.unlink(self.path)


@contextlib.contextmanager
def listener(path, answer):
    s = Listener(path, answer)
    try:
        yield s
    finally:
        s.close()

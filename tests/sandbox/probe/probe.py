"""The runtime of the tests: runs what the test sends it, inside the sandbox.

A frame is a big-endian length and source text; the answer is a frame with the repr of `answer`, or of the exception.
"""

import struct
import time

PREPARED = []


def prepare():
    PREPARED.append(time.monotonic())


def run(api_fd, restorer=None):
    import socket

    api = socket.socket(fileno=api_fd)
    api.sendall(b"!")
    places = {"api": api, "PREPARED": PREPARED, "restorer": restorer}
    while True:
        head = _read(api, 4)
        source = _read(api, struct.unpack(">I", head)[0]).decode()
        places["answer"] = None
        try:
            exec(source, places)
            text = "=" + repr(places["answer"])
        except BaseException as error:
            text = f"!{type(error).__name__}: {error}"
        data = text.encode()
        api.sendall(struct.pack(">I", len(data)) + data)


def _read(api, length):
    data = b""
    while len(data) < length:
        more = api.recv(length - len(data))
        if not more:
            raise SystemExit(0)
        data += more
    return data

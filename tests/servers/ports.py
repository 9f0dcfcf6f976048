"""Free ports of the loopback interface, for the real servers that tests start.

The kernel picks a port and lets go of it; a server takes it a moment later. Meanwhile, and for as long as this
process lives, no other process that runs tests on this machine is given it: a socket's name holds its place, which the
kernel frees whatever happens. Who connects somewhere is given ports of the other parity (Linux).
"""

import contextlib
import socket

LOOPBACK = "127.0.0.1"

_places: list[socket.socket] = []


def free_port() -> int:
    """Return a TCP port of the loopback interface that nobody listens on."""
    for _ in range(100):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.bind((LOOPBACK, 0))
            port: int = probe.getsockname()[1]
        place = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        with contextlib.suppress(OSError):
            place.bind(f"\0authz-tests-port-{port}")
            _places.append(place)
            return port
        place.close()
    raise RuntimeError("no free port in 100 tries")


def is_listening(port: int) -> bool:
    """Tell whether somebody accepts connections on this port of the loopback interface."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.settimeout(0.5)
        return probe.connect_ex((LOOPBACK, port)) == 0

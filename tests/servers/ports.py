"""Free ports of the loopback interface, for the real servers that tests start.

The kernel picks a port and lets go of it; a server takes it a moment later. No port is handed out twice by one
process, and a server that still loses the race says so in its log, which a failed start shows.
"""

import socket

LOOPBACK = "127.0.0.1"

_handed_out: set[int] = set()


def free_port() -> int:
    """Return a TCP port of the loopback interface that nobody listens on."""
    for _ in range(100):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.bind((LOOPBACK, 0))
            port: int = probe.getsockname()[1]
        if port not in _handed_out:
            _handed_out.add(port)
            return port
    raise RuntimeError("no free port in 100 tries")


def is_listening(port: int) -> bool:
    """Tell whether somebody accepts connections on this port of the loopback interface."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.settimeout(0.5)
        return probe.connect_ex((LOOPBACK, port)) == 0

"""The network."""

from __future__ import annotations

from tests.support.attacks.attack import ATTEMPT, at

NETWORK = {
    "internet": at(
        "dz",
        "connects to this machine and to others",
        ATTEMPT
        + """
import socket, urllib.request
attempt('host', lambda: socket.create_connection(('127.0.0.1', $port), 1))
attempt('name', lambda: socket.getaddrinfo('example.org', 80))
attempt('far', lambda: socket.create_connection(('192.0.2.1', 80), 1))
attempt('six', lambda: socket.socket(socket.AF_INET6).connect(('::1', $port)))
attempt('datagram', lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('192.0.2.1', 53)))
attempt('page', lambda: urllib.request.urlopen('http://127.0.0.1:$port/', timeout=1))
""",
        shows="^host refused",
        noted="network",
    ),
    "unix-sockets": at(
        "dz",
        "connects to sockets of this machine",
        ATTEMPT
        + """
import glob, socket
for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET):
    for place in ('$socket', '\\0$token', '/run/dbus/system_bus_socket', '/var/run/docker.sock'):
        attempt(repr(place), lambda: socket.socket(socket.AF_UNIX, kind).connect(place))
print([line for line in open('/proc/net/unix') if '$token' in line])
""",
        shows=r"refused(.|\n)*\[\]",
    ),
    "other-families": at(
        "dz",
        "opens sockets of every family",
        ATTEMPT
        + """
import socket
allowed = {socket.AF_UNIX, socket.AF_INET, socket.AF_INET6}
for family in range(46):
    if family not in allowed:
        for kind in (1, 2, 3, 5):
            attempt(family, lambda: socket.socket(family, kind))
for family in (socket.AF_INET, socket.AF_INET6):
    attempt('raw', lambda: socket.socket(family, socket.SOCK_RAW, 1))
""",
        shows="16 refused PermissionError",
    ),
    "other-protocols": at(
        "dz",
        "opens sockets of the usual families that speak something else than TCP and UDP",
        ATTEMPT
        + """
import socket
for family in (socket.AF_INET, socket.AF_INET6):
    for kind, protocol in ((1, 262), (1, 132), (1, 256), (2, 136), (2, 1), (2, 58), (5, 132), (6, 33), (3, 6), (10, 3)):
        attempt((family, kind, protocol), lambda: socket.socket(family, kind, protocol))
attempt('raw unix', lambda: socket.socket(socket.AF_UNIX, 3))
attempt('raw pair', lambda: socket.socketpair(socket.AF_UNIX, 3))
print([socket.socket(family, kind).close() for family in (socket.AF_INET, socket.AF_INET6) for kind in (1, 2)])
""",
        shows=r"1, 262\) refused PermissionError(.|\n)*^raw pair refused(.|\n)*\[None, None, None, None\]",
    ),
}

"""Sockets to listen on."""

import socket


class CannotListen(Exception):
    """The port is taken or not ours to take."""


def bind(host: str, port: int, *, shared: bool = True) -> socket.socket:
    """A socket to listen on; replicas on this machine may share it (SO_REUSEPORT). Raises CannotListen."""
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, int(shared))
    try:
        sock.bind((host, port))
        if not shared:
            sock.listen()  # two sockets may be bound to one address; that another listens shows only here
    except OSError as error:
        sock.close()
        raise CannotListen(f"cannot listen on {host}:{port}: {error.strerror}") from None
    sock.setblocking(False)
    return sock

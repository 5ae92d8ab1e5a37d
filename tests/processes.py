"""What the kernel tells about the processes of a service: who works for it, and who is connected to whom."""

import psutil


def is_running(pid: int) -> bool:
    """Whether the process does anything still; one that nobody waited for does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def workers_of(pid: int) -> set[int]:
    """The processes that it has started."""
    return {child.pid for child in psutil.Process(pid).children()}


def connections_of(pid: int) -> set[tuple[int, int]]:
    """Own port and the other's of every TCP connection that the process holds; none of one that has ended."""
    try:
        held = psutil.Process(pid).net_connections("tcp")
    except psutil.NoSuchProcess:
        return set()
    return {
        (connection.laddr.port, connection.raddr.port)
        for connection in held
        if connection.status == psutil.CONN_ESTABLISHED and connection.raddr
    }

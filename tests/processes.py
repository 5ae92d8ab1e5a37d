"""What the kernel tells about processes (proc_pid_fd(5)); Linux only."""

from pathlib import Path


def open_files(pid: int | str) -> set[str]:
    """What its file descriptors stand for, such as `socket:[1234]`."""
    return {str(path.readlink()) for path in Path(f"/proc/{pid}/fd").iterdir()}

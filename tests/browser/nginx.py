"""nginx, set up as the guide says."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

GUIDE = Path(__file__).parents[2] / "docs/guides/deploy.md"
EXAMPLES = re.findall(r"```nginx\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
STOP_SECONDS = 10


@contextmanager
def running_nginx(example: str, directory: Path, port: int, service_port: int) -> Iterator[None]:
    """The example of the guide, without TLS, on `port`, which a socket of the caller may hold."""
    program = shutil.which("nginx", path=f"{os.defpath}:/usr/sbin")
    assert program is not None, "There is no nginx: apt-get install nginx"
    server = example.replace("listen 443 ssl;", f"listen 127.0.0.1:{port} reuseport;")
    server = server.replace("127.0.0.1:8000", f"127.0.0.1:{service_port}")
    places = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    paths = "".join(f"{name}_temp_path {directory}/{name};\n" for name in places)
    configuration = directory / "nginx.conf"
    configuration.write_text(
        f"daemon off; master_process off; pid {directory}/nginx.pid; error_log stderr;\nevents {{}}\n"
        f"http {{\naccess_log off;\n{paths}{server}}}\n"
    )
    with (directory / "nginx.log").open("wb") as log:
        process = subprocess.Popen([program, "-e", "stderr", "-c", configuration], stderr=log)  # noqa: S603 - our own
    try:
        yield
        assert process.poll() is None, (directory / "nginx.log").read_text()
    finally:
        process.terminate()
        process.wait(STOP_SECONDS)

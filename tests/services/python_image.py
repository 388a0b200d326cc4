"""A Python base image made from this machine's own interpreter, for engines that cannot pull one."""

import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from deploy.services.unavailable import Unavailable

LEFT_OUT = re.compile(r"(^|/)(site-packages|test|tests|idlelib|tkinter|__pycache__|config-[^/]*|lib2to3)(/|$)|\.a$")
LIBRARY = re.compile(r"(?:=> )?(/\S+) \(0x")
EXPECTED = (
    "libdl.so.2",
    "libgcc_s.so.1",
    "libnss_dns.so.2",
    "libnss_files.so.2",
    "libpthread.so.0",
    "libresolv.so.2",
    "librt.so.1",
    "libstdc++.so.6",
    "libutil.so.1",
)
"""Libraries that wheels and the resolver load, even if the interpreter does not."""
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
USERS = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n"
APPLETS = ("sh", "mkdir", "chown", "chmod", "cat", "env", "sleep")
ENVIRONMENT = (
    "ENV PATH=/usr/local/bin:/usr/bin:/bin",
    "ENV LD_LIBRARY_PATH=/usr/local/lib",
    f"ENV SSL_CERT_FILE={CERTIFICATES}",
    f"ENV PIP_CERT={CERTIFICATES}",
)


def import_python(client: Any, image: str) -> None:
    """Give the engine an image called `image`: Python and pip, a shell, the authorities that this machine trusts.

    Raises Unavailable without a static busybox for its shell.

    """
    busybox = shutil.which("busybox")
    if busybox is None:
        raise Unavailable("no busybox for the shell of a base image")
    repository, _, tag = image.rpartition(":")
    with tempfile.NamedTemporaryFile(suffix=".tar") as archive:
        with tarfile.open(fileobj=archive, mode="w") as tar:
            _fill(tar, busybox)
        archive.flush()
        client.api.import_image_from_file(archive.name, repository=repository, tag=tag, changes=list(ENVIRONMENT))


def _fill(tar: tarfile.TarFile, busybox: str) -> None:
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    prefix = Path(sys.base_prefix)
    tar.add(prefix / "lib" / name, f"usr/local/lib/{name}", filter=_kept)
    for part in ("pip", "setuptools"):
        for path in (prefix / "lib" / name / "site-packages").glob(f"{part}*"):
            tar.add(path, f"usr/local/lib/{name}/site-packages/{path.name}")
    tar.add(os.path.realpath(prefix / "bin" / name), f"usr/local/bin/{name}")
    for alias in ("python3", "python"):
        link(tar, f"usr/local/bin/{alias}", name)
    for library in _libraries(prefix, name):
        tar.add(os.path.realpath(library), library.lstrip("/").replace(str(prefix).lstrip("/"), "usr/local"))
    tar.add(busybox, "bin/busybox")
    for applet in APPLETS:
        link(tar, f"bin/{applet}", "busybox")
    if CERTIFICATES.exists():
        tar.add(os.path.realpath(CERTIFICATES), str(CERTIFICATES).lstrip("/"))
    text(tar, "etc/passwd", USERS)
    for folder, mode in (("tmp", 0o1777), ("root", 0o700)):
        entry = tarfile.TarInfo(folder)
        entry.type, entry.mode = tarfile.DIRTYPE, mode
        tar.addfile(entry)


def _kept(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    entry.uid = entry.gid = 0
    return None if LEFT_OUT.search(entry.name.partition("usr/local/lib/")[2]) else entry


def _libraries(prefix: Path, name: str) -> Iterator[str]:
    """Yield the shared libraries of the interpreter, of its extension modules, and those that wheels expect of any system."""
    extensions = [str(path) for path in (prefix / "lib" / name / "lib-dynload").glob("*.so")]
    linked = subprocess.run(
        ["ldd", str(prefix / "bin" / name), *extensions], capture_output=True, text=True, check=False
    ).stdout
    libraries = set(LIBRARY.findall(linked))
    folders = {Path(library).parent for library in libraries if "/libc.so" in library}
    folders |= {Path("/usr") / folder.relative_to("/") for folder in folders}
    libraries |= {str(folder / name) for folder in folders for name in EXPECTED if (folder / name).exists()}
    yield from sorted(libraries)


def link(tar: tarfile.TarFile, name: str, target: str) -> None:
    """Add a symbolic link."""
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = tarfile.SYMTYPE, target
    tar.addfile(entry)


def text(tar: tarfile.TarFile, name: str, content: str) -> None:
    """Add a text file."""
    encoded = content.encode()
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(encoded), 0o644
    tar.addfile(entry, io.BytesIO(encoded))

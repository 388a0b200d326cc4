"""A Rust base image made from this machine's toolchain and C linker, for engines that cannot pull one."""

import re
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from deploy.services.unavailable import Unavailable
from tests.services.python_image import APPLETS, CERTIFICATES, LIBRARY, USERS, link, text

COMPILERS = re.compile(r"/(cc1|cc1plus|lto1|g\+\+-mapper-server|plugin|include)(/|$)|lib[a-z]*san")
"""Parts of gcc that linking does not need."""
NAME_SERVICE = ("libnss_dns.so.2", "libnss_files.so.2", "libresolv.so.2")
"""Libraries that the resolver loads at run time."""
ENVIRONMENT = (
    "ENV PATH=/usr/local/bin:/usr/bin:/bin",
    f"ENV SSL_CERT_FILE={CERTIFICATES}",
    f"ENV CARGO_HTTP_CAINFO={CERTIFICATES}",
    "ENV CARGO_HOME=/usr/local/cargo",
)


def import_rust(client: Any, image: str) -> None:
    """Give the engine an image called `image`: rustc and cargo, a shell, and what links a library.

    Raises Unavailable without Rust, gcc, or a static busybox for its shell.
    """
    for program in ("busybox", "rustc", "cargo", "gcc", "ld"):
        if shutil.which(program) is None:
            raise Unavailable(f"no {program} for a Rust base image")
    repository, _, tag = image.rpartition(":")
    with tempfile.NamedTemporaryFile(suffix=".tar") as archive:
        with tarfile.open(fileobj=archive, mode="w") as tar:
            _fill(tar)
        archive.flush()
        client.api.import_image_from_file(archive.name, repository=repository, tag=tag, changes=list(ENVIRONMENT))


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def _fill(tar: tarfile.TarFile) -> None:
    sysroot = Path(_output("rustc", "--print", "sysroot"))
    programs = [sysroot / "bin" / name for name in ("cargo", "rustc")]
    tar.add(sysroot / "lib", "usr/local/lib")
    for program in programs:
        tar.add(program, f"usr/local/bin/{program.name}")
    _fill_linker(tar, programs)
    _fill_system(tar)


def _fill_linker(tar: tarfile.TarFile, programs: list[Path]) -> None:
    """Add gcc without its compilers, the linker, what the C library is linked by, and the libraries of all programs."""
    gcc = Path(_output("gcc", "-print-file-name=crtbeginS.o")).resolve().parent
    tools = [Path(shutil.which(name) or name).resolve() for name in ("gcc", _output("gcc", "-print-prog-name=ld"))]
    for name, program in zip(("cc", "ld"), tools, strict=True):
        tar.add(program, f"usr/bin/{name}")
    crt = Path(_output("gcc", "-print-file-name=crti.o")).resolve().parent
    parts = (path for path in sorted(gcc.iterdir()) if not COMPILERS.search(str(path)))
    for path in (*parts, *crt.glob("*crt*.o"), *crt.glob("lib*_nonshared.a"), *_stubs(crt)):
        tar.add(path, f"usr/lib/{path.relative_to('/usr/lib')}")
    for path in sorted(_libraries([*programs, *tools, gcc / "collect2"], crt)):
        tar.add(path.resolve(), f"usr/lib/{crt.name}/{path.name}")
    loader = Path("/lib64/ld-linux-x86-64.so.2")
    if loader.exists():
        tar.add(loader.resolve(), f"usr{loader}")


def _fill_system(tar: tarfile.TarFile) -> None:
    """Add a shell, the authorities that this machine trusts, and the usual folders."""
    for name in ("bin", "lib", "lib64"):
        link(tar, name, f"usr/{name}")
    tar.add(shutil.which("busybox") or "", "usr/bin/busybox")
    for applet in APPLETS:
        link(tar, f"usr/bin/{applet}", "busybox")
    if CERTIFICATES.exists():
        tar.add(CERTIFICATES.resolve(), str(CERTIFICATES).lstrip("/"))
    text(tar, "etc/passwd", USERS)
    folder = tarfile.TarInfo("tmp")
    folder.type, folder.mode = tarfile.DIRTYPE, 0o1777
    tar.addfile(folder)


def _stubs(crt: Path) -> Iterator[Path]:
    """Yield what the C library is linked by: scripts, and archives that are empty in today's glibc."""
    for name in ("c", "m", "dl", "rt", "pthread", "util", "gcc_s"):
        for suffix in (".so", ".a"):
            path = crt / f"lib{name}{suffix}"
            if path.exists() and path.stat().st_size < 1 << 16:
                yield path


def _libraries(programs: list[Path], crt: Path) -> set[Path]:
    """The shared libraries of programs outside Rust's own folder, and those of the resolver."""
    linked = {Path(name) for program in programs for name in LIBRARY.findall(_output("ldd", str(program)))}
    system = {path for path in linked if crt.name in path.parts}
    return system | {crt / name for name in NAME_SERVICE if (crt / name).exists()} | set(crt.glob("libmvec.so.1"))

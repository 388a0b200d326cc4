"""A real Elasticsearch node for the tests, from the published jars."""

import subprocess
import urllib.error
import urllib.request
import zipfile
from collections.abc import Mapping
from pathlib import Path

from deploy.services.processes import ServerProcess, free_port
from tests.services.java import HERE, compiled, jars, java, prepared

FILES = HERE / "elasticsearch"
NEWEST, EIGHT = "9.5.3", "8.19.4"
JAVA = 21
HEAP = "768m"
NETTY = ("transport-netty4-", "netty-", "elasticsearch-ssl-config-")
DESCRIPTOR = "META-INF/es-plugins/transport-netty4/plugin-descriptor.properties"


def home_of(version: str) -> tuple[Path, Path]:
    """Return the JDK, and the folder with the server's libraries and modules. Raises Unavailable."""
    jdk = java(JAVA)

    def build(folder: Path) -> None:
        lib, netty, root = folder / "lib", folder / "modules" / "transport-netty4", folder / "modules" / "root"
        jars(FILES / "pom.xml", lib, f"server.version={version}")
        for made in (netty, root):
            made.mkdir(parents=True)
        for jar in [file for file in lib.iterdir() if file.name.startswith(NETTY)]:
            jar.rename(netty / jar.name)  # a module has a class loader of its own: no class may be in both
        (jar,) = netty.glob("transport-netty4-*.jar")
        descriptor = zipfile.ZipFile(jar).read(DESCRIPTOR).decode().splitlines()
        lines = [
            line for line in descriptor if not line.startswith("modulename")
        ]  # on the class path, nothing is a module
        (netty / "plugin-descriptor.properties").write_text("\n".join(lines))
        major = version.partition(".")[0]
        said = dict(line.split("=", 1) for line in lines if "=" in line)
        said |= {"name": "root", "classname": "tests.Root", "description": "GET /"}
        (root / "plugin-descriptor.properties").write_text("".join(f"{key}={value}\n" for key, value in said.items()))
        compiled(jdk, lib, root / "root.jar", FILES / "Answer.java", FILES / major / "Root.java")
        compiled(jdk, lib, lib / "node.jar", FILES / "Node.java", FILES / major / "Plugins.java")
        if (zstd := system_zstd()) is not None:
            (lib / "platform" / "linux-x64").mkdir(parents=True)
            (lib / "platform" / "linux-x64" / "libzstd.so").symlink_to(zstd)

    return jdk, prepared(f"elasticsearch-{version}", build, *sorted(FILES.rglob("*.*")), Path(__file__), str(jdk))


def system_zstd() -> str | None:
    """Return the path of libzstd, which the server compresses with; without it, it uses no native calls at all."""
    libraries = subprocess.run(["/sbin/ldconfig", "-p"], capture_output=True, text=True, check=False).stdout
    places = [
        line.rpartition(" ")[2] for line in libraries.splitlines() if "libzstd.so.1 " in line and "x86-64" in line
    ]
    return places[0] if places else None


class ElasticsearchNode:
    """A node on loopback, whose data outlives its process."""

    def __init__(self, folder: Path, version: str = NEWEST) -> None:
        """Prepare the jars; start nothing. Raises Unavailable."""
        self._jdk, self._home = home_of(version)
        self._folder = folder
        self._port = free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        self.process = ServerProcess(folder, "elasticsearch")

    def start(self, settings: Mapping[str, str] | None = None) -> "ElasticsearchNode":
        """Start it with settings of its `elasticsearch.yml`. Raises Unavailable."""
        home = self._folder / "home"
        for name in ("config", "logs", "plugins", "tmp"):
            (home / name).mkdir(parents=True, exist_ok=True)
        for name in ("lib", "modules"):
            if not (home / name).exists():
                (home / name).symlink_to(self._home / name)
        options = {
            "cluster.name": "tests",
            "discovery.type": "single-node",
            "network.host": "127.0.0.1",
            "http.port": str(self._port),
            "transport.port": str(free_port()),
            "path.data": str(self._folder / "data"),
            "path.logs": str(home / "logs"),
            "cluster.routing.allocation.disk.threshold_enabled": "false",
            **(settings or {}),
        }
        (home / "config" / "elasticsearch.yml").write_text(
            "".join(f'{key}: "{value}"\n' for key, value in options.items())
        )
        (home / "config" / "log4j2.properties").write_text(
            "appender.out.type = Console\nappender.out.name = out\n"
            "appender.out.layout.type = PatternLayout\nappender.out.layout.pattern = [%d][%p][%c{1.}] %m%n\n"
            "rootLogger.level = info\nrootLogger.appenderRef.out.ref = out\n"
        )
        command = [
            str(self._jdk / "bin/java"), f"-Xms{HEAP}", f"-Xmx{HEAP}", "--add-modules=jdk.incubator.vector",
            "--enable-native-access=ALL-UNNAMED", f"-Des.path.home={home}", f"-Djava.io.tmpdir={home}/tmp",
            "-Dorg.elasticsearch.nativeaccess.enableVectorLibrary=false", "-XX:+AutoCreateSharedArchive",
            f"-XX:SharedArchiveFile={self._home}/classes.jsa", "-cp", f"{home}/lib/*", "Node", str(home),
        ]  # fmt: skip
        self.process.start(command, self._healthy)
        return self

    def _healthy(self) -> bool:
        address = f"{self.url}/_cluster/health?wait_for_status=yellow&timeout=5s"
        try:
            with urllib.request.urlopen(address, timeout=10) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def kill(self) -> None:
        """Send SIGKILL."""
        self.process.kill()

    def stop(self) -> None:
        """Send SIGTERM."""
        self.process.stop()

"""A real nginx on loopback in front of an application, with its access log in two forms."""

import os
import socket
from pathlib import Path

from deploy.services.debian import program
from deploy.services.processes import ServerProcess, free_port

CONFIGURATION = r"""
daemon off;
{user}
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  large_client_header_buffers 4 64k;
  log_format as_json escape=json '{{"time_iso8601":"$time_iso8601","remote_addr":"$remote_addr","remote_user":"$remote_user",'
    '"request_method":"$request_method","request_uri":"$request_uri","status":"$status","request_time":"$request_time",'
    '"http_user_agent":"$http_user_agent","http_referer":"$http_referer","http_x_forwarded_for":"$http_x_forwarded_for",'
    '"request_id":"$http_x_correlation_id"}}';
  access_log {folder}/combined.log combined;
  access_log {folder}/json.log as_json;
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://{upstream};
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    }}
  }}
}}
"""


class NginxServer:
    """One nginx that passes every request on; `combined` and `as_json` are its access logs."""

    def __init__(self, folder: Path, upstream: str) -> None:
        """Find the program, write the configuration, start nothing. Raises Unavailable."""
        self._program = program("nginx", "nginx-light")
        self._folder, self.port = folder, free_port()
        self.combined, self.as_json = folder / "combined.log", folder / "json.log"
        user = "user root;" if os.geteuid() == 0 else ""
        text = CONFIGURATION.format(folder=folder, port=self.port, upstream=upstream, user=user)
        (folder / "nginx.conf").write_text(text, encoding="utf-8")
        self.process = ServerProcess(folder, "nginx")

    def start(self) -> "NginxServer":
        """Start the server. Raises Unavailable."""
        command = [self._program, "-p", str(self._folder), "-c", str(self._folder / "nginx.conf")]
        self.process.start(command, self._listens, seconds=30)
        return self

    def _listens(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=2):
                return True
        except OSError:
            return False

    def stop(self) -> None:
        """Send SIGTERM and wait."""
        self.process.stop()

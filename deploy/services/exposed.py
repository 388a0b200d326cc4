"""A scrape target with metrics set by the caller."""

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from deploy.services.sinks import Serving


class Exposed(Serving):
    """Serves `samples` (series to value) at /metrics on a loopback port while the context is open."""

    def __init__(self, samples: dict[str, float]) -> None:
        self.samples = samples

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = "".join(f"{series} {value}\n" for series, value in samples.items()).encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- what it overrides is named so
                pass

        super().__init__(ThreadingHTTPServer(("127.0.0.1", 0), Handler))

"""Local receivers of notifications, in place of Slack, PagerDuty and a mail server; they record what they receive."""

import base64
import json
import socketserver
import threading
import time
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar, Self

POLL_S = 0.02


class Serving:
    """A server in a separate thread, while the context is open."""

    def __init__(self, server: socketserver.TCPServer) -> None:
        self._server = server
        self._thread = threading.Thread(target=server.serve_forever, args=(POLL_S,), daemon=True)

    @property
    def address(self) -> str:
        """HOST:PORT of the server."""
        host, port = self._server.socket.getsockname()
        return f"{host}:{port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop the server; a second call does nothing."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


class _Post(BaseHTTPRequestHandler):
    """Records JSON bodies, and responds like Slack's webhooks or PagerDuty's events API."""

    received: ClassVar[list[tuple[float, Any]]]
    status: ClassVar[int]
    answer: ClassVar[bytes]

    def do_POST(self) -> None:
        self.received.append((time.monotonic(), json.loads(self.rfile.read(int(self.headers["Content-Length"])))))
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(self.answer)))
        self.end_headers()
        self.wfile.write(self.answer)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the name of what it overrides
        """Log nothing."""


class HttpSink(Serving):
    """Records every body posted to it, with its arrival time (monotonic)."""

    def __init__(self, status: int, answer: bytes) -> None:
        self.received: list[tuple[float, Any]] = []
        handler = type("Handler", (_Post,), {"received": self.received, "status": status, "answer": answer})
        super().__init__(ThreadingHTTPServer(("127.0.0.1", 0), handler))

    @property
    def url(self) -> str:
        """URL to post to."""
        return f"http://{self.address}/"

    @property
    def times(self) -> list[float]:
        """Arrival times (monotonic) of the bodies."""
        return [when for when, _ in self.received]


class SlackSink(HttpSink):
    """A Slack incoming webhook."""

    def __init__(self) -> None:
        super().__init__(200, b"ok")

    def messages(self, words: str = "") -> list[dict[str, str]]:
        """Attachments whose title or text contains `words`, in order; each has `title`, `text` and `color`."""
        attachments = [attachment for _, body in self.received for attachment in body["attachments"]]
        return [one for one in attachments if words in one["title"] or words in one["text"]]

    def arrival(self, words: str) -> float:
        """Return the arrival time (monotonic) of the first message with these words."""
        return next(when for when, body in self.received if words in json.dumps(body))


class PagerDutySink(HttpSink):
    """PagerDuty's Events API, version 2."""

    def __init__(self) -> None:
        super().__init__(202, b'{"status":"success","message":"Event processed","dedup_key":"k"}')

    @property
    def events(self) -> list[dict[str, Any]]:
        """Events in order, each with `routing_key`, `event_action` and `payload`."""
        return [body for _, body in self.received]


class _Smtp(socketserver.StreamRequestHandler):
    """The part of SMTP that Alertmanager uses: login and one message."""

    messages: ClassVar[list[EmailMessage]]
    logins: ClassVar[list[tuple[str, str]]]
    answers: ClassVar[dict[str, str]] = {
        "EHLO": "250-sink\r\n250 AUTH PLAIN",
        "DATA": "354 go on",
        "QUIT": "221 bye",
        "AUTH": "235 welcome",
    }

    def handle(self) -> None:
        self._say("220 sink")
        while line := self.rfile.readline().decode().strip():
            command = line.split()[0].upper()
            if command == "AUTH":
                _, user, password = base64.b64decode(line.split()[2]).decode().split("\0")
                self.logins.append((user, password))
            self._say(self.answers.get(command, "250 ok"))
            if command == "DATA":
                self._take()
            if command == "QUIT":
                return

    def _take(self) -> None:
        lines = []
        while (line := self.rfile.readline()) not in {b".\r\n", b""}:
            lines.append(line.removeprefix(b".") if line.startswith(b"..") else line)
        self.messages.append(message_from_bytes(b"".join(lines), policy=policy.default))
        self._say("250 taken")

    def _say(self, line: str) -> None:
        self.wfile.write(line.encode() + b"\r\n")


class _SmtpServer(socketserver.ThreadingTCPServer):
    daemon_threads = True


class SmtpSink(Serving):
    """A mail server that records messages and logins."""

    def __init__(self) -> None:
        self.messages: list[EmailMessage] = []
        self.logins: list[tuple[str, str]] = []
        handler = type("Handler", (_Smtp,), {"messages": self.messages, "logins": self.logins})
        super().__init__(_SmtpServer(("127.0.0.1", 0), handler))

    def parts(self, words: str) -> tuple[str, str]:
        """Text and HTML of the first message whose subject contains `words`."""
        message = next(one for one in self.messages if words in one["Subject"])
        text, html = message.get_body(("plain",)), message.get_body(("html",))
        assert text is not None
        assert html is not None
        return text.get_content(), html.get_content()

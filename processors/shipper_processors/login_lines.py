"""Recognise login lines of other systems: the tests of the rules that `counters.presets` switches on.

Each test takes the whole text of an entry and is anchored at its beginning: a user name, a client's name or any other
text that a client chooses stands behind a part that only the program writes. Whatever a client calls itself, one line
counts at most once, and a line of a failure is never one of a success.
"""

from collections.abc import Callable, Mapping

from shipper_schemas import lazy_re as re

MOST_LINES = 16
"""Lines of a joined entry that are tested."""
LONGEST_LINE = 4096
LONGEST_NAME = 63
"""Most bytes of a name in PostgreSQL."""

# --- sshd -----------------------------------------------------------------------------------------

_SYSLOG = (
    r"(?:(?:<\d{1,3}>)?(?:\d )?"
    r"(?:[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d|\d{4}-\d\d-\d\d[T ][\d:.,]{5,20}(?:Z|[+-][\d:]{4,6})?)"
    r" (?:\S{1,255} )?sshd(?:-session|-auth)?(?:\[\d{1,10}\]|): )?"
)
_REPEATED = r"(?:message repeated \d{1,6} times: \[ )?"
SSHD_FAILED = re.compile(
    rf"{_SYSLOG}{_REPEATED}Failed (?:password|keyboard-interactive(?:/[a-z-]{{1,32}})?) for (?:invalid user )?"
)
SSHD_ACCEPTED = re.compile(
    rf"{_SYSLOG}Accepted"
    r" (?:password|publickey|keyboard-interactive(?:/[a-z-]{1,32})?|hostbased|gssapi-[a-z-]{1,32}) for "
)
SSHD_PEER = re.compile(r" from \S{1,255} port \d{1,5}(?: ssh2?)?(?: \[preauth\])?(?:\]|: [^\n]{1,512})?")


def sshd_failure(text: str) -> bool:
    """Recognise a password that sshd rejected.

    `Invalid user` precedes one and is no attempt of its own; neither is a closed connection, nor a key that was offered
    before the password.
    """
    if "Failed " not in text:
        return False
    line = _line(text)
    match = SSHD_FAILED.match(line)
    return match is not None and _names_peer(line, match.end())


def sshd_success(text: str) -> bool:
    """Recognise a login that sshd accepted, by whatever method."""
    if "Accepted " not in text:
        return False
    line = _line(text)
    match = SSHD_ACCEPTED.match(line)
    return match is not None and _names_peer(line, match.end())


def _names_peer(line: str, at: int) -> bool:
    """Return True if a user and the address that it comes from follow; a user's name may imitate an address."""
    peer = line.rfind(" from ")
    return peer >= at and SSHD_PEER.fullmatch(line, peer) is not None


# --- PostgreSQL -----------------------------------------------------------------------------------

_SEVERITY = re.compile(
    r"(?<![A-Za-z0-9])"
    r"(?:DEBUG\d?|LOG|INFO|NOTICE|WARNING|ERROR|FATAL|PANIC|DETAIL|HINT|CONTEXT|QUERY|STATEMENT|LOCATION|BACKTRACE):  "
)
_POSTGRES_HEAD = re.compile(
    r"(?:(?:<\d{1,3}>)?[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d (?:\S{1,255} )?postgres(?:ql)?\[\d{1,10}\]: "
    r"|<? ?\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{1,6})? (?:[A-Z]{2,5}|[+-]\d{2,4})[ :]?)?"
    r"(?:\[\d{1,10}(?:-\d{1,10})?\]:? ?)?"
)
"""The beginning of a line that no client chooses: syslog's, or a time with its zone, and the process."""
POSTGRESQL_FAILURE = re.compile(
    r"FATAL:  (?:[0-9A-Z]{5}: )?[A-Za-z0-9-]{2,16} authentication failed for user \"(.{0,63})\""
)
POSTGRESQL_SUCCESS = re.compile(r"LOG:  (?:[0-9A-Z]{5}: )?(?:replication )?connection authorized: user=.{1,1024}")


def postgresql_failure(text: str) -> bool:
    """Recognise a failed authentication in PostgreSQL's text log.

    A name that a client chooses may imitate the message, and `log_line_prefix` may repeat it before each line. So the
    severity counts that follows the head, or the only one; else the name must stand both in the prefix and the message.
    """
    if " authentication failed for user " not in text:
        return False
    line = _line(text)
    head, first = _postgres_head(line), _SEVERITY.search(line)
    if first is None:
        return False
    match = POSTGRESQL_FAILURE.fullmatch(line, first.start())
    if match is not None and first.start() == head:
        return len(match[1].encode("utf-8", "replace")) <= LONGEST_NAME
    if match is not None and _SEVERITY.search(match[1]) is None:
        return _is_prefix(line, head, first.start())
    for at in (tag.start() for tag in _SEVERITY.finditer(line, first.end())):
        match = POSTGRESQL_FAILURE.fullmatch(line, at)
        if match is not None and _SEVERITY.match(match[1]) is None and line.startswith(match[1], head):
            return first.start() < head + len(match[1]) <= at
    return False


def postgresql_success(text: str) -> bool:
    """Recognise an authorised connection: the line has no severity but its own, so that no name can imitate one."""
    if "connection authorized: user=" not in text:
        return False
    line = _line(text)
    severities = [match.start() for match in _SEVERITY.finditer(line)]
    if len(severities) != 1 or POSTGRESQL_SUCCESS.fullmatch(line, severities[0]) is None:
        return False
    return _is_prefix(line, _postgres_head(line), severities[0])


def _postgres_head(line: str) -> int:
    match = _POSTGRES_HEAD.match(line)
    return 0 if match is None else match.end()


def _is_prefix(line: str, head: int, severity: int) -> bool:
    """Return True if a line begins as PostgreSQL's do: with its head, and then names without quotes."""
    return severity == head or (head > 0 and '"' not in line[head:severity])


# --- RabbitMQ -------------------------------------------------------------------------------------

_RABBIT_HEAD = r"(?:\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{1,6}(?:[+-]\d\d:\d\d)? \[[a-z]{1,10}\] <[\d.]{3,32}> )?"
RABBITMQ_FAILURE = re.compile(
    rf"{_RABBIT_HEAD}(?:HTTP access denied: user '.{{0,1024}}' - invalid credentials"
    r"|\"?[A-Z0-9-]{2,24} login refused: user '.{0,1024}'.{0,256}"
    r"|(?:Web )?(?:MQTT|STOMP) login failed for user '.{0,1024}'.{0,256})"
)
RABBITMQ_CONNECTION = re.compile(
    rf"{_RABBIT_HEAD}connection (?:<[\d.]{{3,32}}> \()?[^ ()]{{1,64}} -> [^ ()]{{1,64}}(?: - |\): |(?<=:) )"
)
GRANTED = "' authenticated and granted access to vhost '"
NAMED = " has a client-provided name: "


def rabbitmq_failure(text: str) -> bool:
    """Recognise refused credentials, in a line of their own or below `Error on AMQP connection`."""
    if " login refused: " not in text and "HTTP access denied: " not in text and " login failed for user " not in text:
        return False
    lines = text.split("\n", MOST_LINES)[:MOST_LINES]
    return any(RABBITMQ_FAILURE.fullmatch(line[:LONGEST_LINE].rstrip()) is not None for line in lines)


def rabbitmq_success(text: str) -> bool:
    """Recognise a connection with access to its virtual host.

    A client chooses the name of its connection, which stands before the user, and in a line of its own before that.
    """
    if GRANTED not in text:
        return False
    line = _line(text)
    match = RABBITMQ_CONNECTION.match(line)
    user = -1 if match is None else line.find(": user '", match.end() - 2)
    return user >= 0 and line.find(GRANTED, user) >= 0 and line.endswith("'") and NAMED not in line


# --- MongoDB, Keycloak and Vault ---------------------------------------------------------------------------

_KEYCLOAK = r"(?:[\d :.,T+Z-]{0,40} )?[A-Z]{4,8} {1,4}\[org\.keycloak\.events\] \([^()]{1,128}\) "
KEYCLOAK_FAILURE = re.compile(rf"(?:{_KEYCLOAK})type=(?:LOGIN_ERROR|\"LOGIN_ERROR\")(?:,|\Z)")
KEYCLOAK_SUCCESS = re.compile(rf"(?:{_KEYCLOAK})type=(?:LOGIN|\"LOGIN\")(?:,|\Z)")
VAULT_LOGIN = re.compile(
    r"auth/(?!token/)[^/\n]{1,128}(?:/(?!users?/|roles?/|groups?/|config/|map/)[^/\n]{1,128}){0,3}?/login(?:/.{1,1024})?"
)


def mongodb_rejected(error: str) -> bool:
    """Recognise an error of MongoDB that ends an attempt to log in.

    A driver's first, speculative attempt for an unknown user is followed by a second, which counts instead.
    """
    return not error.startswith("UserNotFound")


def keycloak_failure(text: str) -> bool:
    """Recognise a LOGIN_ERROR of Keycloak's event logger."""
    return "LOGIN_ERROR" in text and KEYCLOAK_FAILURE.match(text) is not None


def keycloak_success(text: str) -> bool:
    """Recognise a LOGIN of Keycloak's event logger."""
    return "[org.keycloak.events]" in text and KEYCLOAK_SUCCESS.match(text) is not None


def vault_login(path: str) -> bool:
    """Recognise the path of a login by one of Vault's authentication methods, such as `auth/userpass/login/alice`."""
    return path.startswith("auth/") and VAULT_LOGIN.fullmatch(path) is not None


def _line(text: str) -> str:
    """Return the first line of a text, up to a length that no login line has."""
    return text.partition("\n")[0][:LONGEST_LINE].strip()


TESTS: Mapping[str, Callable[[str], bool]] = {
    "keycloak_failure": keycloak_failure,
    "keycloak_success": keycloak_success,
    "sshd_failure": sshd_failure,
    "sshd_success": sshd_success,
    "postgresql_failure": postgresql_failure,
    "postgresql_success": postgresql_success,
    "mongodb_rejected": mongodb_rejected,
    "rabbitmq_failure": rabbitmq_failure,
    "rabbitmq_success": rabbitmq_success,
    "vault_login": vault_login,
    "not_empty": bool,
}
"""The tests by their names in rules."""

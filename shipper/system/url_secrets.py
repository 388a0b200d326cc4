"""Masks the secrets in URLs, wherever a URL is shown: passwords, and parameters of a query that hold a secret."""

import re

MASK = "**********"
"""As pydantic shows a secret."""
AUTHORITY = re.compile(r"[^/?#\s]*+")
QUERY_PARAMETER = re.compile(r"(?P<name>[?&][^=&#?\s]*+=)[^&#?\s]++")
SECRET_WORDS = ("token", "secret", "pass", "pwd", "key", "sig", "auth", "credential", "session")


def without_secrets(text: str) -> str:
    """Return `text` with each URL in it masked."""
    before, *urls = text.split("://")
    if not urls:
        return text
    return QUERY_PARAMETER.sub(_parameter, "://".join((before, *map(_without_password, urls))))


def _without_password(url: str) -> str:
    """Return the rest of a URL behind `://` masked, up to the last `@` before its path: a password may contain one."""
    match = AUTHORITY.match(url)
    userinfo, sign, _ = match[0].rpartition("@") if match else ("", "", "")
    if not sign:
        return url
    user, colon, _ = userinfo.partition(":")
    return f"{f'{user}:' if colon else ''}{MASK}{url[len(userinfo) :]}"


def _parameter(match: "re.Match[str]") -> str:
    holds_secret = any(word in match["name"].lower() for word in SECRET_WORDS)
    return f"{match['name']}{MASK}" if holds_secret else match[0]

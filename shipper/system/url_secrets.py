"""Masks the secrets in URLs, wherever a URL is shown: passwords, and parameters of a query that hold a secret."""

import re

MASK = "**********"
"""As pydantic shows a secret."""
USERINFO = re.compile(r"(?<=://)([^/?#\s:@]*)(:?)[^/?#\s]*@")
"""Up to the last `@` before the path, since a password may contain one."""
PARAMETER = re.compile(
    r"([?&][^=&#\s]*(?:token|secret|pass|pwd|key|sig|auth|credential|session)[^=&#\s]*=)[^&#\s]+", re.IGNORECASE
)


def without_secrets(text: str) -> str:
    """Return `text` with each URL in it masked."""
    if "://" not in text:
        return text
    masked = USERINFO.sub(lambda match: f"{match[1]}:{MASK}@" if match[2] else f"{MASK}@", text)
    return PARAMETER.sub(rf"\g<1>{MASK}", masked)

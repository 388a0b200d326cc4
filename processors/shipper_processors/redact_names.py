"""Names of what is masked by default; the patterns themselves are compiled where lines are processed."""

DEFAULT_FIELDS = (
    "password", "passwd", "pwd", "secret", "client_secret", "token", "access_token", "refresh_token", "id_token",
    "authorization", "cookie", "set_cookie", "api_key", "apikey", "private_key", "session_id", "ssn",
    "card_number", "cvv",
)  # fmt: skip
"""Fields whose entire value is masked."""
PATTERN_NAMES = (
    "header", "url_password", "bearer", "jwt", "password", "email", "card", "national_id", "phone",
)  # fmt: skip
"""The patterns in `redact_patterns.PATTERNS`."""

"""The rule for names: which words in a name say that its value is a secret or personal data.

A name is split into words at case changes, digits and every other character: `aws_secret_access_key`,
`passwordConfirm`, `X-Auth-Token`. One list of words decides, for fields, for what is nested in them, for header pairs
and for names in text.
"""

import re
from collections.abc import Iterable
from functools import cache
from typing import Literal, NamedTuple

Kind = Literal["", "password", "field"]
"""What a name stands for: nothing, a secret, or another field that is masked."""

SECRET_NAMES = (
    "password", "pass_word", "passwd", "passphrase", "passcode", "pwd", "dbpwd", "userpwd", "pass", "passwort",
    "mot_de_passe", "secret", "token", "credential", "authorization", "authorisation", "cookie", "api_key",
    "access_key", "private_key", "encryption_key", "signing_key", "ssh_key", "master_key", "account_key", "shared_key",
    "auth_key", "license_key", "session_id", "session_key", "sessid", "connect.sid", "security_code",
    "verification_code", "recovery_code", "backup_code", "cvv", "cvc", "pin", "otp", "totp", "jwt", "psk",
    "input_value",
)  # fmt: skip
"""Names of secrets; `input_value` is what pydantic calls a rejected value in its messages."""
PERSONAL_NAMES = (
    "first_name", "last_name", "full_name", "given_name", "family_name", "middle_name", "maiden_name", "birth_name",
    "patient_name", "person_name", "customer_name", "contact_name", "surname", "prenom", "nom_de_famille",
    "date_of_birth", "birth_date", "birthday", "dob", "date_naissance", "date_de_naissance", "street",
    "street_address", "postal_address", "home_address", "mailing_address", "billing_address", "shipping_address",
    "patient_address", "customer_address", "contact_address", "person_address", "address_line", "postal_code",
    "post_code", "zip_code", "phone_number", "mobile_number", "card_number", "credit_card", "card_no", "iban", "ssn",
    "social_security", "national_id", "nir", "nhs_number", "passport_number",
)  # fmt: skip
"""Names of personal data: names, addresses, dates of birth, numbers of people and of their cards."""
DEFAULT_FIELDS = (*SECRET_NAMES, *PERSONAL_NAMES)
PATTERN_NAMES = (
    "header", "url_password", "bearer", "jwt", "key", "password", "link", "email", "iban", "card", "national_id",
    "phone",
)  # fmt: skip
"""Names of the built-in patterns, in the order in which they are applied."""

ENDINGS = frozenset({
    "count", "counts", "type", "types", "expires", "expired", "expiry", "expiration", "expire", "expiring", "at",
    "ttl", "length", "len", "age", "policy", "policies", "strength", "limit", "limits", "used", "usage", "name",
    "names", "changed", "updated", "created", "required", "enabled", "disabled", "valid", "invalid", "status",
    "state", "url", "uri", "endpoint", "path", "file", "version", "size", "budget", "rate", "remaining", "index",
    "reset", "refresh", "refreshed", "update", "sync", "store", "storage", "provider", "service", "manager",
    "handler", "validator", "validation", "generator", "factory", "filter", "error", "errors", "check", "checked",
    "failed", "failure", "rotation", "rotated", "min", "max", "total", "field", "fields", "format", "label", "title",
    "hint", "present", "missing", "exists", "scope", "scopes", "issuer", "audience", "algorithm", "class", "method",
    "mode", "in", "seconds", "ms", "days", "consent", "domain", "samesite", "secure", "httponly",
})  # fmt: skip
"""Last words of names that describe a value instead of holding it: `password_length`, `token_type`."""
HARMLESS = ("secretar", "secretion", "secretor", "secretive")
"""Beginnings of words that contain a word of the list by chance."""
QUERY_NAMES = frozenset(
    {"code", "session", "sig", "signature", "key", "sid", "auth", "ticket", "assertion", "samlresponse", "hmac", "pw"}
)
"""Further names that hold a secret in a query: `?code=`."""
QUERY_ENDING = "signature"
LONGEST_NAME = 100
"""Most characters of a name in a text; only its end is read."""
ANYWHERE, AT_END = 6, 5
"""Least letters of a listed word that counts anywhere in a word, and at its end; shorter ones are whole words."""
BOUNDARY = re.compile(
    r"(?<=[a-z])(?=[A-Z0-9])|(?<=[A-Z])(?=[0-9])|(?<=[0-9])(?=[A-Za-z])|(?<=[A-Z])(?=[A-Z][a-z])", re.ASCII
)
NO_WORD = re.compile(r"[^a-z0-9\x80-\U0010ffff]")


@cache
def words_of(name: str) -> tuple[str, ...]:
    """Return the words of a listed name."""
    return tuple(word for word in split_name(name) if word)


def split_name(name: str) -> list[str]:
    """Return the words of a name in lower case; between two characters that are in no word is an empty one."""
    return NO_WORD.sub("_", _lower(BOUNDARY.sub("_", name))).split("_")


def _lower(text: str) -> str:
    """Return a text with its ASCII letters in lower case."""
    return text.lower() if text.isascii() else text.translate(_LOWER)


_LOWER = {capital: capital + 32 for capital in range(ord("A"), ord("Z") + 1)}


class Found(NamedTuple):
    """A value to mask, with its kind and its place in the text."""

    kind: str
    start: int
    end: int


class Listed(NamedTuple):
    """A name of the list."""

    words: tuple[str, ...]
    kind: Kind

    def end_in(self, words: list[str]) -> int:
        """Return the number of the word after the last occurrence in a name's words; 0 if there is none."""
        joined, count = "".join(self.words), len(self.words)
        for end in range(len(words), 0, -1):
            last = words[end - 1]
            if _is(last, joined) or (len(joined) >= AT_END and _ends(last, joined)):
                return end
            if count == 1:
                if len(joined) >= ANYWHERE and joined in last and not last.startswith(HARMLESS):
                    return end
            elif end >= count and _is(last, self.words[-1]) and tuple(words[end - count : end - 1]) == self.words[:-1]:
                return end
        return 0


def _is(word: str, other: str) -> bool:
    """True if a word is another one, or its plural."""
    return word in (other, f"{other}s")


def _ends(word: str, end: str) -> bool:
    return word.endswith((end, f"{end}s"))


class NameRule:
    """Tells from a name whether its value is masked."""

    def __init__(self, fields: Iterable[str], *, secrets: bool) -> None:
        """`fields` are the names to mask; `secrets` adds all `SECRET_NAMES`."""
        own = dict.fromkeys(words_of(name) for name in SECRET_NAMES)
        listed: dict[tuple[str, ...], Kind] = dict.fromkeys(own, "password") if secrets else {}
        for words in map(words_of, fields):
            if words:
                listed.setdefault(words, "field")
        self.listed = tuple(Listed(words, kind) for words, kind in listed.items())
        self._kinds: dict[tuple[str, bool], Kind] = {}

    def kind(self, name: str, *, at_end: bool = False) -> Kind:
        """Return what a name stands for; with `at_end`, only if its last word says so."""
        known = self._kinds.get((name, at_end))
        if known is None:
            if len(self._kinds) >= MOST_KEPT:
                self._kinds.clear()
            known = self._kinds[name, at_end] = self._kind(name[-LONGEST_NAME:], at_end=at_end)
        return known

    def _kind(self, name: str, *, at_end: bool) -> Kind:
        words = split_name(name)
        numbered = [*words]
        while len(words) > 1 and not words[-1].strip("0123456789"):
            words.pop()
        return self._of(words, at_end=at_end) or (self._of(numbered, at_end=at_end) if words != numbered else "")

    def _of(self, words: list[str], *, at_end: bool) -> Kind:
        describes = at_end or words[-1] in ENDINGS
        text = " ".join(words)
        for listed in self.listed:
            if listed.words[-1] not in text:  # every occurrence ends in that word
                continue
            end = listed.end_in(words)
            if end == len(words) or (end and not describes):
                return listed.kind
        return ""

    def query_kind(self, name: str) -> Kind:
        """Return the same for the name of a parameter of a query."""
        if kind := self.kind(name):
            return kind
        words = split_name(name[-LONGEST_NAME:])
        is_secret = words[-1] == QUERY_ENDING or "".join(words) in QUERY_NAMES
        return "password" if is_secret and self.listed else ""


MOST_KEPT = 20_000
"""Number of names whose kind is cached."""

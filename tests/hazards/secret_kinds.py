"""Secrets and personal data of every kind that redaction knows, as applications, clients and tools write them."""

import json
from collections.abc import Callable
from random import Random

from shipper_processors.redact_numbers import french_nir, luhn, valid_iban
from tests.hazards.planted import LETTERS, Planted, number_that

NAMES = (
    "password", "new_password", "db_password", "passwordConfirm", "user.password", "DB_PASSWORD", "newpassword", "passwd",
    "aws_secret_access_key", "client_secret", "clientSecret", "X-Auth-Token", "access_token", "refreshToken", "id_token",
    "api_key", "apiKey", "X-API-Key", "private_key", "encryption_key", "session_id", "JSESSIONID", "PHPSESSID",
    "csrf_token", "db_credentials", "smtp_pass", "user_pwd", "cookie", "otp", "cvv", "secret",
)  # fmt: skip
PERSONAL = (
    "first_name",
    "lastName",
    "patient_name",
    "date_of_birth",
    "birthDate",
    "home_address",
    "street",
    "ssn",
    "iban",
)
QUERY = ("code", "session", "X-Amz-Signature", "sig", "token", "key", "access_token", "password")
SEPARATORS = ("=", ": ", " = ", ":", "=>", " := ", " == ")
QUOTES = ("", '"', "'")
COUNTRIES = ("DE", "FR", "GB", "NL", "ES", "CH")
LENGTHS = {"DE": 22, "FR": 27, "GB": 22, "NL": 18, "ES": 24, "CH": 21}


def word(random: Random, length: int = 16) -> str:
    """Return a secret without a word and with a digit."""
    return "".join(random.choices(LETTERS, k=length - 1)) + random.choice("3456789")


def digits(random: Random, count: int, first: str = "") -> str:
    """Return so many digits, the first of them given."""
    return first + "".join(random.choices("23456789", k=count - len(first)))


def in_form(random: Random, kind: str, *forms: str) -> Planted:
    """Return a secret in one of the forms."""
    secret = word(random)
    return Planted(kind, random.choice(forms).format(secret), (secret,))


def assignment(random: Random) -> Planted:
    """Return an assignment to a name in any notation."""
    secret, quote = word(random), random.choice(QUOTES)
    return Planted("assignment", f"{random.choice(NAMES)}{random.choice(SEPARATORS)}{quote}{secret}{quote}", (secret,))


def in_json(random: Random) -> Planted:
    """Return JSON, or JSON within JSON, or a Python dict."""
    secret, name = word(random), random.choice(NAMES)
    value = random.choice((secret, [secret], {"value": secret}))
    text = json.dumps({name: value})
    return Planted("json", random.choice((text, json.dumps(text), repr({name: value}))), (secret,))


def personal(random: Random) -> Planted:
    """Return personal data behind the name of its field."""
    first, last, name = word(random, 10).title(), word(random, 10).title(), random.choice(PERSONAL)
    text = random.choice((f"{name}: {first} {last}", f'"{name}": "{first} {last}"', f"{name}={first}"))
    return Planted("personal", text, tuple(part for part in (first, last) if part in text))


def query(random: Random) -> Planted:
    """Return a URL or a form with a secret parameter."""
    secret, name = word(random), random.choice(QUERY)
    forms = (
        "/cb?{}={}&page=2",
        "/cb?page=2&{}={}",
        "https://a.example/x?a=1&{}={}#top",
        "a=1&{}={}&b=2",
        "user[{}]={}",
        "{}={}&user%5Bid%5D=2",
    )
    form = random.choice(forms)
    if form.startswith(("user[", "{}")):
        name = random.choice(("password", "new_password", "token"))
    return Planted("query", form.format(name, secret), (secret,))


def encoded(random: Random) -> Planted:
    """Return a percent-encoded form."""
    secret = word(random)
    return Planted("encoded", f"/x?next=user%5B{random.choice(('password', 'db_password'))}%5D%3D{secret}", (secret,))


def option(random: Random) -> Planted:
    """Return a command line."""
    return in_form(
        random,
        "option",
        "run --password {} -v",
        "x --db-password {}",
        "y --api-key '{}'",
        "['z', '--token', '{}']",
        "java -password {} x",
    )


def xml(random: Random) -> Planted:
    """Return XML, escaped or not."""
    return in_form(
        random, "xml", "<password>{}</password>", '<wsse:Password Type="x#Text">{}</wsse:Password>', "&lt;newPassword&gt;{}&lt;/newPassword&gt;",
        '<add key="db.password" value="{}"/>', '<entry key="client_secret">{}</entry>', "<token><![CDATA[{}]]></token>", '<user password="{}"/>',
    )  # fmt: skip


def pair(random: Random) -> Planted:
    """Return a header as a pair."""
    secret, name = word(random), random.choice(("X-Auth-Token", "Cookie", "x-api-key", "Authorization"))
    forms = ("[('{}', '{}')]", "[(b'{}', b'{}')]", '[["{}", "{}"]]', '{{"name": "{}", "value": "{}"}}')
    return Planted("pair", random.choice(forms).format(name, secret), (secret,))


def header(random: Random) -> Planted:
    """Return a header line."""
    return in_form(
        random,
        "header",
        "Cookie: sid={}; theme=dark",
        "Set-Cookie: sid={}; Path=/",
        "Authorization: Bearer {}",
        "X-Auth-Token: {}",
        "Bearer {}",
        "Proxy-Authorization: Basic {}",
    )


def pydantic(random: Random) -> Planted:
    """Return a message of pydantic with the value that it rejects."""
    secret = word(random)
    value = random.choice((repr(secret), repr({"username": "ada", "password": secret}), repr([secret])))
    return Planted("pydantic", f"too short [type=string_too_short, input_value={value}, input_type=str]", (secret,))


def url(random: Random) -> Planted:
    """Return a URL with a password."""
    return in_form(
        random,
        "url",
        "postgres://app:{}@db/app",
        "amqp://app:a@{}@mq:5672/",
        "redis://:{}@cache:6379/0",
        "mongodb+srv://u:{}/x@h/db",
        "https://u:{}@h.example/p?q=1",
    )


def key(random: Random) -> Planted:
    """Return a key of a well-known form."""
    secret = word(random, 40)
    capitals = secret.upper()[:16]
    forms = (
        "ghp_{}", "github_pat_{}", "xoxb-{}", "sk_live_{}", "glpat-{}", "AIza{}", "npm_{}", "SG.{}.x", "sk-{}", "hvs.{}",
        "eyJhbGciOiJIUzI1NiJ9.eyJ{}.c2ln", "-----BEGIN RSA PRIVATE KEY-----\\n{}\\n-----END RSA PRIVATE KEY-----",
    )  # fmt: skip
    if random.random() < 0.1:
        return Planted("key", f"AKIA{capitals}", (capitals,))
    return Planted("key", random.choice(forms).format(secret), (secret,))


def link(random: Random) -> Planted:
    """Return a link that holds a secret."""
    return in_form(
        random,
        "link",
        "/reset/{}",
        "/password-reset/MQ/{}/",
        "https://a.example/auth/reset-password/{}",
        "/invitations/{}",
        "/verify-email/{}?x=1",
        "/password_reset_confirm/{}",
    )


def card(random: Random) -> Planted:
    """Return a card number, in usual groups or with odd spaces."""
    number = number_that(luhn, digits(random, 15, "4532"))
    groups = [number[at : at + 4] for at in range(0, 16, 4)]
    forms = (
        number,
        " ".join(groups),
        "-".join(groups),
        "  ".join(groups),
        f"{number[:6]} {number[6:]}",
        f"{number[:8]} {groups[2]}  {groups[3]}",
    )
    return Planted(
        "card",
        random.choice(("card ", "paid with ", "")) + random.choice(forms),
        (number[4:12], groups[1] + " " + groups[2]),
    )


def account(random: Random) -> Planted:
    """Return an international bank account number."""
    country = random.choice(COUNTRIES)
    body = digits(random, LENGTHS[country] - 4)
    number = next(f"{country}{check:02}{body}" for check in range(2, 99) if valid_iban(f"{country}{check:02}{body}"))
    spaced = " ".join(number[at : at + 4] for at in range(0, len(number), 4))
    return Planted("iban", random.choice((number, spaced, f"IBAN {spaced}")), (body, spaced[5:]))


def person(random: Random) -> Planted:
    """Return a telephone or social security number."""
    line = digits(random, 4)
    area = digits(random, 3, random.choice("2345"))  # 666 and what begins with 9 are no areas
    exchange, pairs = digits(random, 3), digits(random, 8)
    body = f"185{random.randrange(10, 13)}{digits(random, 8)}"
    nir = next(f"{body}{check:02}" for check in range(1, 98) if french_nir(f"{body}{check:02}"))
    forms = {
        f"({area}) {exchange}-{line}": f"{exchange}-{line}",
        f"{area}-{exchange}-{line}": f"{exchange}-{line}",
        f"+1 {area} {exchange} {line}": f"{exchange} {line}",
        f"call {area}{exchange}{line}": f"{exchange}{line}",
        f"+33 6 {pairs[:2]} {pairs[2:4]} {pairs[4:6]} {pairs[6:]}": f"{pairs[2:4]} {pairs[4:6]} {pairs[6:]}",
        f"06.{pairs[:2]}.{pairs[2:4]}.{pairs[4:6]}.{pairs[6:]}": f"{pairs[2:4]}.{pairs[4:6]}.{pairs[6:]}",
        f"{area}-{pairs[:2]}-{line}": f"{area}-{pairs[:2]}-{line}",
        f"NIR {nir}": nir,
    }
    text = random.choice([*forms])
    return Planted("person", text, (forms[text],))


def email(random: Random) -> Planted:
    """Return an e-mail address."""
    secret = word(random)
    return Planted("email", f"{secret}@{random.choice(('clinic', 'mail'))}.example", (secret,))


KINDS: tuple[Callable[[Random], Planted], ...] = (
    assignment, in_json, personal, query, encoded, option, xml, pair, header, pydantic, url, key, link, card, account, person, email,
)  # fmt: skip
"""Every kind, each as a function of a source of random choices."""
FIELDS = (*NAMES, *PERSONAL)
"""Names of fields whose whole value is masked."""


def field(random: Random) -> tuple[dict[str, object], Planted]:
    """Return fields of an event that hold a secret by their names alone: plain, nested, in lists and in pairs."""
    secret, name = word(random), random.choice(FIELDS)
    places = (
        {name: secret},
        {"request": {"headers": {name: secret}}},
        {"items": [{"a": 1, name: secret}]},
        {"headers": [[name, secret]]},
        {"headers": [{"name": name, "value": secret}]},
        {"rawHeaders": ["Accept", "*/*", name, secret]},
        {"argv": ["run", "--db-password", secret]},
        {"api": {"key": secret}},
        {"patient": {"name": secret}},
        {name: [secret]},
        {name: {"value": secret}},
        {"detail": [{"loc": ["body", "password"], "input": secret, "msg": "too short"}]},
    )
    return random.choice(places), Planted("field", secret, (secret,))

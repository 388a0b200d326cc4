"""Names of fields whose values identify people or single requests, or are health data: no labels of counters.

A name is compared as lower-case words, so that `userId`, `user_id` and `user.id` are all `user id`, and as its letters
alone, however they are separated.
"""

from itertools import pairwise

from shipper_schemas import lazy_re as re

WORDS = re.compile(r"[A-Z]{1,64}(?![a-z])|[A-Z]?[a-z]+")
PERSON = r"(?:user|patient|person|client|customer|account|employee|doctor|member|e?mail|contact)"
REQUEST = r"(?:request|correlation|trace|span|session|transaction|message|req)"
IDENTIFYING = re.compile(
    rf"(?:^| )(?:ids?|uu?id|guid|ip|e?mail|phone|mobile|ssn|token|session|address|addr|cookie|forwarded for)$"
    rf"|(?:^| )(?:{PERSON}|{REQUEST}) ?(?:ids?|uuid|ip|name|login|address|number)$"
    rf"|(?:^| )(?:first|last|full|family|given|maiden|sur) ?name$|(?:^| )(?:user|patient|username|surname)$"
    rf"|correlation|traceparent|password|passwd|secret|birth"
)
OF_PEOPLE = frozenset(
    [
        "mrn",
        "mrns",
        "nir",
        "nino",
        "ssn",
        "nhs",
        "hic",
        "dob",
        "dod",
        "born",
        "iban",
        "ahv",
        "avs",
        "bsn",
        "cpf",
        "curp",
        "pesel",
        "cnp",
        "nif",
        "svnr",
        "kvnr",
        "passport",
        "prenom",
        "nachname",
        "vorname",
        "apellido",
        "apellidos",
        "forename",
        "surname",
        "nickname",
        "postcode",
        "zip",
        "zipcode",
        "street",
        "phone",
        "telephone",
        "fax",
    ]
)
"""Words for numbers, names, dates and addresses of people."""
NUMBERED = frozenset(
    [
        "chart",
        "dossier",
        "insurance",
        "health",
        "card",
        "policy",
        "licence",
        "license",
        "tax",
        "personal",
        "national",
        "member",
    ]
)
NUMBERS = frozenset(["no", "nos", "nr", "num", "number", "numbers", "numero", "ref", "refs", "id", "ids"])
"""The words that make a number of a person of those above, as in `chart number`."""
NAMED = frozenset(["first", "last", "full", "family", "given", "middle", "maiden", "sur", "patient", "person"])
NAMES = frozenset(("name", "names"))
JOINED = (
    "nhsno", "nhsnumber", "mrnno", "mrnnumber", "nirno", "medicalrecord", "healthrecord", "socialsecurity",
    "securitesociale", "numerosecu", "cartevitale", "nationalid", "healthid", "healthcard", "insuranceid", "birth",
    "naissance", "geburt", "nacimiento", "dateofdeath", "firstname", "lastname", "fullname", "familyname", "maidenname",
    "patientname", "postalcode", "nextofkin",
)  # fmt: skip
HEALTH = frozenset(
    [
        "icd",
        "snomed",
        "loinc",
        "hiv",
        "bmi",
        "dx",
        "symptom",
        "symptoms",
        "disease",
        "diseases",
        "illness",
        "disorder",
        "disorders",
        "vitals",
        "glucose",
        "hemoglobin",
        "haemoglobin",
        "cholesterol",
    ]
)
"""Words for health data. Medicines and departments are coarse, and the built-in rules count by them."""
STEMS = ("allerg", "anamnes", "comorbid", "diagnos", "pregnan", "prognos")
MEASURED = frozenset(("blood", "lab", "test"))
MEASURES = frozenset(["type", "types", "group", "pressure", "sugar", "result", "results", "value", "values"])
CONDITIONED = frozenset(("medical", "clinical"))
CONDITIONS = frozenset(
    [
        "condition",
        "conditions",
        "history",
        "status",
        "note",
        "notes",
        "problem",
        "problems",
        "state",
        "finding",
        "findings",
    ]
)
HEALTH_JOINED = (
    "diagnos", "bloodtype", "bloodgroup", "bloodpressure", "medicalhistory", "medicalcondition", "viralload",
    "heartrate",
)  # fmt: skip


def identifies_someone(field: str) -> bool:
    """True if a field's name suggests that its values identify people or single requests."""
    words = _words(field)
    if IDENTIFYING.search(" ".join(words)) is not None or not OF_PEOPLE.isdisjoint(words):
        return True
    if any(_are(pair, NUMBERED, NUMBERS) or _are(pair, NAMED, NAMES) for pair in pairwise(words)):
        return True
    letters = "".join(words)
    return any(part in letters for part in JOINED)


def is_health_data(field: str) -> bool:
    """True if a field's name suggests that its values are health data of single people."""
    words = _words(field)
    if not HEALTH.isdisjoint(words) or any(word.startswith(STEMS) for word in words):
        return True
    if any(_are(pair, MEASURED, MEASURES) or _are(pair, CONDITIONED, CONDITIONS) for pair in pairwise(words)):
        return True
    letters = "".join(words)
    return any(part in letters for part in HEALTH_JOINED)


def _are(pair: tuple[str, str], first: frozenset[str], second: frozenset[str]) -> bool:
    return pair[0] in first and pair[1] in second


def _words(field: str) -> list[str]:
    """Return a name as lower-case words without accents."""
    if not field.isascii():
        from unicodedata import combining, normalize  # noqa: PLC0415 -- hardly any name needs it

        field = "".join(sign for sign in normalize("NFKD", field) if not combining(sign))
    return [word.lower() for word in WORDS.findall(field)]

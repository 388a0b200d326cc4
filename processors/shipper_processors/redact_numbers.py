"""Cards, telephones and numbers of people in text: which of the numbers of a log are personal.

A run of digit groups is read once. Its form, its check digits and the words near it decide. A number that could be an
order's or a record's is masked only if its form is that of a personal number, or no word near it says otherwise.
"""

import re
from collections.abc import Callable, Iterator
from itertools import accumulate
from typing import NamedTuple

from shipper_processors.chain_plan import SCHEMA
from shipper_processors.redact_names import Found, split_name

LEAST_DIGITS = 9
"""Least digits of a number that is masked."""
RUN = re.compile(
    r"(?<![\w.-])(?!\d{1,3}(?:\.\d{1,3}){3}(?![ .()+-]{0,3}\d))(?!(?:\d{4}-\d\d-\d\d|\d\d\.\d\d\.\d{4}) \d\d:\d\d)"
    r"(?:\+\(?|\()?+\d(?:[ .()+-]{0,3}+\d){8,}+",
    re.ASCII,
)
"""Nine digits or more with separators between them, unless they are an IPv4 address alone, or a date with its hour."""
GROUP = re.compile(r"\d++", re.ASCII)
CORSICAN = re.compile(
    r"(?<!\w)[12][ .+-]?\d\d[ .+-]?\d\d[ .+-]?2[ABab][ .+-]?\d{3}[ .+-]?\d{3}[ .+-]?\d\d(?!\w)", re.ASCII
)
"""A French social security number of Corsica has a letter among its digits."""
IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}\d\d(?:[ -]?[A-Z0-9]){11,30}", re.ASCII | re.IGNORECASE)
IBAN_LENGTHS = {
    code: length
    for length, codes in {
        15: "NO", 16: "BE", 18: "DK FI FO GL NL SD", 19: "MK SI", 20: "AT BA EE KZ LT LU XK", 21: "CH HR LI LV",
        22: "BG BH CR DE GB GE IE ME RS", 23: "AE GI IL IQ OM TL", 24: "AD CZ ES MD PK RO SA SE SK TN VG",
        25: "LY PT ST", 26: "IS TR", 27: "BI DJ FR GR IT MC MR SM", 28: "AL AZ BY CY DO GT HU LB NI PL SV",
        29: "BR EG PS QA UA", 30: "JO KW MU", 31: "MT SC", 32: "LC", 33: "RU",
    }.items()
    for code in codes.split()
}  # fmt: skip
"""Length of an account number by country, from the registry of ISO 13616."""
NEAR, NEAREST = 48, 4
"""Characters and words before a number that are near it."""
KNOWN = frozenset(field.name for field in SCHEMA.known_fields)
"""The schema's own fields, whose names say nothing about a value."""
NAME_END = re.compile(r"\\{0,4}['\"]\s{0,8}:", re.ASCII)
OWN_NAME = re.compile(rf"['\"]([^'\"\\]{{0,48}}){NAME_END.pattern}", re.ASCII)
"""A name in JSON or in Python's form of an object: what stands before it is another field, and says nothing."""
NEAR_WORD = re.compile(r"[A-Za-z]++")
WORDS_NEAR = {
    word: meaning
    for meaning, words in {
        "card": "card cards carte visa mastercard amex maestro credit debit pan cc cb ccnum cardnumber",
        "phone": "phone phones tel telephone mobile cell cellphone call called calling caller dial dialed fax sms"
        " whatsapp contact gsm portable msisdn telefon phonenumber",
        "person": "ssn social nir nss",
        "neutral": "order orders invoice id ids uid gid pid tid ref reference record records mrn chart dossier patient"
        " visit case ticket request trace span transaction tx txn batch job task block blk seq sequence offset version"
        " serial sku item product row rows byte bytes count counter size length time timestamp ts epoch nanos millis"
        " micros duration elapsed thread build commit revision rev index tracking shipment parcel barcode ean isbn hash"
        " total memory host sector inode",
    }.items()
    for word in words.split()
}
"""What a word near a number says about it. `neutral`: it may be a number of anything."""
UNIT = re.compile(r"\s?(?:rows|bytes|records|items|events|lines|messages|ns|us|ms|s|kb|mb)\b", re.ASCII | re.IGNORECASE)
LONGEST_MARK = 40
MOST_GROUPS = 8
"""Most groups of a number that is not the first of its run: else many would be tried at each group of a long run."""
NIR_PARTS = frozenset({1, 3, 5, 7, 10, 13, 15})
"""Digits after which the parts of a French social security number end: sex, year, month, place, order, key."""
OPENINGS = ("+(", "(", "+")
STANDARD_CARDS = frozenset({(4, 4, 4, 4), (4, 6, 5), (4, 6, 4), (4, 4, 4, 4, 3)})


def digits_of(text: str) -> str:
    """Return the digits of a text."""
    return "".join(character for character in text if character in "0123456789")


def luhn(text: str) -> bool:
    """True if the digits pass the check of card numbers (ISO/IEC 7812-1, annex B)."""
    digits = digits_of(text)
    if not 13 <= len(digits) <= 19 or len(set(digits)) == 1:  # noqa: PLR2004 -- lengths of card numbers
        return False
    weighted = [int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(digits))]
    return sum(number - 9 * (number > 9) for number in weighted) % 10 == 0  # noqa: PLR2004


def french_nir(text: str) -> bool:
    """True if a French social security number passes its key: 97 minus the number modulo 97 (INSEE)."""
    plain = "".join(filter(str.isalnum, text.upper()))
    number = plain[:13].replace("2A", "19").replace("2B", "18")
    return number.isdigit() and plain[13:].isdigit() and int(plain[13:]) == 97 - int(number) % 97


def valid_iban(text: str) -> bool:
    """True if an account number has its country's length and passes its check: modulo 97 it is 1 (ISO 7064)."""
    plain = "".join(filter(str.isalnum, text.upper()))
    if IBAN_LENGTHS.get(plain[:2]) != len(plain):
        return False
    return int("".join(str(int(character, 36)) for character in plain[4:] + plain[:4])) % 97 == 1


def compact(number: str) -> str:
    """Return a number without separators between its digits."""
    return ("+" if number.startswith(("+", "(+")) else "") + "".join(filter(str.isalnum, number.upper()))


def card_brand(digits: str) -> bool:
    """True if the beginning and the length of a number are those that card issuers use."""
    count, two, four = len(digits), int(digits[:2]), int(digits[:4])
    if digits[0] == "4":
        return count in (16, 19)
    if 51 <= two <= 55 or 2221 <= four <= 2720 or four == 6011 or two in (65, 64, 35):  # noqa: PLR2004
        return count == 16  # noqa: PLR2004
    if two in (34, 37):
        return count == 15  # noqa: PLR2004
    return (two in (36, 30, 38) and count == 14) or (two == 62 and count >= 16)  # noqa: PLR2004


class Group(NamedTuple):
    """Digits in a row, with what separates them from those before."""

    separator: str
    digits: str
    start: int
    end: int


def meaning_near(text: str, start: int, end: int, name: str = "") -> str:
    """Return what the nearest word that says something says: a word before, one of the field's name, a unit behind."""
    before = text[max(0, start - NEAR) : start]
    if NAME_END.match(text, end):
        before = before[max(before.rfind('"'), before.rfind("'")) + 1 :]
    elif names := [*OWN_NAME.finditer(before)]:
        own = names[-1]
        before = before[own.end() if own[1] in KNOWN else own.start() :]
    for word in (*reversed(NEAR_WORD.findall(before)[-NEAREST:]), *reversed(split_name(name))):
        if meaning := WORDS_NEAR.get(word.lower()):
            return meaning
    return "neutral" if UNIT.match(text, end) else ""


def personal_numbers(text: str, name: str = "") -> Iterator[Found]:
    """Yield the personal numbers of a text; `name` is the name of its field."""
    for run in RUN.finditer(text):
        groups = _groups(text, run.start(), run.end())
        if groups and not _is_in_mark(text, run.start()):
            yield from _in_run(groups, meaning_near(text, run.start(), run.end(), name))
    for match in CORSICAN.finditer(text):
        if french_nir(match[0]):
            yield Found("national_id", *match.span())


def ibans(text: str) -> Iterator[Found]:
    """Yield the account numbers of a text."""
    for match in IBAN.finditer(text):
        length = IBAN_LENGTHS.get(match[0][:2].upper(), 0)
        places = [place for place, character in enumerate(match[0]) if character.isalnum()][:length]
        if places:
            end = match.start() + places[-1] + 1
            after = text[end : end + 1]
            if valid_iban(text[match.start() : end]) and not (after.isascii() and after.isalnum()):
                yield Found("iban", match.start(), end)


def _is_in_mark(text: str, start: int) -> bool:
    """True if a number is the hash in a mask."""
    mark = text.rfind("[redacted:", max(0, start - LONGEST_MARK), start)
    return mark >= 0 and text.find("]", mark, start) < 0


def _groups(text: str, start: int, end: int) -> list[Group]:
    groups: list[Group] = []
    at = start
    for match in GROUP.finditer(text, start, end):
        groups.append(Group(text[at : match.start()], match[0], match.start(), match.end()))
        at = match.end()
    after = text[end : end + 2]
    if len(groups) == 4 and all(group.separator == "." for group in groups[1:]):  # noqa: PLR2004 -- an address
        return []
    continues = after[1:].isascii() and after[1:].isalnum()
    if after[:1] == "_" or (after[:1].isascii() and after[:1].isalnum()) or (after[:1] == "-" and continues):
        groups.pop()  # its end belongs to a word
    return groups


def _in_run(groups: list[Group], near: str) -> Iterator[Found]:
    at = 0
    while at < len(groups):
        if at and sum(len(group.digits) for group in groups[at : at + MOST_GROUPS]) < LEAST_DIGITS:
            at += 1
            continue
        for kind, test in TESTS:
            if end := test(groups, at, near):
                first = groups[at]
                opening = next((sign for sign in OPENINGS if kind == "phone" and first.separator.endswith(sign)), "")
                yield Found(kind, first.start - len(opening), groups[end - 1].end)
                at = end
                break
        else:
            at += 1


def _windows(groups: list[Group], at: int, most: int, separators: str) -> Iterator[tuple[int, str]]:
    """Yield the end of each number of groups from one on, with the digits in them, up to `most` digits."""
    digits = ""
    for end in range(at, min(len(groups), at + (MOST_GROUPS if at else most))):
        if end > at and groups[end].separator.strip(separators):
            return
        digits += groups[end].digits
        if len(digits) > most:
            return
        yield end + 1, digits


def _international(groups: list[Group], at: int, _near: str) -> int:
    """Return the end of a telephone number that begins with `+`; 0 if there is none."""
    if not groups[at].separator.endswith(("+", "+(")):
        return 0
    ends = [end for end, digits in _windows(groups, at, 15, " .()-") if len(digits) >= LEAST_DIGITS]
    return ends[-1] if ends else 0


def _nir(groups: list[Group], at: int, near: str) -> int:
    if groups[at].digits[0] not in "12":
        return 0
    for end, digits in _windows(groups, at, 15, " .+-"):
        if len(digits) == 15 and french_nir(digits):  # noqa: PLR2004 -- of the number
            month = int(digits[3:5])
            is_grouped = NIR_PARTS.issuperset(accumulate(len(group.digits) for group in groups[at:end]))
            is_month = month in range(1, 13) or month >= 20  # noqa: PLR2004 -- from 20 on where the month is unknown
            return end if is_grouped and is_month and not (near == "neutral" and end == at + 1) else 0
    return 0


def _ssn(groups: list[Group], at: int, near: str) -> int:
    three = groups[at : at + 3]
    if [len(group.digits) for group in three] == [3, 2, 4]:
        area, serial = three[0].digits, three[2].digits
        is_valid = area not in ("000", "666") and area[0] != "9" and three[1].digits != "00" and serial != "0000"
        if is_valid and (near == "person" or (three[1].separator == three[2].separator == "-" and near != "neutral")):
            return at + 3
    if near == "person":
        return next((end for end, digits in _windows(groups, at, 9, " .-") if len(digits) == LEAST_DIGITS), 0)
    return 0


def _card(groups: list[Group], at: int, near: str) -> int:
    if groups[at].digits[0] not in "23456":
        return 0
    if near == "card" or at == 0:
        for end, digits in _windows(groups, at, 19, " +-"):
            is_possible = len(digits) >= 13 and (near == "card" or card_brand(digits))  # noqa: PLR2004
            is_whole = near != "neutral" and end == len(groups) and all(len(group.digits) >= 4 for group in groups)  # noqa: PLR2004
            if is_possible and luhn(digits) and (near == "card" or is_whole):
                return end
    for count in (1, 3, 4, 5):
        part = groups[at : at + count]
        sizes = tuple(len(group.digits) for group in part)
        if sizes in STANDARD_CARDS or (count == 1 and near != "neutral"):
            digits = "".join(group.digits for group in part)
            is_joined = not any(group.separator.strip(" +-") for group in part[1:])
            if is_joined and 13 <= len(digits) <= 19 and card_brand(digits) and luhn(digits):  # noqa: PLR2004
                return at + count
    return 0


def _phone(groups: list[Group], at: int, near: str) -> int:
    sizes = [len(group.digits) for group in groups[at : at + 5]]
    separators = [group.separator for group in groups[at + 1 : at + 5]]
    first = groups[at].digits
    if first[0] == "0" and first[1:2] not in ("", "0"):
        if sizes == [2] * 5 and separators[0] in (" ", ".", "-") and len(set(separators)) == 1:
            return at + 5
        if sizes[0] == 10 and near != "neutral":  # noqa: PLR2004 -- digits of a French number
            return at + 1
    if sizes[:3] == [3, 3, 4] and _is_american(groups[at : at + 3], near):
        return at + 3
    if near == "phone":
        ends = [end for end, digits in _windows(groups, at, 15, " .()-") if len(digits) >= LEAST_DIGITS]
        return ends[-1] if ends else 0
    return 0


def _is_american(three: list[Group], near: str) -> bool:
    """True if three, three and four digits are written as a telephone number of North America."""
    area, exchange, line = three
    if area.digits[0] in "01" or exchange.digits[0] in "01":
        return False
    if area.separator.endswith("(") and exchange.separator.startswith(")"):
        return True
    return exchange.separator == line.separator and line.separator in ("-", ".") and near != "neutral"


TESTS: tuple[tuple[str, Callable[[list[Group], int, str], int]], ...] = (
    ("phone", _international), ("national_id", _nir), ("national_id", _ssn), ("card", _card), ("phone", _phone),
)  # fmt: skip
"""Kinds of numbers in the order in which they are tried."""

"""The redaction section of the chain plan: the tables and expressions that the extension executes too."""

import re

from shipper_processors import redact_assignments as values
from shipper_processors import redact_names as names
from shipper_processors import redact_numbers as numbers
from shipper_processors import redact_patterns as patterns
from shipper_processors.chain_plan import Expression, RedactionPlan
from shipper_processors.redact_filter import TextFilter

EXPRESSIONS: dict[str, "re.Pattern[str]"] = {
    "HEADER": patterns.HEADER,
    "URL_PASSWORD": patterns.URL_PASSWORD,
    "BEARER": patterns.BEARER,
    "JWT": patterns.JWT,
    "EMAIL": patterns.EMAIL,
    "PEM_BEGIN": patterns.PEM_BEGIN,
    "LINK": patterns.LINK,
    "ASSIGNMENT": values.ASSIGNMENT,
    "OPTION": values.OPTION,
    "ELEMENT": values.ELEMENT,
    "PAIR": values.HEADER_PAIR,
    "NAMED": values.NAMED,
    "SQL_PASSWORD": values.SQL_PASSWORD,
    "OBJECT": values.OBJECT,
    "CORSICAN": numbers.CORSICAN,
}
LISTS = (
    ("endings", tuple(sorted(names.ENDINGS))),
    ("harmless", names.HARMLESS),
    ("query", (*sorted(names.QUERY_NAMES),)),
    ("query_ending", (names.QUERY_ENDING,)),
    ("no_tokens", tuple(sorted(patterns.NO_TOKENS))),
    ("no_arguments", tuple(sorted(values.NO_ARGUMENT))),
    ("nothing", tuple(sorted(values.NOTHING))),
)


def redaction_plan(  # noqa: PLR0913 -- the parts of a redactor
    rule: names.NameRule,
    text_filter: TextFilter,
    *,
    enabled: frozenset[str],
    constrained: frozenset[str],
    every_text: bool,
    key: bytes | None,
) -> RedactionPlan:
    """Return the tables of a redactor."""
    return RedactionPlan(
        keywords=text_filter.keywords,
        words=text_filter.short,
        forms=patterns.WORD_KEYWORDS,
        link_stems=patterns.LINK_STEMS,
        key_shapes=tuple(
            (shape.prefix, shape.least, patterns.ALPHABETS[shape.alphabet]) for shape in patterns.KEY_SHAPES
        ),
        constrained_fields=tuple(sorted(constrained)),
        every_text=every_text,
        names=tuple((listed.words, listed.kind) for listed in rule.listed),
        lists=(*LISTS, ("patterns", tuple(sorted(enabled)))),
        words_near=tuple(sorted(numbers.WORDS_NEAR.items())),
        iban_lengths=tuple(sorted(numbers.IBAN_LENGTHS.items())),
        expressions=tuple(Expression(name, regex.pattern, int(regex.flags)) for name, regex in EXPRESSIONS.items()),
        key=(key or b"").hex(),
    )

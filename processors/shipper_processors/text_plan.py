"""The tables of the steps that read text, as the chain plan holds them: expressions, words that mean levels, and names.

The Python chain executes the same objects in the modules from which they are collected here.
"""

import re
from functools import cache
from types import ModuleType

from shipper_processors import access_log, lenient_json, payload_split, text_cleanup, text_fields, text_heads
from shipper_processors.chain_plan import RENDERING, Expression, HeadForm, HeadForms, TextsPlan
from shipper_processors.stack_traces import at_frames, beam, go, other, php, python, ruby, rust, summaries
from shipper_processors.stack_traces import heads as trace_heads
from shipper_processors.text_heads import Form
from shipper_schemas.lazy_re import source_of

MODULES: tuple[tuple[str, ModuleType, tuple[str, ...]], ...] = (
    ("heads", text_heads, ("TIME_FIRST", "DATE_FIRST", "LOGGER", "SPAN", "COMPOSE", "TRACE", "FIRST_WORD", "PRIORITY",
                           "RAILS_TAG")),
    ("access", access_log, ("UVICORN", "PREFIX", "CLIENT", "TIME_AT_END", "COMMON", "HYPERCORN", "QUOTE", "USER",
                            "SECOND", "TRAEFIK", "INGRESS", "DAPHNE", "AIOHTTP", "PHP_FPM", "DJANGO", "ENVOY",
                            "ENVOY_REST", "HAPROXY", "UWSGI", "GIN", "MORGAN", "IIS", "STARTED", "GO_DURATION",
                            "IDENTIFIER", "CLF")),
    ("fields", text_fields, ("FIRST_PAIR", "PAIR", "NEXT_KEY", "VALUE", "CONSOLE", "TAGS", "KLOG", "KLOG_MESSAGE",
                             "ONE_WORD", "LOGGER_AFTER", "TAG", "RFC5424", "ELEMENT", "PARAMETER", "SIMPLE", "MONOLOG",
                             "ZAP", "CONTEXT", "MONOLOG_CLASS")),
    ("cleanup", text_cleanup, ("ESCAPE", "PROGRESS")),
    ("lenient", lenient_json, ("COLOUR",)),
    ("split", payload_split, ("ARRAY", "SCALAR", "COMMA", "JSON_OBJECT")),
    ("trace_heads", trace_heads, ("TIME_START", "PROPERTY")),
    ("at_frames", at_frames, ("FRAME", "ERROR")),
    ("python", python, ("EXCEPTION", "FILE")),
    ("go", go, ("START", "FUNCTION", "PLACE")),
    ("rust", rust, ("START",)),
    ("php", php, ("TRACE",)),
    ("ruby", ruby, ("RAISED", "TYPED", "FROM", "FRAME")),
    ("beam", beam, ("EXCEPTION", "REPORT")),
    ("other", other, ("CARP",)),
    ("summaries", summaries, ("THROWN", "CLASS", "GO")),
)  # fmt: skip
"""The expressions that the extension executes, by module."""


@cache
def texts_plan() -> TextsPlan:
    """Collect the tables."""
    words = _word_tables()
    return TextsPlan(
        expressions=tuple(_expressions()),
        words=tuple(tuple(table.items()) for table in words),
        heads=tuple(
            HeadForms(name, tuple(HeadForm(one.expression, _place(words, one.words)) for one in forms))
            for name, forms in _head_forms()
        ),
        names=(
            ("time_keys", text_fields.TIME_KEYS),
            ("level_keys", text_fields.LEVEL_KEYS),
            ("id_keys", text_fields.ID_KEYS),
            ("logger_keys", text_fields.OWN_KEYS["logger"]),
            ("usual_keys", tuple(sorted(text_fields.USUAL_KEYS))),
            ("request_keys", tuple(sorted(text_fields.REQUEST_KEYS))),
            ("data_names", tuple(sorted(text_fields.DATA_NAMES))),
            ("error_endings", at_frames.ENDINGS),
            ("syslog_levels", text_heads.SYSLOG),
            ("months", tuple(access_log.MONTHS)),
            ("weekdays", tuple(sorted(text_heads.WEEKDAYS))),
            ("methods", access_log.METHODS),
            ("access", RENDERING.access),
        ),
    )


def _expressions() -> list[Expression]:
    collected = [
        _expression(f"{prefix}.{name}", getattr(module, name)) for prefix, module, names in MODULES for name in names
    ]
    brackets, digits = text_heads.LOGGER_FORMS["["], text_heads.LOGGER_FORMS["0"]
    return [*collected, _expression("heads.LOGGER_[", brackets), _expression("heads.LOGGER_0", digits)]


def _expression(name: str, pattern: "re.Pattern[str]") -> Expression:
    return Expression(name, *source_of(pattern))


def _head_forms() -> list[tuple[str, tuple[Form, ...]]]:
    """Return the forms of heads by the place where they are tried; a space separates what selects them."""
    return [
        ("digit", text_heads.FIRST_DIGIT),
        ("bracket", text_heads.FIRST_BRACKET),
        ("angle", text_heads.FIRST_ANGLE),
        ("parenthesis", text_heads.FIRST_PARENTHESIS),
        ("level", text_heads.LEVEL_LED),
        ("date", text_heads.DATE_LED),
        ("letter", text_heads.LETTER_LED),
        ("pairs", text_heads.PAIRS_LED),
        ("after digit", text_heads.AFTER_TIME_DIGIT),
        ("after letter", text_heads.AFTER_TIME_LETTER),
        *((f"after {sign}", forms) for sign, forms in text_heads.FORMS_AFTER_TIME.items()),
        *((f"word {word}", forms) for word, forms in text_heads.WORD_LED.items()),
    ]


def _word_tables() -> list[dict[str, str]]:
    """Return the distinct tables of words: those of the schema, all words, those of single forms."""
    tables = [text_heads.LEVELS, text_heads.WORDS, *(one.words for _, forms in _head_forms() for one in forms)]
    return list({id(table): table for table in tables}.values())


def _place(tables: list[dict[str, str]], words: dict[str, str]) -> int:
    return next(place for place, table in enumerate(tables) if table is words)

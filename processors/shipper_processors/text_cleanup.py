"""Clean the text of an entry: drop colours, carriage returns, byte order marks and runs of NUL around it.

Everything that decides what a text is (record starts, joins, the payload) sees the cleaned text. Ids are computed over
the record as logged.
"""

from itertools import islice

from shipper_schemas import lazy_re as re

ESCAPE = re.compile(
    r"\x1b(?:"
    r"\[[0-9:;<=>?]{0,64}(?:[@-Z^-z|~]| q|!p|\$p)"  # CSI: colours, cursor movement, erasing
    r"|\][0-9]{1,6};[^\x07\x1b\"{}\s]{0,2048}(?:\x07|\x1b\\)"  # OSC: titles, links
    r"|[()*+][0-9A-Za-z]|[=>78cDEHMNOZ]"  # character sets, modes
    r"|(?:\[[0-9:;<=>?]{0,64})?(?=\{)"  # one that is torn, before a document
    r")"
)
"""Terminal sequences. None contains a quote, a brace or a blank before a word, so that none swallows a field."""
AROUND = "\0\r\ufeff"
"""Characters that are dropped at the beginning and at the end of a text."""
PROGRESS = re.compile(r"[^\r{}]{0,200}?(?<!\d)\d{1,3}(?:\.\d{1,6})? ?%[^\r{}]{0,1000}")
"""A progress bar: it contains a percentage and no JSON."""
MOST_SEGMENTS = 10_000


def clean(text: str) -> str:
    """Return a text without terminal sequences, and without what `AROUND` names at its beginning and end.

    Nothing is left of a text of these characters alone. Of a progress bar that was redrawn after carriage returns, the
    last state is returned.
    """
    if "\x1b" in text:
        text = ESCAPE.sub("", text)
    if text and (text[0] in AROUND or text[-1] in AROUND):
        text = text.strip(AROUND)
    if "\r" in text and "%" in text:
        return _last_progress(text)
    return text


def _last_progress(text: str) -> str:
    """Return the last segment if all segments are states of one progress bar, else the text unchanged."""
    if "\n" in text or text.count("\r") > MOST_SEGMENTS:
        return text
    segments = [segment for segment in text.split("\r") if segment.strip()]
    if all(PROGRESS.fullmatch(segment) for segment in islice(segments, MOST_SEGMENTS)):
        return segments[-1] if segments else text
    return text

"""Recognise entries of several lines: stack traces, statements and objects that a stream's plain lines form.

`Trace` is fed line by line and decides by content alone; its caller limits lines, bytes and time. Each module is the
grammar of one family of languages, with two functions: `begin` returns the state after a line that begins a trace, as
first line or after an ordinary line (`Head`), and `follow` the state after a line that continues one.
"""

from shipper_processors.stack_traces.heads import begins_record
from shipper_processors.stack_traces.summaries import summary
from shipper_processors.stack_traces.trace import Trace, Verdict, can_be_continued

__all__ = ["Trace", "Verdict", "begins_record", "can_be_continued", "summary"]

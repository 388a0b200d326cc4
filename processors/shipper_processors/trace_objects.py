"""Render stack traces that loggers write as lists or objects: as the text that the language would print."""

from typing import Any, NamedTuple

MOST_CAUSES = 20
MOST_FRAMES = 500
MOST_TEXT = 256 * 1024
STACKS = (
    "stack",
    "stack_trace",
    "stackTrace",
    "stacktrace",
    "extendedStackTrace",
    "StackTrace",
    "traceback",
    "backtrace",
)
TYPES = ("exc_type", "type", "class", "exceptionType", "name", "kind", "ClassName", "Type", "errorType")
MESSAGES = ("exc_value", "value", "message", "exceptionMessage", "Message", "errorMessage", "msg")
FRAMES = ("frames", "trace", "StackTrace", "stack_frames")
CAUSES = ("cause", "causedBy", "previous", "inner", "InnerException", "innerException", "source")
CAUSED = "\nThe above exception was the direct cause of the following exception:\n"
DURING = "\nDuring handling of the above exception, another exception occurred:\n"


class Rendered(NamedTuple):
    """A trace as text, with the exception that was finally reported."""

    text: str | None
    """None if the object names an exception but holds no trace."""
    type: str | None
    message: str | None


def render_trace(value: object) -> Rendered | None:
    """Return a list or an object as a trace; None if it is none."""
    if isinstance(value, dict):
        rendered = _object(value, 0)
    elif isinstance(value, list) and value:
        rendered = _list(value[:MOST_FRAMES])
    else:
        return None
    if rendered is not None and rendered.text is not None:
        return rendered._replace(text=rendered.text[:MOST_TEXT])
    return rendered


def _text(holder: dict[str, Any], names: tuple[str, ...]) -> str | None:
    """Return the first of the fields that is a text or a number."""
    for name in names:
        value = holder.get(name)
        if isinstance(value, str) and value:
            return value
        if isinstance(value, int | float) and not isinstance(value, bool):
            return str(value)
    return None


def _list(items: list[Any]) -> Rendered | None:
    if all(isinstance(item, str) for item in items):
        joined = "\n".join(f"\t{item.rstrip()}" if item.startswith("at ") else item.rstrip("\n") for item in items)
        return Rendered(joined, None, None) if joined.strip() else None
    objects = [item for item in items if isinstance(item, dict)]
    if not objects:
        return None
    if any("exc_type" in item for item in objects):
        return _python(objects[:MOST_CAUSES])
    frames = [frame for item in objects if (frame := _frame(item)) is not None]
    return Rendered("\n".join(frames), None, None) if frames else None


def _python(stacks: list[dict[str, Any]]) -> Rendered:
    """Render the exceptions as Python prints them: the cause first, the one that was raised last."""
    parts: list[str] = []
    for place in range(len(stacks) - 1, -1, -1):
        stack = stacks[place]
        frames = stack.get("frames")
        lines = ["Traceback (most recent call last):"]
        for frame in frames[:MOST_FRAMES] if isinstance(frames, list) else []:
            if isinstance(frame, dict):
                file, line, name = (_place(frame, part, "?") for part in ("filename", "lineno", "name"))
                lines.append(f'  File "{file}", line {line}, in {name}')
                source = frame.get("line")
                lines += [f"    {source.strip()}"] if isinstance(source, str) and source.strip() else []
        lines.append(_headline(_text(stack, ("exc_type",)), _text(stack, ("exc_value",))))
        notes = stack.get("exc_notes")
        lines += [note for note in notes if isinstance(note, str)] if isinstance(notes, list) else []
        parts.append("\n".join(lines))
        if place:
            parts.append(CAUSED if stack.get("is_cause") else DURING)
    raised = stacks[0]
    return Rendered("\n".join(parts), _text(raised, ("exc_type",)), _text(raised, ("exc_value",)))


def _place(frame: dict[str, Any], name: str, default: str) -> str:
    value = frame.get(name)
    return str(value) if isinstance(value, str | int) else default


def _headline(kind: str | None, message: str | None) -> str:
    return f"{kind}: {message}" if kind and message else kind or message or "Exception"


def _object(holder: dict[str, Any], depth: int) -> Rendered | None:
    kind, message = _text(holder, TYPES), _text(holder, MESSAGES)
    lines: list[str] = []
    text = next((holder[name] for name in STACKS if isinstance(holder.get(name), str) and holder[name]), None)
    if text is not None:
        lines.append(
            text if "\n" in text and not text.startswith((" ", "\t")) else f"{_headline(kind, message)}\n{text}"
        )
    else:
        frames = _frames(holder)
        if frames:
            lines += [_headline(kind, message), *frames]
    cause = next((holder[name] for name in CAUSES if isinstance(holder.get(name), dict)), None)
    if cause is not None and depth < MOST_CAUSES and lines:
        inner = _object(cause["exception"] if isinstance(cause.get("exception"), dict) else cause, depth + 1)
        if inner is not None:
            below = inner.text or _headline(inner.type, inner.message)
            if below not in lines[0]:
                lines.append(f"Caused by: {below}")
    if not lines and kind is None:
        return None
    return Rendered("\n".join(lines) if lines else None, kind, message)


def _frames(holder: dict[str, Any]) -> list[str]:
    for name in (*FRAMES, *STACKS):
        frames = holder.get(name)
        if isinstance(frames, list) and frames:
            rendered = (frame if isinstance(frame, str) else _frame(frame) for frame in frames[:MOST_FRAMES])
            return [
                f"    {line.strip()}" if line.strip().startswith("at ") else line.rstrip("\n")
                for line in rendered
                if line
            ]
    return []


def _frame(frame: object) -> str | None:
    if not isinstance(frame, dict):
        return None
    file = _text(frame, ("filename", "file", "fileName", "path", "source"))
    line = _text(frame, ("lineno", "line", "lineNumber", "colno"))
    function = _text(frame, ("method", "methodName", "function", "func", "name"))
    owner = _text(frame, ("class", "className", "declaringClass", "module"))
    if file is None and function is None:
        return None
    called = f"{owner}.{function}" if owner and function else function or owner or "?"
    place = f"({file}:{line})" if file and line else f"({file})" if file else f"(line {line})" if line else ""
    return f"    at {called}{place}"

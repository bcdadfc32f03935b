"""The shell commands of a Markdown document, as its reader would run them."""

import re
from dataclasses import dataclass

_HEADING = re.compile(r"#+ (.*)")
_FENCE = "```"
_COMMENT = re.compile(r"(^|\s)#\s.*")


@dataclass(frozen=True)
class Block:
    """A code block marked `sh`: the heading above it, and its commands, one a line."""

    heading: str
    commands: tuple[str, ...]


def blocks(text: str) -> list[Block]:
    """Return the document's shell blocks in order. Comments are left out, continued lines are joined. Pure."""
    found: list[Block] = []
    heading, language = "", None
    lines: list[str] = []
    for line in text.splitlines():
        if language is None and line.startswith(_FENCE):
            language, lines = line.removeprefix(_FENCE), []
        elif language is None and (match := _HEADING.fullmatch(line)):
            heading = match[1]
        elif language is not None and line == _FENCE:
            if language == "sh":
                found.append(Block(heading, _commands(lines)))
            language = None
        else:
            lines.append(line)
    return found


def _commands(lines: list[str]) -> tuple[str, ...]:
    joined = "\n".join(lines).replace("\\\n", "")
    return tuple(command for line in joined.splitlines() if (command := _COMMENT.sub("", line).strip()))

"""The shell commands of a Markdown document, as its reader would run them."""

import re
import textwrap
from dataclasses import dataclass, field

_HEADING = re.compile(r"#+ (.*)")
_FENCE = "```"
_COMMENT = re.compile(r"(^|\s)#\s.*")


@dataclass(frozen=True)
class Block:
    """A code block marked `sh`: the heading above it, its commands, one a line, and its text."""

    heading: str
    commands: tuple[str, ...]
    script: str = field(default="", compare=False)


def blocks(text: str) -> list[Block]:
    """Return the document's shell blocks in order, those in lists too. In their commands comments are left out and
    continued lines joined. Pure.
    """
    found: list[Block] = []
    heading, language = "", None
    lines: list[str] = []
    for line in text.splitlines():
        bare = line.strip()
        if language is None and bare.startswith(_FENCE):
            language, lines = bare.removeprefix(_FENCE), []
        elif language is None and (match := _HEADING.fullmatch(line)):
            heading = match[1]
        elif language is not None and bare == _FENCE:
            if language == "sh":
                found.append(Block(heading, _commands(lines), textwrap.dedent("\n".join(lines))))
            language = None
        else:
            lines.append(line)
    return found


def _commands(lines: list[str]) -> tuple[str, ...]:
    joined = "\n".join(lines).replace("\\\n", "")
    return tuple(command for line in joined.splitlines() if (command := _COMMENT.sub("", line).strip()))

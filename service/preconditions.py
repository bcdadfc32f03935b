"""Entity tags and the preconditions of conditional requests (RFC 9110, sections 8.8.3 and 13). Pure."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from service.document import Malformed

ANY = "*"
DIGEST_BYTES = 16

_TAG = r'(?:W/)?"[!#-~\x80-\xff]*"'
# Each comma is consumed in one place only, so that no text takes more than linear time.
PATTERN = rf"\*|(?:[ \t]*,)*[ \t]*{_TAG}(?:[ \t]*,(?:[ \t]*{_TAG})?)*[ \t]*"
_HEADER = re.compile(PATTERN)
_TAGS = re.compile(_TAG)


def tag_of(content: bytes) -> str:
    """Return the entity tag of a document's content: equal for equal bytes only."""
    return f'"{hashlib.blake2b(content, digest_size=DIGEST_BYTES).hexdigest()}"'


@dataclass(frozen=True, slots=True)
class Preconditions:
    """A request's demands on a document's tag: to be one of `match` (None: any), and none of `none_match`."""

    match: frozenset[str] | None
    none_match: frozenset[str]

    def is_matched(self, tag: str) -> bool:
        """Return whether If-Match holds. The comparison is strong: a weak tag matches nothing."""
        return self.match is None or tag in self.match

    def is_known(self, tag: str) -> bool:
        """Return whether If-None-Match has the tag, so that its condition does not hold. The comparison is weak."""
        return ANY in self.none_match or tag in self.none_match

    def allow(self, tag: str) -> bool:
        """Return whether a document with this tag may be changed."""
        return self.is_matched(tag) and not self.is_known(tag)


def parse(if_match: str | None, if_none_match: str | None) -> Preconditions | None:
    """Return the preconditions in the headers; None if they demand nothing. Raise Malformed.

    `If-Match: *` demands that there is a document. No method does anything where there is none, so it adds nothing.
    """
    match, none_match = _tags("If-Match", if_match), _tags("If-None-Match", if_none_match)
    if match and ANY in match:
        match = None
    if match is None and none_match is None:
        return None
    return Preconditions(match, frozenset(each.removeprefix("W/") for each in none_match or ()))


def _tags(name: str, value: str | None) -> frozenset[str] | None:
    if value is None:
        return None
    if not _HEADER.fullmatch(value):
        raise Malformed(f'{name} must be * or a list of entity tags in quotes, such as "0123abcd".')
    return frozenset({ANY}) if value == ANY else frozenset(_TAGS.findall(value))

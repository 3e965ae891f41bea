"""A request for an association, looked at before it is taken apart.

pynetdicom makes an object of each item of a request before anybody can reject it: 12,000
presentation contexts, which fit into 700 KB, take more than a second, whoever sends them.
"""

from __future__ import annotations

from collections.abc import Iterator

#: PS3.8 9.3.2.2: their numbers are the odd ones of one byte.
MOST_CONTEXTS = 128
#: Of all kinds, within each other: as many as so many contexts with 60 transfer syntaxes each have.
MOST_ITEMS = 8192

#: Where the titles are: PS3.8 Table 9-11.
CALLED, CALLING = slice(10, 26), slice(26, 42)
_REQUEST, _CONTEXT, _USER_INFORMATION = 0x01, 0x20, 0x50
_ITEMS_BEGIN = 74  # of the PDU
#: Where the items within an item begin: PS3.8 Tables 9-13 and 9-16.
_WITHIN = {_CONTEXT: 8, _USER_INFORMATION: 4}


def too_much(pdu: bytes | bytearray) -> str:
    """Why a PDU is a request that nobody has to take apart; empty when it is none."""
    if pdu[0] != _REQUEST:
        return ""
    contexts = items = 0
    for kind, begin, end in _items(pdu, _ITEMS_BEGIN, len(pdu)):
        contexts += kind == _CONTEXT
        items += 1
        if kind in _WITHIN:
            for _ in _items(pdu, begin + _WITHIN[kind], end):
                items += 1
        if contexts > MOST_CONTEXTS:
            return f"it asks for more than {MOST_CONTEXTS} presentation contexts"
        if items > MOST_ITEMS:
            return f"its request has more than {MOST_ITEMS} items"
    return ""


def pad_titles(pdu: bytearray) -> None:
    """AE titles of a request that are filled up with NUL, as some callers do, are filled up with
    spaces, as PS3.5 6.2 wants it: pynetdicom can make nothing of others.
    """
    if pdu[0] == _REQUEST and len(pdu) >= _ITEMS_BEGIN:
        for title in (CALLED, CALLING):
            pdu[title] = pdu[title].rstrip(b"\0").ljust(16)


def _items(pdu: bytes | bytearray, begin: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Kind, begin and end of each item: type, reserved, length of two bytes, content."""
    while begin + 4 <= end:
        following = begin + 4 + int.from_bytes(pdu[begin + 2 : begin + 4])
        yield pdu[begin], begin, min(following, end)
        begin = following

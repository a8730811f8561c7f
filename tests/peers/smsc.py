# A foreign message center in a process of its own, and what its two implementations have in common.
import sys
from pathlib import Path

from smpplib import consts, gsm

from kit import WORK, Child, wait_for

RECEIPT = 0x04
UDHI = 0x40


class Smsc:
    """A message center with ids in `decimal` or `hexadecimal` in its answers."""

    def __init__(self, who, command, ids, *more):
        self.who = who
        self.child = Child(f"smsc-{command[-1].split('/')[-1]}", [*command, ids, *more])
        self.port = self.child.first_line()["port"]

    def events(self, event, since=0):
        return [line for line in list(self.child.lines)[since:] if line["event"] == event]

    def when(self, event, count=1, since=0):
        """So many events of a kind, counted from a place in the history."""
        return wait_for(f"there are {count} of {event}", lambda: (
            found if len(found := self.events(event, since)) >= count else None))

    def mark(self):
        """The present end of the history."""
        return len(self.child.lines)

    def submits_to(self, peer, count=1, accepted=True):
        """The submits to a peer, once there are so many."""
        def look():
            found = [line for line in self.events("submit") if line["to"] == peer[1:]]
            found = [line for line in found if not accepted or line["status"] == 0]
            return found if len(found) >= count else None
        return wait_for(f"{count} submits to {peer} came", look)

    def tell(self, do, **more):
        self.child.tell(do=do, **more)


class NodeSmsc(Smsc):
    """npm smpp: it decodes and encodes texts by its own tables."""

    def __init__(self, ids, *more):
        super().__init__("smpp (npm)", ["node", f"{WORK}/smsc_node.js"], ids, *more)

    def text_of(self, parts):
        return "".join(part["text"] for part in parts)

    def udh_of(self, part):
        return part["udh"][0] if part["udh"] else ""

    def deliver(self, peer, number, text, udh=None, payload=False, **fields):
        self.tell("deliver", **{"from": peer[1:], "to": number[1:]}, text=text, udh=udh, payload=payload, fields=fields)


class Smpp34Smsc(Smsc):
    """PyPI smpp34: it leaves texts to us, so PyPI smpplib's tables encode and compare them."""

    def __init__(self, ids):
        super().__init__("smpp34 (PyPI)", [sys.executable, str(Path(__file__).with_name("smsc_smpp34.py"))], ids)

    def text_of(self, parts):
        return "".join(decoded(bytes.fromhex(part["octets"]), part) for part in parts)

    def submits_to(self, *arguments, **more):
        # The library works on submits side by side and hands them over in any order: the places say.
        return sorted(super().submits_to(*arguments, **more), key=lambda part: self.udh_of(part)[-2:])

    def udh_of(self, part):
        octets = bytes.fromhex(part["octets"])
        return octets[1:1 + octets[0]].hex() if part["esm_class"] & UDHI else ""

    def deliver(self, peer, number, text, udh=None, payload=False, **fields):
        coding = fields.setdefault("data_coding", 0)
        octets = text.encode("utf-16-be") if coding == 8 else gsm.gsm_encode(text)
        if udh:
            octets = bytes.fromhex(udh) + octets
            fields["esm_class"] = fields.get("esm_class", 0) | UDHI
        self.tell("deliver", **{"from": peer[1:], "to": number[1:]}, octets=octets.hex(), payload=payload,
                  fields=fields)


def decoded(octets, part):
    if part["esm_class"] & UDHI:
        octets = octets[1 + octets[0]:]
    if part["coding"] == consts.SMPP_ENCODING_ISO10646:
        return octets.decode("utf-16-be")
    # The inverse of smpplib's encoder, character by character.
    by_code = {gsm.gsm_encode(character): character for character in reversed(gsm.GSM_CHARACTER_TABLE)}
    text, at = "", 0
    while at < len(octets):
        size = 2 if octets[at] == 0x1B else 1
        text += by_code[octets[at:at + size]]
        at += size
    return text

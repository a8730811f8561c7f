# The foreign libraries of Standard Webhooks, asked alike. svix (PyPI) reads the headers by itself and verifies by the code
# of standardwebhooks (PyPI); npm's shares nothing with them. None of them knows v1a: libsodium verifies that.
import base64
import json
from datetime import datetime, timezone

import standardwebhooks
import svix.webhooks
from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

from kit import WORK, Child, wait_for

PYPI, SVIX, NPM = "standardwebhooks (PyPI)", "svix (PyPI)", "standardwebhooks (npm)"
EVERY = {PYPI, SVIX, NPM}


class Verifiers:
    """All of them; npm's is a process."""

    def __init__(self):
        self.node = Child("webhooks-node", ["node", WORK / "webhooks.mjs"])

    def _ask(self, **command):
        place = len(self.node.lines)
        self.node.tell(**command)
        return wait_for("npm's library has answered", lambda: self.node.lines[place:])[0]

    def accepting(self, secret, body, headers):
        """The names of those that accept these bytes with these headers; what they read is what was sent."""
        names = set()
        try:
            read = standardwebhooks.Webhook(secret).verify(body, headers)
            assert read == json.loads(body), read
            names.add(PYPI)
        except standardwebhooks.webhooks.WebhookVerificationError:
            pass
        try:
            svix.webhooks.Webhook(secret).verify(body, headers)
            names.add(SVIX)
        except svix.webhooks.WebhookVerificationError:
            pass
        answer = self._ask(act="verify", secret=secret, body=body.decode(), headers=headers)
        if "refused" not in answer:
            assert answer["read"] == json.loads(body), answer
            names.add(NPM)
        return names

    def signed(self, name, secret, message_id, at_s, body):
        """The headers that a library of this name sends."""
        if name == NPM:
            command = {"secret": secret, "id": message_id, "at_s": at_s, "body": body.decode()}
            signature = self._ask(act="sign", **command)["signature"]
        else:
            library = standardwebhooks.Webhook if name == PYPI else svix.webhooks.Webhook
            at = datetime.fromtimestamp(at_s, tz=timezone.utc)
            signature = library(secret).sign(message_id, at, body.decode())
        return {"webhook-id": message_id, "webhook-timestamp": str(at_s), "webhook-signature": signature}


def signatures(headers, version):
    """The signatures of one version."""
    pairs = [one.split(",", 1) for one in headers["webhook-signature"].split(" ")]
    return [signature for found, signature in pairs if found == version]


def accepted_by_sodium(public_key, body, headers):
    """Whether one of the v1a signatures is right by this key, `whpk_…`."""
    key = VerifyKey(base64.b64decode(public_key.removeprefix("whpk_")))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    for signature in signatures(headers, "v1a"):
        try:
            key.verify(signed, base64.b64decode(signature))
            return True
        except BadSignatureError:
            pass
    return False

# Webhooks: what the daemon sends, held against the foreign libraries of Standard Webhooks; what they sign, against
# loadtest's sink; and the daemon against the sink.
import json
import re
import time

from didfarm import NUMBER, Daemon, Sink
from kit import claim, http_request, same, wait_for
from relay import Relay
from verifiers import EVERY, NPM, PYPI, SVIX, Verifiers, accepted_by_sodium, signatures

WHO = "standardwebhooks (PyPI, npm), svix (PyPI)"
SODIUM = "PyNaCl (PyPI)"
PEER = "+31612345678"
TEXT = "Één bericht & 1 € <b>👋</b>"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
SETTINGS = '[webhooks]\nallowed_networks = ["127.0.0.0/8"]\n'
RECEIVED = ["message.received"]
MESSAGE_FIELDS = ["id", "event", "from", "to", "body", "channel", "received_at", "conversation_id", "metadata"]
WHATSAPP_FIELDS = {"message_type", "media_url", "profile_name"}
SMS_FIELDS = ["id", "from", "to", "body", "segments", "received_at"]
# The types whose names differ between the two forms of payload.
SMS_EVENTS = {"message.received": "sms.received", "message.status": "sms.status"}
DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"
# Messages and peers of the flood into the sink.
MESSAGES, PEERS = 200, 20


def integer_of(spelled):
    """The integer that an id such as `msg_…` is."""
    value = 0
    for digit in spelled.split("_", 1)[1]:
        value = value * 32 + DIGITS.index(digit)
    return value


class Receiver(Relay):
    """Keeps what comes; a path in `failing` answers 500 so many times."""

    def __init__(self):
        super().__init__()
        self.failing = {}

    def answer(self, kept):
        left = self.failing.get(kept.path, 0)
        self.failing[kept.path] = max(left - 1, 0)
        return (500 if left else 200), "application/json", b"{}"

    def at(self, path):
        return [kept for kept in list(self.kept) if kept.path == path]

    def first_at(self, path):
        return self.when(f"{path} was called", lambda kept: kept.path == path)


def create(daemon, url, **more):
    endpoint = daemon.api("POST", "/api/v1/webhooks", {"url": url, **more}).expect(201)["data"]
    assert endpoint["secret"].startswith("whsec_"), "no secret was shown"
    return endpoint


def verified(verifiers, secret, kept):
    """The payload, if every library accepts the request and none an altered one."""
    same(verifiers.accepting(secret, kept.body, kept.headers), EVERY, "who accepts the request")
    same(kept.headers["content-type"].split(";")[0], "application/json")
    return json.loads(kept.body)


def check_forms(daemon, receiver, verifiers):
    flat = create(daemon, f"{receiver.url}/flat", event_types=RECEIVED)
    nested = create(daemon, f"{receiver.url}/nested", event_types=RECEIVED, payload="sms")
    daemon.inbound(PEER, TEXT)
    [message] = daemon.inbound_when(PEER, 1)
    with claim(f"{WHO}: accept an inbound message in the form message.received, whose fields are in their order"):
        kept = receiver.first_at("/flat")
        payload = verified(verifiers, flat["secret"], kept)
        same(list(payload)[:len(MESSAGE_FIELDS)], MESSAGE_FIELDS)
        same([payload[name] for name in ("id", "event", "from", "to", "body", "channel")],
             [message["id"], "message.received", PEER, NUMBER, TEXT, "sms"])
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", payload["received_at"]), payload
        assert payload["conversation_id"].startswith("conv_"), payload
        same(payload["metadata"]["country"], "NL")
        assert "carrier" in payload["metadata"], payload
        assert kept.headers["webhook-id"].startswith("evt_") and "." not in kept.headers["webhook-id"], kept.headers
        same(payload["event_id"], kept.headers["webhook-id"])
    with claim(f"{WHO}: accept the form sms.received, whose fields are in their order"):
        payload = verified(verifiers, nested["secret"], receiver.first_at("/nested"))
        same((list(payload), payload["event"]), (["event", "data"], "sms.received"))
        data = payload["data"]
        same(list(data)[:len(SMS_FIELDS)], SMS_FIELDS)
        same([data[name] for name in SMS_FIELDS[:4]], [integer_of(message["id"]), PEER, NUMBER, TEXT])
        same(data["segments"], message["segments"])
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", data["received_at"]), data
    with claim(f"{WHO}: none accepts another body, id, time or secret, or a time out of bounds"):
        kept = receiver.first_at("/flat")
        stale = str(int(kept.headers["webhook-timestamp"]) - 301)
        for secret, body, changed in [
            (nested["secret"], kept.body, {}),
            (flat["secret"], kept.body.replace(b"bericht", b"verzoek"), {}),
            (flat["secret"], kept.body, {"webhook-id": "evt_00000000001"}),
            (flat["secret"], kept.body, {"webhook-timestamp": stale}),
        ]:
            same(verifiers.accepting(secret, body, {**kept.headers, **changed}), set())
    with claim(f"{WHO}: accept a WhatsApp message with its further fields"):
        daemon.inbound(PEER, "by WhatsApp", channel="whatsapp")
        receiver.when("it came", lambda kept: kept.path == "/flat" and b"by WhatsApp" in kept.body)
        [second] = receiver.at("/flat")[1:]
        payload = verified(verifiers, flat["secret"], second)
        same((payload["channel"], payload["message_type"]), ("whatsapp", "text"))
        assert WHATSAPP_FIELDS <= set(payload), payload
        first = json.loads(receiver.at("/flat")[0].body)
        same(payload["conversation_id"], first["conversation_id"], "the conversation of both channels")
        assert not WHATSAPP_FIELDS & set(first), first
    with claim("the secret is shown at no other time"):
        listed = daemon.api("GET", "/api/v1/webhooks").body + daemon.api("GET", f"/api/v1/webhooks/{flat['id']}").body
        assert flat["id"].encode() in listed and b"whsec_" not in listed, "a secret was shown"


def check_number(daemon, receiver, verifiers):
    with claim(f"{WHO}: accept what comes to the URL of a number, by the secret that setting it has shown"):
        [number] = daemon.api("GET", "/api/v1/portal/sms/numbers").expect(200)["data"]
        path = f"/api/v1/sms/numbers/{number['id']}"
        change = {"inbound_webhook_url": f"{receiver.url}/number"}
        secret = daemon.api("PATCH", path, change).expect(200)["data"]["inbound_webhook_secret"]
        daemon.inbound(PEER, "to the number")
        same(verified(verifiers, secret, receiver.first_at("/number"))["body"], "to the number")
        daemon.api("PATCH", path, {"inbound_webhook_url": None}).expect(200)


def check_retry(daemon, receiver, verifiers):
    with claim(f"{WHO}: accept a retry: the same id and body, signed anew for its own time"):
        endpoint = create(daemon, f"{receiver.url}/retried", event_types=RECEIVED, retry_schedule=[1])
        receiver.failing["/retried"] = 1
        daemon.inbound(PEER, "twice")
        wait_for("it came twice", lambda: len(receiver.at("/retried")) >= 2)
        first, second = receiver.at("/retried")
        for kept in (first, second):
            verified(verifiers, endpoint["secret"], kept)
        same((second.headers["webhook-id"], second.body), (first.headers["webhook-id"], first.body))
        times = [int(kept.headers["webhook-timestamp"]) for kept in (first, second)]
        assert times[0] < times[1], times
        path = f"/api/v1/webhooks/{endpoint['id']}/attempts"
        listed = wait_for("both attempts are listed", lambda: (
            found if len(found := daemon.api("GET", path).expect(200)["data"]) >= 2 else None))
        same(sorted((row["attempt"], row["status"]) for row in listed), [(1, 500), (2, 200)])


def check_rotation(daemon, receiver, verifiers):
    endpoint = create(daemon, f"{receiver.url}/rotated", event_types=RECEIVED)
    rotate = f"/api/v1/webhooks/{endpoint['id']}/rotate-secret"

    def told(body):
        daemon.inbound(PEER, body)
        return receiver.when("it came", lambda kept: kept.path == "/rotated" and body.encode() in kept.body)
    with claim(f"{WHO}: accept by the old and by the new secret while both hold"):
        old = endpoint["secret"]
        new = daemon.api("POST", rotate, {"overlap_seconds": 3600}).expect(200)["data"]["secret"]
        kept = told("while both hold")
        same(len(signatures(kept.headers, "v1")), 2)
        for secret in (old, new):
            verified(verifiers, secret, kept)
    with claim(f"{WHO}: refuse a secret once its overlap is over"):
        newest = daemon.api("POST", rotate, {"overlap_seconds": 1}).expect(200)["data"]["secret"]
        turn = iter(range(1000))
        kept = wait_for("the secret is out of use", lambda: (
            kept if not verifiers.accepting(new, (kept := told(f"turn {next(turn)}.")).body, kept.headers) else None))
        verified(verifiers, newest, kept)


def check_asymmetric(daemon, receiver, verifiers):
    endpoint = create(daemon, f"{receiver.url}/asymmetric", event_types=RECEIVED, asymmetric=True)
    daemon.inbound(PEER, "in two ways")
    kept = receiver.first_at("/asymmetric")
    with claim(f"{SODIUM}: accepts the v1a signature by the public key, and no changed one"):
        assert accepted_by_sodium(endpoint["public_key"], kept.body, kept.headers), kept.headers
        assert not accepted_by_sodium(endpoint["public_key"], kept.body + b" ", kept.headers)
    with claim(f"{WHO}: accept the v1 signature beside it"):
        verified(verifiers, endpoint["secret"], kept)


def check_examples(daemon, receiver, verifiers):
    for form in ("message", "sms"):
        with claim(f"{WHO}: accept an example of every type of event in the form {form}"):
            path = f"/examples/{form}"
            endpoint = create(daemon, receiver.url + path, payload=form)
            asked = daemon.api("POST", f"/api/v1/webhooks/{endpoint['id']}/test", {}).expect(202)["data"]
            types = {row["event_id"]: row["type"] for row in asked}
            assert {"message.received", "message.status", "conversation.created", "wallet.low"} <= set(types.values())
            wait_for("all came", lambda: set(types) <= {kept.headers["webhook-id"] for kept in receiver.at(path)})
            for kept in receiver.at(path):
                payload = verified(verifiers, endpoint["secret"], kept)
                kind = types[kept.headers["webhook-id"]]
                same(payload["event"], SMS_EVENTS.get(kind, kind) if form == "sms" else kind)
            daemon.api("DELETE", f"/api/v1/webhooks/{endpoint['id']}").expect(204)


def check_sink(verifiers):
    sink = Sink("--secret", SECRET)
    body = json.dumps({"event": "message.received", "body": TEXT}, ensure_ascii=False).encode()
    now_s = int(time.time())
    for name in (PYPI, SVIX, NPM):
        with claim(f"{name}: loadtest's sink takes what it signs, and counts what was changed or is old as that"):
            sink.reset()
            good = verifiers.signed(name, SECRET, "evt_1", now_s, body)
            old = verifiers.signed(name, SECRET, "evt_2", now_s - 400, body)
            for headers in (good, {**good, "webhook-id": "evt_3"}, old):
                http_request("POST", f"{sink.url}/ok", body, headers).expect(200)
            counts = sink.report()["paths"]["/ok"]
            same((counts["requests"], counts["bad_signatures"], counts["stale"]), (3, 1, 1))
    sink.child.stop()


def check_flood(daemon):
    with claim(f"loadtest sink: {MESSAGES} messages of {PEERS} peers come once each, in order, rightly signed"):
        # The sink has to know the secret when it starts, so the endpoint is there before it.
        endpoint = create(daemon, "http://127.0.0.1:8080/later", event_types=RECEIVED, ordered=True)
        sink = Sink("--secret", endpoint["secret"], name="flood-sink")
        daemon.api("PATCH", f"/api/v1/webhooks/{endpoint['id']}", {"url": f"{sink.url}/ok"}).expect(200)
        for n in range(MESSAGES):
            daemon.inbound(f"+3161111{1000 + n % PEERS}", f"flood {n} t={time.time_ns() // 1000}")
        wait_for("all came", lambda: sink.counts("/ok").get("unique_ids", 0) >= MESSAGES)
        counts = sink.counts("/ok")
        same([counts[name] for name in ("requests", "unique_ids", "conversations", "timed")],
             [MESSAGES, MESSAGES, PEERS, MESSAGES])
        same([counts[name] for name in ("bad_signatures", "stale", "doubled", "inversions", "unreadable")], [0] * 5)


def main():
    verifiers = Verifiers()
    check_sink(verifiers)
    receiver = Receiver()
    daemon = Daemon(SETTINGS, name="webhooks-daemon")
    check_forms(daemon, receiver, verifiers)
    check_number(daemon, receiver, verifiers)
    check_retry(daemon, receiver, verifiers)
    check_rotation(daemon, receiver, verifiers)
    check_asymmetric(daemon, receiver, verifiers)
    check_examples(daemon, receiver, verifiers)
    check_flood(daemon)


main()

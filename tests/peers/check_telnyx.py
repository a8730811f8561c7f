# Telnyx: the vendor's client against loadtest's carriers, Ed25519 in both directions, its requests beside ours.
import base64
import json
import time

from nacl.signing import SigningKey
from telnyx import APIStatusError, Telnyx
from telnyx.types.delivery_update_webhook_event import DeliveryUpdateWebhookEvent
from telnyx.types.inbound_message_webhook_event import InboundMessageWebhookEvent
from telnyx.types.message_retrieve_response import MessageRetrieveResponse
from telnyx.types.message_send_response import MessageSendResponse

from didfarm import NUMBER, Carriers, Daemon, route, telnyx
from kit import claim, http_request, same, wait_for
from relay import Relay

WHO = "telnyx (PyPI)"
PEER = "+31612345678"
KEY = SigningKey.generate()


def client_of(base_url, public_key=None):
    return Telnyx(api_key="KEY-peers", base_url=f"{base_url}/v2", public_key=public_key, max_retries=0)


def check_client(carriers, receiver):
    client = client_of(carriers.http, carriers.telnyx_public_key)
    with claim(f"{WHO}: sends a message, and its answer fits the SDK's model without exception"):
        raw = client.messages.with_raw_response.send(
            from_=NUMBER, to=PEER, text="Grüße, 1 €", webhook_url=f"{receiver.url}/telnyx",
            webhook_failover_url=f"{receiver.url}/failover",
        )
        sent = MessageSendResponse.model_validate_json(raw.text()).data
        same((sent.direction, sent.type, sent.text), ("outbound", "SMS", "Grüße, 1 €"))
        same((sent.from_.phone_number, sent.to[0].phone_number, sent.to[0].status), (NUMBER, PEER, "queued"))
    with claim(f"{WHO}: reads the message until it is delivered"):
        def look():
            raw = client.messages.with_raw_response.retrieve(sent.id)
            return MessageRetrieveResponse.model_validate_json(raw.text()).data.to[0].status == "delivered"
        wait_for("it is delivered", look)
    with claim(f"{WHO}: a message that is not known is the SDK's NotFoundError, one without a text is 422"):
        for status, ask in [
            (404, lambda: client.messages.retrieve("40000000-0000-4000-8000-000000000000")),
            (422, lambda: client.messages.send(from_=NUMBER, to=PEER)),
        ]:
            try:
                ask()
            except APIStatusError as error:
                same(error.status_code, status)
                assert error.body["errors"][0]["code"].isdigit(), error.body
            else:
                raise AssertionError(f"no {status}")
    with claim(f"{WHO}: webhooks.unwrap accepts message.sent and message.finalized, and no changed one"):
        receiver.when("the last webhook came", lambda kept: b"message.finalized" in kept.body)
        words = []
        for kept in receiver.kept:
            body = kept.body.decode()
            event = client.webhooks.unwrap(body, headers=kept.headers)
            same(event.data.payload.id, sent.id)
            strict = DeliveryUpdateWebhookEvent.model_validate_json(body)
            words.append((strict.data.event_type, strict.data.payload.to[0].status))
            changed(client, body.replace(PEER, NUMBER), kept.headers)
        same(words, [("message.sent", "sent"), ("message.finalized", "delivered")])
    with claim(f"{WHO}: webhooks.unwrap accepts an inbound message, which fits the SDK's model"):
        carriers.inbound("telnyx", PEER, "Hé 👋", url=f"{receiver.url}/inbound")
        kept = receiver.when("it came", lambda kept: kept.path == "/inbound")
        client.webhooks.unwrap(kept.body.decode(), headers=kept.headers)
        payload = InboundMessageWebhookEvent.model_validate_json(kept.body).data.payload
        same((payload.text, payload.from_.phone_number, payload.to[0].phone_number), ("Hé 👋", PEER, NUMBER))


def changed(client, body, headers):
    """Asserts that the SDK does not accept it."""
    try:
        client.webhooks.unwrap(body, headers=headers)
    except ValueError:
        return
    raise AssertionError("a changed webhook was accepted")


def post_signed(daemon, path, body, at=None, key=KEY):
    """A callback to the daemon, signed by PyNaCl."""
    stamp = str(int(time.time() if at is None else at))
    signature = key.sign(stamp.encode() + b"|" + body).signature
    return http_request("POST", daemon.url + path, body, {
        "Content-Type": "application/json", "telnyx-timestamp": stamp,
        "telnyx-signature-ed25519": base64.b64encode(signature).decode(),
    })


def inbound_event(message_id, text):
    return json.dumps({
        "data": {
            "event_type": "message.received", "id": f"b301ed3f-1490-491f-995f-{message_id:012}",
            "occurred_at": "2026-01-01T10:00:00.000+00:00", "record_type": "event",
            "payload": {
                "direction": "inbound", "type": "MMS", "id": f"84cca175-9755-4859-b67f-{message_id:012}",
                "record_type": "message", "text": text, "parts": 1, "cc": [], "errors": [], "tags": [],
                "from": {"phone_number": PEER, "carrier": "KPN", "line_type": "Wireless", "status": "received"},
                "to": [{"phone_number": NUMBER, "status": "webhook_delivered", "carrier": "Telnyx",
                        "line_type": "Wireless"}],
                "media": [{"url": "https://media.example.org/cat.jpg", "content_type": "image/jpeg",
                           "size": 1234, "hash_sha256": "ab" * 32}],
                "received_at": "2026-01-01T10:00:00.000+00:00", "something_new": {"deep": [1, 2]},
            },
        },
        "meta": {"attempt": 1, "delivered_to": "https://sms.example.org/carriers/tx"},
    }).encode()


def check_daemon_callbacks(daemon):
    event = inbound_event(1, "Één bericht 👋")
    with claim(f"{WHO}: an inbound MMS that fits the SDK's model, signed by PyNaCl, is taken once"):
        InboundMessageWebhookEvent.model_validate_json(event)
        for _ in range(2):
            same(post_signed(daemon, "/carriers/tx", event).status, 200)
        [message] = daemon.inbound_when(PEER, 1)
        same((message["body"], message["carrier"]), ("Één bericht 👋", "tx"))
        media = message["media"][0]
        same((media["url"], media["content_type"], media["bytes"]),
             ("https://media.example.org/cat.jpg", "image/jpeg", 1234))
    with claim("PyNaCl: another key, another body, and a time 301 s off are 403 and not stored"):
        other = inbound_event(2, "Zwei")
        same(post_signed(daemon, "/carriers/tx", other, key=SigningKey.generate()).status, 403)
        for off in (-302, 302):
            same(post_signed(daemon, "/carriers/tx", other, at=time.time() + off).status, 403)
        stamp = str(int(time.time()))
        signature = base64.b64encode(KEY.sign(stamp.encode() + b"|" + event).signature).decode()
        headers = {"telnyx-timestamp": stamp, "telnyx-signature-ed25519": signature}
        same(http_request("POST", f"{daemon.url}/carriers/tx", other, headers).status, 403)
        same(len(daemon.inbound_from(PEER)), 1)
        same(post_signed(daemon, "/carriers/tx", other, at=time.time() - 290).status, 200)


def check_statuses(daemon, recorder, receiver):
    with claim("PyNaCl: message.finalized before message.sent, each at both addresses, ends delivered"):
        message_id = daemon.send(PEER, "Status, please")
        finalized = receiver.when("the last webhook came", lambda kept: b"message.finalized" in kept.body)
        sent = receiver.when("the first webhook came", lambda kept: b"message.sent" in kept.body)
        assert finalized.path.startswith("/carriers/tx") and message_id in finalized.path, finalized.path
        same(daemon.message_with(message_id, "sent")["submits"], 1)
        for kept in (finalized, finalized, sent, sent):
            same(post_signed(daemon, kept.path, kept.body).status, 200)
        message = daemon.message_with(message_id, "delivered")
        same([step["status"] for step in message["status_history"]], ["queued", "sending", "sent", "delivered"])
    with claim("PyNaCl: a failure that the SDK's model reads is failed with the reason of its code"):
        message_id = daemon.send("+31612345679", "To fail")
        fits = lambda kept: b"message.finalized" in kept.body and b"+31612345679" in kept.body  # noqa: E731
        event = json.loads(receiver.when("the last webhook came", fits).body)
        payload = event["data"]["payload"]
        payload["to"][0]["status"] = "delivery_failed"
        payload["errors"] = [{"code": "40002", "title": "Blocked as spam - temporary"}]
        strict = DeliveryUpdateWebhookEvent.model_validate(event)
        same(strict.data.payload.errors[0].code, "40002")
        path = next(kept.path for kept in receiver.kept if message_id in kept.path)
        same(post_signed(daemon, path, json.dumps(event).encode()).status, 200)
        same(daemon.message_with(message_id, "failed")["reason"], "spam")
    with claim(f"{WHO}: the daemon's request is the SDK's: path, credentials and members"):
        daemon.send(PEER, "Gleich é 👋")
        fits = lambda kept: kept.method == "POST" and json.loads(kept.body).get("text") == "Gleich é 👋"  # noqa: E731
        ours = recorder.when("the daemon asked", fits)
        recorder.kept.remove(ours)
        members = json.loads(ours.body)
        same(set(members), {"from", "to", "text", "type", "webhook_url", "webhook_failover_url",
                            "use_profile_webhooks"})
        members["from_"] = members.pop("from")
        client_of(recorder.url).messages.send(**members)
        theirs = recorder.when("the SDK asked", fits)
        same((ours.method, ours.path), (theirs.method, theirs.path))
        same(ours.headers["authorization"], theirs.headers["authorization"])
        same(json.loads(ours.body), json.loads(theirs.body))


def main():
    check_client(Carriers(name="telnyx-carriers"), Relay())
    recorder = Relay(Carriers(name="telnyx-recorded-carriers").http)
    receiver = Relay()
    public_key = base64.b64encode(bytes(KEY.verify_key)).decode()
    daemon = Daemon(telnyx(recorder.url, public_key) + route("tx"), receiver.url, name="telnyx-daemon")
    check_daemon_callbacks(daemon)
    check_statuses(daemon, recorder, receiver)


main()

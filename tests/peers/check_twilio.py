# Twilio: the vendor's client against loadtest's carriers, its signatures in both directions, its requests beside ours.
import json
import urllib.parse

from twilio.base.exceptions import TwilioRestException
from twilio.request_validator import RequestValidator
from twilio.rest import Client

from didfarm import ACCOUNT_SID, NUMBER, TWILIO_TOKEN, Carriers, Daemon, route, twilio
from kit import claim, http_request, same, wait_for
from relay import Relay

WHO = "twilio (PyPI)"
PEER = "+31612345678"
VALIDATOR = RequestValidator(TWILIO_TOKEN)


def client_of(base_url):
    client = Client(ACCOUNT_SID, TWILIO_TOKEN)
    client.api.base_url = base_url
    return client


def check_client(carriers, receiver):
    client = client_of(carriers.http)
    callback = f"{receiver.url}/twilio?first=1&second=a%20b"
    with claim(f"{WHO}: sends a message, and its answer is a message of the SDK"):
        sent = client.messages.create(to=PEER, from_=NUMBER, body="Grüße, 1 €", status_callback=callback)
        same((sent.to, sent.from_, sent.body), (PEER, NUMBER, "Grüße, 1 €"))
        same((sent.status, sent.direction, sent.account_sid), ("queued", "outbound-api", ACCOUNT_SID))
        same((sent.sid[:2], len(sent.sid), sent.num_segments), ("SM", 34, "1"))
        assert sent.date_created is not None and sent.error_code is None
    with claim(f"{WHO}: reads the message until it is delivered"):
        wait_for("it is delivered", lambda: client.messages(sent.sid).fetch().status == "delivered")
    with claim(f"{WHO}: lists messages, newest first, and stops at the last"):
        second = client.messages.create(to=PEER, from_=NUMBER, body="second")
        same([message.sid for message in client.messages.list()], [second.sid, sent.sid])
        same([message.sid for message in client.messages.list(limit=1)], [second.sid])
    with claim(f"{WHO}: a message without a recipient is the SDK's error with Twilio's code"):
        try:
            client.messages.create(to="", from_=NUMBER, body="nobody")
        except TwilioRestException as error:
            same((error.status, error.code), (400, 21604))
        else:
            raise AssertionError("it was taken")
    with claim(f"{WHO}: RequestValidator accepts the status callbacks, in order, and no changed one"):
        receiver.when("the last callback came", lambda kept: kept.form().get("MessageStatus") == "delivered")
        words = []
        for kept in receiver.kept:
            signature = kept.headers["x-twilio-signature"]
            assert VALIDATOR.validate(receiver.url + kept.path, kept.form(), signature), kept.body
            assert not VALIDATOR.validate(receiver.url + kept.path, {**kept.form(), "To": NUMBER}, signature)
            assert not VALIDATOR.validate(receiver.url + kept.path + "x", kept.form(), signature)
            same((kept.form()["MessageSid"], kept.form()["To"]), (sent.sid, PEER))
            words.append(kept.form()["MessageStatus"])
        same(words, ["sent", "delivered"])
    with claim(f"{WHO}: RequestValidator accepts an inbound message with empty parameters and emoji"):
        carriers.inbound("twilio", PEER, "Hé 👋 a&b=c", url=f"{receiver.url}/inbound")
        kept = receiver.when("it came", lambda kept: kept.path == "/inbound")
        assert VALIDATOR.validate(f"{receiver.url}/inbound", kept.form(), kept.headers["x-twilio-signature"])
        same((kept.form()["Body"], kept.form()["FromCity"]), ("Hé 👋 a&b=c", ""))


def post_signed(daemon, public, path, form, signature=None):
    """A callback to the daemon, signed by the SDK for the public address."""
    signature = signature or VALIDATOR.compute_signature(public + path, form)
    headers = {"Content-Type": "application/x-www-form-urlencoded", "X-Twilio-Signature": signature}
    return http_request("POST", daemon.url + path, urllib.parse.urlencode(form).encode(), headers)


def check_daemon_callbacks(daemon, public, recorder):
    form = {
        "MessageSid": "SM" + "a" * 32, "SmsSid": "SM" + "a" * 32, "SmsMessageSid": "SM" + "a" * 32,
        "AccountSid": ACCOUNT_SID, "From": PEER, "To": NUMBER, "Body": "Één bericht & 1 € 👋", "NumMedia": "1",
        "MediaUrl0": "https://media.example.org/cat.jpg", "MediaContentType0": "image/jpeg", "NumSegments": "1",
        "FromCity": "", "ApiVersion": "2010-04-01", "SomethingNew": "kept out of harm",
    }
    with claim(f"{WHO}: an inbound MMS signed by the SDK is taken, shown, and once only"):
        for _ in range(2):
            same(post_signed(daemon, public, "/carriers/tw", form).status, 200)
        [message] = daemon.inbound_when(PEER, 1)
        same((message["body"], message["carrier"]), (form["Body"], "tw"))
        same(message["media"][0]["url"], form["MediaUrl0"])
        same(message["media"][0]["content_type"], "image/jpeg")
    with claim(f"{WHO}: one with a changed, an added or a missing parameter is 403 and not stored"):
        signature = VALIDATOR.compute_signature(f"{public}/carriers/tw", form)
        changed = [{**form, "Body": "changed"}, {**form, "Extra": "x"}]
        changed.append({name: value for name, value in form.items() if name != "NumMedia"})
        for other in changed:
            answer = post_signed(daemon, public, "/carriers/tw", other, signature)
            same((answer.status, answer.json()["code"]), (403, "signature_invalid"))
        same(post_signed(daemon, public, "/carriers/tw?x=1", form, signature).status, 403)
        same(len(daemon.inbound_from(PEER)), 1)
    with claim(f"{WHO}: a JSON callback is taken by its body's hash in the address, a changed one is 403"):
        body = json.dumps({**form, "MessageSid": "SM" + "b" * 32, "Body": "as JSON"})
        path = f"/carriers/tw?bodySHA256={VALIDATOR.compute_hash(body)}"
        signature = VALIDATOR.compute_signature(public + path, {})
        headers = {"Content-Type": "application/json", "X-Twilio-Signature": signature}
        same(http_request("POST", daemon.url + path, body.replace("as", "is").encode(), headers).status, 403)
        same(http_request("POST", daemon.url + path, body.encode(), headers).status, 200)
        daemon.inbound_when(PEER, 2)
    with claim(f"{WHO}: status callbacks signed by the SDK move a message, one with a changed status is 403"):
        message_id = daemon.send(PEER, "Status, please")
        kept = recorder.when("it was submitted", lambda kept: b"Status" in kept.body)
        callback = kept.form()["StatusCallback"]
        assert callback == f"{public}/carriers/tw/status/{message_id}", callback
        daemon.message_with(message_id, "sent")
        [sid] = [m.sid for m in client_of(recorder.behind).messages.list() if m.body == "Status, please"]
        status = {"MessageSid": sid, "SmsSid": sid, "MessageStatus": "sent", "SmsStatus": "sent", "To": PEER,
                  "From": NUMBER, "AccountSid": ACCOUNT_SID, "ApiVersion": "2010-04-01"}
        path = callback.removeprefix(public)
        same(post_signed(daemon, public, path, status).status, 200)
        delivered = {**status, "MessageStatus": "delivered", "SmsStatus": "delivered"}
        forged = post_signed(daemon, public, path, delivered, VALIDATOR.compute_signature(public + path, status))
        same(forged.status, 403)
        same(daemon.message(message_id)["status"], "sent")
        same(post_signed(daemon, public, path, delivered).status, 200)
        daemon.message_with(message_id, "delivered")


def check_requests(daemon, recorder, public):
    with claim(f"{WHO}: the daemon's request is the SDK's: path, credentials and parameters"):
        client_of(recorder.url).messages.create(
            to=PEER, from_=NUMBER, body="Gleich é 👋", validity_period=36000,
            status_callback=f"{public}/x",
        )
        theirs = recorder.when("the SDK asked", lambda kept: "Gleich é 👋" == kept.form().get("Body"))
        recorder.kept.remove(theirs)
        daemon.send(PEER, "Gleich é 👋")
        ours = recorder.when("the daemon asked", lambda kept: "Gleich é 👋" == kept.form().get("Body"))
        same((ours.method, ours.path), (theirs.method, theirs.path))
        for name in ("authorization", "content-type"):
            same(ours.headers[name], theirs.headers[name], name)
        differing = ("StatusCallback", "ValidityPeriod")
        rest = [{k: v for k, v in kept.form().items() if k not in differing} for kept in (ours, theirs)]
        same(rest[0], rest[1], "the parameters")
        same(set(ours.form()), set(theirs.form()), "the parameters' names")


def main():
    receiver = Relay()
    carriers = Carriers(name="twilio-carriers")
    check_client(carriers, receiver)
    silent = Carriers("--loss", "1", name="twilio-silent-carriers")
    recorder = Relay(silent.http)
    public = "https://sms.example.org"
    daemon = Daemon(twilio(recorder.url) + route("tw"), public, name="twilio-daemon")
    check_daemon_callbacks(daemon, public, recorder)
    check_requests(daemon, recorder, public)


main()

# WhatsApp Cloud API: pywa and whatsapp-api-js against loadtest's carriers; the daemon beside them.
import base64
import hashlib
import hmac
import json
import logging

from pywa import WhatsApp
from pywa.errors import WhatsAppError
from pywa.types import MessageStatusType
from pywa.types.templates import BodyText, TemplateLanguage

from didfarm import APP_SECRET, GRAPH_VERSION, NUMBER, PHONE_NUMBER_ID, VERIFY_TOKEN, Carriers, Daemon, route, whatsapp
from kit import WORK, Child, claim, http_request, same
from relay import Relay

WHO = "pywa (PyPI)"
NODE = "whatsapp-api-js (npm)"
PEER = "+31612345678"
USER = "NL.13491208655302741918"
IMAGE = "https://media.example.org/cat.jpg"


class Reader:
    """pywa as Meta's webhook: verifies and parses what it is given."""

    def __init__(self, base_url):
        self.wa = WhatsApp(
            phone_id=PHONE_NUMBER_ID, token="EAA-peers", app_secret=APP_SECRET, verify_token=VERIFY_TOKEN,
        )
        self.wa.api._session.base_url = f"{base_url}/{GRAPH_VERSION}"
        self.messages, self.statuses = [], []
        self.wa.on_message(lambda _, message: self.messages.append(message))
        self.wa.on_message_status(lambda _, status: self.statuses.append(status))

    def read(self, body, signature):
        same(self.wa.webhook_update_validator(body, signature), None, "pywa's view of the signature")
        read = len(self.messages) + len(self.statuses)
        same(self.wa.webhook_update_handler(body), ("ok", 200))
        same(len(self.messages) + len(self.statuses), read + 1, f"what pywa reads in {body!r}")


def signed(body):
    return "sha256=" + hmac.new(APP_SECRET.encode(), body, hashlib.sha256).hexdigest()


def check_client(carriers, receiver):
    reader = Reader(carriers.http)
    wa = reader.wa
    with claim(f"{WHO}: sends text, template, image and document, and gets ids of Meta's form"):
        sent = [
            wa.send_message(PEER, "Grüße 👋", tracker="tracked"),
            wa.send_template(PEER, "order_update", TemplateLanguage.ENGLISH_US, params=[BodyText.params("Ann", "7")]),
            wa.send_image(PEER, IMAGE, caption="A cat"),
            wa.send_document(PEER, "https://media.example.org/a.pdf", filename="a.pdf"),
        ]
        same(len({message.id for message in sent}), 4)
        for message in sent:
            assert message.id.startswith("wamid.") and base64.b64decode(message.id[6:]), message.id
            same(message.to, PEER[1:])
        same(wa.send_message(USER, "to a user without a number").to, USER)
    with claim(f"{WHO}: what Meta does not take is WhatsAppError with Meta's code"):
        carriers.control(throttle=1.0)
        try:
            wa.send_message(PEER, "too fast")
        except WhatsAppError as error:
            same(error.code, 130429)
        else:
            raise AssertionError("it was taken")
        finally:
            carriers.control(throttle=0.0)
    with claim(f"{WHO}: verifies and reads sent, delivered and read of the first, with its tracker"):
        receiver.when("all statuses came", lambda _: len(receiver.kept) >= 15)
        for kept in receiver.kept:
            reader.read(kept.body, kept.headers["x-hub-signature-256"])
            error = wa.webhook_update_validator(kept.body + b" ", kept.headers["x-hub-signature-256"])
            same(error[1], 403)
        told = [status for status in reader.statuses if status.id == sent[0].id]
        same([status.status for status in told],
             [MessageStatusType.SENT, MessageStatusType.DELIVERED, MessageStatusType.READ])
        same({(status.tracker, status.from_user.wa_id) for status in told}, {("tracked", PEER[1:])})
        same(told[0].pricing.billable, True)
        same(len(reader.statuses), 15)
    with claim(f"{WHO}: reads a failed status with its error"):
        carriers.control(fates=True)
        reader.statuses.clear()
        # The simulated carrier's fate of 0002: undelivered.
        wa.send_message("+31612340002", "in vain")
        kept = receiver.when("it failed", lambda kept: b'"failed"' in kept.body)
        reader.read(kept.body, kept.headers["x-hub-signature-256"])
        same((reader.statuses[-1].status, reader.statuses[-1].error.code), (MessageStatusType.FAILED, 131026))
        carriers.control(fates=False)
    with claim(f"{WHO}: verifies and reads an inbound text with its sender"):
        carriers.inbound("whatsapp", PEER, "Hé 👋")
        kept = receiver.when("it came", lambda kept: b'"messages":[{' in kept.body)
        reader.read(kept.body, kept.headers["x-hub-signature-256"])
        [message] = reader.messages
        same((message.text, message.from_user.wa_id, message.metadata.phone_number_id),
             ("Hé 👋", PEER[1:], PHONE_NUMBER_ID))


def node(*arguments, name):
    """whatsapp-api-js in a process of its own."""
    return Child(name, ["node", WORK / "whatsapp.mjs", *arguments, APP_SECRET, VERIFY_TOKEN])


def check_node(carriers, receiver):
    receiver.kept.clear()
    with claim(f"{NODE}: sends text and template, and gets ids"):
        sent = node("send", f"{carriers.http}/{GRAPH_VERSION}", PHONE_NUMBER_ID, PEER, name="whatsapp-node").first_line()
        same([message_id[:6] for message_id in sent["ids"]], ["wamid.", "wamid."])
    with claim(f"{NODE}: verifies and reads the statuses and an inbound text, and no changed one"):
        carriers.inbound("whatsapp", PEER, "Hé 👋")
        receiver.when("all came", lambda _: len(receiver.kept) >= 7)
        reader = node("read", name="whatsapp-node")
        for kept in receiver.kept:
            reader.tell(body=kept.body.decode(), signature=kept.headers["x-hub-signature-256"])
            reader.tell(body=kept.body.decode() + " ", signature=kept.headers["x-hub-signature-256"])
        receiver.when("all is read", lambda _: len(reader.lines) >= 14)
        genuine, forged = reader.lines[0::2], reader.lines[1::2]
        assert all("refused" in line for line in forged), forged
        statuses = sorted((line["id"], line["status"]) for line in genuine if "status" in line)
        same(statuses, sorted((i, s) for i in sent["ids"] for s in ("sent", "delivered", "read")))
        [message] = [line for line in genuine if "text" in line]
        same((message["text"], message["from"]), ("Hé 👋", PEER[1:]))


def envelope(message, contact):
    return {"object": "whatsapp_business_account", "entry": [{"id": "102290129340398", "changes": [{
        "field": "messages", "value": {
            "messaging_product": "whatsapp",
            "metadata": {"display_phone_number": NUMBER[1:], "phone_number_id": PHONE_NUMBER_ID},
            "contacts": [contact], "messages": [message],
        }}]}]}


# Messages as Meta's reference has them, and what pywa and the daemon are to see in them.
CONTENTS = [
    ("text", {"text": {"body": "Één bericht"}}, lambda m: m.text, lambda o: o["body"]),
    ("image", {"image": {"id": "1003383421387256", "mime_type": "image/jpeg", "sha256": "SfInY0gGKTsJlU=",
                         "caption": "A cat"}},
     lambda m: (m.image.id, m.image.mime_type, m.caption),
     lambda o: (o["media"][0]["id"], o["media"][0]["content_type"], o["body"])),
    ("document", {"document": {"id": "1003383421387257", "mime_type": "application/pdf", "sha256": "x=",
                               "filename": "a.pdf"}},
     lambda m: (m.document.id, m.document.filename), lambda o: (o["media"][0]["id"], o["media"][0]["filename"])),
    ("location", {"location": {"latitude": 52.37403, "longitude": 4.88969, "name": "Dam", "address": "Amsterdam"}},
     lambda m: (m.location.latitude, m.location.longitude, m.location.name, m.location.address),
     lambda o: tuple(o["location"][name] for name in ("latitude", "longitude", "name", "address"))),
    ("reaction", {"reaction": {"message_id": "wamid.HBgL", "emoji": "👍"}},
     lambda m: m.reaction.emoji, lambda o: o["body"]),
    ("sticker", {"sticker": {"id": "77", "mime_type": "image/webp", "sha256": "y=", "animated": False}},
     lambda m: m.sticker.id, lambda o: o["media"][0]["id"]),
]


def check_daemon_inbound(daemon):
    reader = Reader("http://127.0.0.1:1")
    contact = {"profile": {"name": "Ann"}, "wa_id": PEER[1:], "user_id": USER}
    for place, (kind, content, theirs, ours) in enumerate(CONTENTS):
        with claim(f"{WHO}: the daemon sees the same in an inbound {kind} as pywa, and stores it once"):
            message = {"from": PEER[1:], "from_user_id": USER, "id": f"wamid.in{place}", "timestamp": "1767261600",
                       "type": kind, **content}
            body = json.dumps(envelope(message, contact)).encode()
            reader.read(body, signed(body))
            for _ in range(2):
                headers = {"Content-Type": "application/json", "X-Hub-Signature-256": signed(body)}
                same(http_request("POST", f"{daemon.url}/carriers/wa", body, headers).status, 200)
            found = daemon.inbound_when(PEER, place + 1)[-1]
            same((found["message_type"], found["profile_name"], found["from"]), (kind, "Ann", PEER))
            same(ours(found), theirs(reader.messages[-1]))
            same(reader.messages[-1].from_user.bsuid, USER)
    with claim(f"{WHO}: a sender without a number, as pywa reads it, joins the number that it is known by"):
        message = {"from_user_id": USER, "id": "wamid.user", "timestamp": "1767261600", "type": "text",
                   "text": {"body": "no number"}}
        body = json.dumps(envelope(message, {"profile": {"name": "Ann"}, "user_id": USER})).encode()
        reader.read(body, signed(body))
        same((reader.messages[-1].from_user.bsuid, reader.messages[-1].from_user.wa_id), (USER, None))
        headers = {"X-Hub-Signature-256": signed(body)}
        same(http_request("POST", f"{daemon.url}/carriers/wa", body, headers).status, 200)
        same(daemon.inbound_when(PEER, len(CONTENTS) + 1)[-1]["body"], "no number")
    with claim(f"{WHO}: a callback that pywa refuses is 403, one without a signature too"):
        for headers in ({"X-Hub-Signature-256": signed(body + b" ")}, {}):
            same(reader.wa.webhook_update_validator(body, headers.get("X-Hub-Signature-256"))[1] // 100, 4)
            same(http_request("POST", f"{daemon.url}/carriers/wa", body, headers).status, 403)
    with claim(f"{WHO}: the check of the address is answered as pywa answers it"):
        for token, challenge in ((VERIFY_TOKEN, "1158201444"), ("wrong", "1158201444")):
            query = f"hub.mode=subscribe&hub.verify_token={token}&hub.challenge={challenge}"
            answer = http_request("GET", f"{daemon.url}/carriers/wa?{query}")
            content, status = reader.wa.webhook_challenge_handler(token, challenge)
            same(answer.status, status)
            if status == 200:
                same(answer.body.decode(), content)


def check_requests(daemon, recorder):
    wa = Reader(recorder.url).wa
    components = [{"type": "BODY", "parameters": [{"type": "text", "text": "Ann"}, {"type": "text", "text": "7"}]}]
    pdf = "https://media.example.org/a.pdf"
    asked = [
        ("text", {"body": "Gleich 👋"}, lambda: wa.send_message(PEER, "Gleich 👋")),
        ("template", {"template": {"name": "order_update", "language": "en_US", "components": components}},
         lambda: wa.send_template(PEER, "order_update", TemplateLanguage.ENGLISH_US,
                                  params=[BodyText.params("Ann", "7")])),
        ("image", {"body": "A cat", "media": {"type": "image", "url": IMAGE}},
         lambda: wa.send_image(PEER, IMAGE, caption="A cat")),
        ("document", {"media": {"type": "document", "url": pdf, "filename": "a.pdf"}},
         lambda: wa.send_document(PEER, pdf, filename="a.pdf")),
    ]
    for kind, ours, theirs in asked:
        with claim(f"{WHO}: the daemon's request for a {kind} is pywa's, and the message is read in the end"):
            recorder.kept.clear()
            message_id = daemon.send(PEER, channel="whatsapp", **ours)
            assert daemon.message_with(message_id, "delivered")["carrier"] == "wa"
            daemon.message_when(message_id, lambda message: message["read_at"])
            [our] = recorder.kept
            recorder.kept.clear()
            theirs()
            [their] = recorder.kept
            same((our.method, our.path), (their.method, their.path))
            same(our.headers["authorization"], their.headers["authorization"])
            our, their = json.loads(our.body), json.loads(their.body)
            same(our.pop("biz_opaque_callback_data"), message_id)
            same(normal(our), normal(their), "the request")


def normal(request):
    """A request without what means nothing: the sign before the number, and members at their defaults."""
    request["to"] = request["to"].removeprefix("+")
    request.get("text", {}).setdefault("preview_url", False)
    return {name: value for name, value in request.items() if value is not None}


def main():
    # The library warns of the forgeries that it is shown here.
    logging.getLogger("pywa").setLevel(logging.ERROR)
    receiver = Relay()
    carriers = Carriers("--read", "1", "--callback", f"{receiver.url}/whatsapp", name="whatsapp-carriers")
    check_client(carriers, receiver)
    check_node(carriers, receiver)
    behind = Carriers("--read", "1", name="whatsapp-recorded-carriers")
    recorder = Relay(behind.http)
    daemon = Daemon(whatsapp(recorder.url) + route("wa"), "https://sms.example.org", name="whatsapp-daemon")
    behind.control(callback=f"{daemon.url}/carriers/wa")
    check_daemon_inbound(daemon)
    check_requests(daemon, recorder)


main()

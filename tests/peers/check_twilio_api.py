# Twilio's dialect of the daemon: the vendor's own libraries send, read and cancel with only the base address changed,
# and their validators accept what is called back.
import json
import os
import subprocess
from datetime import datetime, timedelta, timezone

from twilio.base.exceptions import TwilioRestException
from twilio.request_validator import RequestValidator
from twilio.rest import Client

from didfarm import KEY, NUMBER, Daemon
from kit import WORK, claim, same, wait_for
from relay import Relay

WHO = "twilio (PyPI)"
NPM = "twilio (npm)"
PEER = "+31612345678"
REFUSED, FAILED = "+31612340001", "+31612340002"
SETTINGS = '[webhooks]\nallowed_networks = ["127.0.0.0/8"]\n'
TEXT = "Grüße, 1 € 👋"
MESSAGES = 7


def client_of(daemon, sid, secret):
    client = Client(sid, secret)
    client.api.base_url = daemon.url
    return client


def refused(status, code, act):
    """The library's own error, if it has this status and code."""
    try:
        act()
    except TwilioRestException as error:
        same((error.status, error.code), (status, code))
    else:
        raise AssertionError("it was taken")


def check_access(daemon, sid, token):
    with claim(f"{WHO}: the account's sid opens it with its auth token and with an API key, and with nothing else"):
        for secret in (token, KEY):
            account = client_of(daemon, sid, secret).api.accounts(sid).fetch()
            same((account.sid, account.status, account.friendly_name), (sid, "active", "Peers"))
        refused(401, 20003, lambda: client_of(daemon, sid, "wrong").api.accounts(sid).fetch())
        refused(404, 20404, lambda: client_of(daemon, sid, KEY).api.accounts("AC" + "f" * 32).fetch())
    with claim(f"{WHO}: an API key as user and password opens the account"):
        client = Client("SK" + "0" * 32, KEY, account_sid=sid)
        client.api.base_url = daemon.url
        same(client.messages.list(), [])


def check_messages(client, sid):
    with claim(f"{WHO}: sends a message, and its answer is a message of the SDK"):
        sent = client.messages.create(to=PEER, from_=NUMBER, body=TEXT)
        same((sent.to, sent.from_, sent.body, sent.account_sid), (PEER, NUMBER, TEXT, sid))
        same((sent.status, sent.direction, sent.num_segments, sent.num_media), ("queued", "outbound-api", "1", "0"))
        same((sent.error_code, sent.error_message, sent.date_sent, sent.api_version), (None, None, None, "2010-04-01"))
        assert abs(datetime.now(timezone.utc) - sent.date_created) < timedelta(minutes=1), sent.date_created
    with claim(f"{WHO}: reads the message until it is delivered"):
        wait_for("it is delivered", lambda: client.messages(sent.sid).fetch().status == "delivered")
        assert client.messages(sent.sid).fetch().date_sent is not None
    with claim(f"{WHO}: what failed has Twilio's status and code"):
        for to, status, code in ((REFUSED, "failed", 30005), (FAILED, "undelivered", 30003)):
            failed = client.messages.create(to=to, from_=NUMBER, body="no").sid
            wait_for(f"it is {status}", lambda: client.messages(failed).fetch().status == status)
            same(client.messages(failed).fetch().error_code, code)
    with claim(f"{WHO}: what is refused is the SDK's error with Twilio's code"):
        create = client.messages.create
        refused(400, 21211, lambda: create(to="123", from_=NUMBER, body="x"))
        refused(400, 21659, lambda: create(to=PEER, from_="+31209999999", body="x"))
        refused(400, 21602, lambda: create(to=PEER, from_=NUMBER, body=""))
        refused(400, 21617, lambda: create(to=PEER, from_=NUMBER, body="x" * 1601))
        refused(400, 63016, lambda: create(to=f"whatsapp:{PEER}", from_=f"whatsapp:{NUMBER}", body="x"))
        refused(404, 20404, lambda: client.messages("SM" + "f" * 32).fetch())
        refused(405, 20004, lambda: client.messages(sent.sid).delete())


def check_list(client):
    with claim(f"{WHO}: lists messages page by page, newest first, with its own filters"):
        to = "+31611112222"
        sids = [client.messages.create(to=to, from_=NUMBER, body=f"{n}").sid for n in range(MESSAGES)][::-1]
        same([message.sid for message in client.messages.list(to=to, page_size=3)], sids)
        same([message.sid for message in client.messages.stream(to=to, limit=4, page_size=3)], sids[:4])
        page = client.messages.page(to=to, page_size=5)
        same([message.sid for message in page], sids[:5])
        same([message.sid for message in page.next_page()], sids[5:])
        now = datetime.now(timezone.utc)
        hour = timedelta(hours=1)
        same(len(client.messages.list(to=to, date_sent_after=now - hour, date_sent_before=now + hour)), MESSAGES)
        same(client.messages.list(to=to, date_sent_before=now - hour), [])
        same(client.messages.list(to=to, from_="+31209999999"), [])


def check_schedule(client):
    with claim(f"{WHO}: schedules a message and cancels it; one that is gone cannot be cancelled"):
        at = datetime.now(timezone.utc) + timedelta(hours=1)
        later = {"schedule_type": "fixed", "send_at": at, "messaging_service_sid": "MG" + "0" * 32}
        for sender in ({"from_": NUMBER}, {}):
            scheduled = client.messages.create(to=PEER, body="later", **sender, **later)
            same((scheduled.status, scheduled.from_), ("scheduled", NUMBER))
            same(client.messages(scheduled.sid).update(status="canceled").status, "canceled")
        gone = client.messages.create(to=PEER, from_=NUMBER, body="gone").sid
        wait_for("it is delivered", lambda: client.messages(gone).fetch().status == "delivered")
        refused(409, 30409, lambda: client.messages(gone).update(status="canceled"))


def check_callbacks(client, receiver, token):
    validator = RequestValidator(token)
    with claim(f"{WHO}: RequestValidator accepts every status callback, and no changed one"):
        for to, last in ((PEER, "delivered"), (FAILED, "undelivered")):
            path = f"/status/{last}?first=1&second=a%20b"
            sent = client.messages.create(to=to, from_=NUMBER, body=TEXT, status_callback=receiver.url + path)
            wait_for("every status came", lambda: {"sending", "sent", last} <= {
                kept.form()["MessageStatus"] for kept in receiver.kept if kept.path == path})
            of_path = [kept for kept in receiver.kept if kept.path == path]
            for kept in of_path:
                form, signature = kept.form(), kept.headers["x-twilio-signature"]
                assert validator.validate(receiver.url + path, form, signature), kept.body
                assert not validator.validate(receiver.url + path, {**form, "To": NUMBER}, signature)
                assert not validator.validate(receiver.url + path + "x", form, signature)
                assert not RequestValidator(KEY).validate(receiver.url + path, form, signature)
                same((form["MessageSid"], form["To"], form["From"]), (sent.sid, to, NUMBER))
                same(form.get("ErrorCode"), "30003" if form["MessageStatus"] == "undelivered" else None)


def check_inbound(daemon, client, receiver):
    with claim(f"{WHO}: RequestValidator accepts an inbound message with emoji, by the endpoint's secret"):
        endpoint = daemon.api("POST", "/api/v1/webhooks", {
            "url": f"{receiver.url}/inbound", "payload": "twilio", "event_types": ["message.received"],
        }).expect(201)["data"]
        daemon.inbound(PEER, "Hé 👋 a&b=c")
        kept = receiver.when("it came", lambda kept: kept.path == "/inbound")
        validator = RequestValidator(endpoint["secret"])
        assert validator.validate(f"{receiver.url}/inbound", kept.form(), kept.headers["x-twilio-signature"])
        same((kept.form()["Body"], kept.form()["From"], kept.form()["NumMedia"]), ("Hé 👋 a&b=c", PEER, "0"))
        fetched = client.messages(kept.form()["MessageSid"]).fetch()
        same((fetched.direction, fetched.status, fetched.body), ("inbound", "received", "Hé 👋 a&b=c"))


def check_npm(daemon, receiver, sid, token):
    with claim(f"{NPM}: sends, reads, lists and cancels, and validateRequest accepts the callbacks"):
        path = "/npm?x=1"
        command = ["node", WORK / "twilio.mjs", daemon.url, sid, token, PEER, NUMBER, receiver.url + path]
        made = subprocess.run(command, capture_output=True, timeout=60, text=True, cwd=WORK, env=os.environ)
        same(made.returncode, 0, made.stderr)
        message = json.loads(made.stdout)
        wait_for("it is told", lambda: any(
            kept.path == path and kept.form()["MessageStatus"] == "delivered" for kept in receiver.kept))
        same(message["status"], "delivered")
        kept = [{"form": kept.form(), "signature": kept.headers["x-twilio-signature"]}
                for kept in receiver.kept if kept.path == path]
        command = ["node", WORK / "twilio.mjs", "--validate", token, receiver.url + path]
        judged = subprocess.run(command, input=json.dumps(kept), capture_output=True, timeout=60, text=True, cwd=WORK)
        same(judged.returncode, 0, judged.stderr)
        same(json.loads(judged.stdout), [True] * len(kept))


def main():
    receiver = Relay()
    daemon = Daemon(SETTINGS, name="twilio-api-daemon")
    made = daemon.api("POST", "/api/v1/account/twilio", {}).expect(201)["data"]
    sid, token = made["account_sid"], made["auth_token"]
    same(sid, daemon.api("GET", "/api/v1/account").expect(200)["data"]["twilio_sid"])
    check_access(daemon, sid, token)
    client = client_of(daemon, sid, token)
    check_messages(client, sid)
    check_list(client)
    check_schedule(client)
    check_callbacks(client, receiver, token)
    check_inbound(daemon, client, receiver)
    check_npm(daemon, receiver, sid, token)


main()

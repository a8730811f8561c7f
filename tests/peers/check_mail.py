# Mail: what the daemon forwards, through aiosmtpd and read by Python's email package; what smtplib delivers to its LMTP
# listener answers the peer.
import email.message
import email.utils
import os
import smtplib
import socket

from didfarm import NUMBER, Daemon
from kit import BOUND_S, claim, same, wait_for
from mail_server import MailServer

WHO = "aiosmtpd (PyPI)"
READER = "email (Python)"
LMTP = "smtplib.LMTP (Python)"
PEER, OTHER = "+31612345678", "+31687654321"
FROM = "sms@didfarm.example"
OWNER = "owner@example.org"
DOMAIN = "reply.didfarm.example"
LOGIN = ("didfarm", "peers-smtp-password")
TEXT = "Één bericht & 1 € <b>👋</b>"
ANSWER = "Ja, dat kan & graag 👍"
QUOTED = "\r\n\r\nOn Sun, 5 Apr 2026 at 14:22, didfarm wrote:\r\n> Één bericht\r\n> <b>\r\n"


def settings(server, security, lmtp=None):
    """The settings of mail through a server, with a listener for replies if they have a port."""
    more = {"username": LOGIN[0], "password": LOGIN[1]} if server.login else {}
    if server.login:
        more["extra_root_certificates"] = os.environ["PEERS_CERTIFICATE"]
    host = "localhost" if server.login else "127.0.0.1"
    fields = "".join(f', {name} = "{value}"' for name, value in more.items())
    replies = f'[mail.replies]\nlisten = "127.0.0.1:{lmtp}"\ndomain = "{DOMAIN}"\n' if lmtp else ""
    return (f'[mail]\nfrom = "{FROM}"\npublic_name = "didfarm peers"\n'
            f'smtp = {{ host = "{host}", port = {server.port}, security = "{security}"{fields} }}\n{replies}')


def free_port():
    """A port that nobody listens at, for a listener whose port cannot be asked for."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return unused.getsockname()[1]


def forward_all(daemon, to):
    """Lets every inbound message of the number be mailed."""
    [number] = daemon.api("GET", "/api/v1/portal/sms/numbers").expect(200)["data"]
    daemon.api("PATCH", f"/api/v1/sms/numbers/{number['id']}", {"forward_to_email": to}).expect(200)


def forwarded(daemon, server, peer, body):
    """The mail about an inbound message."""
    before = len(server.mails)
    daemon.inbound(peer, body)
    return wait_for("it was mailed", lambda: server.mails[before:])[0]


def check_forwarding(daemon, server):
    with claim(f"{WHO}: takes what is forwarded, over STARTTLS and after a login"):
        mail = forwarded(daemon, server, PEER, TEXT)
        assert mail.encrypted and mail.authenticated, mail.content
        same(mail.recipients, [OWNER])
    with claim(f"{READER}: reads its headers, and finds no defect"):
        same(email.utils.parseaddr(mail.header("From"))[1], FROM)
        same(email.utils.parseaddr(mail.header("To"))[1], OWNER)
        same(mail.header("Subject"), f"SMS from {PEER}")
        same(mail.header("Auto-Submitted"), "auto-generated")
        assert email.utils.parsedate_to_datetime(mail.header("Date")), mail.content
        assert mail.header("Message-ID").startswith("<"), mail.content
        for part in mail.message.walk():
            same([*part.defects, *(d for value in part.values() for d in value.defects)], [])
    with claim(f"{READER}: reads the same text in both alternatives, escaped in HTML, nothing from elsewhere"):
        same(mail.message.get_content_type(), "multipart/alternative")
        assert TEXT in mail.text() and PEER in mail.text() and NUMBER in mail.text(), mail.text()
        assert "Één bericht &amp; 1 € &lt;b&gt;👋&lt;/b&gt;" in mail.html(), mail.html()
        for foreign in ("<b>👋", "src=", "url(", "<link", "<script"):
            assert foreign not in mail.html(), mail.html()
    with claim(f"{READER}: mails of one conversation are one thread, those of another are not"):
        second, other = forwarded(daemon, server, PEER, "again"), forwarded(daemon, server, OTHER, "another")
        same(len({one.header("Message-ID") for one in (mail, second, other)}), 3)
        assert mail.references() & second.references(), second.content
        assert not mail.references() & other.references(), other.content
    with claim(f"{READER}: line ends in a message make no header and no recipient"):
        body = "x\r\nBcc: thief@example.org\r\n\r\n.\r\nMAIL FROM:<thief@example.org>\r\n"
        mail = forwarded(daemon, server, PEER, body)
        same((mail.recipients, mail.message["Bcc"]), ([OWNER], None))
        same(mail.header("Subject"), f"SMS from {PEER}")
        assert "MAIL FROM:<thief@example.org>" in mail.text(), mail.text()
    with claim(f"{WHO}: several mails came on one connection"):
        assert len({id(mail.session) for mail in server.mails}) < len(server.mails), "each had its own"


def check_by_request(daemon, server):
    message = {"from": PEER, "body": "By request", "received_at": "2026-04-05T14:22:08Z"}
    request = {"number": NUMBER, "email": "desk@example.org", "message": message}
    with claim(f"{WHO}: takes what POST forward-to-email asks for"):
        answer = daemon.api("POST", "/api/v1/sms/forward-to-email", request).expect(202)
        assert answer["success"] is True and answer["id"].startswith("mail_"), answer
        mail = server.when("it came", lambda mail: mail.recipients == ["desk@example.org"])
        assert "By request" in mail.text() and PEER in mail.text(), mail.text()
    with claim("POST forward-to-email refuses line ends in an address, and mails nothing"):
        for change in ({"email": "a@example.org\r\nBcc: b@example.org"}, {"email": "no address"},
                       {"message": {**message, "from": f"{PEER}\r\nBcc: b@example.org"}}):
            answer = daemon.api("POST", "/api/v1/sms/forward-to-email", {**request, **change})
            same(answer.status // 100, 4, f"the answer to {change}")
        mark = forwarded(daemon, server, PEER, "a mark behind them")
        assert not any("b@example.org" in one.content.decode() for one in server.mails), "it was mailed"
        same(mark.recipients, [OWNER])


def reply_to(mail, text, **headers):
    """A reply as a mail program writes it."""
    reply = email.message.EmailMessage()
    reply["From"], reply["To"], reply["Subject"] = OWNER, mail.header("Reply-To"), f"Re: {mail.header('Subject')}"
    reply["Message-ID"] = email.utils.make_msgid(domain="example.org")
    reply["In-Reply-To"] = reply["References"] = mail.header("Message-ID")
    for name, value in headers.items():
        reply[name.replace("_", "-")] = value
    reply.set_content(text)
    return reply


def deliver(lmtp, reply, to=None):
    with smtplib.LMTP("127.0.0.1", lmtp, timeout=BOUND_S) as client:
        client.ehlo_or_helo_if_needed()
        return client.send_message(reply, to_addrs=[to or email.utils.parseaddr(reply["To"])[1]])


def outbound_to(daemon, peer):
    """Bodies of the messages sent to a peer."""
    found = []
    for conversation in daemon.api("GET", "/api/v1/sms/conversations?limit=100").expect(200)["data"]:
        if conversation["peer"] == peer:
            path = f"/api/v1/sms/conversations/{conversation['id']}/messages?limit=100"
            found += daemon.api("GET", path).expect(200)["data"]
    return [message["body"] for message in found if message["direction"] == "outbound"]


def check_replies(daemon, server, lmtp):
    mail = forwarded(daemon, server, PEER, "May I come by?")
    address = email.utils.parseaddr(mail.header("Reply-To"))[1]
    with claim(f"{LMTP}: delivers a reply, and the peer gets its text without the quotation"):
        assert address.startswith("reply+") and address.endswith(f"@{DOMAIN}"), address
        reply = reply_to(mail, ANSWER + QUOTED)
        same(deliver(lmtp, reply), {})
        wait_for("the peer was answered", lambda: outbound_to(daemon, PEER))
        same(outbound_to(daemon, PEER), [ANSWER])
    with claim(f"{LMTP}: the same reply delivered again answers no second time; in capitals the address holds, too"):
        same(deliver(lmtp, reply), {})
        local, domain = address.split("@")
        same(deliver(lmtp, reply_to(mail, "In capitals"), to=f"{local.upper()}@{domain}"), {})
        wait_for("the second answer is out", lambda: "In capitals" in outbound_to(daemon, PEER))
        same(sorted(outbound_to(daemon, PEER)), sorted([ANSWER, "In capitals"]))
    with claim(f"{LMTP}: an address with another token or domain is refused with 5xx"):
        local, domain = address.split("@")
        changed = local[:-1] + ("0" if local[-1] != "0" else "1")
        for to in (f"{changed}@{domain}", f"reply@{domain}", f"someone@{domain}", f"{local}@example.net"):
            try:
                deliver(lmtp, reply_to(mail, "No"), to=to)
            except smtplib.SMTPRecipientsRefused as refused:
                same(refused.recipients[to][0] // 100, 5, f"the answer to {to}")
            else:
                raise AssertionError(f"{to} was taken")
    with claim(f"{LMTP}: an automatic reply answers nobody, a later one of a person does"):
        try:
            deliver(lmtp, reply_to(mail, "I am away", Auto_Submitted="auto-replied"))
        except (smtplib.SMTPResponseException, smtplib.SMTPRecipientsRefused):
            pass  # Refused or swallowed: either way nobody is answered.
        same(deliver(lmtp, reply_to(mail, "I am back")), {})
        wait_for("the person's is out", lambda: "I am back" in outbound_to(daemon, PEER))
        assert "I am away" not in outbound_to(daemon, PEER), "a machine answered"
    with claim(f"{LMTP}: lines that begin with a dot arrive whole"):
        same(deliver(lmtp, reply_to(mail, ".\r\n..two\r\nend")), {})
        wait_for("it is out", lambda: any("end" in body for body in outbound_to(daemon, PEER)))
        [body] = [body for body in outbound_to(daemon, PEER) if "end" in body]
        same(body.splitlines(), [".", "..two", "end"])


def check_plain(server):
    with claim(f"{WHO}: takes a mail without TLS where the settings say so, and no login is tried"):
        daemon = Daemon(settings(server, "none"), name="mail-plain-daemon")
        forward_all(daemon, OWNER)
        mail = forwarded(daemon, server, PEER, TEXT)
        assert TEXT in mail.text() and not mail.encrypted and not mail.authenticated, mail.content
        same(mail.message["Reply-To"], None, "the address for replies, which are off")
        daemon.stop()


def main():
    check_plain(MailServer())
    server = MailServer(LOGIN, os.environ["PEERS_CERTIFICATE"], os.environ["PEERS_KEY"])
    lmtp = free_port()
    daemon = Daemon(settings(server, "starttls", lmtp), name="mail-daemon")
    forward_all(daemon, OWNER)
    check_forwarding(daemon, server)
    check_by_request(daemon, server)
    check_replies(daemon, server, lmtp)


main()

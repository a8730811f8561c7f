# SMPP: the daemon's carrier against two foreign message centers, npm smpp and PyPI smpp34.
import datetime
import os

from smpplib import gsm

from didfarm import NUMBER, Daemon, route, smpp
from kit import claim, same, wait_for
from smsc import RECEIPT, UDHI, NodeSmsc, Smpp34Smsc

GSM_LONG = "".join(f"[{n}] é è ü Ω 1 € {{x}} | " for n in range(20))
PLAIN_LONG = "".join(f"sentence number {n} of a plain text. " for n in range(12))
UCS2_LONG = "Цена 👋 " * 30
RTHROTTLED, RMSGQFUL, RINVDSTADR = 0x58, 0x14, 0x0B
peers = iter(f"+3161234{n:04}" for n in range(1000, 9999))


def receipt_text(message_id, state="DELIVRD", error="000"):
    return (f"id:{message_id} sub:001 dlvrd:001 submit date:2611210900 done date:2611210901 "
            f"stat:{state} err:{error} text:")


def check_submits(smsc, daemon):
    cases = [("a short GSM-7 text", "Hallo @ £ $ ñ Ω €", 1, 0), ("a long GSM-7 text", GSM_LONG, None, 0),
             ("a long UCS-2 text", UCS2_LONG, None, 8)]
    for what, text, count, coding in cases:
        with claim(f"{smsc.who}: {what} arrives whole, in the segments that were billed"):
            peer = next(peers)
            message_id = daemon.send(peer, text)
            billed = daemon.message(message_id)["segments"]
            parts = smsc.submits_to(peer, billed)
            same(len(parts), count or billed)
            same(smsc.text_of(parts), text)
            same({(p["from"], p["from_ton"], p["from_npi"], p["to_ton"], p["to_npi"]) for p in parts},
                 {(NUMBER[1:], 1, 1, 1, 1)})
            same({(p["coding"], p["registered_delivery"]) for p in parts}, {(coding, 1)})
            check_headers(smsc, parts)
            daemon.message_with(message_id, "sent")
    with claim(f"{smsc.who}: a plain long text is cut as PyPI smpplib cuts it, in GSM-7 and UCS-2"):
        for text in (PLAIN_LONG, PLAIN_LONG + "Ж"):
            peer = next(peers)
            theirs, coding, esm_class = gsm.make_parts(text)
            daemon.send(peer, text)
            parts = smsc.submits_to(peer, len(theirs))
            same({(p["coding"], p["esm_class"]) for p in parts}, {(coding, esm_class)})
            # All but the reference, which each chooses.
            same([smsc.udh_of(part)[-4:] for part in parts], [their[4:6].hex() for their in theirs])
            if "octets" in parts[0]:
                same([part["octets"][12:] for part in parts], [their[6:].hex() for their in theirs])
            same(smsc.text_of(parts), text)


def check_headers(smsc, parts):
    """The concatenation headers: one reference, the total, the places in order."""
    headers = [smsc.udh_of(part) for part in parts]
    if len(parts) == 1:
        same((headers, parts[0]["esm_class"] & UDHI), ([""], 0))
        return
    same({part["esm_class"] & UDHI for part in parts}, {UDHI})
    reference = headers[0][4:6]
    same(headers, [f"0003{reference}{len(parts):02x}{place + 1:02x}" for place in range(len(parts))])


def check_receipts(smsc, daemon, spell):
    with claim(f"{smsc.who}: a receipt in text form delivers the message, its repeat changes nothing"):
        peer = next(peers)
        message_id = daemon.send(peer, "by text")
        [part] = smsc.submits_to(peer)
        mark = smsc.mark()
        for _ in range(2):
            smsc.deliver(peer, NUMBER, receipt_text(spell(part["number"])), esm_class=RECEIPT)
        same([line["status"] for line in smsc.when("delivered", 2, mark)], [0, 0])
        before = daemon.message_with(message_id, "delivered")
        same([step["status"] for step in before["status_history"]], ["queued", "sending", "sent", "delivered"])
        same(daemon.message(message_id), before)
    with claim(f"{smsc.who}: a receipt by TLVs with no text delivers the message"):
        peer = next(peers)
        message_id = daemon.send(peer, "by TLV")
        [part] = smsc.submits_to(peer)
        smsc.deliver(peer, NUMBER, "", esm_class=RECEIPT, receipted_message_id=spell(part["number"]), message_state=2)
        daemon.message_with(message_id, "delivered")
    with claim(f"{smsc.who}: a long message is delivered with its last receipt, in any order, and not before"):
        peer = next(peers)
        message_id = daemon.send(peer, PLAIN_LONG)
        parts = smsc.submits_to(peer, 3)
        daemon.message_with(message_id, "sent")
        mark = smsc.mark()
        for part in reversed(parts[1:]):
            smsc.deliver(peer, NUMBER, receipt_text(spell(part["number"])), esm_class=RECEIPT)
        smsc.when("delivered", 2, mark)
        same(daemon.message(message_id)["status"], "sent")
        smsc.deliver(peer, NUMBER, receipt_text(spell(parts[0]["number"])), esm_class=RECEIPT)
        daemon.message_with(message_id, "delivered")
    with claim(f"{smsc.who}: UNDELIV is failed, and a later DELIVRD corrects it"):
        peer = next(peers)
        message_id = daemon.send(peer, "fails first")
        [part] = smsc.submits_to(peer)
        smsc.deliver(peer, NUMBER, receipt_text(spell(part["number"]), "UNDELIV", "011"), esm_class=RECEIPT)
        same(daemon.message_with(message_id, "failed")["reason"], "unreachable")
        smsc.deliver(peer, NUMBER, receipt_text(spell(part["number"])), esm_class=RECEIPT)
        daemon.message_with(message_id, "delivered")


def check_early(smsc, daemon, spell):
    with claim(f"{smsc.who}: a receipt before its submit is known is parked, then delivers the message"):
        coming = smsc.events("submit")[-1]["number"] + 1
        peer = next(peers)
        mark = smsc.mark()
        smsc.deliver(peer, NUMBER, receipt_text(spell(coming)), esm_class=RECEIPT)
        same(smsc.when("delivered", 1, mark)[0]["status"], 0)
        same(len(daemon.ops("GET", "/ops/receipts/parked").expect(200)["data"]), 1)
        daemon.message_with(daemon.send(peer, "told early"), "delivered")
        wait_for("none is parked", lambda: not daemon.ops("GET", "/ops/receipts/parked").expect(200)["data"])


def check_inbound(smsc, daemon):
    with claim(f"{smsc.who}: inbound messages in GSM-7 and UCS-2 are stored as they were written"):
        for text, coding in (("Hallo @ £ ñ Ω € {x}", 0), ("Привет 👋", 8)):
            peer = next(peers)
            mark = smsc.mark()
            smsc.deliver(peer, NUMBER, text, data_coding=coding)
            same(smsc.when("delivered", 1, mark)[0]["status"], 0)
            [message] = daemon.inbound_when(peer, 1)
            same((message["body"], message["from"], message["to"], message["carrier"]), (text, peer, NUMBER, "sm"))
    forms = [("8-bit references", 0, lambda n: {"udh": f"05000307030{n}"}),
             ("16-bit references", 8, lambda n: {"udh": f"0608040107030{n}"}),
             ("SAR parameters", 0, lambda n: {"sar_msg_ref_num": 9, "sar_total_segments": 3,
                                              "sar_segment_seqnum": n})]
    for what, coding, form in forms:
        with claim(f"{smsc.who}: three parts with {what}, out of order and one twice, become one message"):
            peer = next(peers)
            texts = {1: "erster € Teil, ", 2: "zweiter é Teil, ", 3: "dritter Teil"}
            mark = smsc.mark()
            for place in (3, 1, 1, 2):
                smsc.deliver(peer, NUMBER, texts[place], data_coding=coding, **form(place))
            same({line["status"] for line in smsc.when("delivered", 4, mark)}, {0})
            [message] = daemon.inbound_when(peer, 1)
            same(message["body"], "".join(texts[place] for place in (1, 2, 3)))
    with claim(f"{smsc.who}: a text in message_payload is stored whole"):
        peer = next(peers)
        smsc.deliver(peer, NUMBER, PLAIN_LONG, data_coding=0, payload=True)
        same(daemon.inbound_when(peer, 1)[0]["body"], PLAIN_LONG)


def check_throttling(smsc, daemon):
    for what, status in (("ESME_RTHROTTLED", RTHROTTLED), ("ESME_RMSGQFUL", RMSGQFUL)):
        with claim(f"{smsc.who}: after {what} once a message goes again and arrives once"):
            peer = next(peers)
            smsc.tell("answer", statuses=[status])
            message_id = daemon.send(peer, "not so fast")
            daemon.message_with(message_id, "sent")
            same([part["status"] for part in smsc.submits_to(peer, 2, accepted=False)], [status, 0])
    with claim(f"{smsc.who}: with the second of three parts throttled, every part is taken exactly once"):
        peer = next(peers)
        smsc.tell("answer", statuses=[0, RTHROTTLED, 0])
        message_id = daemon.send(peer, PLAIN_LONG)
        daemon.message_with(message_id, "sent")
        taken = sorted(smsc.submits_to(peer, 3), key=lambda part: smsc.udh_of(part)[-2:])
        same(smsc.text_of(taken), PLAIN_LONG)
        check_headers(smsc, taken)
    with claim(f"{smsc.who}: ESME_RINVDSTADR is failed for good, submitted once and refunded"):
        peer = next(peers)
        smsc.tell("answer", statuses=[RINVDSTADR])
        message = daemon.message_with(daemon.send(peer, "nobody there"), "failed")
        same((message["reason"], message["refunded"], message["submits"]), ("invalid_destination", True, 1))
        same(len(smsc.submits_to(peer, 1, accepted=False)), 1)


def check_connection(smsc, daemon):
    with claim(f"{smsc.who}: enquire_link goes both ways"):
        smsc.when("enquire_link", 2)
        smsc.tell("enquire")
        same(smsc.when("enquire_link_resp")[0]["status"], 0)
    with claim(f"{smsc.who}: the validity period that it reads is the one that was asked for"):
        peer = next(peers)
        sent_at = datetime.datetime.now(datetime.timezone.utc)
        daemon.send(peer, "for an hour", validity_period=3600)
        until = datetime.datetime.fromisoformat(smsc.submits_to(peer)[0]["valid_until"].replace("Z", "+00:00"))
        assert abs((until - sent_at).total_seconds() - 3600) < 5, until
    with claim(f"{smsc.who}: a submit whose connection falls is in doubt, named, and not submitted again"):
        peer, other = next(peers), next(peers)
        smsc.tell("silent", on=True)
        message_id = daemon.send(peer, "taken or not")
        smsc.submits_to(peer)
        mark = smsc.mark()
        smsc.tell("silent", on=False)
        smsc.tell("drop")
        message = daemon.message_when(message_id, lambda message: message["reason"] == "in_doubt")
        same((message["status"], message["refunded"]), ("sending", False))
        smsc.when("bind", 1, mark)
        daemon.message_with(daemon.send(other, "on the new bind"), "sent")
        same(len(smsc.submits_to(peer)), 1)
        listed = daemon.ops("GET", "/ops/messages/in-doubt").expect(200)["data"]
        same([row["id"] for row in listed], [message_id])
        daemon.ops("POST", f"/ops/messages/{message_id}/resolve", {"outcome": "sent"}).expect(200)
        daemon.message_with(message_id, "sent")
    with claim(f"{smsc.who}: after its unbind the daemon binds again and goes on"):
        mark = smsc.mark()
        smsc.tell("unbind")
        smsc.when("bind", 1, mark)
        daemon.message_with(daemon.send(next(peers), "after the unbind"), "sent")
    with claim(f"{smsc.who}: a stop of the daemon is an unbind"):
        mark = smsc.mark()
        daemon.stop()
        smsc.when("unbind", 1, mark)


def check_query(smsc, daemon):
    with claim(f"{smsc.who}: without a receipt by its deadline query_sm is asked once, and delivers"):
        peer = next(peers)
        message_id = daemon.send(peer, "no receipt")
        [part] = smsc.submits_to(peer)
        message = daemon.message_with(message_id, "delivered")
        same([step["status"] for step in message["status_history"]][-1], "delivered")
        same([(q["id"], q["from"]) for q in smsc.events("query")], [(part["id"], NUMBER[1:])])


def daemon_on(smsc, name, more="", carrier=""):
    address = f"127.0.0.1:{smsc.port}"
    daemon = Daemon(smpp(address, more, carrier) + route("sm"), name=name)
    smsc.when("bind")
    return daemon


def check_everything(smsc, name, more, spell):
    daemon = daemon_on(smsc, name, f"enquire_link_ms = 200\n{more}")
    check_submits(smsc, daemon)
    check_receipts(smsc, daemon, spell)
    check_early(smsc, daemon, spell)
    check_inbound(smsc, daemon)
    check_throttling(smsc, daemon)
    return daemon


def main():
    hex_answers = 'answer_ids = "hexadecimal"\nreceipt_ids = "decimal"'
    hex_receipts = 'answer_ids = "decimal"\nreceipt_ids = "hexadecimal"'
    node = NodeSmsc("hexadecimal")
    daemon = check_everything(node, "smpp-node-daemon", hex_answers, str)
    check_connection(node, daemon)
    python = Smpp34Smsc("decimal")
    check_everything(python, "smpp-smpp34-daemon", hex_receipts, lambda number: f"{number:010x}")
    quick = NodeSmsc("decimal")
    check_query(quick, daemon_on(quick, "smpp-query-daemon", carrier="receipt_deadline_ms = 500"))
    certificate = os.environ["PEERS_CERTIFICATE"]
    secure = NodeSmsc("decimal", certificate, os.environ["PEERS_KEY"])
    with claim(f"{secure.who}: over TLS with a certificate that the settings trust, messages go through"):
        tls = f'tls = true\nserver_name = "localhost"\nca_file = "{certificate}"'
        daemon = daemon_on(secure, "smpp-tls-daemon", tls)
        daemon.message_with(daemon.send(next(peers), "in secret"), "sent")


main()

# SMPP: foreign clients against loadtest's message center, PyPI smpplib and PyPI smpp34.
import asyncio
import logging

import smpp34
from smpplib import client, consts, exceptions, gsm

from didfarm import NUMBER, Carriers
from kit import BOUND_S, claim, same, wait_for

WHO = "smpplib (PyPI)"
OTHER = "smpp34 (PyPI)"
PEER = "+31612345678"
PASSWORD = "sesame"
RECEIPT = 0x04
LONG = "".join(f"sentence number {n} of a plain text. " for n in range(12))


class Esme:
    """smpplib, bound as a transceiver; it keeps what comes."""

    def __init__(self, carriers, password=PASSWORD):
        self.client = client.Client(carriers.smpp_host, carriers.smpp_port, timeout=BOUND_S, logger_name="smpplib",
                                    allow_unknown_opt_params=True)
        self.answers, self.delivered, self.queried, self.errors = [], [], [], []
        self.client.set_message_sent_handler(lambda pdu: self.answers.append(pdu))
        self.client.set_message_received_handler(lambda pdu: self.delivered.append(pdu))
        self.client.set_query_resp_handler(lambda pdu: self.queried.append(pdu))
        self.client.set_error_pdu_handler(lambda pdu: self.errors.append(pdu))
        self.client.connect()
        self.bound = self.client.bind_transceiver(system_id="smpplib", password=password)

    def until(self, look):
        """Reads what comes until the condition is true, and gives what it found."""
        while not (found := look()):
            self.client.read_once(auto_send_enquire_link=False)
        return found

    def submit(self, octets, coding=0, esm_class=0):
        sent = self.client.send_message(
            source_addr_ton=1, source_addr_npi=1, source_addr=NUMBER[1:], dest_addr_ton=1, dest_addr_npi=1,
            destination_addr=PEER[1:], short_message=octets, data_coding=coding, esm_class=esm_class,
            registered_delivery=True,
        )
        return sent.sequence

    def query(self, message_id):
        count = len(self.queried) + len(self.errors)
        self.client.query_message(
            message_id=message_id, source_addr_ton=1, source_addr_npi=1, source_addr=NUMBER[1:])
        self.until(lambda: len(self.queried) + len(self.errors) > count)

    def receipts(self):
        return [pdu for pdu in self.delivered if pdu.esm_class & 0x3C == RECEIPT]


def check_smpplib(carriers):
    with claim(f"{WHO}: a wrong password is ESME_RINVPASWD, the right one binds"):
        try:
            Esme(carriers, "wrong")
        except exceptions.PDUError as error:
            same(error.args[1], consts.SMPP_ESME_RINVPASWD)
        else:
            raise AssertionError("it was bound")
        esme = Esme(carriers)
        same(esme.bound.system_id, b"didfarm-load")
    with claim(f"{WHO}: the parts of long GSM-7 and UCS-2 texts get an id each, and a receipt each"):
        sequences = []
        for text in (LONG, LONG + "Ж"):
            parts, coding, esm_class = gsm.make_parts(text)
            sequences += [esme.submit(part, coding, esm_class) for part in parts]
        esme.until(lambda: len(esme.receipts()) >= len(sequences))
        same([pdu.sequence for pdu in esme.answers], sequences)
        ids = [pdu.message_id.decode() for pdu in esme.answers]
        same(len(set(ids)), len(sequences))
        same(sorted(pdu.receipted_message_id.decode() for pdu in esme.receipts()), sorted(ids))
        for pdu in esme.receipts():
            fields = dict(word.split(b":", 1) for word in pdu.short_message.split() if b":" in word)
            same((fields[b"id"], fields[b"stat"], pdu.message_state), (pdu.receipted_message_id, b"DELIVRD", 2))
            same((pdu.source_addr.decode(), pdu.destination_addr.decode()), (PEER[1:], NUMBER[1:]))
    with claim(f"{WHO}: query_sm tells the state of a message, and fails for one that is not known"):
        esme.query(ids[0])
        same((esme.queried[0].message_id.decode(), esme.queried[0].message_state), (ids[0], 2))
        esme.query("1")
        same([pdu.status for pdu in esme.errors], [consts.SMPP_ESME_RQUERYFAIL])
    with claim(f"{WHO}: a throttled submit is ESME_RTHROTTLED, and has no receipt"):
        carriers.control(throttle=1.0)
        esme.errors.clear()
        esme.submit(b"too fast")
        esme.until(lambda: esme.errors)
        same(esme.errors[0].status, consts.SMPP_ESME_RTHROTTLED)
        carriers.control(throttle=0.0)
    with claim(f"{WHO}: inbound texts arrive in GSM-7, UCS-2 and parts"):
        esme.delivered.clear()
        carriers.inbound("smpp", PEER, "Hallo £ Ω €")
        carriers.inbound("smpp", PEER, "Привет")
        carriers.inbound("smpp", PEER, LONG, parts=3)
        esme.until(lambda: len(esme.delivered) >= 5)
        first, second, *parts = esme.delivered
        same((first.data_coding, first.short_message), (0, gsm.gsm_encode("Hallo £ Ω €")))
        same((second.data_coding, second.short_message.decode("utf-16-be")), (8, "Привет"))
        same([(p.esm_class, p.short_message[:3], p.short_message[4:6]) for p in parts],
             [(consts.SMPP_GSMFEAT_UDHI, b"\x05\x00\x03", bytes([3, n])) for n in (1, 2, 3)])
        same(b"".join(p.short_message[6:] for p in parts), gsm.gsm_encode(LONG))
    with claim(f"{WHO}: what it brings was acknowledged: nothing comes twice, and unbind is answered"):
        wait_for("nothing is waiting", lambda: carriers.counts()["pending"] == 0)
        same(len(esme.delivered), 5)
        same(esme.client.unbind().command, "unbind_resp")
        esme.client.disconnect()


async def check_smpp34(carriers):
    peer = smpp34.Client(carriers.smpp_host, carriers.smpp_port, "smpp34", PASSWORD, bind_type="TRX")
    center = await peer.connect()
    answers = await asyncio.gather(*(
        center.submit_sm(PEER[1:], f"message {n}".encode(), source_addr=NUMBER[1:], registered_delivery=1)
        for n in range(50)
    ))
    assert all(answer.is_success for answer in answers), answers
    ids = {answer.message_id for answer in answers}
    same(len(ids), 50)
    told = []
    while len(told) < 50:
        event = await asyncio.wait_for(center.next(), BOUND_S)
        same(event.esm_class, RECEIPT)
        values = {tlv.tag: tlv for tlv in event.tlvs}
        same(values[smpp34.TLV_MESSAGE_STATE].as_int(), 2)
        told.append(values[smpp34.TLV_RECEIPTED_MESSAGE_ID].as_string())
    same(sorted(told), sorted(ids))
    await center.unbind()


def main():
    # The library warns of what it is made to expect here.
    logging.getLogger("smpplib").setLevel(logging.ERROR)
    carriers = Carriers(env={"LOADTEST_SMPP_PASSWORD": PASSWORD}, name="smpp-carriers")
    check_smpplib(carriers)
    with claim(f"{OTHER}: fifty submits at once get fifty ids, and each its receipt by TLVs"):
        asyncio.run(check_smpp34(carriers))


main()

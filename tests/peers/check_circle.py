# The full circle: the daemon on loadtest's carriers of all four protocols, with receipts early, twice and out of
# order, and submits throttled; every message is read back by the customers' API.
from concurrent.futures import ThreadPoolExecutor

from didfarm import WALLET, Carriers, Daemon, route, smpp, telnyx, twilio, whatsapp
from kit import claim, same, wait_for
from relay import Relay

WHO = "loadtest carriers"
MESSAGES = 200
# Requests to the daemon at once.
CONNECTIONS = 16
PUBLIC = "https://sms.example.org"
FAULTS = ["--duplicates", "0.3", "--disorder", "0.3", "--early", "0.3", "--throttle", "0.05", "--read", "0.5",
          "--batch", "5", "--seed", "7"]
# The carrier, its protocol as the carriers name it, the beginning of its peers' numbers.
PROTOCOLS = [("tx", "telnyx", "+316111"), ("tw", "twilio", "+316122"), ("sm", "smpp", "+316133"),
             ("wa", "whatsapp", "+316144")]
ORDER = ["queued", "sending", "sent", "delivered"]
TEMPLATE = {"name": "order_update", "language": "en_US", "components": []}


def send_all(daemon, carrier, prefix):
    """Messages to as many peers; every tenth SMS has several segments."""
    def send(n):
        peer, body = f"{prefix}{n + 1000:05}", f"message {n} " * (1 if n % 10 else 30)
        if carrier == "wa":
            return peer, "[template order_update]", daemon.send(peer, channel="whatsapp", template=TEMPLATE)
        return peer, body, daemon.send(peer, body)
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        return list(pool.map(send, range(MESSAGES)))


def check_message(daemon, carrier, peer, body, message_id):
    message = daemon.message_with(message_id, "delivered")
    same((message["to"], message["body"], message["carrier"]), (peer, body, carrier))
    statuses = [step["status"] for step in message["status_history"]]
    assert statuses[0] == "queued" and sorted(statuses, key=ORDER.index) == statuses, message
    return message


def check_protocol(daemon, carriers, carrier, protocol, prefix):
    with claim(f"{WHO}: {MESSAGES} messages by {protocol} end delivered, each taken once, its route named"):
        sent = send_all(daemon, carrier, prefix)
        same(len({message_id for _, _, message_id in sent}), MESSAGES)
        with ThreadPoolExecutor(CONNECTIONS) as pool:
            messages = list(pool.map(lambda one: check_message(daemon, carrier, *one), sent))
        counts = carriers.counts()["protocols"][protocol]
        # On SMPP every segment is submitted; elsewhere the carrier cuts.
        due = sum(message["segments"] for message in messages) if protocol == "smpp" else MESSAGES
        same((counts["ids"], counts["submits"] - counts["throttled"]), (due, due), "what the carrier took")
        assert counts["throttled"] > 0, counts
    return [message["cost"] for message in messages]


def check_end(daemon, carriers, costs):
    with claim(f"{WHO}: in the end every receipt is acknowledged, none is left over, and all was charged once"):
        wait_for("nothing is waiting", lambda: carriers.counts()["pending"] == 0)
        for counts in carriers.counts()["protocols"].values():
            same((counts["given_up"], counts["dropped"], counts["refused"]), (0, 0, 0))
        same(daemon.ops("GET", "/ops/receipts/parked").expect(200)["data"], [])
        same(daemon.ops("GET", "/ops/messages/in-doubt").expect(200)["data"], [])
        [account] = daemon.ops("GET", "/ops/accounts").expect(200)["data"]
        same(round(account["balance"] + sum(costs), 6), WALLET)
    with claim(f"{WHO}: of the receipts some came twice, and none contradicted or was given up"):
        assert daemon.receipts("duplicate") > MESSAGES / 10
        same((daemon.receipts("contradiction"), daemon.receipts("aged_out")), (0, 0))


def main():
    public = Relay()
    carriers = Carriers(*FAULTS, "--callback", f"{public.url}/carriers/wa", name="circle-carriers")
    settings = telnyx(carriers.http, carriers.telnyx_public_key) + twilio(carriers.http)
    settings += whatsapp(carriers.http) + smpp(carriers.smpp)
    settings += "".join(route(carrier, prefix) for carrier, _, prefix in PROTOCOLS)
    daemon = Daemon(settings, public.url, name="circle-daemon")
    public.behind = daemon.url
    wait_for("the daemon is bound", lambda: carriers.counts()["protocols"]["smpp"]["binds"])
    costs = []
    for carrier, protocol, prefix in PROTOCOLS:
        costs += check_protocol(daemon, carriers, carrier, protocol, prefix)
    check_end(daemon, carriers, costs)


main()

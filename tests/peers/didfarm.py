# didfarm from outside: the daemon with its customers' and operators' API, and loadtest's carriers and webhook sink.
import os
import tempfile
import urllib.parse

from kit import WORK, Child, http_request, same, wait_for

KEY = "peers-key-0123456789abcdef"
NUMBER = "+31201234567"
PHONE_NUMBER_ID = "106540352242922"
ACCOUNT_SID = "AC00000000000000000000000000000001"
TWILIO_TOKEN = "peers-twilio-token"
APP_SECRET = "peers-app-secret"
VERIFY_TOKEN = "peers-verify-token"
GRAPH_VERSION = "v23.0"
# What the account starts with, in euros.
WALLET = 1000

SETTINGS = f"""
[store]
free_bytes_min = 1048576
segment_bytes = 4194304
group_bytes_max = 1048576
sled_cache_bytes = 16777216

[[accounts]]
name = "Peers"
rate_per_second = 1000000
burst = 1000000
wallet_micros = {WALLET * 1_000_000}
api_key = "{KEY}"
numbers = [{{ e164 = "{NUMBER}", sms = true, whatsapp = true }}]
"""


def telnyx(base_url, public_key):
    """The settings of the carrier `tx`."""
    return f"""
[[carriers]]
id = 2
name = "tx"
telnyx = {{ base_url = "{base_url}", api_key = "KEY-peers", public_key = "{public_key}" }}
"""


def twilio(base_url):
    """The settings of the carrier `tw`."""
    return f"""
[[carriers]]
id = 3
name = "tw"
twilio = {{ base_url = "{base_url}", account_sid = "{ACCOUNT_SID}", auth_token = "{TWILIO_TOKEN}" }}
"""


def whatsapp(base_url):
    """The settings of the carrier `wa`."""
    return f"""
[[carriers]]
id = 4
name = "wa"
[carriers.whatsapp]
base_url = "{base_url}"
version = "{GRAPH_VERSION}"
access_token = "EAA-peers"
app_secret = "{APP_SECRET}"
verify_token = "{VERIFY_TOKEN}"
numbers = [{{ number = "{NUMBER}", phone_number_id = "{PHONE_NUMBER_ID}" }}]
"""


def smpp(address, more="", carrier=""):
    """The settings of the carrier `sm`; `more` are further ones of its protocol, `carrier` of the carrier."""
    return f"""
[[carriers]]
id = 5
name = "sm"
{carrier}
[carriers.smpp]
address = "{address}"
system_id = "didfarm"
password = "secret"
reconnect_ms_min = 50
reconnect_ms_max = 200
{more}
"""


def route(carrier, prefix="", channel=""):
    """A rule with one carrier."""
    return f"""
[[routes]]
prefix = "{prefix}"
channel = "{channel}"
targets = [{{ carrier = "{carrier}" }}]
"""


class Daemon:
    """`didfarm serve` on free ports with a data directory of its own."""

    def __init__(self, settings, public="", name="didfarm"):
        self.home = tempfile.mkdtemp(prefix=f"{name}-", dir=WORK)
        path = os.path.join(self.home, "didfarm.toml")
        callbacks = f'[callbacks]\npublic_base_url = "{public}"\n' if public else ""
        with open(path, "w", encoding="utf-8") as file:
            file.write(SETTINGS + callbacks + settings)
        data = os.path.join(self.home, "data")
        self.child = Child(name, [
            os.environ["DIDFARM"], "serve", "--config", path, "--data-dir", data,
            "--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0",
        ])
        started = self.child.first_line()
        self.url = f"http://{started['listen']}"
        self.ops_url = f"http://{started['ops']}"
        with open(os.path.join(data, "ops.token"), encoding="utf-8") as file:
            self.token = file.read().strip()
        wait_for("the daemon is ready", lambda: http_request("GET", f"{self.ops_url}/readyz").status == 200)

    def stop(self):
        self.child.stop()

    def api(self, method, path, body=None):
        return http_request(method, self.url + path, body, {"Authorization": f"Bearer {KEY}"})

    def ops(self, method, path, body=None):
        return http_request(method, self.ops_url + path, body, {"Authorization": f"Bearer {self.token}"})

    def receipts(self, outcome):
        """How many receipts came to this end, as the metrics have it."""
        name = f'didfarm_receipts_total{{outcome="{outcome}"}} '
        lines = http_request("GET", f"{self.ops_url}/metrics").body.decode().splitlines()
        return sum(int(line.removeprefix(name)) for line in lines if line.startswith(name))

    def send(self, to, body=None, **more):
        """Sends and gives the message's id."""
        message = {"from": NUMBER, "to": to, **({"body": body} if body else {}), **more}
        return self.api("POST", "/api/v1/sms/messages", message).expect(201)["data"]["id"]

    def message(self, message_id):
        return self.api("GET", f"/api/v1/sms/messages/{message_id}").expect(200)["data"]

    def message_when(self, message_id, fits):
        """The message once it is as wanted."""
        seen = {}

        def look():
            seen.update(self.message(message_id))
            return fits(seen)
        try:
            wait_for("the message is as wanted", look)
        except AssertionError as error:
            raise AssertionError(f"{error}\n  message: {seen}") from None
        return seen

    def message_with(self, message_id, status):
        return self.message_when(message_id, lambda message: message["status"] == status)

    def inbound(self, peer, body, **more):
        """Lets a peer write by way of the simulator."""
        message = {"from": peer, "to": NUMBER, "body": body, **more}
        http_request("POST", f"{self.url}/carriers/simulator/inbound", message).expect(200)

    def inbound_from(self, peer):
        """The inbound messages of a peer, oldest first."""
        number = urllib.parse.quote(NUMBER)
        conversations = self.api("GET", f"/api/v1/sms/conversations?limit=100&number={number}").expect(200)["data"]
        found = []
        for conversation in conversations:
            if peer == conversation["peer"] or peer in conversation["peer_aliases"]:
                path = f"/api/v1/sms/conversations/{conversation['id']}/messages?limit=100"
                found += self.api("GET", path).expect(200)["data"]
        return [message for message in found if message["direction"] == "inbound"]

    def inbound_when(self, peer, count):
        """The inbound messages of a peer once there are so many."""
        wait_for(f"{count} messages of {peer} are there", lambda: len(self.inbound_from(peer)) >= count)
        found = self.inbound_from(peer)
        same(len(found), count, f"the number of messages of {peer}")
        return found


class Carriers:
    """`loadtest carriers` on free ports."""

    def __init__(self, *options, env=None, name="carriers"):
        self.child = Child(name, [
            os.environ["LOADTEST"], "carriers", "--twilio-token", TWILIO_TOKEN, "--whatsapp-secret", APP_SECRET,
            "--whatsapp-number", f"{PHONE_NUMBER_ID}={NUMBER}", *options,
        ], env)
        started = self.child.first_line()
        self.http = started["http"]
        self.smpp_host, port = started["smpp"].rsplit(":", 1)
        self.smpp_port = int(port)
        self.telnyx_public_key = started["telnyx_public_key"]

    @property
    def smpp(self):
        return f"{self.smpp_host}:{self.smpp_port}"

    def control(self, **change):
        return http_request("POST", f"{self.http}/control", change).expect(200)

    def counts(self):
        return http_request("GET", f"{self.http}/control").expect(200)

    def inbound(self, protocol, peer, body, parts=1, to=NUMBER, **more):
        """Lets a peer write."""
        message = {"protocol": protocol, "from": peer, "to": to, "body": body, "parts": parts, **more}
        return http_request("POST", f"{self.http}/control/inbound", message).expect(202)


class Sink:
    """`loadtest sink` on a free port."""

    def __init__(self, *options, name="sink"):
        self.child = Child(name, [os.environ["LOADTEST"], "sink", *options])
        self.url = self.child.first_line()["http"]

    def report(self):
        return http_request("GET", f"{self.url}/_sink/report").expect(200)

    def counts(self, path):
        """The figures of one path; none before its first request."""
        return self.report()["paths"].get(path, {})

    def reset(self):
        http_request("POST", f"{self.url}/_sink/reset").expect(200)

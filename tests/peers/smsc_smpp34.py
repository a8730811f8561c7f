# smpp34 as a message center. Commands come as lines of JSON on stdin, events go out as lines on stdout:
# `deliver` a message, `answer` the next submits with statuses. It answers enquire_link by itself.
import asyncio
import json
import socket
import sys

import smpp34

TLVS = {"receipted_message_id": smpp34.TLV_RECEIPTED_MESSAGE_ID, "message_state": smpp34.TLV_MESSAGE_STATE,
        "sar_msg_ref_num": smpp34.TLV_SAR_MSG_REF_NUM, "sar_total_segments": smpp34.TLV_SAR_TOTAL_SEGMENTS,
        "sar_segment_seqnum": smpp34.TLV_SAR_SEGMENT_SEQNUM}
# Two octets; the other numbers have one.
WIDE = {"sar_msg_ref_num"}


def say(event, **more):
    print(json.dumps({"event": event, **more}), flush=True)


def free_port():
    """A port that nobody listens on; the library cannot be asked which one it took."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Center:
    def __init__(self, ids):
        self.ids, self.number, self.statuses, self.receivers, self.tasks = ids, 0xB0000, [], {}, set()

    def submitted(self, event):
        status = self.statuses.pop(0) if self.statuses else 0
        self.number += 1
        message_id = f"{self.number:X}" if self.ids == "hexadecimal" else str(self.number)
        say("submit", id=message_id, number=self.number, status=status,
            **{"from": event.source_addr, "from_ton": event.source_addr_ton, "from_npi": event.source_addr_npi},
            to=event.destination_addr, to_ton=event.dest_addr_ton, to_npi=event.dest_addr_npi,
            octets=event.short_message.hex(), coding=event.data_coding, esm_class=event.esm_class,
            registered_delivery=event.registered_delivery)
        if status:
            event.reject(status)
        else:
            event.accept(message_id)

    async def deliver(self, command):
        tlvs = []
        fields = command.get("fields", {})
        for name in [name for name in fields if name in TLVS]:
            value = fields.pop(name)
            octets = value.encode() + b"\0" if isinstance(value, str) else value.to_bytes(1 + (name in WIDE), "big")
            tlvs.append(smpp34.Tlv(TLVS[name], octets))
        octets = bytes.fromhex(command["octets"])
        if command.get("payload"):
            tlvs.append(smpp34.Tlv(smpp34.TLV_MESSAGE_PAYLOAD, octets))
            octets = b""
        session = next(iter(self.receivers.values()))
        answer = await session.deliver_sm(
            command["to"], octets, source_addr=command["from"], source_addr_ton=1, source_addr_npi=1,
            dest_addr_ton=1, dest_addr_npi=1, tlvs=tlvs, **fields,
        )
        say("delivered", status=answer.command_status)

    async def serve(self, server):
        while True:
            event = await server.next()
            if isinstance(event, smpp34.Esme):
                say("bind", command="bind_transceiver" if event.can_receive else "bind_transmitter", good=True)
                if event.can_receive:
                    self.receivers[event.session_id] = event
            elif isinstance(event, smpp34.SubmitSmEvent):
                self.submitted(event)
            elif isinstance(event, smpp34.Unbound):
                say("unbind")
                self.receivers.pop(event.session_id, None)

    async def command(self, line):
        command = json.loads(line)
        if command["do"] == "deliver":
            await self.deliver(command)
        elif command["do"] == "answer":
            self.statuses = command["statuses"]


async def main():
    port = free_port()
    server = smpp34.Server("127.0.0.1", port, system_id="smpp34")
    await server.start()
    center = Center(sys.argv[1])
    serving = asyncio.ensure_future(center.serve(server))
    say("listening", port=port)
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        # An answer may take as long as the daemon's disk: the next command does not wait for it.
        task = asyncio.ensure_future(center.command(line))
        center.tasks.add(task)
        task.add_done_callback(center.tasks.discard)
    serving.cancel()
    await server.stop()


asyncio.run(main())

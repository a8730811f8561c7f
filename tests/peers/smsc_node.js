// node-smpp as a message center. Commands come as lines of JSON on stdin, events go out as lines on stdout:
// `deliver` a message, be `silent`, `throttle` or `refuse` the next submits, `drop` connections, `enquire`.
// With the paths of a certificate and its key as arguments it speaks TLS.
const fs = require("node:fs");
const readline = require("node:readline");
const smpp = require("smpp");

const [ids, certificate, key] = process.argv.slice(2);
const tls = certificate ? { cert: fs.readFileSync(certificate), key: fs.readFileSync(key) } : {};
const say = (event, more) => console.log(JSON.stringify({ event, ...more }));
const hex = (octets) => Buffer.from(octets).toString("hex");

const receivers = new Set();
// Statuses for the next submits, and whether they are answered at all.
let statuses = [];
let silent = false;
let number = 0xa0000;

/** An id as submit answers spell it. */
function spelled(value) {
    return ids === "hexadecimal" ? value.toString(16).toUpperCase() : String(value);
}

function submitted(session, pdu) {
    const status = statuses.shift() ?? 0;
    const id = spelled(++number);
    const message = pdu.short_message;
    say("submit", {
        id, number, status,
        from: pdu.source_addr, from_ton: pdu.source_addr_ton, from_npi: pdu.source_addr_npi,
        to: pdu.destination_addr, to_ton: pdu.dest_addr_ton, to_npi: pdu.dest_addr_npi,
        text: message.message, udh: (message.udh ?? []).map(hex), coding: pdu.data_coding,
        esm_class: pdu.esm_class, registered_delivery: pdu.registered_delivery, valid_until: pdu.validity_period,
    });
    if (silent) {
        return;
    }
    session.send(pdu.response(status ? { command_status: status } : { message_id: id }));
}

function bound(session, pdu) {
    const good = pdu.system_id === "didfarm" && pdu.password === "secret";
    say("bind", { command: pdu.command, version: pdu.interface_version, good });
    session.send(pdu.response(good ? { system_id: "node-smpp" } : { command_status: smpp.ESME_RINVPASWD }));
    if (good && pdu.command !== "bind_transmitter") {
        receivers.add(session);
    }
}

function serve(session) {
    for (const command of ["bind_transceiver", "bind_transmitter", "bind_receiver"]) {
        session.on(command, (pdu) => bound(session, pdu));
    }
    session.on("submit_sm", (pdu) => submitted(session, pdu));
    session.on("query_sm", (pdu) => {
        say("query", { id: pdu.message_id, from: pdu.source_addr });
        session.send(pdu.response({ message_id: pdu.message_id, final_date: "", message_state: 2, error_code: 0 }));
    });
    session.on("enquire_link", (pdu) => {
        say("enquire_link");
        session.send(pdu.response());
    });
    session.on("unbind", (pdu) => {
        say("unbind");
        receivers.delete(session);
        session.send(pdu.response(), () => session.close());
    });
    session.on("close", () => receivers.delete(session));
    session.on("error", (error) => say("error", { detail: String(error) }));
}

/** A deliver_sm; `payload` puts the text into message_payload, `udh` before it. */
function deliver({ from, to, text, udh, payload, fields }) {
    const message = udh ? { udh: Buffer.from(udh, "hex"), message: text } : text;
    const content = payload ? { message_payload: message, short_message: "" } : { short_message: message };
    const [session] = receivers;
    const options = { source_addr: from, destination_addr: to, source_addr_ton: 1, source_addr_npi: 1,
        dest_addr_ton: 1, dest_addr_npi: 1, ...content, ...fields };
    session.deliver_sm(options, (pdu) => say("delivered", { status: pdu.command_status }));
}

const commands = {
    deliver,
    answer: (command) => { statuses = command.statuses; },
    silent: (command) => { silent = command.on; },
    drop: () => receivers.forEach((session) => session.destroy()),
    unbind: () => receivers.forEach((session) => session.unbind(() => say("unbound"))),
    enquire: () => receivers.forEach((session) => session.enquire_link((pdu) => {
        say("enquire_link_resp", { status: pdu.command_status });
    })),
};

readline.createInterface({ input: process.stdin }).on("line", (line) => {
    const command = JSON.parse(line);
    commands[command.do](command);
}).on("close", () => process.exit(0));

const server = smpp.createServer(tls, serve);
server.listen(0, "127.0.0.1", () => say("listening", { port: server.address().port }));

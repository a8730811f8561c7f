// whatsapp-api-js in a process: `send BASE PHONE_ID PEER …` sends two messages; `read …` verifies and reads
// callbacks, one a line of JSON with `body` and `signature`, and says what it saw.
import { webcrypto } from "node:crypto";
import { createInterface } from "node:readline";

import { WhatsAppAPI } from "whatsapp-api-js";
import { BodyComponent, BodyParameter, Language, Template, Text } from "whatsapp-api-js/messages";

const [mode, ...rest] = process.argv.slice(2);
const [appSecret, webhookVerifyToken] = rest.slice(-2);
const say = (line) => console.log(JSON.stringify(line));

/** A client whose requests go to `base` in place of Meta's address and version. */
function client(base) {
    const fetchThere = (url, init) => fetch(url.replace(/^https:\/\/[^/]+\/[^/]+/, base), init);
    return new WhatsAppAPI({
        token: "EAA-peers", appSecret, webhookVerifyToken, v: "v23.0",
        ponyfill: { fetch: fetchThere, subtle: webcrypto.subtle },
    });
}

async function send(base, phoneId, peer) {
    const api = client(base);
    const template = new Template(
        "order_update", new Language("en_US"),
        new BodyComponent(new BodyParameter("Ann"), new BodyParameter("7")),
    );
    const answers = [
        await api.sendMessage(phoneId, peer, new Text("Grüße 👋")),
        await api.sendMessage(phoneId, peer, template),
    ];
    say({ ids: answers.map((answer) => answer.messages[0].id) });
}

async function read() {
    const api = client("");
    api.on.message = ({ from, message }) => ({ from, text: message.text.body });
    api.on.status = ({ id, status }) => ({ id, status });
    for await (const line of createInterface({ input: process.stdin })) {
        const { body, signature } = JSON.parse(line);
        try {
            say(await api.post(JSON.parse(body), body, signature));
        } catch (error) {
            say({ refused: error.constructor.name });
        }
    }
}

await (mode === "send" ? send(...rest) : read());

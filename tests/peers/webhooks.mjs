// standardwebhooks (npm) in a process: a line of JSON each way. `verify` says whether it accepts a request, `sign`
// makes the value of webhook-signature.
import { createInterface } from "node:readline";

import { Webhook, WebhookVerificationError } from "standardwebhooks";

const say = (line) => console.log(JSON.stringify(line));

for await (const line of createInterface({ input: process.stdin })) {
    const { act, secret, id, at_s, body, headers } = JSON.parse(line);
    const webhook = new Webhook(secret);
    if (act === "sign") {
        say({ signature: webhook.sign(id, new Date(at_s * 1000), body) });
        continue;
    }
    try {
        say({ read: webhook.verify(body, headers) });
    } catch (error) {
        if (!(error instanceof WebhookVerificationError)) throw error;
        say({ refused: error.message });
    }
}

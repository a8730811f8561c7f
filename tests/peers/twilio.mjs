// The vendor's library for Node against a daemon: sends, reads until delivered, lists and cancels; or validates callbacks.
import { readFileSync } from "node:fs";
import twilio from "twilio";

// How often a status is looked at, in milliseconds.
const LOOK_MS = 50;

async function journey([url, sid, token, to, from, statusCallback]) {
  const client = twilio(sid, token);
  client.api.baseUrl = url;
  const sent = await client.messages.create({ to, from, body: "by Node", statusCallback });
  let message = sent;
  while (message.status !== "delivered") {
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    message = await client.messages(sent.sid).fetch();
  }
  const listed = await client.messages.list({ to, limit: 1 });
  if (listed[0].sid !== sent.sid) throw new Error(`the list begins with ${listed[0].sid}`);
  const later = await client.messages.create({
    to, from, body: "later", scheduleType: "fixed", sendAt: new Date(Date.now() + 3_600_000),
  });
  const canceled = await client.messages(later.sid).update({ status: "canceled" });
  if (canceled.status !== "canceled") throw new Error(`it is ${canceled.status}`);
  const refused = await client.messages.create({ to: "123", from, body: "x" }).catch((error) => error);
  if (refused.code !== 21211 || refused.status !== 400) throw new Error(`it is ${refused.code}`);
  return { sid: message.sid, status: message.status };
}

function validate([token, url]) {
  const kept = JSON.parse(readFileSync(0, "utf8"));
  return kept.map(({ form, signature }) => twilio.validateRequest(token, signature, url, form));
}

const [first, ...rest] = process.argv.slice(2);
const told = first === "--validate" ? validate(rest) : await journey([first, ...rest]);
process.stdout.write(JSON.stringify(told));

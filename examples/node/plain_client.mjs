// A duty desk over plain TCP, Node.js 18: LINKAGE_SECRET=… node plain_client.mjs HOST PORT APP_ID EVENT_ID
// With LINKAGE_STATE=FILE it also resumes after a restart where it left off.
import { createHmac, randomBytes } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { connect } from "node:net";

const [host, port, appId, eventId] = process.argv.slice(2);
const { LINKAGE_SECRET: secret, LINKAGE_STATE: stateFile } = process.env;
const MESSAGE = 1, HEARTBEAT = 2, FRAGMENT = 3;
const MESSAGE_MAX = 4 * 1024 * 1024, FRAGMENTS_MAX = 4096, DEPTH_MAX = 16;
const SIZES = { CallId: 20, ConferenceID: 20, LoginId: 20, EventId: 20, PhoneNum: 25, ToNum: 25 };
const HEARTBEAT_MS = 8_000, DEAD_MS = 30_000, COMMAND_MS = 30_000;

const boot = newId(); // new at each start: within it our Ids are unique
const answered = new Set(); // Seqs; a repetition has one of these
const commands = new Map(); // by Id: what is not answered yet
const calls = new Set();
let lastSeq = stateFile && existsSync(stateFile) ? Number(readFileSync(stateFile, "utf8")) : 0;
let socket, registrationId, sentAt, pause = 250;

function newId() {
  return randomBytes(8).toString("hex");
}

// --- XML: what the protocol needs of it; no DTD, no entities of one's own -------------------------
const ENTITIES = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };
const ATTRIBUTES = /((?:\s+[^\s=<>]+\s*=\s*(?:"[^"<]*"|'[^'<]*'))*)/.source;
const TAG = `<(\\/?)([^\\s/<>!?]+)${ATTRIBUTES}\\s*(\\/?)>`;
const TOKEN = new RegExp(`<!--[^]*?-->|<\\?[^]*?\\?>|<!\\[CDATA\\[([^]*?)\\]\\]>|${TAG}|([^<]+)`, "y");

function plain(text) {
  return text.replace(/&(?:#x([0-9a-f]+)|#(\d+)|(\w+));|&/gi, (all, hex, decimal, name) => {
    if (hex || decimal) return String.fromCodePoint(parseInt(hex ?? decimal, hex ? 16 : 10));
    if (name in ENTITIES) return ENTITIES[name];
    throw new Error(`${all} is no entity of XML`);
  });
}

const escape = (text) => String(text).replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);

function parse(source) {
  const root = { children: [] }, open = [root];
  const tokens = new RegExp(TOKEN);
  const text = source.replace(/^\uFEFF/, "");
  while (tokens.lastIndex < text.length) {
    const match = tokens.exec(text);
    if (!match) throw new Error("XML is not well-formed");
    const [, cdata, closing, name, attributes, empty, characters] = match;
    const top = open.at(-1);
    if (closing) {
      if (top.name !== name) throw new Error(`</${name}> closes nothing`);
      open.pop();
    } else if (name) {
      const node = { name, attributes: {}, children: [], text: "" };
      for (const [, key, double, single] of attributes.matchAll(/([^\s=]+)\s*=\s*(?:"([^"]*)"|'([^']*)')/g))
        node.attributes[key] = plain(double ?? single);
      top.children.push(node);
      if (!empty && open.push(node) > DEPTH_MAX + 1) throw new Error("nested too deep");
    } else if (open.length > 1) {
      top.text += cdata ?? plain(characters ?? "");
    } else if (characters?.trim()) throw new Error("text outside of the message");
  }
  if (open.length > 1 || root.children.length !== 1) throw new Error("XML ends too early");
  return root.children[0];
}

// --- to linkage ----------------------------------------------------------------------------------
function send(text, flag = MESSAGE) {
  const payload = Buffer.from(text), header = Buffer.alloc(4);
  header.writeUInt8(flag, 0);
  header.writeUInt16BE(payload.length, 2);
  socket.write(Buffer.concat([header, payload]));
  sentAt = Date.now();
}

function request(type, elements, attributes = `Time="${new Date().toISOString()}"`, id = newId()) {
  const body = Object.entries(elements).map(([name, text]) => `<${name}>${escape(text)}</${name}>`).join("");
  send(`<request Id="${id}" Type="${type}" ${attributes}>${body}</request>`);
  return id;
}

function command(type, elements) {
  const at = Date.now(), time = `Time="${new Date(at).toISOString()}"`;
  commands.set(request(type, elements, time), { type, elements, time, at });
}

function sendAgain() { // what the last connection took with it, unless it is too old to be done
  for (const [id, { type, elements, time, at }] of commands)
    if (Date.now() - at < COMMAND_MS) request(type, elements, `${time} Resend="1"`, id);
    else commands.delete(id);
}

function register() {
  const time = new Date().toISOString(), nonce = randomBytes(16).toString("hex");
  const digest = createHmac("sha256", secret).update(`290\n${appId}\n${time}\n${nonce}`).digest("hex");
  const resume = lastSeq ? { LastSeq: lastSeq } : {};
  const proof = { ProtoVer: 1, Time: time, Nonce: nonce, Digest: digest };
  registrationId = request(290, { AppId: appId, ...proof, ...resume, Boot: boot }, "");
}

// --- from linkage --------------------------------------------------------------------------------
function take(message) {
  const { Type: type, Id: id = "" } = message.attributes;
  const present = message.children.filter(({ text }) => !["", "NULL", "EMPTY"].includes(text.trim()));
  const fields = Object.fromEntries(present.map(({ name, text }) => [name, text]));
  if (message.name === "response") return takeResponse(message.attributes);
  console.log("request", type, JSON.stringify(fields));
  const { result, detail } = handle(message.attributes, fields);
  const more = detail ? ` Detail="${escape(detail)}"` : "";
  send(`<response RequestId="${escape(id)}" Type="${escape(type)}" Result="${result}"${more}/>`);
  if (type === "102" && calls.has(fields.CallId)) socket.end(() => process.exit(0)); // not just a leg of it
  if (type === "299" || type === "199") fail(`linkage ended the session: ${fields.Reason}`);
}

function handle({ Id: id, Type: type = "", Seq: seq }, fields) {
  if (!id || id.length > 16) return { result: 102, detail: "Id: 1-16 characters" };
  if (!/^(1\d\d|299)$/.test(type)) return { result: 106, detail: `${type} is not for an application` };
  // Only a Seq says that something was here before: Ids and CallIds are given again by platforms that restart.
  if (seq && answered.has(seq)) return { result: 0, detail: "duplicate" };
  const long = Object.keys(SIZES).find((name) => [...(fields[name] ?? "")].length > SIZES[name]);
  if (long) return { result: 103, detail: `${long}: at most ${SIZES[long]} characters` };
  if (type === "100") {
    for (const name of ["CallId", "Type"]) if (!fields[name]) return { result: 102, detail: `${name} is missing` };
    calls.add(fields.CallId);
    command(201, { CallId: fields.CallId, EventId: eventId });
  }
  if (seq) { // from here on it is ours: resume behind it
    answered.add(seq);
    lastSeq = Math.max(lastSeq, Number(seq));
    if (stateFile) writeFileSync(stateFile, String(lastSeq));
  }
  return { result: 0 };
}

function takeResponse({ RequestId: id, Type: type, Result: result, Detail: detail }) {
  console.log("response", type, result, detail ?? "");
  commands.delete(id);
  if (Number(result) >= 10) return fail(`linkage refused ${type}: ${result} ${detail ?? ""}`);
  if (id === registrationId) {
    pause = 250;
    sendAgain();
  }
}

function fail(reason) {
  console.error(reason);
  process.exit(1);
}

// --- the connection ------------------------------------------------------------------------------
function open() {
  let received = Buffer.alloc(0), pieces = [];
  socket = connect({ host, port: Number(port), noDelay: true }, register);
  socket.setTimeout(DEAD_MS, () => socket.destroy(new Error("linkage is silent")));
  socket.on("data", (data) => {
    received = Buffer.concat([received, data]);
    while (received.length >= 4) { // TCP delivers a stream: a frame may come in any number of pieces
      const flag = received.readUInt8(0), end = 4 + received.readUInt16BE(2);
      if (received.length < end) break;
      const payload = received.subarray(4, end);
      received = received.subarray(end);
      if (flag === HEARTBEAT && payload.length === 0) continue;
      if (flag !== MESSAGE && flag !== FRAGMENT) return socket.destroy(new Error(`flag ${flag}`));
      pieces.push(payload);
      const size = pieces.reduce((sum, piece) => sum + piece.length, 0);
      if (size > MESSAGE_MAX || pieces.length > FRAGMENTS_MAX) return socket.destroy(new Error("too long"));
      if (flag === FRAGMENT) continue;
      const whole = Buffer.concat(pieces);
      pieces = [];
      try {
        take(parse(new TextDecoder("utf-8", { fatal: true }).decode(whole)));
      } catch (error) {
        return socket.destroy(error);
      }
    }
  });
  socket.on("error", (error) => console.error("connection:", error.message));
  socket.on("close", () => setTimeout(open, pause = Math.min(pause * 2, 30_000)));
}

setInterval(() => {
  if (socket.readyState === "open" && Date.now() - sentAt >= HEARTBEAT_MS) send("", HEARTBEAT);
}, 1_000);
open();

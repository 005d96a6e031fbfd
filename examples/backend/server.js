// A small backend whose sessions and whose data survive the rotation of their keys. What makes it so:
//
// - It reads its secrets from files, and reads them anew when they have changed (rings.js).
// - It signs with the active key and names it in `kid`; it accepts every key of the ring, and the token's own `kid` says
//   which one: no key is ever tried against another's token, and "alg" is HS256 whatever the token says.
// - It encrypts a field under the active key of another ring, and opens it with any (fields.js). It re-encrypts on
//   request, batch by batch: whoever asks never sees a key or a value.
// - It signs in to its database as the user that a third file names, and goes over to another one between two
//   commands (mongo.js).
// - GET /internal/secrets says which versions it uses (never a value); GET /health says that it can serve. What begins
//   with /internal/ is for the bot alone: let no proxy pass it on.
//
// Node's own modules only: nothing to install. With Express and jsonwebtoken, `secretOrKey` as a function of `kid` is the
// same thing.
"use strict";
const crypto = require("node:crypto");
const fs = require("node:fs");
const http = require("node:http");
const { Fields } = require("./fields.js");
const { Mongo } = require("./mongo.js");
const { Login, Ring } = require("./rings.js");

const PORT = Number(process.env.PORT || 3000);
const LIFE_SECONDS = Number(process.env.TOKEN_SECONDS || 3600);
const PASSWORD = fs.readFileSync(process.env.PASSWORD_FILE, "utf8").trim();
const CUSTOMER = /^\/customers\/([a-z0-9-]{1,60})$/;

const ring = new Ring(process.env.JWT_RING_FILE);
const watched = { jwt: ring };
let fields = null;
if (process.env.DATA_RING_FILE) {
  watched.data = new Ring(process.env.DATA_RING_FILE);
  const place = new URL(process.env.DATABASE); // mongodb://127.0.0.1:27017/shop
  if (process.env.DATABASE_USER_FILE) watched.mongo = new Login(process.env.DATABASE_USER_FILE);
  const login = () => (watched.mongo ? watched.mongo.user : null);
  fields = new Fields(watched.data, new Mongo(place.hostname, Number(place.port), place.pathname.slice(1), login));
}

const part = (data) => Buffer.from(JSON.stringify(data)).toString("base64url");
const mac = (text, key) => crypto.createHmac("sha256", key).update(text).digest();

function sign(subject) {
  const now = Math.floor(Date.now() / 1000);
  const text = `${part({ alg: "HS256", typ: "JWT", kid: ring.active })}.${part({
    sub: subject,
    iat: now,
    exp: now + LIFE_SECONDS,
  })}`;
  return `${text}.${mac(text, ring.keys.get(ring.active)).toString("base64url")}`;
}

function subject(token) {
  try {
    const [head, body, signature, more] = token.split(".");
    const header = JSON.parse(Buffer.from(head, "base64url"));
    const key = ring.keys.get(header.kid);
    if (more !== undefined || header.alg !== "HS256" || key === undefined) return null;
    const given = Buffer.from(signature, "base64url");
    const right = mac(`${head}.${body}`, key);
    if (given.length !== right.length || !crypto.timingSafeEqual(given, right)) return null;
    const claims = JSON.parse(Buffer.from(body, "base64url"));
    return claims.exp > Date.now() / 1000 ? claims.sub : null;
  } catch {
    return null;
  }
}

function answer(response, status, data) {
  response.writeHead(status, { "Content-Type": "application/json", "Cache-Control": "no-store" });
  response.end(JSON.stringify(data));
}

function caller(request) {
  const [scheme, token] = (request.headers.authorization || "").split(" ");
  return scheme === "Bearer" && ring.ready ? subject(token || "") : null;
}

function given(request) {
  return new Promise((resolve, reject) => {
    let body = "";
    request.on("error", reject);
    request.on("data", (piece) => {
      body += piece;
      if (body.length > 4096) request.destroy();
    });
    request.on("end", () => {
      try {
        resolve(JSON.parse(body) || {});
      } catch {
        resolve({});
      }
    });
  });
}

const ready = () => Object.values(watched).every((each) => each.ready);
const routes = {
  "GET /health": (request, response) => answer(response, ready() ? 200 : 503, { ok: ready() }),
  "GET /internal/secrets": (request, response) => {
    const versions = Object.entries(watched).map(([name, each]) => [name, each.version]);
    answer(response, 200, { secrets: Object.fromEntries(versions) });
  },
  "GET /me": (request, response) => {
    const who = caller(request);
    answer(response, who === null ? 401 : 200, who === null ? { error: "unauthorized" } : { sub: who });
  },
  "POST /login": async (request, response) => {
    const { user, password } = await given(request);
    const right = typeof user === "string" && password === PASSWORD;
    answer(response, right ? 200 : 401, right ? { token: sign(user) } : { error: "wrong password" });
  },
  "GET /internal/encryption": async (request, response) => answer(response, 200, await fields.counts()),
  // Refused while this replica writes under another key than the caller thinks: it has not read its ring yet.
  "POST /internal/encryption": async (request, response) => {
    const { key, after } = await given(request);
    if (key !== watched.data.active) answer(response, 409, { error: "another key is active" });
    else answer(response, 200, await fields.reencrypt(typeof after === "string" ? after : ""));
  },
};

async function customer(request, response, id) {
  if (caller(request) === null) return answer(response, 401, { error: "unauthorized" });
  if (request.method === "PUT") {
    const { card } = await given(request);
    if (typeof card !== "string") return answer(response, 400, { error: "no card" });
    await fields.write(id, card);
    return answer(response, 200, { id });
  }
  const card = await fields.read(id);
  if (card === undefined) return answer(response, 404, { error: "not found" });
  return card === null ? answer(response, 500, { error: "unreadable" }) : answer(response, 200, { id, card });
}

const server = http.createServer(async (request, response) => {
  for (const each of Object.values(watched)) each.read();
  const path = request.url.split("?")[0];
  const route = routes[`${request.method} ${path}`];
  const found = fields && ["GET", "PUT"].includes(request.method) ? CUSTOMER.exec(path) : null;
  try {
    if (found !== null) await customer(request, response, found[1]);
    else if (route === undefined || (path === "/internal/encryption" && fields === null)) {
      answer(response, 404, { error: "not found" });
    } else await route(request, response);
  } catch {
    if (!response.headersSent) answer(response, 503, { error: "try again" });
  }
});
server.listen(PORT, "127.0.0.1", () => console.log(`listening on ${server.address().port}`));
process.on("SIGTERM", () => server.close(() => process.exit(0)));

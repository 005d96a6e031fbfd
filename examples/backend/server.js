// A small backend whose sessions survive the rotation of its signing key. What makes it so:
//
// - It reads a key ring, {"version", "active", "keys": {kid: secret}}, from the file in JWT_RING_FILE, and reads it anew
//   when the file has changed; a file that cannot be read leaves the ring that is in use.
// - It signs with the active key and names it in `kid`; it accepts every key of the ring, and the token's own `kid` says
//   which one: no key is ever tried against another's token, and "alg" is HS256 whatever the token says.
// - GET /internal/secrets says which version it uses (never a value); GET /health says that it can serve.
//
// Node's own modules only: nothing to install. With Express and jsonwebtoken, `secretOrKey` as a function of `kid` is the
// same thing.
"use strict";
const crypto = require("node:crypto");
const fs = require("node:fs");
const http = require("node:http");

const FILE = process.env.JWT_RING_FILE;
const PORT = Number(process.env.PORT || 3000);
const LIFE_SECONDS = Number(process.env.TOKEN_SECONDS || 3600);
const PASSWORD = fs.readFileSync(process.env.PASSWORD_FILE, "utf8").trim();

let ring = null;
let seen = "";

function read() {
  let facts;
  try {
    facts = fs.statSync(FILE, { bigint: true });
  } catch {
    return;
  }
  const mark = `${facts.ino}.${facts.mtimeNs}.${facts.size}`;
  if (mark === seen) return;
  try {
    const fresh = JSON.parse(fs.readFileSync(FILE, "utf8"));
    if (typeof fresh.keys[fresh.active] !== "string") throw new Error("no active key");
    ring = { version: fresh.version || "", active: fresh.active, keys: new Map(Object.entries(fresh.keys)) };
    seen = mark;
  } catch {
    console.error("the key ring cannot be read; the one in use stays");
  }
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

const routes = {
  "GET /health": (request, response) => answer(response, ring ? 200 : 503, { ok: Boolean(ring) }),
  "GET /internal/secrets": (request, response) => answer(response, 200, { secrets: { jwt: ring ? ring.version : "" } }),
  "GET /me": (request, response) => {
    const [scheme, token] = (request.headers.authorization || "").split(" ");
    const who = scheme === "Bearer" && ring ? subject(token || "") : null;
    answer(response, who === null ? 401 : 200, who === null ? { error: "unauthorized" } : { sub: who });
  },
  "POST /login": (request, response) => {
    let body = "";
    request.on("data", (piece) => {
      body += piece;
      if (body.length > 4096) request.destroy();
    });
    request.on("end", () => {
      let given = {};
      try {
        given = JSON.parse(body) || {};
      } catch {
        given = {};
      }
      const right = typeof given.user === "string" && given.password === PASSWORD;
      answer(response, right ? 200 : 401, right ? { token: sign(given.user) } : { error: "wrong password" });
    });
  },
};

read();
setInterval(read, 200).unref();
const server = http.createServer((request, response) => {
  read();
  const route = routes[`${request.method} ${request.url.split("?")[0]}`];
  if (route === undefined) answer(response, 404, { error: "not found" });
  else route(request, response);
});
server.listen(PORT, "127.0.0.1", () => console.log(`listening on ${server.address().port}`));
process.on("SIGTERM", () => server.close(() => process.exit(0)));

// Signing in to MongoDB with a user and a password: SCRAM-SHA-256 (RFC 5802, RFC 7677), in one exchange of two commands.
// In your program the `mongodb` package does this.
"use strict";
const crypto = require("node:crypto");

const FEWEST_ROUNDS = 4096;
const hmac = (key, text) => crypto.createHmac("sha256", key).update(text).digest();

// `ask` sends one command and gives its answer. The server must know the password too, or this throws.
async function signIn(ask, { username, password }) {
  const nonce = crypto.randomBytes(24).toString("base64");
  const first = `n=${username.replace(/=/g, "=3D").replace(/,/g, "=2C")},r=${nonce}`;
  const begun = await ask({
    saslStart: 1,
    mechanism: "SCRAM-SHA-256",
    payload: Buffer.from(`n,,${first}`),
    options: { skipEmptyExchange: true },
  });
  const said = begun.payload.toString();
  const parts = Object.fromEntries(said.split(",").map((each) => [each[0], each.slice(2)]));
  const rounds = Number(parts.i);
  if (!parts.r.startsWith(nonce) || !(rounds >= FEWEST_ROUNDS)) throw new Error("a strange answer to a sign-in");
  const salted = crypto.pbkdf2Sync(password, Buffer.from(parts.s, "base64"), rounds, 32, "sha256");
  const last = `c=biws,r=${parts.r}`;
  const everything = `${first},${said},${last}`;
  const key = hmac(salted, "Client Key");
  const signature = hmac(crypto.createHash("sha256").update(key).digest(), everything);
  const proof = Buffer.from(key.map((byte, at) => byte ^ signature[at])).toString("base64");
  const payload = Buffer.from(`${last},p=${proof}`);
  const ended = await ask({ saslContinue: 1, conversationId: begun.conversationId, payload });
  const wanted = hmac(hmac(salted, "Server Key"), everything).toString("base64");
  if (ended.payload.toString() !== `v=${wanted}`) throw new Error("the database does not know the password");
}

module.exports = { signIn };

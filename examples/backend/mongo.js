// The least of MongoDB's wire protocol (OP_MSG) and of BSON that the example needs, so that there is nothing to install.
// It is no driver: no TLS, one server, strings, bytes and 32-bit numbers only. In your program, use the `mongodb` package;
// what matters are the filters and updates in fields.js, and how a new user takes over:
//
// - Whoever is asked for next goes over a connection of the user that is current now; what is under way ends over the
//   former one's, which is closed when it has been answered. So nobody sees the change.
"use strict";
const net = require("node:net");
const { signIn } = require("./scram.js");

const cstring = (text) => Buffer.from(`${text}\0`);

function element(name, value) {
  const head = (type) => Buffer.concat([Buffer.from([type]), cstring(name)]);
  if (typeof value === "string") {
    const text = cstring(value);
    const size = Buffer.alloc(4);
    size.writeInt32LE(text.length);
    return Buffer.concat([head(0x02), size, text]);
  }
  if (Buffer.isBuffer(value)) {
    const size = Buffer.alloc(5);
    size.writeInt32LE(value.length);
    return Buffer.concat([head(0x05), size, value]);
  }
  if (typeof value === "boolean") return Buffer.concat([head(0x08), Buffer.from([value ? 1 : 0])]);
  if (Number.isInteger(value)) {
    const number = Buffer.alloc(4);
    number.writeInt32LE(value);
    return Buffer.concat([head(0x10), number]);
  }
  if (Array.isArray(value)) return Buffer.concat([head(0x04), encode(Object.fromEntries(value.entries()))]);
  if (value !== null && typeof value === "object") return Buffer.concat([head(0x03), encode(value)]);
  throw new TypeError(`${name} cannot be sent`);
}

function encode(document) {
  const body = Buffer.concat(Object.entries(document).map(([name, value]) => element(name, value)));
  const size = Buffer.alloc(4);
  size.writeInt32LE(body.length + 5);
  return Buffer.concat([size, body, Buffer.from([0])]);
}

// Reads one document at `at`; types that the example has no use for are passed over.
function decode(bytes, at = 0, list = false) {
  const end = at + bytes.readInt32LE(at) - 1;
  const found = list ? [] : {};
  at += 4;
  while (at < end) {
    const type = bytes[at];
    const stop = bytes.indexOf(0, at + 1);
    const name = bytes.toString("utf8", at + 1, stop);
    at = stop + 1;
    let value;
    if (type === 0x01) [value, at] = [bytes.readDoubleLE(at), at + 8];
    else if (type === 0x02) {
      const size = bytes.readInt32LE(at);
      [value, at] = [bytes.toString("utf8", at + 4, at + 3 + size), at + 4 + size];
    } else if (type === 0x03 || type === 0x04) {
      [value, at] = [decode(bytes, at, type === 0x04), at + bytes.readInt32LE(at)];
    } else if (type === 0x05) {
      const size = bytes.readInt32LE(at);
      [value, at] = [bytes.subarray(at + 5, at + 5 + size), at + 5 + size];
    }
    else if (type === 0x07) at += 12;
    else if (type === 0x08) [value, at] = [bytes[at] === 1, at + 1];
    else if (type === 0x09 || type === 0x11) at += 8;
    else if (type === 0x12) [value, at] = [Number(bytes.readBigInt64LE(at)), at + 8];
    else if (type === 0x10) [value, at] = [bytes.readInt32LE(at), at + 4];
    else if (type === 0x13) at += 16;
    else if (type === 0x0a) value = null;
    else throw new TypeError(`BSON type ${type} is not known here`);
    if (list) found.push(value);
    else Object.defineProperty(found, name, { value, enumerable: true, writable: true, configurable: true });
  }
  return found;
}

// One connection, signed in once, one command at a time in their order.
class Connection {
  constructor(host, port, database, user) {
    Object.assign(this, { database, user, waiting: [], pieces: Buffer.alloc(0), count: 0, ended: false, left: false });
    const socket = net.connect(port, host);
    socket.setNoDelay(true);
    socket.setTimeout(30000, () => socket.destroy(new Error("no answer")));
    socket.on("data", (piece) => this.take(piece));
    socket.on("error", () => this.end());
    socket.on("close", () => this.end());
    this.socket = socket;
    this.ready = user === null ? Promise.resolve() : signIn((document) => this.ask(document, "admin"), user);
    this.ready.catch(() => socket.destroy());
    this.open = 0;
  }

  async command(document) {
    this.open += 1;
    try {
      await this.ready;
      return await this.ask(document, this.database);
    } finally {
      this.open -= 1;
      this.close();
    }
  }

  // Nothing more is asked over it.
  leave() {
    this.left = true;
    this.close();
  }

  close() {
    if (this.left && this.open === 0) this.socket.end();
  }

  ask(document, database) {
    return new Promise((resolve, reject) => {
      if (this.ended) return reject(new Error("the database does not answer"));
      const body = encode({ ...document, $db: database });
      const head = Buffer.alloc(21);
      head.writeInt32LE(21 + body.length, 0);
      head.writeInt32LE(++this.count, 4);
      head.writeInt32LE(2013, 12);
      this.waiting.push({ resolve, reject });
      this.socket.setTimeout(30000);
      this.socket.write(Buffer.concat([head, body]));
    });
  }

  end() {
    this.ended = true;
    for (const each of this.waiting.splice(0)) each.reject(new Error("the database does not answer"));
  }

  take(piece) {
    this.pieces = Buffer.concat([this.pieces, piece]);
    while (this.pieces.length >= 4 && this.pieces.length >= this.pieces.readInt32LE(0)) {
      const size = this.pieces.readInt32LE(0);
      const answer = decode(this.pieces, 21);
      this.pieces = this.pieces.subarray(size);
      const { resolve, reject } = this.waiting.shift();
      const failed = answer.ok !== 1 || (answer.writeErrors || []).length > 0 || answer.writeConcernError;
      if (failed) reject(new Error(answer.errmsg || "a write was refused"));
      else resolve(answer);
    }
    if (this.waiting.length === 0) this.socket.setTimeout(0);
  }
}

// `login`: gives {username, password}, the same object until it has changed; null where nobody signs in. A connection
// that ended is opened anew by the next command.
class Mongo {
  constructor(host, port, database, login = () => null) {
    Object.assign(this, { host, port, database, login, connection: null });
  }

  command(document) {
    const user = this.login();
    if (this.connection === null || this.connection.ended || this.connection.user !== user) {
      if (this.connection !== null) this.connection.leave();
      this.connection = new Connection(this.host, this.port, this.database, user);
    }
    return this.connection.command(document);
  }

  async find(collection, filter, limit, sort = { _id: 1 }) {
    const asked = { find: collection, filter, limit, sort, batchSize: limit, singleBatch: true };
    return (await this.command(asked)).cursor.firstBatch;
  }

  // Several updates in one command; how many matched, all together.
  async update(collection, updates) {
    const answer = await this.command({ update: collection, updates, ordered: false, writeConcern: { w: "majority" } });
    return answer.n;
  }
}

module.exports = { Mongo };

// Encrypted fields that outlive their keys. What makes it so:
//
// - A sealed field carries the id of its key: {key, iv, tag, data}. AES-256-GCM; the key's id, the document's id and the
//   field's name are authenticated with it, so that nothing can be moved elsewhere.
// - New writes are under the active key of the ring; any key of the ring opens. There is an index on the key's id, so
//   that counting is cheap.
// - Re-encryption is a compare-and-set: a document is changed only if it still holds the very bytes that were read.
//   Who wrote meanwhile has won. What cannot be opened is left as it is, and counted.
"use strict";
const crypto = require("node:crypto");

const COLLECTION = "customers";
const FIELD = "card";
const BATCH = Number(process.env.REENCRYPT_BATCH || 500);
const SAMPLES = 5;

const bound = (id, key) => Buffer.from(JSON.stringify([COLLECTION, FIELD, id, key]));

class Fields {
  constructor(ring, mongo) {
    Object.assign(this, { ring, mongo, derived: new Map() });
    this.indexed = null;
  }

  // The ring holds strings of any length; AES wants 32 bytes.
  secret(key) {
    const text = this.ring.keys.get(key);
    if (text === undefined) return null;
    const known = this.derived.get(key);
    if (known !== undefined && known.text === text) return known.bytes;
    const bytes = Buffer.from(crypto.hkdfSync("sha256", text, "", `${COLLECTION}.${FIELD}`, 32));
    this.derived.set(key, { text, bytes });
    return bytes;
  }

  seal(id, plain) {
    const key = this.ring.active;
    const iv = crypto.randomBytes(12);
    const cipher = crypto.createCipheriv("aes-256-gcm", this.secret(key), iv).setAAD(bound(id, key));
    const data = Buffer.concat([cipher.update(plain, "utf8"), cipher.final()]).toString("base64");
    return { key, iv: iv.toString("base64"), tag: cipher.getAuthTag().toString("base64"), data };
  }

  // The plain text; null when it cannot be opened.
  open(id, sealed) {
    try {
      const secret = this.secret(sealed.key);
      const decipher = crypto.createDecipheriv("aes-256-gcm", secret, Buffer.from(sealed.iv, "base64"), { authTagLength: 16 });
      decipher.setAAD(bound(id, sealed.key)).setAuthTag(Buffer.from(sealed.tag, "base64"));
      return Buffer.concat([decipher.update(sealed.data, "base64"), decipher.final()]).toString("utf8");
    } catch {
      return null;
    }
  }

  async write(id, plain) {
    const changed = { $set: { [FIELD]: this.seal(id, plain) } };
    await this.mongo.update(COLLECTION, [{ q: { _id: id }, u: changed, upsert: true }]);
  }

  async read(id) {
    const [found] = await this.mongo.find(COLLECTION, { _id: id }, 1);
    return found === undefined ? undefined : this.open(id, found[FIELD]);
  }

  // How many fields are under each key, and which keys really open: a document of each, and something new for the
  // active one. Never a value, never a key.
  async counts() {
    await this.index();
    const { active } = this.ring;
    const keys = { [active]: 0 };
    const grouped = [{ $match: { [`${FIELD}.key`]: { $exists: true } } }, { $group: { _id: `$${FIELD}.key`, n: { $sum: 1 } } }];
    const answer = await this.mongo.command({ aggregate: COLLECTION, pipeline: grouped, cursor: { batchSize: 1000 } });
    for (const each of answer.cursor.firstBatch) keys[each._id] = each.n;
    const opens = [];
    for (const key of Object.keys(keys)) {
      const samples = await this.mongo.find(COLLECTION, { [`${FIELD}.key`]: key }, SAMPLES, { [`${FIELD}.key`]: 1 });
      const fresh = key === active && this.open("probe", this.seal("probe", "probe")) === "probe";
      if (samples.length ? samples.some((each) => this.open(each._id, each[FIELD]) !== null) : fresh) opens.push(key);
    }
    return { active, keys, opens };
  }

  // One batch, in the order of the ids, from behind `after`; everything that is not under the active key. An answer
  // without `after` was the last one. May be asked again, from anywhere, by anybody.
  async reencrypt(after) {
    await this.index();
    const { active } = this.ring;
    const filter = { _id: { $gt: after }, [`${FIELD}.key`]: { $exists: true, $ne: active } };
    const found = await this.mongo.find(COLLECTION, filter, BATCH);
    const updates = [];
    for (const each of found) {
      const plain = this.open(each._id, each[FIELD]);
      if (plain === null) continue;
      const fresh = { [FIELD]: this.seal(each._id, plain) };
      updates.push({ q: { _id: each._id, [FIELD]: each[FIELD] }, u: { $set: fresh } });
    }
    const moved = updates.length ? await this.mongo.update(COLLECTION, updates) : 0;
    const last = found.length < BATCH ? "" : found[found.length - 1]._id;
    return { moved, unreadable: found.length - updates.length, after: last };
  }

  async index() {
    const wanted = [{ key: { [`${FIELD}.key`]: 1 }, name: `${FIELD}_key` }];
    this.indexed = this.indexed || this.mongo.command({ createIndexes: COLLECTION, indexes: wanted });
    try {
      await this.indexed;
    } catch (error) {
      this.indexed = null;
      throw error;
    }
  }
}

module.exports = { Fields };

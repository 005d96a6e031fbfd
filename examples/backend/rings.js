// What rotates, in files that are read anew when they have changed; a file that cannot be read leaves what is in use.
//
// - Ring: a key ring, {"version", "active", "keys": {kid: secret}}.
// - Login: a user of the database, {"version", "username", "password"}.
"use strict";
const fs = require("node:fs");

class Watched {
  constructor(file) {
    Object.assign(this, { file, seen: "", version: "" });
    setInterval(() => this.read(), 200).unref();
  }

  read() {
    try {
      const facts = fs.statSync(this.file, { bigint: true });
      const mark = `${facts.ino}.${facts.mtimeNs}.${facts.size}`;
      if (mark === this.seen) return;
      const fresh = JSON.parse(fs.readFileSync(this.file, "utf8"));
      this.take(fresh);
      Object.assign(this, { seen: mark, version: fresh.version || "" });
    } catch (error) {
      if (error.code !== "ENOENT") console.error("a secret's file cannot be read; what is in use stays");
    }
  }
}

class Ring extends Watched {
  constructor(file) {
    super(file);
    Object.assign(this, { active: "", keys: new Map() });
    this.read();
  }

  get ready() {
    return this.keys.has(this.active);
  }

  take(fresh) {
    if (typeof fresh.keys[fresh.active] !== "string") throw new Error("no active key");
    Object.assign(this, { active: fresh.active, keys: new Map(Object.entries(fresh.keys)) });
  }
}

class Login extends Watched {
  constructor(file) {
    super(file);
    this.user = null;
    this.read();
  }

  get ready() {
    return this.user !== null;
  }

  take({ username, password }) {
    if (typeof username !== "string" || typeof password !== "string") throw new Error("no user");
    this.user = { username, password };
  }
}

module.exports = { Login, Ring };

// Where a person types: messages, and slash commands with hints.

import { toast, words } from "./dialogs.js";
import { freshId, h, human } from "./dom.js";
import { post } from "./server.js";

const TALLEST_PIXELS = 200;

export class Composer {
  /** `place()` answers `{channel, thread_ts}`; `commands()` the commands; `sent()` runs after each sending. */
  constructor(parent, { testid, label, place, commands, sent }) {
    Object.assign(this, { place, commands, sent, drafts: new Map(), key: "", chosen: 0, offered: [] });
    const hintsId = freshId("hints");
    this.hints = h("div", { class: "hints", id: hintsId, role: "listbox", "aria-label": "Commands", hidden: true, "data-testid": `${testid}-hints` });
    this.input = human("textarea", {
      rows: 1, "data-testid": testid, "aria-label": label, placeholder: label, autocomplete: "off",
      spellcheck: "false", "aria-controls": hintsId, enterkeyhint: "send",
    });
    const send = h("button", { type: "submit", class: "send", "aria-label": "Send", "data-testid": `${testid}-send` }, "➤");
    this.form = h("form", { class: "composer" }, this.hints, h("div", { class: "field" }, this.input, send));
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.send();
    });
    this.input.addEventListener("input", () => this.changed());
    this.input.addEventListener("keydown", (event) => this.pressed(event));
    this.input.addEventListener("blur", () => this.offer([]));
    this.input.addEventListener("focus", () => this.changed());
    parent.append(this.form);
  }

  /** Another place to write to; what was typed here waits for the return. */
  turn(key, label) {
    if (key !== this.key) {
      this.drafts.set(this.key, this.input.value);
      this.key = key;
      this.input.value = this.drafts.get(key) ?? "";
      this.changed();
    }
    this.input.placeholder = label;
    this.input.setAttribute("aria-label", label);
  }

  changed() {
    this.input.style.height = "auto";
    this.input.style.height = `${Math.min(this.input.scrollHeight, TALLEST_PIXELS)}px`;
    const line = this.input.value;
    const active = document.activeElement === this.input && line.startsWith("/") && !line.includes("\n");
    const name = line.split(" ")[0];
    const fits = (each) => (line.includes(" ") ? each.command === name : each.command.startsWith(name));
    this.offer(active ? this.commands().filter(fits) : []);
  }

  offer(list) {
    this.offered = list;
    this.chosen = Math.min(this.chosen, Math.max(list.length - 1, 0));
    this.hints.hidden = list.length === 0;
    this.hints.replaceChildren(...list.map((each, index) => {
      const node = h("div", { class: "hint-row", role: "option", "aria-selected": String(index === this.chosen) },
        human("strong", {}, each.command), human("span", { class: "usage" }, each.usage_hint), human("span", { class: "hint" }, each.description));
      // On mouse down, before the field loses the focus and the hints with it.
      node.addEventListener("pointerdown", (event) => {
        event.preventDefault();
        this.complete(each);
      });
      return node;
    }));
  }

  complete(each) {
    this.input.value = `${each.command} `;
    this.input.focus();
    this.changed();
  }

  pressed(event) {
    if (event.isComposing) return;
    const naming = this.offered.length > 0 && !this.input.value.includes(" ");
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (naming && step) {
      event.preventDefault();
      this.chosen = (this.chosen + step + this.offered.length) % this.offered.length;
      this.offer(this.offered);
    } else if (naming && event.key === "Tab" && !event.shiftKey) {
      event.preventDefault();
      this.complete(this.offered[this.chosen]);
    } else if (event.key === "Escape" && this.offered.length) {
      event.stopPropagation();
      this.offer([]);
    } else if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      this.send();
    }
  }

  /** Sends what stands here. A line that starts with a slash is a command, and threads have none. */
  async send() {
    const line = this.input.value;
    const place = this.place();
    if (!line.trim() || place === null) return;
    const isCommand = line.startsWith("/");
    if (isCommand && place.thread_ts) {
      toast(`${line.split(/\s/)[0]} is not supported in threads. Sorry!`);
      return;
    }
    const key = this.key;
    this.input.value = "";
    this.changed();
    const answer = await post(isCommand ? "/ui/command" : "/ui/message", { ...place, text: line });
    if (answer.refused) {
      toast(words(answer.error));
      if (key === this.key && this.input.value === "") this.input.value = line;
      this.changed();
    }
    this.sent();
  }
}

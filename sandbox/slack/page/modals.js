// Modals: the top of the stack in one dialog. A form below the top is put aside and keeps what was typed.

import { blocks } from "./blocks.js";
import { h, human } from "./dom.js";
import { words } from "./dialogs.js";
import { get, post, refresher } from "./server.js";
import { plainText } from "./text.js";

export class Modals {
  constructor() {
    this.forms = new Map();
    this.shown = null;
    this.generation = 0;
    this.dialog = h("dialog", { class: "dialog", "data-testid": "modal" });
    this.dialog.addEventListener("cancel", (event) => {
      event.preventDefault();
      this.shown?.close();
    });
    document.body.append(this.dialog);
    this.refresh = refresher(() => this.fetch());
  }

  /** Forgets every form: another person acts now. */
  clear() {
    this.generation += 1;
    this.forms.clear();
    this.show([]);
  }

  async fetch() {
    const before = this.generation;
    const { stack } = await get("/ui/views");
    if (before === this.generation) this.show(stack);
  }

  show(stack) {
    const forms = new Map(stack.map((view) => [view.id, this.form(view)]));
    this.forms = forms;
    const top = stack.length ? forms.get(stack.at(-1).id) : null;
    this.dialog.dataset.depth = stack.length;
    if (top === this.shown) return;
    this.shown = top;
    if (top === null) {
      this.dialog.close();
      this.dialog.replaceChildren();
      return;
    }
    this.dialog.replaceChildren(top.node);
    this.dialog.setAttribute("aria-label", top.title);
    if (!this.dialog.open) this.dialog.showModal();
    top.focus();
  }

  /** The form of a view: the one that stands, or a new one that keeps what was typed. */
  form(view) {
    const known = this.forms.get(view.id);
    if (known?.hash === view.hash) return known;
    return new Form(view, known, this.refresh);
  }
}

/** One view as a form. It is also the surface its blocks stand on. */
class Form {
  constructor(view, before, refresh) {
    Object.assign(this, { id: view.id, hash: view.hash, refresh, readers: [], busy: false });
    this.known = structuredClone(view.state?.values ?? {});
    before?.keep(this.known);
    this.title = plainText(view.title);
    const close = () => this.close();
    this.submitButton = view.submit
      ? h("button", { type: "submit", class: "button primary", dir: "auto", disabled: view.submit_disabled === true, "data-testid": "modal-submit" }, plainText(view.submit))
      : null;
    this.failure = human("p", { class: "failure", role: "alert", hidden: true });
    this.node = h("form", { novalidate: true },
      h("header", {},
        human("h2", {}, this.title),
        h("button", { type: "button", class: "icon", "aria-label": "Close", on: { click: close } }, "✕")),
      h("div", { class: "content" }, blocks(view.blocks, this), this.failure),
      h("footer", {},
        h("button", { type: "button", class: "button", dir: "auto", "data-testid": "modal-close", on: { click: close } },
          plainText(view.close, this.submitButton ? "Cancel" : "Close")),
        this.submitButton));
    this.node.addEventListener("submit", (event) => this.submit(event));
    this.node.addEventListener("input", (event) => this.forgive(event.target.closest(".block")));
    this.node.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) this.node.requestSubmit();
    });
    this.blame(view.errors ?? {});
  }

  /** What an input starts with. */
  value(blockId, actionId) {
    return this.known[blockId]?.[actionId];
  }

  read(block, element, reader) {
    this.readers.push({ block: block.block_id, action: element.action_id, reader });
  }

  values() {
    const values = {};
    for (const { block, action, reader } of this.readers) (values[block] ??= {})[action] = reader();
    return values;
  }

  /** Writes what was typed here over the values of a form that takes its place. */
  keep(known) {
    for (const { block, action, reader } of this.readers) {
      if (reader() !== null) (known[block] ??= {})[action] = { value: reader() };
    }
  }

  async act(block, element, given) {
    const answer = await post("/ui/action", {
      view_id: this.id, block_id: block.block_id, action_id: element.action_id, value: given, values: this.values(),
    });
    if (!answer.ok) this.fail(answer);
    await this.refresh();
  }

  async submit(event) {
    event.preventDefault();
    if (this.busy || !this.submitButton || this.submitButton.disabled) return;
    this.working(true);
    const answer = await post("/ui/view/submit", { view_id: this.id, values: this.values() });
    this.working(false);
    this.blame(answer.errors ?? {});
    if (!answer.ok && !answer.errors) this.fail(answer);
    await this.refresh();
  }

  working(busy) {
    this.busy = busy;
    this.failure.hidden = this.failure.hidden || busy;
    this.node.setAttribute("aria-busy", String(busy));
    this.submitButton.setAttribute("aria-busy", String(busy));
    if (busy) this.node.querySelectorAll(".error").forEach((error) => this.forgive(error.closest(".block")));
  }

  fail(answer) {
    this.failure.dataset.testid = "failure";
    this.failure.textContent = answer.text ? `${answer.text} (${words(answer.error)})` : words(answer.error);
    this.failure.hidden = false;
  }

  /** Shows each error under its input and goes to the first. */
  blame(errors) {
    let first = null;
    for (const [blockId, message] of Object.entries(errors)) {
      const block = [...this.node.querySelectorAll(".block")].find((each) => each.dataset.blockId === blockId);
      if (!block) continue;
      this.forgive(block);
      const control = block.querySelector("input, select, textarea");
      const id = `error-${blockId}`;
      block.append(human("p", { class: "error", id, role: "alert", "data-testid": id }, message));
      block.classList.add("wrong");
      control?.setAttribute("aria-invalid", "true");
      control?.setAttribute("aria-errormessage", id);
      first ??= control;
    }
    first?.focus();
    if (first?.select) first.select();
  }

  forgive(block) {
    block?.querySelector(".error")?.remove();
    block?.classList.remove("wrong");
    block?.querySelector("[aria-invalid]")?.removeAttribute("aria-invalid");
  }

  async close() {
    await post("/ui/view/close", { view_id: this.id });
    await this.refresh();
  }

  focus() {
    const inputs = "[autofocus], .content input, .content select, .content textarea";
    (this.node.querySelector("[autofocus]") ?? this.node.querySelector(inputs) ?? this.submitButton ?? this.node.querySelector("footer button")).focus();
  }
}

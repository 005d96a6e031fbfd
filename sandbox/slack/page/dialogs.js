// Short notices, and the question before a dangerous click.

import { h, human } from "./dom.js";
import { plainText, text } from "./text.js";

const TOAST_MILLISECONDS = 9000;
const WORDS = {
  no_connection: "The server did not answer. It may have been stopped.",
  operation_timeout: "The app did not answer within 3 seconds.",
  dispatch_failed: "The app is not connected.",
  not_in_channel: "You are not a member of this channel.",
  no_text: "There is nothing to send.",
  message_not_found: "This message is gone.",
  channel_not_found: "You cannot open this channel.",
};

/** A sentence for an error code. */
export const words = (error) => WORDS[error] ?? `That did not work: ${error}.`;

/** Shows a failure for some seconds. */
export function toast(text) {
  const note = human("div", { class: "toast", "data-testid": "failure" }, text);
  document.getElementById("toasts").append(note);
  setTimeout(() => note.remove(), TOAST_MILLISECONDS);
}

/** Asks a Block Kit confirmation; resolves to whether the person confirmed. */
export function ask(confirm) {
  return new Promise((resolve) => {
    const danger = confirm.style === "danger";
    const yes = h("button", { type: "submit", value: "yes", class: danger ? "button danger" : "button primary", "data-testid": "confirm-yes" }, plainText(confirm.confirm, "Yes"));
    const no = h("button", { type: "submit", value: "no", class: "button", "data-testid": "confirm-no" }, plainText(confirm.deny, "Cancel"));
    const dialog = h("dialog", { class: "dialog small", "data-testid": "confirm", "aria-label": plainText(confirm.title, "Are you sure?") },
      h("form", { method: "dialog" },
        h("header", {}, human("h2", {}, plainText(confirm.title, "Are you sure?"))),
        h("div", { class: "content" }, text(confirm.text)),
        h("footer", {}, no, yes)));
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    });
    document.body.append(dialog);
    dialog.showModal();
    no.focus();
  });
}

// Text objects of Block Kit: plain_text and mrkdwn.

import { human } from "./dom.js";
import { withEmoji } from "./emoji.js";
import { mrkdwn } from "./mrkdwn.js";

/** A text object as nodes. */
export function text(object) {
  if (!object) return [];
  if (object.type === "mrkdwn") return mrkdwn(object.text, object.verbatim === true);
  return [human("div", { class: "text" }, plainText(object))];
}

/** A plain_text object as a string, or the one given for none. */
export function plainText(object, otherwise = "") {
  if (!object) return otherwise;
  return object.emoji === false ? object.text : withEmoji(object.text);
}

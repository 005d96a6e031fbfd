// Slack's own markup to nodes. Source: docs.slack.dev/messaging/formatting-message-text.

import { channel, channelName, isMe, userName } from "./directory.js";
import { h, human, link, safeUrl } from "./dom.js";
import { emoji } from "./emoji.js";

const ENTITIES = { "&lt;": "<", "&gt;": ">", "&amp;": "&" };
const TAGS = { "*": "strong", _: "em", "~": "s" };
const WORD = /[\p{L}\p{N}]/u;
const LONGEST_SPAN = 3000;

/** Slack's three entities as characters. */
export const decode = (text) => text.replace(/&(?:lt|gt|amp);/g, (entity) => ENTITIES[entity]);

/** Block-level nodes of a text: paragraphs, quotes and fenced code. `bare` leaves bare addresses as text. */
export function mrkdwn(source, bare = false) {
  const nodes = [];
  const parts = String(source ?? "").split(/```([\s\S]+?)```/);
  parts.forEach((part, index) => {
    if (index % 2) nodes.push(human("pre", {}, h("code", {}, unmarked(part.replace(/^\n/, "")))));
    else nodes.push(...paragraphs(index ? part.replace(/^\n/, "") : part, bare));
  });
  return nodes;
}

function paragraphs(text, bare) {
  const groups = [];
  let rest = false;
  for (const line of text.split("\n")) {
    const quote = rest ? line : /^(?:&gt;|>)(.*)$/.exec(line)?.[1];
    const all = !rest && quote !== undefined ? /^(?:&gt;|>){2}(.*)$/.exec(quote) : null;
    rest = rest || all !== null;
    const quoted = quote !== undefined;
    const content = all ? all[1] : quoted && !rest ? quote.replace(/^ /, "") : quote ?? line;
    const open = groups.at(-1);
    if (open?.quoted === quoted) open.lines.push(content);
    else groups.push({ quoted, lines: [content] });
  }
  return groups
    .filter((group) => group.quoted || group.lines.join("").trim() !== "")
    .map(({ quoted, lines }) => h(quoted ? "blockquote" : "div", { class: "text" }, directed(lines, bare)));
}

/** Lines, each with a direction of its own. No markup goes on over the end of a line. */
function directed(lines, bare) {
  return lines.map((line, index) =>
    human("div", { class: "line" }, inline(line, bare), index < lines.length - 1 ? "\n" : null));
}

/** Inline nodes of a text. */
export function inline(text, bare = false) {
  const nodes = [];
  let plain = "";
  const put = (node) => {
    if (plain) nodes.push(plain);
    plain = "";
    if (node !== null) nodes.push(node);
  };
  for (let at = 0; at < text.length; ) {
    const found = special(text, at, bare);
    if (found === null) {
      plain += text[at];
      at += 1;
    } else {
      if (typeof found.node === "string") plain += found.node;
      else put(found.node);
      at += found.length;
    }
  }
  put(null);
  return nodes;
}

/** What starts at this place and is more than a character: its node and how long its source is. */
function special(text, at, bare) {
  const sign = text[at];
  if (sign === "&") {
    const entity = match(/&(?:lt|gt|amp);/y, text, at);
    return entity && { node: ENTITIES[entity[0]], length: entity[0].length };
  }
  if (sign === "<") {
    const token = match(/<([^<>\n]+)>/y, text, at);
    return token && { node: reference(token[1]), length: token[0].length };
  }
  if (sign === "`") {
    const code = match(/`([^`\n]+)`/y, text, at);
    return code && { node: human("code", {}, unmarked(code[1])), length: code[0].length };
  }
  if (sign === ":") {
    const code = match(/:([a-z0-9_+-]+):(?::skin-tone-[2-6]:)?/y, text, at);
    const character = code && emoji(code[1]);
    return character ? { node: character, length: code[0].length } : null;
  }
  if (sign in TAGS) return styled(text, at, bare);
  if (sign === "h" && !bare && !WORD.test(text[at - 1] ?? "")) return bareLink(text, at);
  return null;
}

function match(pattern, text, at) {
  pattern.lastIndex = at;
  return pattern.exec(text);
}

/** `*bold*`, `_italic_`, `~strike~`: the signs stand at the edges of words and hug what they mark. */
function styled(text, at, bare) {
  const sign = text[at];
  const before = text[at - 1] ?? "";
  if (WORD.test(before) || before === sign || /\s/.test(text[at + 1] ?? " ")) return null;
  for (let end = text.indexOf(sign, at + 1); end > 0 && end - at < LONGEST_SPAN; end = text.indexOf(sign, end + 1)) {
    const inner = text.slice(at + 1, end);
    if (inner.includes("\n")) return null;
    const after = text[end + 1] ?? "";
    if (inner === "" || /\s$/.test(inner) || WORD.test(after) || after === sign) continue;
    return { node: h(TAGS[sign], {}, inline(inner, bare)), length: end + 1 - at };
  }
  return null;
}

function bareLink(text, at) {
  const found = match(/https?:\/\/[^\s<>|`]+/y, text, at);
  if (!found) return null;
  const source = found[0].replace(/(?:[.,;:!?)\]*_~'"]|&gt;|&lt;)+$/, "");
  const address = decode(source);
  return safeUrl(address) ? { node: link(address, address), length: source.length } : null;
}

/** `<@U1>`, `<#C1>`, `<!here>`, `<https://…|label>`; anything else stays the text it is. */
function reference(token) {
  const [target, label] = split(token);
  const rest = target.slice(1);
  if (target[0] === "@") return mention(`@${known(rest, label, userName)}`, isMe(rest));
  if (target[0] === "#") return channelMention(rest, label);
  if (target[0] === "!") return specialMention(rest, label);
  if (safeUrl(decode(target)) === null) return decode(`<${token}>`);
  const address = decode(target);
  return link(address, label === null ? address.replace(/^mailto:/, "") : inline(label, true));
}

function split(token) {
  const bar = token.indexOf("|");
  return bar < 0 ? [token, null] : [token.slice(0, bar), token.slice(bar + 1)];
}

function known(id, label, name) {
  const found = name(id);
  return found === id && label ? decode(label) : found;
}

function mention(text, mine = false) {
  return human("span", { class: mine ? "mention mine" : "mention" }, text);
}

/** A channel's name; the channel opens when it is known. */
export function channelMention(id, label = null) {
  const text = `#${known(id, label, channelName)}`;
  if (!channel(id)) return mention(text);
  const open = () => document.dispatchEvent(new CustomEvent("open-channel", { detail: id }));
  return human("button", { type: "button", class: "mention", on: { click: open } }, text);
}

/** `here`, `channel`, `everyone`, `subteam^S1`, `date^…`, without the exclamation mark. */
export function specialMention(name, label = null) {
  if (["here", "channel", "everyone"].includes(name)) return mention(`@${name}`, true);
  if (name.startsWith("subteam^")) return mention(label ? decode(label) : `@${name.slice(8)}`);
  if (name.startsWith("date^")) {
    const [, stamp, format = "", address] = name.split("^");
    const text = date(Number(stamp), decode(format)) ?? decode(label ?? "");
    return address ? link(decode(address), text) : text;
  }
  return decode(label ?? `<!${name}>`);
}

const DATES = {
  date_num: (at) => at.toISOString().slice(0, 10),
  date: (at) => at.toLocaleDateString("en", { dateStyle: "long" }),
  date_short: (at) => at.toLocaleDateString("en", { dateStyle: "medium" }),
  date_long: (at) => at.toLocaleDateString("en", { dateStyle: "full" }),
  time: (at) => at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" }),
  time_secs: (at) => at.toLocaleTimeString(),
  ago: (at) => ago((Date.now() - at.getTime()) / 1000),
};

function ago(seconds) {
  const units = [["day", 86400], ["hour", 3600], ["minute", 60]];
  const [unit, size] = units.find(([, each]) => Math.abs(seconds) >= each) ?? ["second", 1];
  return new Intl.RelativeTimeFormat("en").format(-Math.round(seconds / size), unit);
}

/** Slack's date tokens filled in, in this browser's time zone; null if the time is none. */
export function date(stamp, format) {
  const at = new Date(stamp * 1000);
  if (Number.isNaN(at.getTime())) return null;
  return format.replace(/\{([a-z_]+)\}/g, (all, name) => DATES[name.replace("_pretty", "")]?.(at) ?? all);
}

/** Text for inside code: references as what they say, nothing clickable, no styles. */
function unmarked(text) {
  return text
    .split(/(<[^<>\n]+>)/)
    .map((part, index) => {
      if (index % 2 === 0) return decode(part);
      const node = reference(part.slice(1, -1));
      return typeof node === "string" ? node : node.textContent;
    })
    .join("");
}

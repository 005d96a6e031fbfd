// One message to its node.

import { blocks, picture } from "./blocks.js";
import { userName, user } from "./directory.js";
import { toast, words } from "./dialogs.js";
import { h, human, link, safeUrl } from "./dom.js";
import { emoji } from "./emoji.js";
import { mrkdwn } from "./mrkdwn.js";
import { post } from "./server.js";

const TONES = 6;
const COLORS = { good: "#2e8b57", warning: "#c98a00", danger: "#b3261e" };

/** A message. `openThread` null: it stands in the thread panel. `compact`: it follows one of the same person. */
export function message(data, { channel, compact, openThread }) {
  const tombstone = data.subtype === "tombstone";
  const small = compact && !data.is_ephemeral && !tombstone;
  const classes = ["message", small && "compact", data.is_ephemeral && "ephemeral", tombstone && "tombstone"];
  return h("article", {
    class: classes.filter(Boolean).join(" "), "data-testid": "message", "data-ts": data.ts, "data-user": data.user,
  },
    h("div", { class: "side" }, small ? time(data.ts) : avatar(data.user)),
    h("div", { class: "body" },
      data.is_ephemeral ? h("p", { class: "note" }, "Only visible to you") : null,
      small ? null : h("header", {}, author(data), time(data.ts)),
      content(data, channel),
      reactions(data.reactions),
      openThread ? replies(data, openThread) : null),
    openThread && !data.is_ephemeral && !tombstone
      ? h("button", { type: "button", class: "icon reply", title: "Reply in thread", "aria-label": "Reply in thread",
          "data-testid": "reply", on: { click: () => openThread(data.thread_ts ?? data.ts) } }, "↩")
      : null);
}

/** The first letter of a name, on one of a few colours. */
function avatar(id) {
  const tone = [...String(id)].reduce((sum, letter) => sum + letter.codePointAt(0), 0) % TONES;
  const letter = [...userName(id)][0] ?? "?";
  return h("div", { class: `avatar tone-${tone}`, "aria-hidden": "true" }, letter.toUpperCase());
}

function author(data) {
  const app = user(data.user)?.is_bot || data.bot_id;
  return [human("strong", { class: "author" }, userName(data.user)), app ? h("span", { class: "tag" }, "APP") : null];
}

function time(ts) {
  const at = new Date(Number(ts) * 1000);
  const shown = at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  return h("time", { datetime: at.toISOString(), title: at.toLocaleString() }, shown);
}

/** The day a message was written on, as it stands above the first message of that day. */
export function day(ts) {
  const at = new Date(Number(ts) * 1000);
  const days = Math.round((new Date().setHours(0, 0, 0, 0) - new Date(at).setHours(0, 0, 0, 0)) / 86400000);
  const name = ["Today", "Yesterday"][days];
  return name ?? at.toLocaleDateString("en", { weekday: "long", day: "numeric", month: "long", year: "numeric" });
}

/** What a message's controls stand on: a click tells the app which message it was. */
function surface(data, channel) {
  return {
    async act(block, element, given) {
      const answer = await post("/ui/action", {
        channel, message_ts: data.ts, block_id: block.block_id, action_id: element.action_id, value: given,
      });
      if (answer.refused) toast(words(answer.error));
    },
  };
}

/** The blocks; the text only where there are none, as Slack shows it. */
function content(data, channel) {
  const on = surface(data, channel);
  const shown = data.blocks?.length ? blocks(data.blocks, on) : mrkdwn(data.text);
  const edited = data.edited ? h("span", { class: "edited" }, "(edited)") : null;
  return h("div", { class: "content" },
    shown, edited, (data.attachments ?? []).map((each) => attachment(each, on)), (data.files ?? []).map(file));
}

function attachment(each, on) {
  const node = h("div", { class: "attachment" },
    each.blocks ? blocks(each.blocks, on) : [
      each.pretext ? h("div", {}, mrkdwn(each.pretext)) : null,
      each.title ? human("strong", {}, each.title_link ? link(each.title_link, each.title) : each.title) : null,
      h("div", {}, mrkdwn(each.text ?? (each.title ? "" : each.fallback))),
      (each.fields ?? []).map((field) => h("div", {}, human("strong", {}, field.title ?? ""), mrkdwn(field.value))),
      each.image_url ? picture({ image_url: each.image_url, alt_text: each.fallback }) : null,
      each.footer ? human("div", { class: "hint" }, each.footer) : null,
    ]);
  const color = COLORS[each.color] ?? (/^#?[0-9a-f]{6}$/i.test(each.color ?? "") ? `#${each.color.replace("#", "")}` : null);
  if (color) node.style.setProperty("--bar", color);
  return node;
}

function file(each) {
  const name = each.title || each.name;
  if (String(each.mimetype).startsWith("image/")) {
    return h("figure", { class: "image" }, human("figcaption", {}, name),
      picture({ slack_file: { id: each.id }, alt_text: each.alt_txt || name }));
  }
  const href = safeUrl(each.url_private);
  const size = each.size < 1024 ? `${each.size} B` : `${Math.round(each.size / 1024)} KiB`;
  return h("a", { class: "file", href, target: "_blank", rel: "noopener noreferrer" },
    h("span", { "aria-hidden": "true" }, "📄"), human("span", { class: "name" }, name), h("span", { class: "hint" }, size));
}

function reactions(list) {
  if (!list?.length) return null;
  return h("div", { class: "reactions" }, list.map(({ name, users, count }) =>
    h("span", { class: "reaction", title: `:${name}: ${users.map(userName).join(", ")}` },
      emoji(name) ?? `:${name}:`, h("span", {}, String(count)))));
}

function replies(data, openThread) {
  if (data.subtype === "thread_broadcast" || !data.reply_count) return null;
  const count = data.reply_count === 1 ? "1 reply" : `${data.reply_count} replies`;
  return h("button", { type: "button", class: "replies", "data-testid": "replies", on: { click: () => openThread(data.ts) } }, count);
}

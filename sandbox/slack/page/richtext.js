// rich_text blocks. Source: docs.slack.dev/reference/block-kit/blocks/rich-text-block.

import { isMe, userName } from "./directory.js";
import { h, human, link } from "./dom.js";
import { emoji } from "./emoji.js";
import { channelMention, date, specialMention } from "./mrkdwn.js";

const STYLES = [["bold", "strong"], ["italic", "em"], ["strike", "s"], ["code", "code"]];

/** The nodes of a rich_text block's elements. */
export const richText = (elements) => (elements ?? []).map(part);

function part(element) {
  const inside = () => (element.elements ?? []).map(piece);
  switch (element.type) {
    case "rich_text_section": return human("div", { class: "text" }, inside());
    case "rich_text_quote": return human("blockquote", { class: "text" }, inside());
    case "rich_text_preformatted": return human("pre", {}, h("code", {}, inside()));
    case "rich_text_list": return list(element);
    default: return null;
  }
}

function list(element) {
  const items = (element.elements ?? []).map((item) => human("li", {}, (item.elements ?? []).map(piece)));
  return h(element.style === "ordered" ? "ol" : "ul", { class: `indent-${Number(element.indent) || 0}` }, items);
}

function piece(element) {
  switch (element.type) {
    case "text": return inStyle(element.text, element.style);
    case "link": return inStyle(link(element.url, element.text ?? element.url), element.style);
    case "user": return human("span", { class: isMe(element.user_id) ? "mention mine" : "mention" }, `@${userName(element.user_id)}`);
    case "channel": return channelMention(element.channel_id);
    case "usergroup": return specialMention(`subteam^${element.usergroup_id}`);
    case "broadcast": return specialMention(element.range);
    case "emoji": return emoji(element.name) ?? `:${element.name}:`;
    case "date": return date(Number(element.timestamp), element.format ?? "") ?? element.fallback ?? "";
    default: return null;
  }
}

function inStyle(content, style = {}) {
  return STYLES.reduce((node, [name, tag]) => (style[name] ? h(tag, {}, node) : node), content);
}

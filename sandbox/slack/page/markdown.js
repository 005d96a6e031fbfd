// The markdown block: common Markdown to nodes. Source: docs.slack.dev/reference/block-kit/blocks/markdown-block.

import { h, human, link, safeUrl } from "./dom.js";
import { withEmoji } from "./emoji.js";

const SPANS = [
  [/`([^`\n]+)`/, (found) => human("code", {}, found[1])],
  [/\[([^\]\n]+)\]\(([^()\s]+)\)/, (found) => (safeUrl(found[2]) ? link(found[2], found[1]) : found[0])],
  [/\*\*(?=\S)(.+?)\*\*/, (found) => h("strong", {}, spans(found[1]))],
  [/~~(?=\S)(.+?)~~/, (found) => h("s", {}, spans(found[1]))],
  [/\*(?=\S)([^*\n]+)\*/, (found) => h("em", {}, spans(found[1]))],
  [/(?<![\p{L}\p{N}])_(?=\S)([^_\n]+)_(?![\p{L}\p{N}])/u, (found) => h("em", {}, spans(found[1]))],
];

function spans(text) {
  let first = null;
  for (const [pattern, build] of SPANS) {
    const found = pattern.exec(text);
    if (found && (first === null || found.index < first.found.index)) first = { found, build };
  }
  if (first === null) return [withEmoji(text)];
  const { found, build } = first;
  return [withEmoji(text.slice(0, found.index)), build(found), ...spans(text.slice(found.index + found[0].length))];
}

const LINES = [
  ["heading", /^#{1,6} +(.*)$/],
  ["rule", /^(?:---+|\*\*\*+)$/],
  ["quote", /^> ?(.*)$/],
  ["bullet", /^\s*[-*] +(.*)$/],
  ["number", /^\s*\d+[.)] +(.*)$/],
  ["row", /^\|(.*)\|\s*$/],
  ["blank", /^\s*$/],
];

function kindOf(line) {
  for (const [kind, pattern] of LINES) {
    const found = pattern.exec(line);
    if (found) return [kind, found[1] ?? ""];
  }
  return ["paragraph", line];
}

/** Block-level nodes of a Markdown text. */
export function markdown(source) {
  const nodes = [];
  String(source ?? "").split(/^```[^\n]*\n([\s\S]*?)^```\s*$/m).forEach((part, index) => {
    if (index % 2) nodes.push(human("pre", {}, h("code", {}, part)));
    else nodes.push(...groups(part).map(build).filter((node) => node !== null));
  });
  return nodes;
}

function groups(text) {
  const found = [];
  for (const line of text.split("\n")) {
    const [kind, content] = kindOf(line);
    const open = found.at(-1);
    if (open?.kind === kind && kind !== "heading") open.lines.push(content);
    else found.push({ kind, lines: [content] });
  }
  return found;
}

function build({ kind, lines }) {
  const items = () => lines.map((line) => human("li", {}, spans(line)));
  switch (kind) {
    case "blank": return null;
    case "rule": return h("hr");
    case "heading": return human("h4", { class: "heading" }, spans(lines[0]));
    case "quote": return human("blockquote", { class: "text" }, spans(lines.join("\n")));
    case "bullet": return h("ul", {}, items());
    case "number": return h("ol", {}, items());
    case "row": return table(lines);
    default: return human("div", { class: "text" }, spans(lines.join("\n")));
  }
}

function table(lines) {
  const rows = lines.filter((line) => !/^[\s:|-]+$/.test(line)).map((line) => line.split("|"));
  const row = (tag) => (cells) => h("tr", {}, cells.map((cell) => human(tag, {}, spans(cell.trim()))));
  const [head, ...rest] = rows;
  return h("div", { class: "wide" }, h("table", {}, head ? row("th")(head) : null, rest.map(row("td"))));
}

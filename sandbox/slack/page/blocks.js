// Blocks to nodes. A surface says where they stand: what a click does, and which values inputs start with.

import { element } from "./elements.js";
import { freshId, h, human, safeUrl } from "./dom.js";
import { markdown } from "./markdown.js";
import { richText } from "./richtext.js";
import { plainText, text } from "./text.js";

/** The nodes of blocks; one of a kind not known here says so. */
export const blocks = (list, surface) => (list ?? []).map((block) => {
  const build = KINDS[block.type] ?? unknown;
  const node = build(block, surface);
  node.classList.add("block");
  node.dataset.blockId = block.block_id ?? "";
  return node;
});

const KINDS = {
  header: (block) => human("h3", { class: "header" }, plainText(block.text)),
  divider: () => h("hr"),
  markdown: (block) => h("div", { class: "markdown" }, markdown(block.text)),
  rich_text: (block) => h("div", { class: "rich" }, richText(block.elements)),
  image: (block) => h("figure", { class: "image" },
    block.title ? human("figcaption", {}, plainText(block.title)) : null, picture(block)),
  section,
  context: (block) => h("div", { class: "context" }, block.elements.map((each) =>
    each.type === "image" ? picture(each) : h("div", {}, text(each)))),
  actions: (block, surface) => h("div", { class: "actions" },
    block.elements.map((each) => element(each, block, surface))),
  input,
};

const unknown = (block) => h("div", { class: "unknown" }, `A block of a kind this page does not show: ${block.type}`);

function section(block, surface) {
  const accessory = block.accessory;
  const beside = accessory && (accessory.type === "image" ? picture(accessory) : element(accessory, block, surface));
  return h("div", { class: "section" },
    h("div", { class: "words" },
      text(block.text),
      block.fields ? h("div", { class: "fields" }, block.fields.map((field) => h("div", {}, text(field)))) : null),
    beside ? h("div", { class: "accessory" }, beside) : null);
}

function input(block, surface) {
  const control = element(block.element, block, surface);
  const label = [plainText(block.label), block.optional ? h("span", { class: "optional" }, " (optional)") : null];
  const hint = block.hint ? human("p", { class: "hint", id: freshId("hint") }, plainText(block.hint)) : null;
  if (hint) control.setAttribute("aria-describedby", hint.id);
  if (control.matches("fieldset")) {
    control.prepend(human("legend", {}, label));
    return h("div", { class: "input" }, control, hint);
  }
  control.id = freshId("input");
  return h("div", { class: "input" }, human("label", { for: control.id }, label), control, hint);
}

/** An image with its description; the description alone if it does not load. */
export function picture({ image_url: address, slack_file: file, alt_text: description = "" }) {
  const src = file ? (file.id ? `/files/${encodeURIComponent(file.id)}` : safeUrl(file.url)) : safeUrl(address);
  const missing = () => human("div", { class: "missing" }, `🖼 ${description || "An image that does not load"}`);
  if (src === null) return missing();
  const image = h("img", { src, alt: description, title: description, referrerpolicy: "no-referrer" });
  image.addEventListener("error", () => image.replaceWith(missing()));
  return image;
}

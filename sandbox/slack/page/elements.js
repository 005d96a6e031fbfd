// Interactive elements. `surface.act(block, element, given, node)` tells the app; in a form,
// `surface.read` collects a reader for each value, and `surface.value` knows what was chosen so far.

import { allChannels, channelName, people, userName } from "./directory.js";
import { ask } from "./dialogs.js";
import { freshId, h, human, safeUrl } from "./dom.js";
import { text, plainText } from "./text.js";

/** The control of one element. */
export function element(each, block, surface) {
  const build = KINDS[each.type];
  if (!build) return h("span", { class: "unknown" }, `Not shown here: ${each.type}`);
  return build({ each, block, surface, inForm: block.type === "input" });
}

const KINDS = {
  button,
  overflow,
  static_select: select,
  external_select: select,
  users_select: select,
  conversations_select: select,
  channels_select: select,
  multi_static_select: manyOf,
  multi_users_select: manyOf,
  multi_channels_select: manyOf,
  multi_conversations_select: manyOf,
  checkboxes: manyOf,
  radio_buttons: oneOf,
  plain_text_input: typed,
  number_input: typed,
  email_text_input: typed,
  url_text_input: typed,
  datepicker: typed,
  timepicker: typed,
};

/** Asks first if the element wants that, then tells the app; the control is busy meanwhile. */
async function act({ each, block, surface }, given, node) {
  if (node.getAttribute("aria-busy") === "true") return false;
  if (each.confirm && !(await ask(each.confirm))) return false;
  node.setAttribute("aria-busy", "true");
  try {
    await surface.act(block, each, given);
  } finally {
    node.removeAttribute("aria-busy");
  }
  return true;
}

function button(place) {
  const { each } = place;
  const style = ["primary", "danger"].includes(each.style) ? ` ${each.style}` : "";
  const props = {
    class: `button${style}`, dir: "auto", "data-testid": `button-${each.action_id}`,
    "aria-label": each.accessibility_label ?? null,
  };
  const href = each.url ? safeUrl(each.url) : null;
  const node = href
    ? h("a", { ...props, href, title: href, target: "_blank", rel: "noopener noreferrer" }, plainText(each.text))
    : h("button", { ...props, type: "button" }, plainText(each.text));
  node.addEventListener("click", () => act(place, each.value ?? null, node));
  return node;
}

function overflow(place) {
  const { each } = place;
  const items = each.options.map((option) => human("button",
    { type: "button", role: "menuitem", "data-testid": `option-${option.value}`, on: { click: () => choose(option) } },
    plainText(option.text)));
  const list = h("div", { class: "menu", role: "menu", hidden: true }, items);
  const opener = h("button", {
    type: "button", class: "button dots", "aria-label": "More actions", "aria-haspopup": "menu",
    "aria-expanded": "false", "data-testid": `overflow-${each.action_id}`,
  }, "⋯");
  const node = h("div", { class: "overflow" }, opener, list);
  const show = (open) => {
    list.hidden = !open;
    opener.setAttribute("aria-expanded", String(open));
    if (open) items[0].focus();
  };
  const choose = (option) => {
    show(false);
    opener.focus();
    if (option.url && safeUrl(option.url)) window.open(safeUrl(option.url), "_blank", "noopener,noreferrer");
    act(place, option.value, opener);
  };
  opener.addEventListener("click", () => show(list.hidden));
  node.addEventListener("focusout", (event) => node.contains(event.relatedTarget) || show(false));
  node.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (event.key === "Escape" && !list.hidden) {
      event.preventDefault();
      event.stopPropagation();
      show(false);
      opener.focus();
    } else if (step && !list.hidden) {
      event.preventDefault();
      items.at((items.indexOf(document.activeElement) + step) % items.length).focus();
    }
  });
  return node;
}

/** Groups of choices, each with a value, a label and perhaps a description. */
function choices(each) {
  const named = (list, name) => [{ label: null, options: list.map(({ id }) => ({ value: id, label: name(id) })) }];
  if (each.type.includes("users")) return named(people(), userName);
  if (/channels|conversations/.test(each.type)) return named(allChannels().filter((one) => !one.is_im), (id) => `#${channelName(id)}`);
  const shown = (list) => list.map((option) => ({ value: option.value, label: plainText(option.text), option }));
  const groups = each.option_groups ?? [{ label: null, options: each.options ?? [] }];
  return groups.map((group) => ({ label: group.label ? plainText(group.label) : null, options: shown(group.options) }));
}

/** What is chosen or typed at first: what the server knows, else the element's own first value. */
function first({ each, block, surface }) {
  const known = surface.value?.(block.block_id, each.action_id);
  if (known) {
    const { type: _, ...rest } = known;
    return bare(Object.values(rest)[0] ?? null);
  }
  const name = Object.keys(each).find((key) => key.startsWith("initial_"));
  return name ? bare(each[name]) : null;
}

function bare(value) {
  if (Array.isArray(value)) return value.map(bare);
  return value !== null && typeof value === "object" ? value.value : value;
}

function select(place) {
  const { each, block, surface, inForm } = place;
  const option = ({ value, label }) => human("option", { value }, label);
  const node = human("select", {
    "data-testid": inForm ? `input-${block.block_id}` : `select-${each.action_id}`,
    "aria-label": inForm ? null : plainText(each.placeholder, "Choose"),
  },
    h("option", { value: "" }, plainText(each.placeholder, "Choose…")),
    choices(each).map((group) => group.label === null
      ? group.options.map(option)
      : h("optgroup", { label: group.label }, group.options.map(option))));
  node.value = first(place) ?? "";
  let chosen = node.value;
  surface.read?.(block, each, () => node.value || null);
  if (!inForm || block.dispatch_action) {
    node.addEventListener("change", async () => {
      const done = node.value !== "" && (await act(place, node.value, node));
      if (done) chosen = node.value;
      else node.value = chosen;
    });
  }
  return node;
}

function oneOf(place) {
  return ticks(place, "radio");
}

function manyOf(place) {
  return ticks(place, "checkbox");
}

function ticks(place, type) {
  const { each, block, surface, inForm } = place;
  const name = freshId("choice");
  const chosen = [first(place) ?? []].flat();
  const options = choices(each).flatMap((group) => group.options);
  const boxes = options.map(({ value }) => h("input", { type, name, value, checked: chosen.includes(value) }));
  const rows = options.map(({ label, option }, index) => h("label", {}, boxes[index], h("span", {},
    option ? text(option.text) : human("span", {}, label),
    option?.description ? h("span", { class: "hint" }, text(option.description)) : null)));
  const values = () => boxes.filter((box) => box.checked).map((box) => box.value);
  const read = () => (type === "radio" ? values()[0] ?? null : values());
  const node = h("fieldset", {
    class: "ticks", "data-testid": inForm ? `input-${block.block_id}` : `select-${each.action_id}`,
    "aria-label": inForm ? null : plainText(each.placeholder, "Choose"),
  }, rows);
  surface.read?.(block, each, read);
  if (!inForm || block.dispatch_action) node.addEventListener("change", () => act(place, read(), node));
  return node;
}

const HTML_TYPES = { datepicker: "date", timepicker: "time", email_text_input: "email", url_text_input: "url" };

function typed(place) {
  const { each, block, surface, inForm } = place;
  const multiline = each.multiline === true;
  const code = block.block_id === "code";
  const node = human(multiline ? "textarea" : "input", {
    type: multiline ? null : HTML_TYPES[each.type] ?? "text",
    rows: multiline ? 4 : null,
    placeholder: each.placeholder ? plainText(each.placeholder) : null,
    autocomplete: code ? "one-time-code" : "off",
    inputmode: code ? "numeric" : each.type === "number_input" ? "decimal" : null,
    class: code ? "code" : null,
    autofocus: each.focus_on_load === true,
    "data-testid": inForm ? `input-${block.block_id}` : `select-${each.action_id}`,
  });
  node.value = first(place) ?? "";
  surface.read?.(block, each, () => node.value || null);
  const picker = each.type.endsWith("picker");
  if (picker ? !inForm || block.dispatch_action : block.dispatch_action) {
    node.addEventListener("change", () => act(place, node.value || null, node));
  }
  return node;
}

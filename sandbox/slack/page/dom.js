// Building what is shown. Data becomes text nodes and attributes, never markup.

/** One element. `props`: `on` holds listeners, true and false toggle an attribute, null leaves it out. */
export function h(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined) continue;
    if (name === "on") {
      for (const [event, listener] of Object.entries(value)) node.addEventListener(event, listener);
    } else if (typeof value === "boolean") node.toggleAttribute(name, value);
    else node.setAttribute(name, String(value));
  }
  node.append(...flat(children));
  return node;
}

/** An element that holds what people or the app wrote: its direction follows its first letter. */
export function human(tag, props = {}, ...children) {
  return h(tag, { dir: "auto", ...props }, ...children);
}

function flat(children) {
  return children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false);
}

/** The address if a link may lead there (http, https, mailto), else null. */
export function safeUrl(text) {
  try {
    const url = new URL(String(text));
    return ["http:", "https:", "mailto:"].includes(url.protocol) ? url.href : null;
  } catch {
    return null;
  }
}

/** A link that opens elsewhere, or just its label when the address is none a link may have. */
export function link(address, label) {
  const href = safeUrl(address);
  if (href === null) return h("span", {}, label);
  return h("a", { href, title: href, target: "_blank", rel: "noopener noreferrer" }, label);
}

/** One spoken name for an element: unique ids for aria attributes. */
let last = 0;
export function freshId(prefix) {
  last += 1;
  return `${prefix}-${last}`;
}

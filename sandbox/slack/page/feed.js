// A list of messages that changes: what did not change keeps its node, and so its focus and its choices.

import { h } from "./dom.js";
import { day, message } from "./messages.js";

const NEAR_PIXELS = 80;
const COMPACT_SECONDS = 300;

export class Feed {
  /** `scroll` is what scrolls, `list` what holds the messages; `openThread` null inside a thread. */
  constructor(scroll, list, openThread) {
    Object.assign(this, { scroll, list, openThread, nodes: new Map(), channel: null, pinned: false });
    // Whoever is at the end stays there when an image loads late or the window shrinks; only scrolling up leaves it.
    const grown = new ResizeObserver(() => this.pinned && this.toEnd());
    grown.observe(list);
    grown.observe(scroll);
    let top = 0;
    scroll.addEventListener("scroll", () => {
      const near = scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < NEAR_PIXELS;
      if (near || scroll.scrollTop < top) this.pinned = near;
      top = scroll.scrollTop;
    });
  }

  /** Forgets what is shown: another channel or another person comes. */
  clear() {
    this.nodes.clear();
    this.list.replaceChildren();
    this.pinned = true;
  }

  /** Shows these messages, oldest first. `names` changes when people's or channels' names do. */
  show(messages, { channel, names, empty }) {
    const pinned = this.pinned;
    const nodes = new Map();
    let before = null;
    for (const data of messages) {
      if (this.openThread && (!before || day(before.ts) !== day(data.ts))) this.divide(nodes, day(data.ts));
      const underRoot = !this.openThread && before === messages[0];
      const compact = !underRoot && follows(before, data);
      const key = JSON.stringify([data, compact, names]);
      const known = this.nodes.get(data.ts);
      nodes.set(data.ts, known?.key === key ? known : { key, node: message(data, { channel, compact, openThread: this.openThread }) });
      before = data;
    }
    if (!messages.length) nodes.set("empty", this.nodes.get("empty") ?? { node: h("p", { class: "empty" }, empty) });
    this.nodes = nodes;
    place(this.list, [...nodes.values()].map(({ node }) => node));
    if (pinned) this.toEnd();
  }

  /** A line with the day above its first message. */
  divide(nodes, name) {
    nodes.set(name, this.nodes.get(name) ?? { node: h("div", { class: "day" }, h("span", {}, name)) });
  }

  toEnd() {
    this.scroll.scrollTop = this.scroll.scrollHeight;
  }

  /** Scrolls to a message and marks it for a moment. False if it is not here. */
  point(ts) {
    const node = this.nodes.get(ts)?.node;
    if (!node) return false;
    this.pinned = false;
    node.classList.add("pointed");
    node.scrollIntoView({ block: "center" });
    return true;
  }
}

function follows(before, data) {
  if (!before || before.user !== data.user || before.is_ephemeral || before.subtype === "tombstone") return false;
  return day(before.ts) === day(data.ts) && Number(data.ts) - Number(before.ts) < COMPACT_SECONDS;
}

/** Makes `list` hold exactly these nodes, touching only those that are not yet in their place. */
function place(list, nodes) {
  const wanted = new Set(nodes);
  for (const child of [...list.children]) if (!wanted.has(child)) child.remove();
  nodes.forEach((node, index) => {
    if (list.children[index] !== node) list.insertBefore(node, list.children[index] ?? null);
  });
}

// The Home tab: the one view the app publishes to each person.

import { blocks } from "./blocks.js";
import { toast, words } from "./dialogs.js";
import { h } from "./dom.js";
import { post } from "./server.js";

export class Home {
  constructor(list) {
    Object.assign(this, { list, view: null, node: null, readers: [] });
  }

  /** Forgets what is shown. */
  clear() {
    this.view = this.node = null;
  }

  /** Shows a view, or that there is none; one that did not change keeps its node. */
  show(view) {
    if (this.node === null || view?.hash !== this.view?.hash) {
      this.view = view;
      this.readers = [];
      const shown = view ? blocks(view.blocks, this) : h("p", { class: "empty" }, "The app has published no Home tab yet.");
      this.node = h("div", { class: "home", "data-testid": "home-tab" }, shown);
    }
    if (this.list.firstElementChild !== this.node) this.list.replaceChildren(this.node);
  }

  value(blockId, actionId) {
    return this.view.state?.values?.[blockId]?.[actionId];
  }

  read(block, element, reader) {
    this.readers.push({ block: block.block_id, action: element.action_id, reader });
  }

  async act(block, element, given) {
    const values = {};
    for (const each of this.readers) (values[each.block] ??= {})[each.action] = each.reader();
    const answer = await post("/ui/action", {
      view_id: this.view.id, block_id: block.block_id, action_id: element.action_id, value: given, values,
    });
    if (answer.refused) toast(words(answer.error));
  }
}

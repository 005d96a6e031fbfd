// The sidebar: whom the page acts as, the channels that person sees, and the app.

import { allChannels, bot, channelName, people, userName } from "./directory.js";
import { h, human } from "./dom.js";

/** Fills the "act as" select. */
export function showPeople(select, me) {
  const options = people().map((each) => human("option", { value: each.id }, `${userName(each.id)}${role(each)}`));
  select.replaceChildren(...options);
  select.value = me;
}

function role(user) {
  if (user.is_admin) return " (admin)";
  return user.is_restricted ? " (guest)" : "";
}

/** Fills the list of places; `open` is called with a channel's id, or with "home". */
export function showPlaces(parent, { current, unread, open }) {
  const channels = allChannels().filter((each) => !each.is_im);
  const direct = allChannels().filter((each) => each.is_im);
  const focused = document.activeElement?.dataset?.testid;
  const row = (id, sign, name, testid) => h("button", {
    type: "button", class: unread.has(id) ? "place unread" : "place", "data-testid": testid,
    "aria-current": id === current ? "page" : null, on: { click: () => open(id) },
  }, h("span", { class: "sign", "aria-hidden": "true" }, sign), human("span", { class: "name" }, name),
    unread.has(id) ? h("span", { class: "dot", role: "img", "aria-label": "unread" }) : null);
  parent.replaceChildren(
    h("h3", {}, "Channels"),
    ...channels.map((each) => row(each.id, each.is_private ? "🔒" : "#", each.name, `channel-${each.id}`)),
    h("h3", {}, "App"),
    row("home", "⌂", `${bot()?.name ?? "app"} – Home`, "home"),
    ...direct.map((each) => row(each.id, "✉", channelName(each.id), `channel-${each.id}`)));
  if (focused) [...parent.children].find((each) => each.dataset.testid === focused)?.focus();
}

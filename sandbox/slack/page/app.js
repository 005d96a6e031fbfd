// The page: where one is, as whom, and what happens when the server tells that something changed.

import { Composer } from "./composer.js";
import { allChannels, bot, channel, channelName, learn, people } from "./directory.js";
import { toast, words } from "./dialogs.js";
import { Feed } from "./feed.js";
import { Home } from "./home.js";
import { Modals } from "./modals.js";
import { actAs, get, Live, post, refresher } from "./server.js";
import { showPeople, showPlaces } from "./sidebar.js";

const $ = (id) => document.getElementById(id);
const REMEMBERED = "local-slack-as";

/** `place` is a channel's id or "home"; `target` a message to point at once. */
const here = { as: "", place: "", thread: null, target: null };
const unread = new Set();
let commands = [];
let names = "";
let generation = 0;

const modals = new Modals();
const feed = new Feed($("scroll"), $("messages"), openThread);
const threadFeed = new Feed($("thread-scroll"), $("thread-messages"), null);
const home = new Home($("messages"));
const composer = new Composer($("composer"), {
  testid: "composer",
  label: "Message",
  place: () => (here.place === "home" ? null : { channel: here.place }),
  commands: () => commands,
  sent: () => sent(feed),
});
const threadComposer = new Composer($("thread-composer"), {
  testid: "thread-composer",
  label: "Reply…",
  place: () => (here.thread ? { channel: here.place, thread_ts: here.thread } : null),
  commands: () => [],
  sent: () => sent(threadFeed),
});
const live = new Live({ hint, refresh: refreshAll, status });

const refreshState = refresher(async () => {
  const at = generation;
  const state = await get("/ui/state");
  if (at === generation) takeState(state);
});
const refreshPlace = refresher(async () => {
  const at = generation;
  if (here.place === "home") {
    const { view } = await get("/ui/home");
    if (at === generation) home.show(view);
    return;
  }
  const data = await get(`/ui/channels/${encodeURIComponent(here.place)}`);
  if (at !== generation) return;
  feed.show(data.messages, { channel: here.place, names, empty: "Nothing was said here yet." });
  if (here.target && feed.point(here.target)) here.target = null;
});
const refreshThread = refresher(async () => {
  const at = generation;
  if (!here.thread) return;
  let data = null;
  try {
    data = await get(`/ui/threads/${encodeURIComponent(here.place)}/${encodeURIComponent(here.thread)}`);
  } catch (error) {
    if (at === generation && error.message === "thread_not_found") closeThread();
    return;
  }
  if (at !== generation) return;
  threadFeed.show(data.messages, { channel: here.place, names, empty: "" });
  if (here.target && threadFeed.point(here.target)) here.target = null;
});

function refreshAll() {
  refreshState();
  refreshPlace();
  refreshThread();
  modals.refresh();
}

function sent(list) {
  list.pinned = true;
  refreshPlace();
  refreshThread();
}

/** Takes over people, channels and commands. A change of names draws every message anew. */
function takeState(state) {
  learn(state);
  commands = state.commands;
  names = JSON.stringify([state.me, state.users, state.channels.map(({ id, name }) => [id, name])]);
  $("team").textContent = state.team.name;
  showPeople($("as"), state.me);
  showWhere();
}

function showWhere() {
  showPlaces($("places"), { current: here.place, unread, open: (place) => go(place) });
  const atHome = here.place === "home";
  const found = channel(here.place);
  const sign = found?.is_private ? "🔒 " : "#";
  const title = atHome ? `${bot()?.name ?? "app"} – Home` : `${found?.is_im ? "" : sign}${channelName(here.place)}`;
  $("title").textContent = title;
  $("topic").textContent = atHome ? "" : topic(found);
  $("thread-topic").textContent = title;
  $("composer").hidden = atHome;
  composer.turn(`${here.as} ${here.place}`, `Message ${title}`);
  document.title = `${title} · ${$("team").textContent}`;
}

function topic(found) {
  const words = [found?.topic?.value ?? "", found?.is_archived ? "archived" : "", found && !found.is_member && !found.is_im ? "you are not a member" : ""];
  return words.filter(Boolean).join(" · ");
}

/** Opens a channel or the Home tab. */
function go(place, { thread = null, target = null, write = true } = {}) {
  generation += 1;
  const changed = place !== here.place;
  Object.assign(here, { place, target });
  unread.delete(place);
  if (changed) {
    feed.clear();
    home.clear();
  }
  showThread(thread);
  showWhere();
  drawer(false);
  if (write) address(changed);
  if (place === "home") post("/ui/home/open", {});
  refreshPlace();
}

function openThread(ts) {
  generation += 1;
  showThread(ts);
  address(false);
  threadComposer.input.focus();
  refreshPlace();
}

function closeThread() {
  showThread(null);
  address(false);
}

function showThread(ts) {
  if (ts !== here.thread) threadFeed.clear();
  here.thread = ts;
  $("thread").hidden = ts === null;
  $("app").classList.toggle("threaded", ts !== null);
  threadComposer.turn(`${here.as} ${here.place} ${ts}`, "Reply…");
  refreshThread();
}

/** The address says where one is and as whom, so that it can be opened again. */
function address(push) {
  const query = new URLSearchParams({ channel: here.place, as: here.as });
  if (here.thread) query.set("thread_ts", here.thread);
  if (here.target) query.set("message", here.target);
  history[push ? "pushState" : "replaceState"](null, "", `/?${query}`);
}

function drawer(open) {
  $("app").classList.toggle("drawer", open);
  if (open) $("drawer-close").focus();
}

/** What the server says happened. */
function hint(news) {
  if (news.type === "view") modals.refresh();
  else if (news.type === "failure") failed(news);
  else if (!news.channel) refreshAll();
  else if (news.channel === here.place) {
    refreshPlace();
    refreshThread();
  } else if (["message", "ephemeral"].includes(news.type)) {
    unread.add(news.channel);
    if (channel(news.channel)) showWhere();
    else refreshState();
  }
}

/** Whether the server is heard: what happens before that, only the next refresh shows. */
function status(up) {
  $("offline").hidden = up;
  $("app").dataset.live = up;
}

/** An open form shows its own failures; a toast would be behind it. */
function failed(news) {
  if (!news.channel && modals.shown) return;
  toast(news.error ? `${news.text} (${words(news.error)})` : news.text);
}

/** Acts as another person from now on. */
async function become(id) {
  generation += 1;
  Object.assign(here, { as: id, thread: null, target: null });
  actAs(id);
  remember(id);
  unread.clear();
  modals.clear();
  feed.clear();
  home.clear();
  takeState(await get("/ui/state"));
  if (here.place !== "home" && !channel(here.place)) here.place = firstPlace();
  go(here.place);
  live.listen();
}

function firstPlace() {
  return (allChannels().find((each) => each.is_member) ?? allChannels()[0])?.id ?? "home";
}

function remember(id) {
  try {
    localStorage.setItem(REMEMBERED, id);
  } catch {
    // A browser that keeps nothing for pages: the address still says who acts.
  }
}

function remembered() {
  try {
    return localStorage.getItem(REMEMBERED);
  } catch {
    return null;
  }
}

/** Reads the address: person, channel, message and thread. */
async function start() {
  const asked = new URLSearchParams(location.search);
  const state = await get("/ui/state");
  learn(state);
  const known = (id) => people().some((each) => each.id === id);
  const wanted = asked.get("as");
  if (wanted && !known(wanted)) toast(`Nobody is known as ${wanted}.`);
  here.as = [wanted, remembered(), state.me].find(known);
  actAs(here.as);
  remember(here.as);
  takeState(await get("/ui/state"));
  let place = asked.get("channel") ?? "";
  if (place && place !== "home" && !channel(place)) toast(words("channel_not_found"));
  if (place !== "home" && !channel(place)) place = firstPlace();
  go(place, { thread: asked.get("thread_ts"), target: asked.get("message"), write: false });
  history.replaceState(null, "", `/?${new URLSearchParams({ ...Object.fromEntries(asked), channel: place, as: here.as })}`);
  live.listen();
}

$("as").addEventListener("change", (event) => become(event.target.value));
$("thread-close").addEventListener("click", closeThread);
$("drawer-open").addEventListener("click", () => drawer(true));
$("drawer-close").addEventListener("click", () => drawer(false));
$("shade").addEventListener("click", () => drawer(false));
document.addEventListener("open-channel", (event) => go(event.detail));
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || event.defaultPrevented || modals.shown) return;
  if ($("app").classList.contains("drawer")) drawer(false);
  else if (here.thread) closeThread();
});
window.addEventListener("popstate", () => {
  const asked = new URLSearchParams(location.search);
  const place = asked.get("channel");
  if (asked.get("as") !== here.as) location.reload();
  else if (place) go(place, { thread: asked.get("thread_ts"), write: false });
});
start().catch((error) => toast(words(error.message)));

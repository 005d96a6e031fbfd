// Who and what an id stands for, as the last state of the workspace told.

let users = new Map();
let channels = new Map();
let me = "";

/** Takes over a new state. */
export function learn(state) {
  me = state.me;
  users = new Map(state.users.map((user) => [user.id, user]));
  channels = new Map(state.channels.map((channel) => [channel.id, channel]));
}

export const user = (id) => users.get(id);
export const channel = (id) => channels.get(id);
export const allUsers = () => [...users.values()];
export const allChannels = () => [...channels.values()];
export const isMe = (id) => id === me;

/** The app's bot user. */
export const bot = () => allUsers().find((each) => each.is_bot && each.id !== "USLACKBOT");

/** People whom the page can act as. */
export const people = () => allUsers().filter((each) => !each.is_bot && each.id !== "USLACKBOT");

/** The name shown for a person; the id if nobody is known by it. */
export function userName(id) {
  const found = users.get(id);
  return found ? found.real_name || found.name : String(id ?? "");
}

/** The name shown for a channel, without its sign. */
export function channelName(id) {
  const found = channels.get(id);
  if (!found) return String(id ?? "");
  return found.is_im ? bot()?.name ?? "app" : found.name;
}

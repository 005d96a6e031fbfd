// The server: asking it, acting through it, and hearing from it.

let as = "";

/** From now on as this person. */
export function actAs(id) {
  as = id;
}

/** The JSON at a path of the page's interface. Throws Error with Slack's code. */
export async function get(path) {
  const answer = await fetch(as ? `${path}?as=${encodeURIComponent(as)}` : path);
  const data = await answer.json();
  if (!answer.ok) throw new Error(data.error ?? `HTTP ${answer.status}`);
  return data;
}

/**
 * The answer to an action, a refusal or a lost connection included (`{ok: false, error}`).
 * `refused`: nothing reached the app. What the app itself failed at, the server tells by a hint.
 */
export async function post(path, data) {
  try {
    const body = JSON.stringify({ as, ...data });
    const answer = await fetch(path, { method: "POST", headers: { "Content-Type": "application/json" }, body });
    return { ...(await answer.json()), refused: !answer.ok };
  } catch {
    return { ok: false, error: "no_connection", refused: true };
  }
}

const POLL_MILLISECONDS = 2000;
const RETRY_MILLISECONDS = 3000;

/** Hears the server's hints. While the stream is down, `refresh` is called every two seconds instead. */
export class Live {
  constructor({ hint, refresh, status }) {
    Object.assign(this, { hint, refresh, status, source: null, poll: null, retry: null });
  }

  /** Listens anew, as the person who acts now. */
  listen() {
    this.close();
    this.source = new EventSource(`/ui/events?as=${encodeURIComponent(as)}`);
    this.source.addEventListener("open", () => {
      clearInterval(this.poll);
      this.poll = null;
      this.status(true);
      this.refresh();
    });
    this.source.addEventListener("message", (event) => this.hint(JSON.parse(event.data)));
    this.source.addEventListener("error", () => this.dropped());
  }

  dropped() {
    this.status(false);
    this.poll ??= setInterval(this.refresh, POLL_MILLISECONDS);
    // A browser gives up on a stream that was refused; then it is opened again from here.
    if (this.source.readyState === EventSource.CLOSED) this.retry = setTimeout(() => this.listen(), RETRY_MILLISECONDS);
  }

  close() {
    this.source?.close();
    clearTimeout(this.retry);
  }
}

/** Runs `work` again and again until no request came while it ran: never two at once, never one too few. */
export function refresher(work) {
  let running = false;
  let again = false;
  return async () => {
    again = true;
    if (running) return;
    running = true;
    try {
      while (again) {
        again = false;
        await work();
      }
    } catch {
      // The next hint, or the poll while the stream is down, asks again.
    } finally {
      running = false;
    }
  };
}

// Who is signed in. Keys stay in this tab's session storage, and go into the Authorization header and nowhere else.

const PREFIX = "vitrail.key.";

// `change` is sent when somebody signs in. Kinds of keys: "api", and "management" for the pages that need one.
class Session extends EventTarget {
  secret(kind) {
    return this.#read(kind)?.secret ?? null;
  }

  // Return what the server said of the key of a kind, or null.
  about(kind) {
    return this.#read(kind)?.about ?? null;
  }

  has(kind) {
    return this.#read(kind) !== null;
  }

  enter(kind, secret, about) {
    sessionStorage.setItem(PREFIX + kind, JSON.stringify({ secret, about }));
    this.dispatchEvent(new Event("change"));
  }

  // Forget everything of this tab; loading the page anew forgets what pages hold in memory, pictures included.
  leave() {
    sessionStorage.clear();
    location.reload();
  }

  #read(kind) {
    return JSON.parse(sessionStorage.getItem(PREFIX + kind));
  }
}

export const session = new Session();

// The table of pages: one ES module each, fetched when it is first opened.
//
// A module exports `create()`, which returns `{ element, open(query) }`; `open` runs each time the page is shown.
// `needs` is the kind of key without which the sign-in page stands in for it.

export const PAGES = [
  { id: "playground", title: "Playground", needs: "api", load: () => import("./pages/playground.js") },
  { id: "deferred", title: "Deferred", needs: "api", load: () => import("./pages/deferred.js") },
  { id: "models", title: "Models and prices", needs: "api", load: () => import("./pages/models.js") },
];

export const SIGN_IN = { id: "sign-in", title: "Sign in", load: () => import("./pages/sign_in.js") };

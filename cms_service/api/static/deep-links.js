// Addresses such as `#/users/listUsers` open their operation, also while the page is open.

export const DeepLinks = () => ({
  statePlugins: {
    layout: {
      actions: {
        // As `show`, but the address stays as it is: it already names the operation.
        reveal: (thing) => ({ type: "layout_show", payload: { thing, shown: true } }),
      },
      wrapActions: {
        // Anchors of the page itself name no operation.
        parseDeepLinkHash: (parse) => (hash) => parse(/^#!?\//.test(hash) ? hash : ""),
        // The animated scroll of Swagger UI would end below the filter, which stays at the top of the window.
        scrollToElement: () => (element) => element.scrollIntoView(),
      },
    },
  },
});

export function followLinks({ layoutActions }) {
  window.addEventListener("hashchange", () => {
    const [, tag, operation] = decodeURIComponent(location.hash).split("/");
    if (!tag) {
      return;
    }
    layoutActions.updateFilter("");
    layoutActions.reveal(["operations-tag", tag]);
    layoutActions.reveal(["operations", tag, operation]);
    const id = operation ? `operations-${tag}-${operation}` : `operations-tag-${tag}`;
    requestAnimationFrame(() => document.getElementById(id)?.scrollIntoView());
  });
}

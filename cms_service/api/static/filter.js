// A filter that finds operations while you type, by group, method, path, operation id and summary.

const INPUT = "operation-filter";
const wordsOf = (phrase) => phrase.toLowerCase().split(/\s+/).filter(Boolean);

function textOf(tag, operation) {
  const told = ["operationId", "summary"].map((member) => operation.getIn(["operation", member], ""));
  return [tag, operation.get("method"), operation.get("path"), ...told].join("\n").toLowerCase();
}

function matching(taggedOperations, phrase) {
  const words = wordsOf(phrase);
  const matches = (tag) => (operation) => words.every((word) => textOf(tag, operation).includes(word));
  return taggedOperations
    .map((group, tag) => group.update("operations", (operations) => operations.filter(matches(tag))))
    .filter((group) => group.get("operations").size > 0);
}

const countOf = (taggedOperations) => taggedOperations.reduce((count, group) => count + group.get("operations").size, 0);

function outcomeOf(phrase, found, all) {
  return wordsOf(phrase).length === 0 ? `${all} operations` : `${found} of ${all} operations`;
}

// While a phrase filters, groups are open at first, and folding them does not touch how they are without it.
const keyFor = (thing, phrase) => (phrase && thing[0] === "operations-tag" ? ["found", phrase, thing[1]] : thing);

export const Filter = ({ React: { createElement: h } }) => {
  function FilterBox({ layoutActions, layoutSelectors, specSelectors }) {
    const phrase = layoutSelectors.currentFilter() || "";
    const all = specSelectors.operations().size;
    const found = countOf(specSelectors.taggedOperations());
    const onKeyDown = (event) => {
      if (event.key === "Escape") {
        event.preventDefault();
        layoutActions.updateFilter("");
      } else if (event.key === "Enter") {
        document.querySelector(".opblock-summary-control")?.focus();
      }
    };
    return h(
      "div",
      { className: "filter-bar", role: "search" },
      h(
        "div",
        { className: "wrapper" },
        h("label", { htmlFor: INPUT }, "Filter operations"),
        h(
          "span",
          { className: "filter-field" },
          h("input", {
            id: INPUT,
            type: "search",
            value: phrase,
            placeholder: "Path, name, summary or group",
            autoComplete: "off",
            autoCapitalize: "none",
            spellCheck: false,
            "aria-describedby": "filter-outcome",
            "aria-keyshortcuts": "/",
            onChange: (event) => layoutActions.updateFilter(event.target.value),
            onKeyDown,
          }),
          h("kbd", { "aria-hidden": true }, "/"),
        ),
        h("p", { id: "filter-outcome", "aria-live": "polite" }, outcomeOf(phrase, found, all)),
      ),
    );
  }

  const nothingFound = (phrase, clear) =>
    h(
      "div",
      { className: "nothing-found" },
      h("p", null, "No operation matches ", h("strong", null, phrase), "."),
      h("button", { type: "button", className: "btn", onClick: clear }, "Clear the filter"),
    );

  const OperationsOrNothing = (Operations) => (props) => {
    const { layoutActions, layoutSelectors, specSelectors } = props;
    const clear = () => {
      layoutActions.updateFilter("");
      document.getElementById(INPUT).focus();
    };
    return specSelectors.taggedOperations().size > 0
      ? h(Operations, props)
      : nothingFound(layoutSelectors.currentFilter(), clear);
  };

  return {
    fn: { opsFilter: matching },
    wrapComponents: { FilterContainer: () => FilterBox, operations: OperationsOrNothing },
    statePlugins: {
      layout: {
        wrapActions: {
          show: (show, { layoutSelectors }) => (thing, isShown) =>
            show(keyFor(thing, layoutSelectors.currentFilter()), isShown),
        },
        wrapSelectors: {
          isShown: (isShown) => (state, thing, byDefault) => {
            const key = keyFor(thing, state.get("filter"));
            return isShown(key, key === thing ? byDefault : true);
          },
        },
      },
    },
  };
};

const isTyping = (target) => target.closest("input, textarea, select, [contenteditable]") !== null;

export function focusFilterOnSlash() {
  document.addEventListener("keydown", (event) => {
    const input = document.getElementById(INPUT);
    const isPlain = event.key === "/" && !event.ctrlKey && !event.metaKey && !event.altKey;
    if (isPlain && input !== null && !isTyping(event.target) && !document.querySelector(".dialog-ux")) {
      event.preventDefault();
      input.select();
      input.focus();
    }
  });
}

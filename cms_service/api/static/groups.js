// The groups of operations: a heading that folds, the number of operations, and a line of description.

const counted = (count) => (count === 1 ? "1 operation" : `${count} operations`);

export const Groups = ({ React: { createElement: h } }) => {
  function Group({ tag, tagObj, children, layoutActions, layoutSelectors, getComponent }) {
    const key = ["operations-tag", tag];
    const isOpen = layoutSelectors.isShown(key, false);
    const id = key.join("-");
    const Markdown = getComponent("Markdown", true);
    return h(
      "section",
      {
        className: isOpen ? "opblock-tag-section is-open" : "opblock-tag-section",
        "aria-labelledby": id,
        ref: (element) => element && layoutActions.readyToScroll(key, element),
      },
      h(
        "div",
        { className: "group" },
        h(
          "h2",
          { id },
          h(
            "button",
            { type: "button", "aria-expanded": isOpen, onClick: () => layoutActions.show(key, !isOpen) },
            h("span", { className: "group-name" }, tag),
            " ",
            h("span", { className: "group-count" }, counted(tagObj.get("operations").size)),
          ),
        ),
        h("div", { className: "group-description" }, h(Markdown, { source: tagObj.getIn(["tagDetails", "description"]) })),
      ),
      isOpen && children,
    );
  }

  return { wrapComponents: { OperationTag: () => Group } };
};

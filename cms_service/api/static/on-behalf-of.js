// Shows the parameter `X-On-Behalf-Of`, which nearly every operation has and few calls need, as a line that unfolds.

const NAME = "X-On-Behalf-Of";

export const OnBehalfOf = ({ React: { createElement: h, Fragment, useState } }) => ({
  wrapComponents: {
    parameterRow: (ParameterRow) => (props) => {
      const [isOpen, setOpen] = useState(false);
      if (props.rawParam.get("name") !== NAME) {
        return h(ParameterRow, props);
      }
      const isSet = Boolean(props.param?.get("value"));
      const button = { type: "button", "aria-expanded": isOpen, onClick: () => setOpen(!isOpen) };
      const label = [h("code", { key: "name" }, NAME), isSet ? " (sent)" : " – act for a user"];
      return h(
        Fragment,
        null,
        h("tr", { className: "on-behalf-of" }, h("td", { colSpan: 2 }, h("button", button, label))),
        isOpen && h(ParameterRow, props),
      );
    },
  },
});

// Repairs for people who use a keyboard or a screen reader.

export const Accessibility = ({ React: { createElement: h, createContext, useContext } }) => {
  const ParameterName = createContext(null);

  function LabelledSelect({ Select, ...props }) {
    const name = useContext(ParameterName);
    return name
      ? h("label", null, h("span", { className: "visually-hidden" }, name), h(Select, props))
      : h(Select, props);
  }

  return {
    wrapComponents: {
      // Swagger UI puts a link into the button that opens the operation; the button sets the address anyway.
      DeepLink: () => ({ text }) => h("span", null, text),
      JsonSchemaForm: (Form) => (props) => h(ParameterName.Provider, { value: props.description }, h(Form, props)),
      Select: (Select) => (props) => h(LabelledSelect, { Select, ...props }),
      TextArea: (TextArea) => (props) => h(TextArea, { "aria-label": "Request body", ...props }),
    },
  };
};

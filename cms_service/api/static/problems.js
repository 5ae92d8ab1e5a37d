// The refusals of an operation: one line for each code, in place of a sample and a schema for each status.

import { BASE } from "./base.js";
import { SHAPE, openShape } from "./problem-shape.js";

// The document describes the codes of a status as "`not_found`: There is no such resource."
const CODES = /`(\w+)`: (.*?)(?= `\w+`: |$)/gs;
const isRefusal = (_, status) => status >= "400";

function descriptionOf(response, document) {
  const shared = response.has("$ref") ? document.getIn(response.get("$ref").split("/").slice(1)) : response;
  return response.get("description", shared.get("description"));
}

function linesOf(responses, document) {
  return responses
    .filter(isRefusal)
    .entrySeq()
    .toArray()
    .flatMap(([status, response]) => {
      const description = descriptionOf(response, document);
      const named = [...description.matchAll(CODES)].map(([, code, title]) => ({ status, code, title }));
      // Error codes of OAuth have no page.
      return named.length > 0 ? named : [{ status, description }];
    });
}

export const Problems = ({ React: { createElement: h, Fragment } }) => {
  const codeOf = (code) =>
    h("a", { href: `${BASE}/problems/${code}`, target: "_blank", rel: "noopener" }, h("code", null, code));

  const lineOf = ({ status, code, title, description }, Markdown) =>
    h(
      "li",
      { key: `${status}-${code}` },
      h("span", { className: "problem-status" }, status),
      " ",
      code
        ? h("span", null, codeOf(code), " ", h("span", { className: "problem-title" }, title))
        : h(Markdown, { source: description }),
    );

  function ProblemList({ responses, document, Markdown }) {
    return h(
      "div",
      { className: "problems" },
      h(
        "div",
        { className: "opblock-section-header" },
        h("h4", null, "Problems"),
        h("a", { href: `#${SHAPE}`, onClick: openShape }, "Shape of a problem"),
      ),
      h(
        "ul",
        null,
        linesOf(responses, document).map((line) => lineOf(line, Markdown)),
      ),
    );
  }

  return {
    wrapComponents: {
      responses: (Responses) => (props) => {
        const document = props.specSelectors.specJson();
        return h(
          Fragment,
          null,
          h(Responses, { ...props, responses: props.responses.filterNot(isRefusal) }),
          h(ProblemList, {
            responses: document.getIn(["paths", props.path, props.method, "responses"]),
            document,
            Markdown: props.getComponent("Markdown", true),
          }),
        );
      },
    },
  };
};

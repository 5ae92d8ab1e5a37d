// The one place of the page that explains the shape of a problem.

import { BASE } from "./base.js";

export const SHAPE = "problem-shape";

export function openShape() {
  document.getElementById(SHAPE).open = true;
}

export const ProblemShape = ({ React: { createElement: h, Fragment } }) => {
  const membersOf = (schemas, Markdown) => {
    const properties = schemas.getIn(["ValidationProblem", "properties"]);
    return h(
      "dl",
      null,
      properties
        .entrySeq()
        .toArray()
        .map(([name, schema]) =>
          h(
            Fragment,
            { key: name },
            h("dt", null, h("code", null, name)),
            h("dd", null, h(Markdown, { source: schema.get("description") })),
          ),
        ),
    );
  };

  function Shape({ specSelectors, getComponent }) {
    const components = specSelectors.specJson().get("components");
    const Markdown = getComponent("Markdown", true);
    const HighlightCode = getComponent("HighlightCode", true);
    const sample = components.getIn(["responses", "ValidationFailed", "content", "application/problem+json", "example"]);
    return h(
      "details",
      { id: SHAPE, className: "problem-shape" },
      h("summary", null, "Shape of a problem", h("span", null, "the form of every refusal (RFC 9457)")),
      h(
        "p",
        null,
        "Every refusal is a document of the media type ",
        h("code", null, "application/problem+json"),
        ". Decide by its ",
        h("code", null, "code"),
        ", which is stable. Operations list their codes, and each code has a page with cause and cure: ",
        h("a", { href: `${BASE}/problems`, target: "_blank", rel: "noopener" }, "all problems"),
        ".",
      ),
      h(
        "div",
        { className: "problem-parts" },
        h(HighlightCode, { language: "json" }, JSON.stringify(sample, null, 2)),
        membersOf(components.get("schemas"), Markdown),
      ),
      h(
        "p",
        null,
        "Only problems with the status 400 have ",
        h("code", null, "errors"),
        ". Problems with 401 come with the header ",
        h("code", null, "WWW-Authenticate"),
        ", those with 429 and 503 with ",
        h("code", null, "Retry-After"),
        ". Most refusals of the OAuth 2 operations have ",
        h("code", null, "error"),
        " and ",
        h("code", null, "error_description"),
        " instead (RFC 6749, section 5.2).",
      ),
    );
  }

  return {
    wrapComponents: {
      InfoContainer: (InfoContainer) => (props) =>
        h("section", { "aria-label": "About the API" }, h(InfoContainer, props), h(Shape, props)),
    },
  };
};

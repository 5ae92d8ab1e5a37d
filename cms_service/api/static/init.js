// The reference page: Swagger UI, with plugins that fold, filter and shorten what it shows.

import { Accessibility } from "./accessibility.js";
import { BASE } from "./base.js";
import { DeepLinks, followLinks } from "./deep-links.js";
import { Execution } from "./execution.js";
import { Filter, focusFilterOnSlash } from "./filter.js";
import { Groups } from "./groups.js";
import { OnBehalfOf } from "./on-behalf-of.js";
import { ProblemShape } from "./problem-shape.js";
import { Problems } from "./problems.js";
import { LogoutInDialog, noticeTheEnd, offerSignIn, renewInTime, signInFor } from "./sign-in.js";

const darkness = window.matchMedia("(prefers-color-scheme: dark)");
const adopt = () => document.documentElement.classList.toggle("dark-mode", darkness.matches);
darkness.addEventListener("change", adopt);
adopt();

const ui = SwaggerUIBundle({
  url: `${BASE}/schema/openapi.json`,
  dom_id: "#reference",
  deepLinking: true,
  displayOperationId: true,
  displayRequestDuration: true,
  docExpansion: "none",
  persistAuthorization: false,
  tryItOutEnabled: true,
  validatorUrl: null,
  plugins: [LogoutInDialog, Accessibility, Groups, Filter, DeepLinks, Problems, ProblemShape, OnBehalfOf, Execution],
  requestInterceptor: renewInTime,
  responseInterceptor: noticeTheEnd,
  onComplete: offerSignIn,
});
signInFor(ui);
followLinks(ui);
focusFilterOnSlash();

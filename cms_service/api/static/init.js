// The reference page: Swagger UI with a form to sign in.

import { BASE } from "./base.js";
import { LogoutInDialog, noticeTheEnd, offerSignIn, renewInTime, signInFor } from "./sign-in.js";

const darkness = window.matchMedia("(prefers-color-scheme: dark)");
const adopt = () => document.documentElement.classList.toggle("dark-mode", darkness.matches);
darkness.addEventListener("change", adopt);
adopt();

const ui = SwaggerUIBundle({
  url: `${BASE}/schema/openapi.json`,
  dom_id: "#reference",
  deepLinking: true,
  displayRequestDuration: true,
  persistAuthorization: false,
  tryItOutEnabled: true,
  validatorUrl: null,
  plugins: [LogoutInDialog],
  requestInterceptor: renewInTime,
  responseInterceptor: noticeTheEnd,
  onComplete: offerSignIn,
});
signInFor(ui);

// The form to sign in. All tokens live in this page only: a reload forgets them, and no storage keeps them.

import { BASE } from "./base.js";

const SCHEME = "bearerAuth";
const RENEW_BEFORE_SECONDS = 15;

const form = document.querySelector("#sign-in");
const signedIn = document.querySelector("#signed-in");
const notice = document.querySelector("#sign-in-notice");
let session = null;
let ui = null;

async function post(path, body) {
  const response = await fetch(path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  const answer = response.status === 204 ? null : await response.json();
  if (!response.ok) {
    const wait = response.headers.get("Retry-After");
    throw Object.assign(new Error(wait ? `${answer.detail} Try again in ${wait} seconds.` : answer.detail), answer);
  }
  return answer;
}

function reasonOf(error) {
  return error.code ? error.message : "The service does not answer.";
}

function show(text) {
  form.hidden = session !== null;
  signedIn.hidden = session === null;
  signedIn.querySelector("strong").textContent = session?.email ?? "";
  notice.textContent = text;
}

function keep(email, answer) {
  const renewAt = Date.now() + (answer.expires_in - RENEW_BEFORE_SECONDS) * 1000;
  session = { email, accessToken: answer.access_token, refreshToken: answer.refresh_token, renewAt };
  ui.preauthorizeApiKey(SCHEME, session.accessToken);
}

function forget(text) {
  session = null;
  ui.authActions.logout([SCHEME]);
  show(text);
}

async function signIn(event) {
  event.preventDefault();
  const { email, password } = Object.fromEntries(new FormData(form));
  show("Signing in …");
  try {
    keep(email, await post(`${BASE}/api/v1/auth/login`, { email, password }));
    form.reset();
    show("The operations below are now tried as you.");
    signedIn.querySelector("button").focus();
  } catch (error) {
    show(reasonOf(error));
  }
}

async function signOut() {
  const { refreshToken } = session;
  forget("You are signed out.");
  form.elements.email.focus();
  try {
    await post(`${BASE}/api/v1/auth/logout`, { refresh_token: refreshToken });
  } catch (error) {
    show(`This page has forgotten your tokens, but the session could not be ended: ${reasonOf(error)}`);
  }
}

// Access tokens live for minutes, which is less than it takes to read this page.
export async function renewInTime(request) {
  const isOurs = session !== null && request.headers?.Authorization === `Bearer ${session.accessToken}`;
  if (isOurs && Date.now() >= session.renewAt) {
    try {
      const renewed = session;
      const tokens = await post(`${BASE}/api/v1/auth/refresh`, { refresh_token: renewed.refreshToken });
      // Who has signed out meanwhile stays signed out.
      if (session === renewed) {
        keep(session.email, tokens);
        request.headers.Authorization = `Bearer ${session.accessToken}`;
      }
    } catch (error) {
      show(`Your sign-in could not be renewed: ${reasonOf(error)}`);
    }
  }
  return request;
}

export function noticeTheEnd(response) {
  if (session !== null && ["token_expired", "token_invalid"].includes(response.body?.code)) {
    forget("Your session has ended. Sign in again.");
  }
  return response;
}

// "Logout" in the dialog of Swagger UI is the same as the button of this page.
export const LogoutInDialog = {
  statePlugins: {
    auth: {
      wrapActions: {
        logout: (logout) => (schemes) => {
          const done = logout(schemes);
          if (session !== null && schemes.includes(SCHEME)) {
            signOut();
          }
          return done;
        },
      },
    },
  },
};

// Signs in for the operations that this Swagger UI tries.
export function signInFor(swaggerUi) {
  ui = swaggerUi;
  form.addEventListener("submit", signIn);
  signedIn.querySelector("button").addEventListener("click", () => ui.authActions.logout([SCHEME]));
}

export function offerSignIn() {
  show("");
}

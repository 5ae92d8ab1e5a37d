/** The life of an account, through the TypeScript client of `just sdk`. */

import {
  changeMyPassword,
  createUser,
  deleteUser,
  endMySession,
  getMe,
  getUser,
  listMySessions,
  listUsers,
  login,
  logout,
  register,
  updateMe,
  updateUser,
  type LoginResponse,
  type ValidationProblem,
} from "cms-service-client";
import { administrator, bearer, nobody, PASSWORD, refusal, registered, sessionOf, signedIn, tokensOf, unique } from "./callers.js";
import { appendToName, createOnce, everyUser, leave } from "./sdk_accounts.js";
import { accepted } from "./sdk_answers.js";
import { SignedOut } from "./sdk_session.js";
import { refused, same } from "./tally.js";

const UUID = "0190c8a0-4b1e-7c3f-9d2a-6e5f4a3b2c1d";
const etagOf = (answer: { response?: Response }): string => answer.response?.headers.get("ETag") ?? "";

export async function accountLivesFromRegistrationToLogout(): Promise<void> {
  const user = await registered();
  const client = await signedIn(user.email);
  const elsewhere = await signedIn(user.email);
  const me = await getMe({ client });
  same(accepted(me), user);

  // What is absent stays as it is.
  const changed = accepted(
    await updateMe({ client, headers: { "If-Match": etagOf(me) }, body: { display_name: "Ada" } }),
  );
  same([changed.display_name, changed.email, changed.version], ["Ada", user.email, user.version + 1]);

  const sessions = accepted(await listMySessions({ client })).items;
  same(sessions.map((each) => each.is_current).sort(), [false, true]);
  const other = sessions.find((each) => !each.is_current);
  const ended = await endMySession({ client, path: { session_id: other?.id ?? "" } });
  same(ended.response?.status, 204);
  same((await refusal(getMe({ client: elsewhere }))).status, 401);

  const change = { current_password: PASSWORD, new_password: "eight blue herons in a row" };
  same((await changeMyPassword({ client, body: change })).response?.status, 204);
  const old = login({ client: nobody, body: { email: user.email, password: PASSWORD } });
  same((await refusal(old)).code, "invalid_credentials");
  const anew = await signedIn(user.email, change.new_password);
  same((await logout({ client: anew })).response?.status, 204);
  same((await refusal(getMe({ client: anew }))).status, 401);
}

export async function sessionRefreshesAheadOfTimeAndWhenATokenHasExpired(): Promise<void> {
  const expired = JSON.parse(process.env["EXPIRED"] ?? "") as LoginResponse;
  same((await refusal(getMe({ client: bearer(expired.access_token) }))).code, "token_expired");

  const { client } = sessionOf(expired);
  const both = await Promise.all([getMe({ client }), getMe({ client })]);
  same(both.map((me) => accepted(me).id), [expired.user.id, expired.user.id]);
  const ahead = sessionOf({ ...(await tokensOf(expired.user.email)), expires_in: 1 });
  same(accepted(await getMe({ client: ahead.client })).id, expired.user.id);

  same((await logout({ client })).response?.status, 204);
  const end = Promise.resolve(getMe({ client: sessionOf(expired).client })).then(accepted);
  await refused(end, SignedOut);
}

export async function nullEmptiesAndAbsenceKeeps(): Promise<void> {
  const client = await administrator();
  const body = { email: `${unique("user")}@example.org`, display_name: "Bob", external_id: unique("hr") };
  const user = accepted(await createUser({ client, body }));
  const path = { user_id: user.id };
  const kept = accepted(
    await updateUser({ client, path, headers: { "If-Match": "*" }, body: { display_name: "Rob" } }),
  );
  same([kept.external_id, kept.display_name], [body.external_id, "Rob"]);
  const emptied = await leave(client, kept);
  same([emptied.external_id, emptied.display_name], [null, "Rob"]);
}

export async function changeOverwritesNothing(): Promise<void> {
  const client = await administrator();
  const user = await registered();
  const path = { user_id: user.id };
  same((await appendToName(client, user.id, " Byron")).display_name, "Ada Lovelace Byron");
  const body = { display_name: "x" };
  const stale = updateUser({ client, path, headers: { "If-Match": `"${user.version}"` }, body });
  same((await refusal(stale)).code, "precondition_failed");
  // @ts-expect-error - the client asks for it.
  same((await refusal(updateUser({ client, path, body }))).code, "precondition_required");

  // Somebody else is quicker, once.
  const racing = await administrator();
  let meddled = false;
  racing.interceptors.request.use(async (request) => {
    if (request.method === "PATCH" && !meddled) {
      meddled = true;
      await appendToName(client, user.id, " II");
    }
    return request;
  });
  same((await appendToName(racing, user.id, " III")).display_name, "Ada Lovelace Byron II III");
  same((await deleteUser({ client, path, headers: { "If-Match": "*" } })).response?.status, 204);
}

export async function creationIsRepeatedAndHappensOnce(): Promise<void> {
  const client = await administrator();
  const body = { email: `${unique("user")}@example.org`, display_name: "Bob" };
  const headers = { "Idempotency-Key": crypto.randomUUID() };
  const first = await createUser({ client, body, headers });
  const again = await createUser({ client, body, headers });
  same(accepted(again), accepted(first));
  const replayed = [first, again].map(({ response }) => response?.headers.get("Idempotency-Replayed"));
  same(replayed, ["false", "true"]);
  const reused = createUser({ client, body: { ...body, display_name: "Rob" }, headers });
  same((await refusal(reused)).code, "idempotency_key_reused");

  // The answer gets lost after the user was made.
  const lossy = await administrator();
  let lost = 0;
  lossy.interceptors.response.use((response) => {
    if (lost === 2) return response;
    lost += 1;
    throw new TypeError("the line broke");
  });
  const made = await createOnce(lossy, { email: `${unique("user")}@example.org`, display_name: "Bob" });
  same([accepted(await getUser({ client, path: { user_id: made.id } })), lost], [made, 2]);
}

export async function pagesHoldEverybodyOnce(): Promise<void> {
  const client = await administrator();
  const mine = await Promise.all([registered(), registered(), registered()]);
  const { total } = accepted(await listUsers({ client, query: { limit: 1, include_total: true } }));
  const everybody: string[] = [];
  for await (const user of everyUser(client, 2)) everybody.push(user.id);
  same([everybody.length, new Set(everybody).size], [total, total]);
  same(mine.every((user) => everybody.includes(user.id)), true);
}

export async function refusalsAreTyped(): Promise<void> {
  const client = await administrator();
  const user = await registered();
  const member = await signedIn(user.email);
  const faulty = await createUser({ client, body: { email: "nobody", display_name: "", external_id: "\0" } });
  const problem: ValidationProblem | undefined = faulty.error && "errors" in faulty.error ? faulty.error : undefined;
  same(problem?.errors.map((fault) => fault.pointer).sort(), ["/display_name", "/email", "/external_id"]);
  same((await refusal(getMe({ client: bearer("no token") }))).code, "token_invalid");
  same((await refusal(listUsers({ client: member }))).code, "permission_denied");
  same((await refusal(getUser({ client, path: { user_id: UUID } }))).code, "not_found");
  const taken = register({ client: nobody, body: { email: user.email, password: PASSWORD, display_name: "Ada" } });
  same((await refusal(taken)).code, "email_taken");
  const body = { email: user.email, password: "no password of anybody" };
  const codes: string[] = [];
  // A slow machine sits the first delays out.
  while (codes.at(-1) !== "rate_limited") codes.push((await refusal(login({ client: nobody, body }))).code);
  same(codes.slice(0, 6), Array<string>(6).fill("invalid_credentials"));
  same(new Set(codes.slice(6, -1)).size <= 1, true);
}

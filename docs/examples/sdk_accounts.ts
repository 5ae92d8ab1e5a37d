/** Accounts, as an administrator sees to them. */

import { createUser, getUser, listUsers, updateUser, type User, type UserCreate } from "cms-service-client";
import type { Client } from "cms-service-client/client";
import { accepted, Refused } from "./sdk_answers.js";

const ATTEMPTS = 3;
const PAUSE_MS = 1000;
/** Refusals that leave open what has happened, as does no answer at all. */
const UNDECIDED = new Set(["service_unavailable", "overloaded", "request_in_progress"]);

/** All users, oldest first. The next part is read when it is needed. */
export async function* everyUser(client: Client, limit = 100): AsyncGenerator<User> {
  let cursor: string | undefined;
  do {
    const page = accepted(await listUsers({ client, query: { sort: "created_at", limit, cursor } }));
    yield* page.items;
    cursor = page.next_cursor ?? undefined;
  } while (cursor !== undefined);
}

/** The user has no external id any more. A member that is not named stays as it is; null empties. */
export async function leave(client: Client, user: User): Promise<User> {
  const headers = { "If-Match": `"${user.version}"` };
  return accepted(await updateUser({ client, path: { user_id: user.id }, headers, body: { external_id: null } }));
}

/** Somebody who changes the same user meanwhile is not overwritten: their change is read, and ours made to it. */
export async function appendToName(client: Client, userId: string, suffix: string): Promise<User> {
  const path = { user_id: userId };
  for (;;) {
    const read = await getUser({ client, path });
    const body = { display_name: accepted(read).display_name + suffix };
    const headers = { "If-Match": read.response?.headers.get("ETag") ?? "" };
    const answer = await updateUser({ client, path, headers, body });
    if (answer.response?.status !== 412) return accepted(answer);
  }
}

/** However often the line breaks, or the service is away, there is one user. */
export async function createOnce(client: Client, body: UserCreate): Promise<User> {
  const headers = { "Idempotency-Key": crypto.randomUUID() };
  for (let attempt = 1; ; attempt += 1) {
    try {
      return accepted(await createUser({ client, body, headers }));
    } catch (error) {
      const isDecided = error instanceof Refused && !UNDECIDED.has(error.code);
      if (isDecided || attempt === ATTEMPTS) throw error;
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }
}

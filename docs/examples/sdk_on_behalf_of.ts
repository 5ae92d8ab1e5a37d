/** A service account that acts for a user. */

import { updateMe, type User } from "cms-service-client";
import type { Client } from "cms-service-client/client";
import { accepted } from "./sdk_answers.js";

/** Change the user's own account with the rights of the user. The next call of the client is its own again. */
export async function rename(machine: Client, userToken: string, name: string): Promise<User> {
  const headers = { "If-Match": "*", "X-On-Behalf-Of": userToken };
  return accepted(await updateMe({ client: machine, headers, body: { display_name: name } }));
}

/** Calls by openapi-fetch, with the types that openapi-typescript makes of openapi.json. */

import createClient, { type Client } from "openapi-fetch";
import type { components, paths } from "./cms_service.js";

type Schemas = components["schemas"];

/** The service said no. `code` says why, for programs; `faults` maps what is wrong in the request to its code. */
export class Refused extends Error {
  readonly faults: Record<string, string> = {};

  constructor(readonly problem: Schemas["Problem"] | Schemas["ValidationProblem"]) {
    super(`${problem.code}: ${problem.detail} (request ${problem.request_id})`);
    if ("errors" in problem) {
      for (const fault of problem.errors) this.faults[fault.pointer] = fault.code;
    }
  }
}

export function connect(baseUrl: string, token?: string): Client<paths> {
  return createClient<paths>({ baseUrl, headers: token ? { Authorization: `Bearer ${token}` } : {} });
}

export async function signIn(baseUrl: string, email: string, password: string): Promise<Client<paths>> {
  const { data, error } = await connect(baseUrl).POST("/api/v1/auth/login", { body: { email, password } });
  if (!data) throw new Refused(error);
  return connect(baseUrl, data.access_token);
}

export async function activeUsers(client: Client<paths>, q: string): Promise<Schemas["User"][]> {
  const { data, error } = await client.GET("/api/v1/users", {
    params: { query: { q, is_active: true, sort: "created_at", limit: 100 } },
  });
  if (!data) throw new Refused(error);
  return data.items;
}

/** Throws Refused with the code `precondition_failed` where somebody has changed the user meanwhile. */
export async function rename(client: Client<paths>, user: Schemas["User"], name: string): Promise<Schemas["User"]> {
  const { data, error } = await client.PATCH("/api/v1/users/{user_id}", {
    params: { path: { user_id: user.id }, header: { "If-Match": `"${user.version}"` } },
    body: { display_name: name },
  });
  if (!data) throw new Refused(error);
  return data;
}

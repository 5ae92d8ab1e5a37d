/** Who uses the TypeScript client. */

import { login, register, type LoginResponse, type User } from "cms-service-client";
import { createClient, createConfig, type Client } from "cms-service-client/client";
import { accepted, Refused } from "./sdk_answers.js";
import { Session, signIn } from "./sdk_session.js";
import { refused } from "./tally.js";

const { SERVICE_URL: url = "", ADMIN_EMAIL = "", ADMIN_PASSWORD = "" } = process.env;

export const PASSWORD = "seven green owls on a wire";
export const nobody = createClient(createConfig({ baseUrl: url }));
export const unique = (stem: string): string => `${stem}-${crypto.randomUUID().slice(0, 13)}`;

export async function registered(): Promise<User> {
  const body = { email: `${unique("user")}@example.org`, password: PASSWORD, display_name: "Ada Lovelace" };
  return accepted(await register({ client: nobody, body }));
}

export async function tokensOf(email: string, password = PASSWORD): Promise<LoginResponse> {
  return accepted(await login({ client: nobody, body: { email, password } }));
}

export function sessionOf(tokens: LoginResponse): Session {
  return new Session(url, tokens);
}

export async function signedIn(email: string, password = PASSWORD): Promise<Client> {
  return (await signIn(url, email, password)).client;
}

export const administrator = (): Promise<Client> => signedIn(ADMIN_EMAIL, ADMIN_PASSWORD);

/** A client with a token of which nobody takes care. */
export function bearer(token: string): Client {
  return createClient(createConfig({ baseUrl: url, auth: token }));
}

/** The refusal that the answer is. */
export async function refusal(answer: PromiseLike<Parameters<typeof accepted>[0]>): Promise<Refused> {
  return (await refused(Promise.resolve(answer).then(accepted), Refused)) as Refused;
}

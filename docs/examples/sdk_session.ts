/** Keeps a user signed in: every request of its client carries an access token that is still good. */

import { login, refreshTokens, type LoginResponse, type TokenResponse } from "cms-service-client";
import { createClient, createConfig, type Client } from "cms-service-client/client";
import { accepted } from "./sdk_answers.js";

const AHEAD_SECONDS = 30;

/** The session has ended: ask to sign in. */
export class SignedOut extends Error {}

/** One for each signed-in user. Parallel refreshes need no lock: they all get the same successor. */
export class Session {
  readonly client: Client;
  private readonly anonymous: Client;
  private tokens!: LoginResponse | TokenResponse;
  private staleAt = 0;

  constructor(baseUrl: string, tokens: LoginResponse | TokenResponse) {
    this.anonymous = createClient(createConfig({ baseUrl }));
    this.client = createClient(createConfig({ baseUrl, fetch: (input) => this.send(new Request(input)) }));
    this.keep(tokens);
  }

  private async send(request: Request): Promise<Response> {
    if (Date.now() >= this.staleAt) await this.refresh();
    const again = request.clone();
    const response = await fetch(this.signed(request));
    if (response.status !== 401 || (await response.clone().json()).code !== "token_expired") return response;
    // The clocks disagree, or the machine was asleep.
    await this.refresh();
    return fetch(this.signed(again));
  }

  private signed(request: Request): Request {
    request.headers.set("Authorization", `Bearer ${this.tokens.access_token}`);
    return request;
  }

  private async refresh(): Promise<void> {
    const body = { refresh_token: this.tokens.refresh_token };
    const { data, error, response } = await refreshTokens({ client: this.anonymous, body });
    if (response?.status === 401) throw new SignedOut(error?.code);
    if (!data) throw new Error(`no new tokens: ${JSON.stringify(error)}`);
    this.keep(data);
  }

  /** A program that outlives its process stores the refresh token here, before anything is sent. */
  private keep(tokens: LoginResponse | TokenResponse): void {
    this.tokens = tokens;
    this.staleAt = Date.now() + (tokens.expires_in - AHEAD_SECONDS) * 1000;
  }
}

/** Throws Refused where the service lets nobody in. */
export async function signIn(baseUrl: string, email: string, password: string): Promise<Session> {
  const client = createClient(createConfig({ baseUrl }));
  return new Session(baseUrl, accepted(await login({ client, body: { email, password } })));
}

/** Counts what is asked of the service and what is expected of its answers. The first surprise ends the run. */

import { deepStrictEqual } from "node:assert";

const calls: Record<string, number> = {};
let checks = 0;

const send = globalThis.fetch;
globalThis.fetch = async (input, init) => {
  const request = new Request(input, init);
  const response = await send(request);
  const kind = `${request.method} ${response.status}`;
  calls[kind] = (calls[kind] ?? 0) + 1;
  return response;
};

export function same<Value>(actual: Value, expected: Value): void {
  deepStrictEqual(actual, expected);
  checks += 1;
}

export async function refused(
  answer: PromiseLike<unknown>,
  what: abstract new (...values: never[]) => Error,
): Promise<unknown> {
  try {
    await answer;
  } catch (error) {
    if (!(error instanceof what)) throw error;
    checks += 1;
    return error;
  }
  throw new Error("it was not refused");
}

export function report(): void {
  const total = Object.values(calls).reduce((sum, count) => sum + count, 0);
  const kinds = Object.entries(calls).sort().map(([kind, count]) => `${kind}: ${count}`);
  console.log(`TypeScript: ${checks} checks, ${total} calls: ${kinds.join(", ")}`);
}

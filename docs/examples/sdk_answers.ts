/** Tells what was asked for from a refusal. */

import type { Problem, ValidationProblem } from "cms-service-client";

/** The service said no. `code` says why, for programs; `faults` maps what is wrong in the request to its code. */
export class Refused extends Error {
  readonly status: number;
  readonly code: string;
  readonly faults: Record<string, string> = {};

  constructor(problem: Problem | ValidationProblem) {
    super(`${problem.code}: ${problem.detail} (request ${problem.request_id})`);
    this.status = problem.status;
    this.code = problem.code;
    if ("errors" in problem) {
      for (const fault of problem.errors) this.faults[fault.pointer] = fault.code;
    }
  }
}

type Answer<Data> = { data?: Data; error?: Problem | ValidationProblem; response?: Response };

/** What was asked for. Throws Refused for a problem, and what fetch threw where there was no answer. */
export function accepted<Data>({ data, error, response }: Answer<Data>): Data {
  if (!response) throw error;
  if (error !== undefined) throw new Refused(error);
  return data as Data;
}

// What was asked, what was answered and when; and how an answer is to be read.

export type Outcome = 'ok' | 'refused' | 'anew' | 'error';

export interface Act {
  readonly what: string;
  /** performance.now() at its begin. */
  readonly at: number;
  readonly milliseconds: number;
  readonly outcome: Outcome;
  readonly detail: string;
}

/** An answer that is not what was asked for. */
export class Problem extends Error {
  readonly status: number;
  readonly code: string;
  readonly retryAfter: boolean;

  constructor(status: number, headers: Headers, body: string) {
    const code = /"error":\s*"(\w+)"/.exec(body)?.[1] ?? /<title>([^<]*)/.exec(body)?.[1] ?? '';
    super(`${status} ${code}`);
    this.status = status;
    this.code = code;
    this.retryAfter = headers.has('retry-after');
  }
}

/** After an exchange that was not answered: it may have happened, and then the person signs in again. */
export const REFRESH_IN_DOUBT = 'refresh again';

export interface Recorder {
  readonly acts: readonly Act[];
  /** Notes how it went, and throws what it threw. */
  attempt<T>(what: string, run: () => Promise<T>): Promise<T>;
}

export function createRecorder(): Recorder {
  const acts: Act[] = [];
  return {
    acts,
    async attempt(what, run) {
      const at = performance.now();
      const note = (outcome: Outcome, detail: string) =>
        acts.push({ what, at, milliseconds: performance.now() - at, outcome, detail });
      try {
        const value = await run();
        note('ok', '');
        return value;
      } catch (error) {
        note(outcomeOf(what, error), describe(error));
        throw error;
      }
    },
  };
}

/** Refused: the server said that it cannot now, and when to come again. Anew: a way of minutes that begins again. */
function outcomeOf(what: string, error: unknown): Outcome {
  const problem = problemOf(error);
  if (problem === undefined) return 'error';
  if (problem.status === 503 && problem.retryAfter) return 'refused';
  return isForgotten(what, problem) ? 'anew' : 'error';
}

/** The client library wraps what its `fetch` throws. */
export function problemOf(error: unknown): Problem | undefined {
  for (let at = error; at instanceof Error; at = at.cause) if (at instanceof Problem) return at;
  return undefined;
}

// A sign-in, code or pushed request that the server does not know.
function isForgotten(what: string, { status, code }: Problem): boolean {
  if (what === 'refresh') return false;
  // The same form once more, as if nothing had been typed.
  if (status === 200) return true;
  return status === 400 && (/^Start again/.test(code) || /^(invalid_grant|invalid_request_uri)$/.test(code));
}

export function describe(error: unknown): string {
  const texts: string[] = [];
  for (let at = error; at instanceof Error; at = at.cause) texts.push(at.message);
  return [...new Set(texts)].join(': ') || String(error);
}

/** Throws a Problem for an answer that is not wanted; the client library and the pages both go through it. */
export const strictFetch: typeof fetch = async (input, init) => {
  const response = await fetch(input, init);
  if (response.status < 400) return response;
  throw new Problem(response.status, response.headers, await response.text());
};

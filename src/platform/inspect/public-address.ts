// Asks the server at its public address, as a stranger would: through the proxy, one request at a time.
import { type Problem, problemOf } from './problem.ts';

export interface PublicAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly cookies: readonly string[];
  readonly text: string;
}

export type AskPublic = (
  path: string,
  request?: { method?: string; headers?: Record<string, string>; body?: string },
) => Promise<PublicAnswer | Problem>;

const TIMEOUT_MILLISECONDS = 5_000;
const MOST_BYTES = 64 * 1024;

/** Redirects are answers and not followed. */
export function createAskPublic(issuer: string): AskPublic {
  return async (path, request = {}) => {
    try {
      const answer = await fetch(`${issuer}${path}`, {
        ...request,
        redirect: 'manual',
        signal: AbortSignal.timeout(TIMEOUT_MILLISECONDS),
      });
      return {
        status: answer.status,
        headers: answer.headers,
        cookies: answer.headers.getSetCookie(),
        text: await textOf(answer),
      };
    } catch (error) {
      return problemOf(error);
    }
  };
}

/** The beginning is enough to judge by, and whoever stands at that address may send without end. */
async function textOf({ body }: Response): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  let left = MOST_BYTES;
  for await (const chunk of body ?? []) {
    text += decoder.decode(chunk.subarray(0, left), { stream: true });
    left -= chunk.length;
    // Leaving the loop cancels the rest.
    if (left <= 0) break;
  }
  return text;
}

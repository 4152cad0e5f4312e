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
const TEXT_LENGTH = 64 * 1024;

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
        text: (await answer.text()).slice(0, TEXT_LENGTH),
      };
    } catch (error) {
      return problemOf(error);
    }
  };
}

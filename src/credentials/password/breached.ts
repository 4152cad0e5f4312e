// Asks a range service whether a password is known from a breach, telling it no more than the first five characters of
// the password's SHA-1 (the protocol of Have I Been Pwned, which others speak too).
import { createHash } from 'node:crypto';

export interface BreachSettings {
  /** The five characters are appended to it. */
  breachedHookUrl: string;
  breachedHookTimeoutSeconds: number;
}

const PREFIX_LENGTH = 5;
// The longest answers of such services are some tens of kilobytes; more is not one of them.
const MAXIMUM_ANSWER_LENGTH = 1_000_000;

/** undefined: the service answered something else than a list. Rejects when it does not answer. */
export function createBreachCheck(settings: BreachSettings, request: typeof fetch) {
  const base = settings.breachedHookUrl.endsWith('/')
    ? settings.breachedHookUrl
    : `${settings.breachedHookUrl}/`;
  return async (password: string): Promise<boolean | undefined> => {
    const hash = createHash('sha1').update(password).digest('hex').toUpperCase();
    const answer = await request(`${base}${hash.slice(0, PREFIX_LENGTH)}`, {
      // Padding hides from an observer of the length which range was asked for.
      headers: { 'add-padding': 'true', accept: 'text/plain' },
      redirect: 'error',
      signal: AbortSignal.timeout(settings.breachedHookTimeoutSeconds * 1000),
    });
    if (!answer.ok) return undefined;
    const text = await answer.text();
    return text.length > MAXIMUM_ANSWER_LENGTH ? undefined : isListed(text, hash.slice(PREFIX_LENGTH));
  };
}

/** Lines of `suffix:count`; padding lines have the count 0. */
function isListed(text: string, suffix: string): boolean {
  return text.split(/\r?\n/).some((line) => {
    const [listed, count] = line.split(':');
    return listed?.toUpperCase() === suffix && Number(count) > 0;
  });
}

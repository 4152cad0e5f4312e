// Whether a password is known from a breach: by a list on this machine, and by a range service, which is told no more than
// the first five characters of the password's SHA-1 (the protocol of Have I Been Pwned, which others speak too).
import { openBreachFile, sha1Of } from './breach-file.ts';
import type { BreachCheck } from './checking.ts';

export interface RangeSettings {
  /** The five characters are appended to it. */
  breachRangeUrl: string;
  breachRangeTimeoutSeconds: number;
}

export interface BreachSettings extends Omit<RangeSettings, 'breachRangeUrl'> {
  breachRangeUrl: string | undefined;
  breachFile: string | undefined;
}

const PREFIX_LENGTH = 5;
// The longest answers of such services are some tens of kilobytes; more is not one of them.
const MAXIMUM_ANSWER_BYTES = 1_000_000;

/** The nearest first: what the list on disk knows, nobody else needs to be asked. Throws for a list that is none. */
export function openBreachLists(settings: BreachSettings, request: typeof fetch): BreachCheck[] {
  const { breachFile, breachRangeUrl } = settings;
  return [
    ...(breachFile === undefined ? [] : [openBreachFile(breachFile)]),
    ...(breachRangeUrl === undefined ? [] : [createRangeCheck({ ...settings, breachRangeUrl }, request)]),
  ];
}

/** undefined: the service answered something else than a list. Rejects when it does not answer. */
export function createRangeCheck(settings: RangeSettings, request: typeof fetch): BreachCheck {
  const { breachRangeUrl: url } = settings;
  const base = url.endsWith('/') ? url : `${url}/`;
  return async (password) => {
    const hash = sha1Of(password);
    const answer = await request(`${base}${hash.slice(0, PREFIX_LENGTH)}`, {
      // Padding hides from an observer of the length which range was asked for.
      headers: { 'add-padding': 'true', accept: 'text/plain' },
      redirect: 'error',
      signal: AbortSignal.timeout(settings.breachRangeTimeoutSeconds * 1000),
    });
    const text = answer.ok ? await boundedText(answer) : undefined;
    if (text === undefined) await answer.body?.cancel().catch(() => {});
    return text === undefined ? undefined : isListed(text, hash.slice(PREFIX_LENGTH));
  };
}

async function boundedText({ body }: Response): Promise<string | undefined> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of body ?? []) {
    length += chunk.length;
    if (length > MAXIMUM_ANSWER_BYTES) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('latin1');
}

/** Lines of `suffix:count`; padding lines have the count 0. */
function isListed(text: string, suffix: string): boolean {
  return text.split(/\r?\n/).some((line) => {
    const [listed, count] = line.split(':');
    return listed?.toUpperCase() === suffix && Number(count) > 0;
  });
}

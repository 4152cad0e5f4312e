// Calls of the notes API with the person's access token, and what to tell them of the answer.
import type { Notice } from './sessions.ts';
import type { RelyingParty, SignedIn } from './sign-in.ts';

export interface NotesApi {
  call(person: SignedIn, init: { method: string; body?: string }): Promise<Notice>;
  /** A new access token, also when the one at hand is good. */
  refresh(person: SignedIn): Promise<void>;
}

// A token that ends while it is on its way helps nobody.
const EARLY_MILLISECONDS = 10_000;

export function createNotesApi(rp: Pick<RelyingParty, 'refresh'>, origin: string): NotesApi {
  // Refresh tokens are used once: two requests of one person at the same time share one exchange.
  const refreshing = new WeakMap<SignedIn, Promise<unknown>>();

  async function refresh(person: SignedIn): Promise<void> {
    const running = refreshing.get(person) ?? rp.refresh(person).finally(() => refreshing.delete(person));
    refreshing.set(person, running);
    await running;
  }

  return {
    refresh,
    async call(person, init) {
      const isFresh = (person.apiToken?.expiresAt.getTime() ?? 0) > Date.now() + EARLY_MILLISECONDS;
      if (!isFresh) await refresh(person);
      const address = `${origin}/notes`;
      const headers = { authorization: `Bearer ${person.apiToken?.value}` };
      const answer = await fetch(address, { ...init, headers }).catch(() => undefined);
      if (answer === undefined) return { kind: 'bad', title: 'The API does not answer.', lines: [] };
      return noticeOf(`${init.method} ${address}`, answer);
    },
  };
}

async function noticeOf(request: string, answer: Response): Promise<Notice> {
  const challenge = answer.headers.get('www-authenticate');
  const lines = [request, `${answer.status} ${answer.statusText}`];
  if (challenge) lines.push(`WWW-Authenticate: ${challenge}`);
  lines.push((await answer.text()).trim());
  if (answer.ok) return { kind: 'good', title: 'The API answered.', lines };
  const missing = /error="insufficient_scope".*scope="([^"]+)"/.exec(challenge ?? '')?.[1];
  if (missing === undefined) return { kind: 'bad', title: 'The API refused.', lines };
  return { kind: 'bad', title: `The API refused: the permission ${missing} is missing.`, lines, missing };
}

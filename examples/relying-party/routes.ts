// What the app answers at each of its addresses.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { NotesApi } from './notes.ts';
import { homePage, messagePage, signedOutPage } from './pages.ts';
import type { Notice, Session, Sessions } from './sessions.ts';
import { errorCode, type RelyingParty, type SignedIn } from './sign-in.ts';

export type Answer = { kind: 'page'; html: string; status?: number } | { kind: 'redirect'; to: string };

export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly url: URL;
}

export type Route = (exchange: Exchange) => Promise<Answer>;

interface Deps {
  readonly rp: RelyingParty;
  readonly sessions: Sessions;
  readonly notes: NotesApi;
}

const MAXIMUM_PENDING = 20;
const home: Answer = { kind: 'redirect', to: '/' };

/** By method and path. */
export function createRoutes(deps: Deps): Readonly<Record<string, Route>> {
  return { ...signInRoutes(deps), ...signedInRoutes(deps) };
}

function signInRoutes({ rp, sessions }: Deps): Record<string, Route> {
  return {
    async 'GET /'({ request }) {
      const session = sessions.of(request);
      const notice = session?.notice;
      delete session?.notice;
      if (session?.person) return { kind: 'page', html: homePage(session.person, notice) };
      return { kind: 'page', html: signedOutPage(notice) };
    },

    async 'GET /sign-in'({ request, response, url }) {
      const session = sessions.of(request) ?? sessions.renew(request, response);
      const more = url.searchParams.get('permission') === 'notes:write' ? ['notes:write'] : [];
      const { url: to, pending } = await rp.begin(['notes:read', ...more]);
      const [oldest] = session.pending.keys();
      if (oldest !== undefined && session.pending.size >= MAXIMUM_PENDING) session.pending.delete(oldest);
      session.pending.set(pending.state, pending);
      return { kind: 'redirect', to: to.href };
    },

    async 'GET /callback'({ request, response, url }) {
      const session = sessions.of(request);
      const pending = session?.pending.get(url.searchParams.get('state') ?? '');
      if (!session || !pending) return nothingToFinish;
      session.pending.delete(pending.state);
      try {
        const person = await rp.finish(url, pending);
        // A new id at sign-in: whoever planted the old one in this browser must not be signed in by it.
        sessions.renew(request, response).person = person;
      } catch (error) {
        const code = errorCode(error);
        if (code === undefined) throw error;
        session.notice = bad(
          code === 'access_denied' ? 'You said no. Nothing was shared.' : `Sign-in failed: ${code}`,
        );
      }
      return home;
    },

    'GET /signed-out': async () => ({
      kind: 'page',
      html: signedOutPage({ kind: 'good', title: 'You are signed out of this app.', lines: [] }),
    }),
  };
}

function signedInRoutes({ rp, sessions, notes }: Deps): Record<string, Route> {
  function signedIn(
    run: (session: Session, person: SignedIn, exchange: Exchange) => Promise<Answer | undefined>,
  ): Route {
    return async (exchange) => {
      const session = sessions.of(exchange.request);
      if (!session?.person) return home;
      try {
        return (await run(session, session.person, exchange)) ?? home;
      } catch (error) {
        if (errorCode(error) !== 'invalid_grant') throw error;
        // Revoked, expired, or the account is gone: what the app holds is worth nothing any more.
        delete session.person;
        session.notice = bad('Your sign-in has ended. Please sign in again.');
        return home;
      }
    };
  }

  return {
    'POST /notes/read': signedIn(async (session, person) => {
      session.notice = await notes.call(person, { method: 'GET' });
      return undefined;
    }),

    'POST /notes/write': signedIn(async (session, person) => {
      const body = `Written by the demo app at ${new Date().toISOString().slice(11, 19)} UTC.`;
      session.notice = await notes.call(person, { method: 'POST', body });
      return undefined;
    }),

    'POST /refresh': signedIn(async (session, person) => {
      await notes.refresh(person);
      session.notice = { kind: 'good', title: 'New tokens: the old refresh token is used up.', lines: [] };
      return undefined;
    }),

    'POST /sign-out': signedIn(async (_session, person, { request, response }) => {
      sessions.end(request, response);
      return { kind: 'redirect', to: (await rp.signOut(person)).href };
    }),
  };
}

const nothingToFinish: Answer = {
  kind: 'page',
  status: 400,
  html: messagePage(
    'Nothing to finish',
    'This answer belongs to no sign-in that was begun in this browser, or it was used already.',
  ),
};

function bad(title: string): Notice {
  return { kind: 'bad', title, lines: [] };
}

// A web app that signs people in with Gatehouse, made with `openid-client` and node:http alone.
import { readFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { type Running, serve, untilStopped } from '../support/serve.ts';
import { portSetting, setting } from '../support/settings.ts';
import { homePage, messagePage, signedOutPage } from './pages.ts';
import { createSessions, type Notice, type Session } from './sessions.ts';
import { createRelyingParty, errorCode, type RelyingPartySettings, type SignedIn } from './sign-in.ts';

type Answer =
  | { kind: 'page'; html: string; status?: number }
  | { kind: 'redirect'; to: string }
  | { kind: 'style' };

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly url: URL;
}

const MAXIMUM_PENDING = 20;
// A token that ends while it is on its way helps nobody.
const EARLY_MILLISECONDS = 10_000;
const home: Answer = { kind: 'redirect', to: '/' };

export async function startApp(settings: RelyingPartySettings & { port: number }): Promise<Running> {
  const rp = createRelyingParty(settings);
  const sessions = createSessions(settings.origin.startsWith('https:'));
  const style = readFileSync(join(import.meta.dirname, 'style.css'));
  // Refresh tokens are used once: two requests of one person at the same time share one exchange.
  const refreshing = new WeakMap<SignedIn, Promise<unknown>>();

  const routes: Record<string, (exchange: Exchange) => Promise<Answer>> = {
    'GET /style.css': async () => ({ kind: 'style' }),

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
      if (!session || !pending) {
        const sentence =
          'This answer belongs to no sign-in that was begun in this browser, or it was used already.';
        return { kind: 'page', status: 400, html: messagePage('Nothing to finish', sentence) };
      }
      session.pending.delete(pending.state);
      try {
        const person = await rp.finish(url, pending);
        // A new id at sign-in: whoever planted the old one in this browser must not be signed in by it.
        sessions.renew(request, response).person = person;
      } catch (error) {
        if (errorCode(error) === undefined) throw error;
        const denied = errorCode(error) === 'access_denied';
        session.notice = bad(
          denied ? 'You said no. Nothing was shared.' : `Sign-in failed: ${errorCode(error)}`,
        );
      }
      return home;
    },

    'POST /notes/read': signedIn((session, person) => callApi(session, person, { method: 'GET' })),
    'POST /notes/write': signedIn((session, person) => {
      const body = `Written by the demo app at ${new Date().toISOString().slice(11, 19)} UTC.`;
      return callApi(session, person, { method: 'POST', body });
    }),

    'POST /refresh': signedIn(async (session, person) => {
      await refresh(person);
      session.notice = { kind: 'good', title: 'New tokens: the old refresh token is used up.', lines: [] };
      return home;
    }),

    'POST /sign-out': signedIn(async (_session, person, { request, response }) => {
      sessions.end(request, response);
      return { kind: 'redirect', to: (await rp.signOut(person)).href };
    }),

    'GET /signed-out': async () => ({
      kind: 'page',
      html: signedOutPage({ kind: 'good', title: 'You are signed out of this app.', lines: [] }),
    }),
  };

  function signedIn(
    run: (session: Session, person: SignedIn, exchange: Exchange) => Promise<Answer>,
  ): (exchange: Exchange) => Promise<Answer> {
    return async (exchange) => {
      const session = sessions.of(exchange.request);
      if (!session?.person) return home;
      try {
        return await run(session, session.person, exchange);
      } catch (error) {
        if (errorCode(error) !== 'invalid_grant') throw error;
        // Revoked, expired, or the account is gone: what the app holds is worth nothing any more.
        delete session.person;
        session.notice = bad('Your sign-in has ended. Please sign in again.');
        return home;
      }
    };
  }

  async function refresh(person: SignedIn): Promise<void> {
    const running = refreshing.get(person) ?? rp.refresh(person).finally(() => refreshing.delete(person));
    refreshing.set(person, running);
    await running;
  }

  async function callApi(session: Session, person: SignedIn, init: RequestInit): Promise<Answer> {
    const isFresh = (person.apiToken?.expiresAt.getTime() ?? 0) > Date.now() + EARLY_MILLISECONDS;
    if (!isFresh) await refresh(person);
    const authorization = `Bearer ${person.apiToken?.value}`;
    const address = `${settings.api}/notes`;
    const answer = await fetch(address, { ...init, headers: { authorization } }).catch(() => undefined);
    session.notice = answer
      ? await told(`${init.method} ${address}`, answer)
      : bad('The API does not answer.');
    return home;
  }

  return serve(
    async (request, response) => {
      const url = new URL(request.url ?? '/', settings.origin);
      const route = routes[`${request.method} ${url.pathname}`];
      secure(response, settings.issuer);
      if (!route) {
        return send(response, {
          kind: 'page',
          status: 404,
          html: messagePage('Not found', 'There is no such page.'),
        });
      }
      if (request.method === 'POST' && !isOwn(request, settings.origin)) {
        const sentence = 'This form was not sent from a page of this app.';
        return send(response, { kind: 'page', status: 403, html: messagePage('Refused', sentence) });
      }
      send(response, await route({ request, response, url }), style);
    },
    { port: settings.port, setting: 'APP_PORT' },
  );
}

async function told(request: string, answer: Response): Promise<Notice> {
  const challenge = answer.headers.get('www-authenticate');
  const lines = [request, `${answer.status} ${answer.statusText}`];
  if (challenge) lines.push(`WWW-Authenticate: ${challenge}`);
  lines.push((await answer.text()).trim());
  if (answer.ok) return { kind: 'good', title: 'The API answered.', lines };
  const missing = /error="insufficient_scope".*scope="([^"]+)"/.exec(challenge ?? '')?.[1];
  if (missing === undefined) return { kind: 'bad', title: 'The API refused.', lines };
  return { kind: 'bad', title: `The API refused: the permission ${missing} is missing.`, lines, missing };
}

function bad(title: string): Notice {
  return { kind: 'bad', title, lines: [] };
}

/** Browsers say where a form came from; SameSite cookies alone would let in other ports of this host. */
function isOwn({ headers }: IncomingMessage, origin: string): boolean {
  const site = headers['sec-fetch-site'];
  return site === undefined ? headers.origin === origin : site === 'same-origin';
}

function secure(response: ServerResponse, issuer: string): void {
  // The sign-out form is redirected to Gatehouse, and browsers hold redirects of forms against form-action.
  const forms = `form-action 'self' ${new URL(issuer).origin}`;
  response.setHeader(
    'content-security-policy',
    `default-src 'none'; style-src 'self'; img-src data:; ${forms}; base-uri 'none'; frame-ancestors 'none'`,
  );
  response.setHeader('referrer-policy', 'same-origin');
  response.setHeader('x-content-type-options', 'nosniff');
  response.setHeader('cache-control', 'no-store');
}

function send(response: ServerResponse, answer: Answer, style?: Buffer): void {
  if (answer.kind === 'redirect') response.writeHead(303, { location: answer.to }).end();
  else if (answer.kind === 'style') response.writeHead(200, { 'content-type': 'text/css' }).end(style);
  else {
    response.writeHead(answer.status ?? 200, { 'content-type': 'text/html; charset=utf-8' }).end(answer.html);
  }
}

if (import.meta.main) {
  const port = portSetting('APP_PORT', 4000);
  const app = await startApp({
    issuer: setting('ISSUER', 'http://localhost:3000'),
    clientId: setting('CLIENT_ID', 'demo-app'),
    clientSecret: setting('CLIENT_SECRET'),
    api: setting('AUDIENCE', 'http://localhost:4001'),
    origin: setting('ORIGIN', `http://localhost:${port}`),
    port,
  });
  console.log(`The app listens on http://localhost:${app.port}`);
  await untilStopped(app.stop);
}

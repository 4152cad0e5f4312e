// A web app that signs people in with Gatehouse, made with `openid-client` and node:http alone.
import { readFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { type Running, serve, untilStopped } from '../support/serve.ts';
import { portSetting, setting } from '../support/settings.ts';
import { createNotesApi } from './notes.ts';
import { messagePage } from './pages.ts';
import { type Answer, createRoutes } from './routes.ts';
import { createSessions } from './sessions.ts';
import { createRelyingParty, type RelyingPartySettings } from './sign-in.ts';

export async function startApp(settings: RelyingPartySettings & { port: number }): Promise<Running> {
  const { issuer, origin } = settings;
  const rp = createRelyingParty(settings);
  const sessions = createSessions(origin.startsWith('https:'));
  const routes = createRoutes({ rp, sessions, notes: createNotesApi(rp, settings.api) });
  const style = readFileSync(join(import.meta.dirname, 'style.css'));

  return serve(
    async (request, response) => {
      const url = new URL(request.url ?? '/', origin);
      secure(response, issuer);
      if (url.pathname === '/style.css') {
        response.writeHead(200, { 'content-type': 'text/css' }).end(style);
      } else if (request.method === 'POST' && !isOwn(request, origin)) {
        send(response, message(403, 'Refused', 'This form was not sent from a page of this app.'));
      } else {
        const route = routes[`${request.method} ${url.pathname}`];
        const notFound = message(404, 'Not found', 'There is no such page.');
        send(response, route ? await route({ request, response, url }) : notFound);
      }
    },
    { port: settings.port, setting: 'APP_PORT' },
  );
}

function message(status: number, title: string, sentence: string): Answer {
  return { kind: 'page', status, html: messagePage(title, sentence) };
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

function send(response: ServerResponse, answer: Answer): void {
  if (answer.kind === 'redirect') response.writeHead(303, { location: answer.to }).end();
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

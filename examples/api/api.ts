// A resource server: an API that takes access tokens and API keys of Gatehouse, by its guard library.
import type { IncomingMessage, ServerResponse } from 'node:http';
// In a project of your own: from 'gatehouse/guard' (docs/guard.md).
import { createGuard, type Identity, requirePermission } from '../../src/guard/guard.ts';
import { type Running, readText, serve, untilStopped } from '../support/serve.ts';
import { portSetting, setting } from '../support/settings.ts';

export interface ApiSettings {
  readonly issuer: string;
  /** What the API is called in tokens; tokens for any other audience are refused. */
  readonly audience: string;
  readonly port: number;
  /** The API's own key, which holds api-keys:verify: with it other keys and opaque tokens are taken, too. */
  readonly verifyKey?: string | undefined;
  /** A gateway (examples/gateways) has checked each request, and nobody else reaches this port: what it says is believed. */
  readonly isBehindGateway?: boolean;
}

type Asked = IncomingMessage & { identity?: Identity };
type Handle = (request: Asked, response: ServerResponse, subject: string) => void | Promise<void>;

const MAXIMUM_NOTES = 20;

export async function startApi(settings: ApiSettings): Promise<Running> {
  const { issuer, audience, verifyKey } = settings;
  const verify = verifyKey ? { verify: { credential: { apiKey: verifyKey } } } : {};
  const guard = createGuard({ issuer, audience, ...verify });
  const notes = new Map<string, string[]>();
  const notesOf = (subject: string) => notes.get(subject) ?? ['Welcome to your notes.'];

  const routes: Record<string, { permission: string; handle: Handle }> = {
    GET: {
      permission: 'notes:read',
      handle: (_request, response, subject) => reply(response, 200, { notes: notesOf(subject) }),
    },
    POST: {
      permission: 'notes:write',
      async handle(request, response, subject) {
        const note = await readText(request);
        if (!note) return reply(response, note === '' ? 400 : 413, { error: 'send a short text' });
        notes.set(subject, [...notesOf(subject), note].slice(-MAXIMUM_NOTES));
        reply(response, 201, { note });
      },
    },
  };

  return serve(
    async (request: Asked, response) => {
      const { pathname } = new URL(request.url ?? '/', audience);
      if (pathname === '/') return reply(response, 200, { api: 'Demo notes', try: '/notes with a token' });
      if (pathname !== '/notes') return reply(response, 404, { error: 'not_found' });
      const route = routes[request.method ?? ''];
      if (route === undefined) {
        response.setHeader('allow', 'GET, POST');
        return reply(response, 405, { error: 'method_not_allowed' });
      }
      if (settings.isBehindGateway) return route.handle(request, response, toldByGateway(request));
      await admission(request, response, route.permission);
      if (request.identity) await route.handle(request, response, request.identity.subject);
    },
    { port: settings.port, setting: 'API_PORT' },
  );

  /** The calling convention of Express is also that of node:http: the guard calls back, or it has answered. */
  function admission(request: Asked, response: ServerResponse, permission: string): Promise<void> {
    return new Promise((done, fail) => {
      response.once('close', done);
      guard.express(requirePermission(permission))(request, response, (error) =>
        error ? fail(error) : done(),
      );
    });
  }
}

/** The gateway replaces what a stranger sent under this name; its values are percent-encoded. */
function toldByGateway(request: IncomingMessage): string {
  const subject = request.headers['x-auth-subject'];
  if (typeof subject !== 'string' || subject === '')
    throw new Error('there is no gateway in front of this API');
  return decodeURIComponent(subject);
}

function reply(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' });
  response.end(`${JSON.stringify(body)}\n`);
}

if (import.meta.main) {
  const port = portSetting('API_PORT', 4001);
  const api = await startApi({
    issuer: setting('ISSUER', 'http://localhost:3000'),
    audience: setting('AUDIENCE', `http://localhost:${port}`),
    port,
    verifyKey: process.env.VERIFY_KEY,
    isBehindGateway: process.env.BEHIND_GATEWAY === 'true',
  });
  console.log(`The API listens on http://localhost:${api.port}`);
  await untilStopped(api.stop);
}

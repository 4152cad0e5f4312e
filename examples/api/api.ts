// A resource server: an API that accepts access tokens of Gatehouse, checked here with `jose` alone.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createRemoteJWKSet, errors, type JWTVerifyGetKey, jwtVerify } from 'jose';
import { type Running, readText, serve, untilStopped } from '../support/serve.ts';
import { portSetting, setting } from '../support/settings.ts';

export interface ApiSettings {
  readonly issuer: string;
  /** What the API is called in tokens; tokens for any other audience are refused. */
  readonly audience: string;
  readonly port: number;
}

/** Whose token it is and what it permits; or the refusal to send. */
type Checked =
  | { kind: 'ok'; subject: string; permissions: string[] }
  | { kind: 'refused'; status: number; challenge?: Record<string, string> };

const MAXIMUM_NOTES = 20;

export async function startApi(settings: ApiSettings): Promise<Running> {
  // Fetched at the first token, kept, and fetched again when a token names a key that is not in it.
  const keys = createRemoteJWKSet(new URL(`${settings.issuer}/jwks`));
  const notes = new Map<string, string[]>();

  return serve(
    async (request, response) => {
      const { pathname } = new URL(request.url ?? '/', settings.audience);
      if (pathname === '/') return reply(response, 200, { api: 'Demo notes', try: '/notes with a token' });
      if (pathname !== '/notes') return reply(response, 404, { error: 'not_found' });
      if (request.method === 'GET') {
        const caller = await permitted(request, response, 'notes:read');
        if (caller) reply(response, 200, { notes: notes.get(caller.subject) ?? ['Welcome to your notes.'] });
      } else if (request.method === 'POST') {
        const caller = await permitted(request, response, 'notes:write');
        if (!caller) return;
        const note = await readText(request);
        if (!note) return reply(response, note === '' ? 400 : 413, { error: 'send a short text' });
        const all = [...(notes.get(caller.subject) ?? ['Welcome to your notes.']), note];
        notes.set(caller.subject, all.slice(-MAXIMUM_NOTES));
        reply(response, 201, { note });
      } else {
        response.setHeader('allow', 'GET, POST');
        reply(response, 405, { error: 'method_not_allowed' });
      }
    },
    { port: settings.port, setting: 'API_PORT' },
  );

  async function permitted(request: IncomingMessage, response: ServerResponse, permission: string) {
    const checked = await check(request.headers.authorization, settings, keys);
    if (checked.kind === 'refused') return refuse(response, checked.status, checked.challenge);
    if (checked.permissions.includes(permission)) return checked;
    // RFC 6750 §3.1: the answer names what is missing, so that the client can ask the person for it.
    return refuse(response, 403, {
      error: 'insufficient_scope',
      error_description: `This needs the permission ${permission}`,
      scope: permission,
    });
  }
}

async function check(
  authorization: string | undefined,
  { issuer, audience }: ApiSettings,
  keys: JWTVerifyGetKey,
): Promise<Checked> {
  const token = /^Bearer +([\w.~+/-]+=*)$/i.exec(authorization ?? '')?.[1];
  // RFC 6750 §3.1: who sent no token at all is told how to send one, and no error code.
  if (token === undefined) return { kind: 'refused', status: 401, challenge: {} };
  try {
    const { payload } = await jwtVerify(token, keys, {
      issuer,
      audience,
      // RFC 9068 §4: an ID token has the same issuer and keys, and must never open an API.
      typ: 'at+jwt',
      algorithms: ['ES256'],
      requiredClaims: ['sub', 'exp', 'client_id'],
    });
    // A token bound to a key (DPoP) must come with the proof of it (RFC 9449 §7.2); this API does not read proofs.
    if (payload.cnf !== undefined) return invalid('The token is bound to a key');
    const permissions = typeof payload.scope === 'string' ? payload.scope.split(' ') : [];
    return { kind: 'ok', subject: payload.sub ?? '', permissions };
  } catch (error) {
    if (error instanceof errors.JWTExpired) return invalid('The token has expired');
    if (keysAreAway(error)) return { kind: 'refused', status: 503 };
    return invalid('The token is not valid for this API');
  }
}

/** Keys that cannot be fetched say nothing about the token. */
function keysAreAway(error: unknown): boolean {
  if (!(error instanceof errors.JOSEError)) return true;
  return error.code === 'ERR_JWKS_TIMEOUT' || error.code === 'ERR_JOSE_GENERIC';
}

function invalid(description: string): Checked {
  const challenge = { error: 'invalid_token', error_description: description };
  return { kind: 'refused', status: 401, challenge };
}

function refuse(response: ServerResponse, status: number, challenge?: Record<string, string>): undefined {
  if (challenge !== undefined) {
    const parts = Object.entries({ realm: 'notes', ...challenge }).map(
      ([name, value]) => `${name}="${value}"`,
    );
    response.setHeader('www-authenticate', `Bearer ${parts.join(', ')}`);
  }
  reply(response, status, challenge?.error === undefined ? {} : challenge);
}

function reply(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' });
  response.end(`${JSON.stringify(body)}\n`);
}

if (import.meta.main) {
  const port = portSetting('API_PORT', 4001);
  const audience = setting('AUDIENCE', `http://localhost:${port}`);
  const api = await startApi({ issuer: setting('ISSUER', 'http://localhost:3000'), audience, port });
  console.log(`The API listens on http://localhost:${api.port}`);
  await untilStopped(api.stop);
}

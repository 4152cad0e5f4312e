// The guard in Koa, in what calls (req, res, next) as Express does, and in handlers of fetch requests. Express itself is not
// installed here: its calling convention is met by node:http and a mounted `originalUrl`.
import { createHash } from 'node:crypto';
import { createServer, type RequestListener, type Server } from 'node:http';
import { calculateJwkThumbprint, SignJWT } from 'jose';
import Koa from 'koa';
import { afterEach, describe, expect, it } from 'vitest';
import {
  createGuard,
  type GuardSettings,
  type Identity,
  requirePermission,
  requireRole,
} from '../../src/guard/guard.ts';
import { audience, newKey, useIssuer } from './issuer.ts';

const issuer = useIssuer();
const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

const guard = (more: Partial<GuardSettings> = {}) => createGuard({ issuer: issuer().url, audience, ...more });

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  return `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`;
}

interface App {
  ask(path: string, headers?: Record<string, string>): Promise<Response>;
}

const frameworks: Record<string, (more?: Partial<GuardSettings>) => Promise<App>> = {
  async Koa(more) {
    const app = new Koa();
    app.silent = true;
    app.use(
      guard(more).koa(requirePermission('notes:read'), (ctx) =>
        ctx.req.url === '/staff' ? requireRole('staff') : {},
      ),
    );
    app.use((ctx) => {
      ctx.body = { subject: ctx.state.identity.subject };
    });
    const origin = await serve(app.callback());
    return { ask: (path, headers = {}) => fetch(`${origin}${path}`, { headers }) };
  },
  async Express(more) {
    const middleware = guard(more).express(requirePermission('notes:read'), (req) =>
      req.url === '/staff' ? requireRole('staff') : {},
    );
    const origin = await serve((request, res) => {
      const req: typeof request & { identity?: Identity } = request;
      middleware(req, res, (error) => {
        if (error) res.statusCode = 500;
        res.setHeader('content-type', 'application/json');
        res.end(JSON.stringify({ subject: req.identity?.subject }));
      });
    });
    return { ask: (path, headers = {}) => fetch(`${origin}${path}`, { headers }) };
  },
  async fetch(more) {
    const handler = guard(more).fetch(
      (_request, identity) => Response.json({ subject: identity.subject }),
      requirePermission('notes:read'),
      (request) => (new URL(request.url).pathname === '/staff' ? requireRole('staff') : {}),
    );
    return { ask: (path, headers = {}) => handler(new Request(`http://10.0.0.1${path}`, { headers })) };
  },
};

describe.each(Object.keys(frameworks))('%s', (name) => {
  const start = (more?: Partial<GuardSettings>) =>
    frameworks[name]?.(more) ?? Promise.reject(new Error(name));

  it('calls the handler with the identity, and refuses with all headers and problem JSON', async () => {
    const app = await start();
    const authorization = `Bearer ${await issuer().sign()}`;
    const good = await app.ask('/notes', { authorization });
    expect([good.status, await good.json()]).toEqual([200, { subject: 'somebody' }]);
    const none = await app.ask('/notes');
    expect(none.status).toBe(401);
    expect(none.headers.get('www-authenticate')).toMatch(/^Bearer, DPoP/);
    expect(none.headers.get('content-type')).toContain('application/problem+json');
    expect(none.headers.get('cache-control')).toBe('no-store');
    expect(await none.json()).toMatchObject({ status: 401, code: 'credential_missing' });
    const poor = await app.ask('/notes', {
      authorization: `Bearer ${await issuer().sign({ scope: 'notes:write' })}`,
    });
    expect(poor.status).toBe(403);
    expect(await poor.json()).toMatchObject({ code: 'permission_missing', permission: 'notes:read' });
  });

  it('asks the request what it needs', async () => {
    const app = await start();
    const plain = { authorization: `Bearer ${await issuer().sign()}` };
    const staff = { authorization: `Bearer ${await issuer().sign({ roles: ['staff'] })}` };
    expect((await app.ask('/staff', plain)).status).toBe(403);
    expect((await app.ask('/staff', staff)).status).toBe(200);
  });

  it('holds proofs against the public origin, and never against what the Host header says', async () => {
    const holder = await newKey('holder');
    const { kty, crv, x, y } = holder.jwk;
    const token = await issuer().sign({ cnf: { jkt: await calculateJwkThumbprint(holder.jwk) } });
    const ath = createHash('sha256').update(token).digest('base64url');
    const proof = (origin: string) =>
      new SignJWT({ htm: 'GET', htu: `${origin}/notes`, jti: crypto.randomUUID(), ath })
        .setIssuedAt()
        .setProtectedHeader({ typ: 'dpop+jwt', alg: 'ES256', jwk: { kty, crv, x, y } as never })
        .sign(holder.privateKey);
    const status = async (app: App, origin: string) =>
      (
        await app.ask('/notes?page=1', {
          authorization: `DPoP ${token}`,
          dpop: await proof(origin),
          host: 'evil.example.com',
          'x-forwarded-host': 'evil.example.com',
        })
      ).status;
    const usual = await start();
    expect(await status(usual, 'https://notes.example.com')).toBe(200);
    expect(await status(usual, 'https://evil.example.com')).toBe(401);
    expect(await status(usual, 'http://evil.example.com')).toBe(401);
    expect(
      await status(
        await start({ publicOrigin: 'https://public.example.com/' }),
        'https://public.example.com',
      ),
    ).toBe(200);
  });

  it('does not run the handler when the guard itself fails', async () => {
    const app = await start({
      now: () => {
        throw new Error('broken');
      },
    });
    const asked = app.ask('/notes', { authorization: `Bearer ${await issuer().sign()}` });
    expect(
      await asked.then(
        ({ status }) => status,
        () => 500,
      ),
    ).toBe(500);
  });
});

it('sees the whole path of a mounted app: what Express keeps as originalUrl', async () => {
  const seen: string[] = [];
  const middleware = guard().express((req) => {
    seen.push(req.originalUrl ?? '');
    return {};
  });
  const result = new Promise<number>((resolve) => {
    const res = { statusCode: 200, setHeader: () => {}, end: () => resolve(res.statusCode) };
    middleware(
      { method: 'GET', url: '/gth_x', originalUrl: '/mounted?key=gth_abc', headers: {} },
      res,
      () => {},
    );
  });
  expect(await result).toBe(400);
  expect(seen).toEqual(['/mounted?key=gth_abc']);
});

it('takes the address from where it is told, or from the connection', async () => {
  const asked: unknown[] = [];
  const settings: Partial<GuardSettings> = {
    verify: { credential: { apiKey: 'gth_own' } },
    fetch: async (_input, init) => {
      asked.push(JSON.parse(String(init?.body)).request.address);
      return Response.json({
        active: false,
        code: 'not_recognised',
        reason: 'x',
        status: 401,
        limits: [],
        budgets: [],
      });
    },
  };
  const headers = { 'x-api-key': 'gth_x', 'x-forwarded-for': '192.0.2.1', 'x-real-ip': '192.0.2.2' };
  await (await frameworks.Koa?.(settings))?.ask('/notes', headers);
  const addressOf: GuardSettings['addressOf'] = (all) => String(all['x-real-ip']);
  await (await frameworks.Koa?.({ ...settings, addressOf }))?.ask('/notes', headers);
  await (await frameworks.fetch?.(settings))?.ask('/notes', headers);
  expect(asked).toEqual([expect.stringMatching(/127\.0\.0\.1$/), '192.0.2.2', undefined]);
});

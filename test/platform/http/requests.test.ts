// Request ids, addresses, limits, protocol errors and headers of answers that are no pages.
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { route } from '../../../src/platform/api/route.ts';
import { failure } from '../../../src/platform/errors.ts';
import { contentSecurityPolicy, formActionSource } from '../../../src/platform/http/headers.ts';
import { page } from '../../../src/platform/http/page.ts';
import { requestOf } from '../../../src/platform/http/request-id.ts';
import { currentOrigin } from '../../../src/platform/origin.ts';
import { start } from './application.ts';

const echoOrigin = {
  after: [
    async (ctx: { path: string; body: unknown }, next: () => Promise<unknown>) => {
      await next();
      if (ctx.path === '/origin') ctx.body = JSON.stringify(currentOrigin());
    },
  ],
};

async function originOf(url: string, headers: Record<string, string>) {
  const response = await fetch(`${url}/origin`, { headers });
  return {
    id: response.headers.get('x-request-id'),
    origin: (await response.json()) as { requestId: string; address: string; userAgent: string },
  };
}

describe('the request id', () => {
  it('is taken from the caller when it is sane and carried to the ledger and the log', async () => {
    const app = await start(echoOrigin);
    const { id, origin } = await originOf(app.url, {
      'X-Request-ID': 'trace-1:2/3',
      'User-Agent': 'u'.repeat(900),
    });
    expect([id, origin.requestId]).toEqual(['trace-1:2/3', 'trace-1:2/3']);
    expect(origin.userAgent).toHaveLength(512);
    await app.stop();
  });

  it.each(['', 'a b', 'x'.repeat(129), '<b>', 'a"b'])('is made anew instead of %j', async (given) => {
    const app = await start(echoOrigin);
    const { id } = await originOf(app.url, { 'X-Request-ID': given });
    expect(id).toMatch(/^[0-9a-f-]{36}$/);
    await app.stop();
  });
});

describe('the address', () => {
  it('is the peer when no proxy is trusted, whatever is forwarded', async () => {
    const app = await start(echoOrigin);
    const { origin } = await originOf(app.url, { 'X-Forwarded-For': '203.0.113.9' });
    expect(origin.address).toBe('127.0.0.1');
    await app.stop();
  });

  it.each([
    ['203.0.113.9', '203.0.113.9'],
    ['6.6.6.6, 203.0.113.9, 10.1.2.3', '203.0.113.9'],
    ['[2001:db8::1]:443', '2001:db8::1'],
    ['203.0.113.9:1234', '203.0.113.9'],
    ['::ffff:203.0.113.9', '203.0.113.9'],
    ['garbage', '127.0.0.1'],
    ['6.6.6.6, garbage, 10.1.2.3', '10.1.2.3'],
    ['10.1.1.1, 10.2.2.2', '10.1.1.1'],
  ])('of %j behind trusted proxies is %s', async (forwarded, address) => {
    const app = await start({ ...echoOrigin, trustedProxies: ['127.0.0.1', '10.0.0.0/8'] });
    const { origin } = await originOf(app.url, { 'X-Forwarded-For': forwarded });
    expect(origin.address).toBe(address);
    await app.stop();
  });

  it('and everything else that was forwarded reaches the engine only as we decided it', async () => {
    const app = await start({
      issuer: 'https://id.example',
      after: [
        (ctx) => {
          ctx.body = [
            ctx.get('x-forwarded-proto'),
            ctx.get('x-forwarded-host'),
            ctx.get('x-forwarded-for'),
          ].join(' ');
        },
      ],
    });
    const response = await fetch(app.url, {
      headers: {
        'X-Forwarded-Proto': 'http',
        'X-Forwarded-Host': 'evil.example',
        'X-Forwarded-For': '6.6.6.6',
      },
    });
    expect(await response.text()).toBe('https id.example 127.0.0.1');
    await app.stop();
  });
});

describe('limits', () => {
  const token = {
    limits: { token: 4 },
    after: [
      (ctx: { path: string; body: unknown }) => {
        ctx.body = ctx.path;
      },
    ],
  };

  it('say what is left, then answer 429 with Retry-After in the shape of OAuth', async () => {
    const app = await start(token);
    const first = await fetch(`${app.url}/token`, { method: 'POST' });
    expect(first.headers.get('ratelimit-policy')).toBe('"token";q=4;w=60');
    expect(first.headers.get('ratelimit')).toMatch(/^"token";r=2;t=\d+$/);
    await fetch(`${app.url}/token`, { method: 'POST' });
    await fetch(`${app.url}/token`, { method: 'POST' });
    const refused = await fetch(`${app.url}/token`, { method: 'POST' });
    expect(refused.status).toBe(429);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(refused.headers.get('content-type')).toContain('application/json');
    expect(await refused.json()).toMatchObject({ error: 'temporarily_unavailable' });
    await app.stop();
  });

  it('count each address alone, and an IPv6 subscriber as one', async () => {
    const app = await start({ ...token, trustedProxies: ['127.0.0.1'] });
    const ask = async (address: string) =>
      (await fetch(`${app.url}/token`, { method: 'POST', headers: { 'X-Forwarded-For': address } })).status;
    for (const last of ['1', '2', '3']) expect(await ask(`2001:db8:0:1::${last}`)).toBe(200);
    expect(await ask('2001:db8:0:1:ffff::9')).toBe(429);
    expect(await ask('2001:db8:0:2::1')).toBe(200);
    expect(await ask('203.0.113.1')).toBe(200);
    await app.stop();
  });

  it('leave preflights and other addresses alone', async () => {
    const app = await start(token);
    for (let i = 0; i < 6; i += 1) {
      expect((await fetch(`${app.url}/token`, { method: 'OPTIONS' })).status).toBe(200);
      expect((await fetch(`${app.url}/jwks`)).headers.has('ratelimit')).toBe(false);
    }
    await app.stop();
  });
});

describe('limits of routes and pages', () => {
  const routes = [
    route({
      operation: 'readThing',
      method: 'GET',
      path: '/things',
      permission: 'accounts:read',
      limit: 'admin-read',
      summary: 'Things.',
      reply: { 200: z.object({}) },
      run: () => ({}),
    }),
  ];
  const callers = Object.fromEntries(
    ['a', 'b', 'c'].map((id) => [
      `Bearer ${id}`,
      {
        kind: 'client' as const,
        id,
        clientId: id,
        permissions: id === 'c' ? [] : ['accounts:read'],
        accountId: null,
        organizationId: null,
        apiKeyId: null,
      },
    ]),
  );

  it('count callers by who they are, not by their address', async () => {
    const app = await start({ routes, callers, limits: { 'admin-read': 2 } });
    const ask = async (token: string) =>
      (await fetch(`${app.url}/api/v1/things`, { headers: { Authorization: `Bearer ${token}` } })).status;
    expect([await ask('a'), await ask('a'), await ask('a')]).toEqual([200, 200, 429]);
    expect(await ask('b')).toBe(200);
    await app.stop();
  });

  it('count refused requests as well, so that nobody guesses tokens at full speed', async () => {
    const app = await start({ routes, callers, limits: { 'admin-read': 2 } });
    const ask = async (token: string) =>
      (await fetch(`${app.url}/api/v1/things`, { headers: { Authorization: `Bearer ${token}` } })).status;
    expect([await ask('x'), await ask('y'), await ask('z')]).toEqual([401, 401, 429]);
    expect([await ask('c'), await ask('c'), await ask('c')]).toEqual([403, 403, 429]);
    await app.stop();
  });

  it('answer a person with a page that says when to come back', async () => {
    const pages = [
      page({
        method: 'GET',
        path: '/own',
        limit: 'page',
        run: ({ ctx }) => {
          ctx.body = 'x';
          return { kind: 'answered' };
        },
      }),
    ];
    const app = await start({ pages, limits: { page: 2 } });
    const ask = () => fetch(`${app.url}/own`, { headers: { Accept: 'text/html' } });
    await ask();
    await ask();
    const refused = await ask();
    expect([refused.status, refused.headers.get('content-type')]).toEqual([429, 'text/html; charset=utf-8']);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    await app.stop();
  });
});

describe('protocol endpoints', () => {
  const failing = (error: Error) => ({
    after: [
      () => {
        throw error;
      },
    ],
  });

  it.each([
    [new Error('inner'), 500, 'server_error'],
    [failure('database_unavailable'), 503, 'temporarily_unavailable'],
    [Object.assign(new Error('inner'), { code: '57P01' }), 503, 'temporarily_unavailable'],
    [failure('body_too_large'), 413, 'invalid_request'],
  ])('answer %s in the shape of OAuth', async (error, status, code) => {
    const app = await start(failing(error));
    const response = await fetch(`${app.url}/token`, { method: 'POST', headers: { Accept: 'text/html' } });
    const body = (await response.json()) as Record<string, unknown>;
    expect([response.status, body.error]).toEqual([status, code]);
    expect(body.request_id).toBe(response.headers.get('x-request-id'));
    expect(JSON.stringify(body)).not.toContain('inner');
    expect(response.headers.has('retry-after')).toBe(status === 503);
    await app.stop();
  });

  it('get no page headers, and no nonce is made for them', async () => {
    let nonce: string | undefined = 'unseen';
    const app = await start({
      after: [
        (ctx) => {
          nonce = requestOf(ctx).nonce;
          ctx.body = '{}';
        },
      ],
    });
    const { headers } = await fetch(`${app.url}/token`);
    expect(nonce).toBeUndefined();
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('referrer-policy')).toBe('no-referrer');
    expect(headers.has('content-security-policy')).toBe(false);
    await app.stop();
  });

  it('may answer HTML of their own, which nobody can frame', async () => {
    const app = await start({
      after: [
        (ctx) => {
          ctx.type = 'html';
          ctx.body = '<form></form>';
        },
      ],
    });
    const { headers } = await fetch(`${app.url}/authorize`);
    expect(headers.get('x-frame-options')).toBe('DENY');
    expect(headers.get('content-security-policy')).toContain("frame-ancestors 'none'");
    await app.stop();
  });

  it('never show the text Koa has for a stream that breaks', async () => {
    const app = await start({
      after: [
        (ctx) => {
          ctx.type = 'json';
          ctx.body = { toJSON: () => Promise.reject(new Error('x')), size: 1n };
          Object.defineProperty(ctx.body, 'toJSON', { value: undefined });
        },
      ],
    });
    const response = await fetch(`${app.url}/token`);
    expect([response.status, response.headers.get('content-type')]).toEqual([
      500,
      'application/json; charset=utf-8',
    ]);
    expect(await response.json()).toMatchObject({ error: 'server_error' });
    await app.stop();
  });
});

describe('form-action', () => {
  it.each([
    ['https://app.example/cb?x=1', 'https://app.example'],
    ['http://127.0.0.1:8080/cb', 'http://127.0.0.1:8080'],
    ['http://[::1]:8080/cb', 'http:'],
    ['com.example.app:/cb', 'com.example.app:'],
    ['com.example.app:', 'com.example.app:'],
    ['javascript:alert(1)', undefined],
    ['data:text/html,x', undefined],
    ["https://a;script-src 'unsafe-inline'", undefined],
    ['https://a;b.example/', undefined],
    ['https://a,b.example/', undefined],
    ["*; script-src 'unsafe-inline'", undefined],
    ['', undefined],
  ])('turns %j into %j', (target, source) => {
    expect(formActionSource(target)).toBe(source);
  });

  it('leaves out what is no address', () => {
    expect(contentSecurityPolicy('n', ['https://a;b.example/'])).toContain("form-action 'self';");
  });
});

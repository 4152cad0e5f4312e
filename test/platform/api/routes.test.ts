// The pipeline of the JSON API, over real HTTP.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { answer, type Caller, route } from '../../../src/platform/api/route.ts';
import { failure } from '../../../src/platform/errors.ts';
import { type Application, start } from '../http/application.ts';

const unbound = { accountId: null, organizationId: null, apiKeyId: null };
const reader: Caller = {
  kind: 'account',
  id: 'acc_1',
  clientId: 'cli_1',
  permissions: ['accounts:read'],
  ...unbound,
};
const writer: Caller = {
  ...unbound,
  kind: 'client',
  id: 'cli_2',
  clientId: 'cli_2',
  permissions: ['audit-events:create'],
};

const made = { manuals: 0 };

const routes = [
  route({
    operation: 'getThing',
    method: 'GET',
    path: '/things/:id',
    permission: 'accounts:read',
    limit: 'admin-read',
    summary: 'One thing.',
    params: z.object({ id: z.string().max(20) }),
    query: z.object({ size: z.coerce.number().int().optional() }),
    reply: { 200: z.object({ id: z.string(), size: z.number().nullable(), by: z.string() }) },
    run: ({ params, query, caller }) => {
      const row = { id: params.id, size: query.size ?? null, by: caller.id, secretHash: 'never shown' };
      return row;
    },
  }),
  route({
    operation: 'createThing',
    method: 'POST',
    path: '/things',
    permission: 'audit-events:create',
    limit: 'admin-write',
    summary: 'A new thing.',
    body: z.object({ name: z.string().max(50), tags: z.array(z.string()).optional() }),
    reply: { 201: z.object({ name: z.string() }), 202: z.void() },
    run: ({ body }) => {
      if (body.name === 'explode') throw new Error('the database password is hunter2');
      if (body.name === 'taken') throw failure('identifier_taken');
      if (body.name === 'gone') throw Object.assign(new Error('no'), { code: 'ECONNREFUSED' });
      if (body.name === 'later') return answer(202, undefined);
      return answer(201, { name: body.name }, { Location: '/api/v1/things/1' });
    },
  }),
  route({
    operation: 'deleteThing',
    method: 'DELETE',
    path: '/things/:id',
    permission: 'authenticated',
    limit: 'admin-write',
    summary: 'Forget a thing.',
    params: z.object({ id: z.string() }),
    reply: { 204: z.void() },
    run: () => {},
  }),
  route({
    operation: 'changeThing',
    method: 'PATCH',
    path: '/things/:id',
    permission: 'audit-events:create',
    limit: 'admin-write',
    summary: 'Change a thing.',
    versioned: true,
    params: z.object({ id: z.string() }),
    body: z.object({ name: z.string().nullish() }),
    reply: { 200: z.object({ version: z.int(), seen: z.number().nullable() }) },
    run: ({ version }) => ({ version: 4, seen: version ?? null }),
  }),
  route({
    operation: 'getStatus',
    method: 'GET',
    path: '/status',
    absolute: true,
    permission: 'public',
    limit: 'admin-read',
    summary: 'How it goes.',
    reply: { 200: z.object({ status: z.literal('fine') }) },
    run: () => ({ status: 'fine' as const }),
  }),
  route({
    operation: 'getManual',
    method: 'GET',
    path: '/manual',
    permission: 'public',
    limit: 'admin-read',
    summary: 'The same for everybody.',
    fixed: true,
    reply: { 200: z.object({ made: z.number() }) },
    run: () => {
      made.manuals += 1;
      return { made: made.manuals };
    },
  }),
  route({
    operation: 'getBroken',
    method: 'GET',
    path: '/broken',
    permission: 'public',
    limit: 'admin-read',
    summary: 'A reply that JSON cannot hold.',
    reply: { 200: z.object({ size: z.bigint() }) },
    run: () => ({ size: 1n }),
  }),
];

let app: Application;
const callers = { 'Bearer reader': reader, 'Bearer writer': writer };
beforeAll(async () => {
  app = await start({ routes, callers });
});
afterAll(() => app.stop());

function get(path: string, token: string | null = 'reader') {
  return fetch(app.url + path, token === null ? {} : { headers: { Authorization: `Bearer ${token}` } });
}

function post(body: string | Uint8Array<ArrayBuffer>, headers: Record<string, string> = {}) {
  return fetch(`${app.url}/api/v1/things`, {
    method: 'POST',
    body,
    headers: { Authorization: 'Bearer writer', 'Content-Type': 'application/json', ...headers },
  });
}

async function problem(response: Response) {
  expect(response.headers.get('content-type')).toBe('application/problem+json');
  const body = (await response.json()) as Record<string, unknown>;
  expect(body.requestId).toBe(response.headers.get('x-request-id'));
  expect(body.status).toBe(response.status);
  return body;
}

describe('a route', () => {
  it('answers with what its reply schema names and nothing else', async () => {
    const response = await get('/api/v1/things/a?size=3');
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({ id: 'a', size: 3, by: 'acc_1' });
    expect(response.headers.get('cache-control')).toBe('no-store');
  });

  it('says its status and headers when it has several', async () => {
    const created = await post('{"name":"a"}');
    expect([created.status, created.headers.get('location')]).toEqual([201, '/api/v1/things/1']);
    const later = await post('{"name":"later"}');
    expect([later.status, await later.text()]).toEqual([202, '']);
  });

  it('answers 204 without a body', async () => {
    const response = await fetch(`${app.url}/api/v1/things/1`, {
      method: 'DELETE',
      headers: { Authorization: 'Bearer reader' },
    });
    expect([response.status, await response.text()]).toEqual([204, '']);
  });

  it('may live outside /api/v1 and be public', async () => {
    const response = await get('/status', null);
    expect(await response.json()).toEqual({ status: 'fine' });
  });
});

describe('who may ask', () => {
  it('answers 401 with a challenge when there is no token', async () => {
    const response = await get('/api/v1/things/a', null);
    expect(response.status).toBe(401);
    expect(response.headers.get('www-authenticate')).toBe('Bearer realm="http://127.0.0.1:4999"');
    expect((await problem(response)).code).toBe('authentication_required');
  });

  it('says invalid_token when the token is not valid', async () => {
    const response = await get('/api/v1/things/a', 'stolen');
    expect(response.status).toBe(401);
    expect(response.headers.get('www-authenticate')).toContain('error="invalid_token"');
  });

  it('answers 403 and names the permission when it is missing', async () => {
    const response = await get('/api/v1/things/a', 'writer');
    expect(response.status).toBe(403);
    expect(response.headers.get('www-authenticate')).toContain('scope="accounts:read"');
    expect((await problem(response)).code).toBe('permission_denied');
  });

  it('keeps keys from what only needs somebody, unless the route says that they may come', async () => {
    const callers = { 'Bearer key': { ...reader, apiKeyId: 'key_1' } };
    const [forget] = routes.filter(({ operation }) => operation === 'deleteThing');
    if (forget === undefined) throw new Error('there is no such route');
    const statuses = [];
    for (const one of [forget, { ...forget, openToKeys: true as const }]) {
      const own = await start({ routes: [one], callers });
      const headers = { Authorization: 'Bearer key' };
      statuses.push((await fetch(`${own.url}/api/v1/things/1`, { method: 'DELETE', headers })).status);
      await own.stop();
    }
    expect(statuses).toEqual([403, 204]);
  });

  it('looks at the token before the body', async () => {
    const response = await post('{broken', { Authorization: 'Bearer reader' });
    expect(response.status).toBe(403);
  });
});

describe('bad input', () => {
  const cases: [string, string, number, string][] = [
    ['malformed JSON', '{"name":', 400, 'body_malformed'],
    ['an empty body', '', 400, 'request_invalid'],
    ['a wrong type', '{"name":1}', 400, 'request_invalid'],
    ['an unknown field', '{"name":"a","admin":true}', 400, 'request_invalid'],
    ['a null byte', '{"name":"a\\u0000b"}', 400, 'request_invalid'],
    ['a null byte in a key', '{"name":"a","\\u0000":1}', 400, 'request_invalid'],
    ['half a surrogate pair', '{"name":"\\ud800"}', 400, 'request_invalid'],
    ['a name of 10,000 characters', JSON.stringify({ name: 'x'.repeat(900) }), 400, 'request_invalid'],
    ['a body past the limit', JSON.stringify({ name: 'x'.repeat(10_000) }), 413, 'body_too_large'],
    ['nesting without end', `${'['.repeat(400)}${']'.repeat(400)}`, 400, 'body_malformed'],
    ['a prototype as a key', '{"name":"a","tags":[{"__proto__":{"a":1}}]}', 400, 'request_invalid'],
  ];
  it.each(cases)('refuses %s', async (_what, body, status, code) => {
    const response = await post(body);
    expect(response.status).toBe(status);
    expect((await problem(response)).code).toBe(code);
  });

  it('names the fields that are wrong', async () => {
    const body = await problem(await post('{"name":1}'));
    expect(Object.keys(body.fields as object)).toEqual(['name']);
  });

  it('refuses bytes that are not UTF-8', async () => {
    const response = await post(new Uint8Array([0x7b, 0x22, 0xff, 0x22, 0x7d]));
    expect((await problem(response)).code).toBe('body_malformed');
  });

  it('refuses an oversized body that does not say its length', async () => {
    const stream = new ReadableStream({
      pull(controller) {
        controller.enqueue(new TextEncoder().encode('x'.repeat(600)));
      },
    });
    const response = await fetch(`${app.url}/api/v1/things`, {
      method: 'POST',
      body: stream,
      duplex: 'half',
      headers: { Authorization: 'Bearer writer', 'Content-Type': 'application/json' },
    } as RequestInit);
    expect(response.status).toBe(413);
  });

  it.each(['text/plain', 'application/x-www-form-urlencoded', 'application/json; charset=utf-16'])(
    'answers 415 to %s',
    async (type) => {
      const response = await post('{"name":"a"}', { 'Content-Type': type });
      expect([response.status, (await problem(response)).code]).toEqual([415, 'content_type_unsupported']);
    },
  );

  it.each([
    '/api/v1/things/a?size=1&size=2',
    '/api/v1/things/a?colour=red',
    '/api/v1/things/a?size=%zz',
    '/api/v1/things/a?size=%00',
    '/api/v1/things/a?size=many',
    '/api/v1/things/%zz',
    '/api/v1/things/%00',
    '/api/v1/things/%ff',
    `/api/v1/things/${'x'.repeat(21)}`,
  ])('answers 400 to %s', async (path) => {
    const response = await get(path);
    expect(response.status).toBe(400);
    expect((await problem(response)).code).toBe('request_invalid');
  });

  it('answers 400 to a request target that is no address', async () => {
    const text = await app.raw('GET http://[ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
    expect(text).toMatch(/^HTTP\/1.1 400 /);
  });
});

describe('versions', () => {
  const patch = (ifMatch?: string, type = 'application/merge-patch+json') =>
    fetch(`${app.url}/api/v1/things/1`, {
      method: 'PATCH',
      body: '{"name":null}',
      headers: {
        Authorization: 'Bearer writer',
        'Content-Type': type,
        ...(ifMatch === undefined ? {} : { 'If-Match': ifMatch }),
      },
    });

  it('hands the version of If-Match to the route and answers with the new ETag', async () => {
    const response = await patch('"3"');
    expect([response.status, response.headers.get('etag')]).toEqual([200, '"4"']);
    expect(await response.json()).toEqual({ version: 4, seen: 3 });
    expect(await (await patch('*', 'application/json')).json()).toEqual({ version: 4, seen: null });
  });

  it.each([
    [undefined, 428, 'precondition_required'],
    ['', 428, 'precondition_required'],
    ['W/"3"', 412, 'version_conflict'],
    ['3', 412, 'version_conflict'],
    ['"abc"', 412, 'version_conflict'],
    ['"1", "2"', 400, 'request_invalid'],
  ])('answers If-Match %s with %i', async (ifMatch, status, code) => {
    const response = await patch(ifMatch);
    expect([response.status, (await problem(response)).code]).toEqual([status, code]);
  });
});

describe('an Idempotency-Key', () => {
  it.each(['', 'with space', 'x'.repeat(256), '"unfinished'])('is refused as %j', async (key) => {
    const response = await post('{"name":"a"}', { 'Idempotency-Key': key });
    expect([response.status, (await problem(response)).code]).toEqual([400, 'request_invalid']);
  });
});

describe('errors', () => {
  it('keeps the status and code of our own failures', async () => {
    const response = await post('{"name":"taken"}');
    expect([response.status, (await problem(response)).code]).toEqual([409, 'identifier_taken']);
  });

  it('shows nothing of an unexpected error but logs its cause', async () => {
    const response = await post('{"name":"explode"}');
    expect(response.status).toBe(500);
    const text = JSON.stringify(await problem(response));
    expect(text).toContain('internal_error');
    expect(text).not.toContain('hunter2');
    const line = app.lines.findLast(({ level }) => level === 'error');
    expect(String((line?.fields as { error?: unknown } | undefined)?.error)).toContain('hunter2');
  });

  it('answers 503 with Retry-After when the database is away', async () => {
    const response = await post('{"name":"gone"}');
    expect([response.status, response.headers.get('retry-after')]).toEqual([503, '5']);
    expect((await problem(response)).code).toBe('database_unavailable');
  });

  it('answers 500 and never Koa text when the reply cannot be serialised', async () => {
    const response = await get('/api/v1/broken', null);
    expect([response.status, (await problem(response)).code]).toEqual([500, 'internal_error']);
  });
});

describe('methods', () => {
  it('answers 405 with Allow to a method the address does not have', async () => {
    const response = await fetch(`${app.url}/api/v1/things/a`, { method: 'PUT' });
    expect(response.status).toBe(405);
    expect(response.headers.get('allow')?.split(', ').sort()).toEqual([
      ...['DELETE', 'GET', 'HEAD', 'OPTIONS', 'PATCH'],
    ]);
    expect((await problem(response)).code).toBe('method_not_allowed');
  });

  it('answers OPTIONS with Allow', async () => {
    const response = await fetch(`${app.url}/api/v1/things/a`, { method: 'OPTIONS' });
    expect([response.status, response.headers.has('allow')]).toEqual([204, true]);
  });

  it('answers HEAD like GET without a body', async () => {
    const response = await fetch(`${app.url}/status`, { method: 'HEAD' });
    expect([response.status, await response.text()]).toEqual([200, '']);
  });

  it('answers 404 as a problem below /api', async () => {
    const response = await get('/api/v1/nothing');
    expect([response.status, (await problem(response)).code]).toEqual([404, 'not_found']);
  });
});

it('counts answers by route pattern, never by path', async () => {
  await get('/api/v1/things/very-secret');
  await get('/api/v1/nowhere/very-secret');
  const text = await app.metrics.text();
  expect(text).toMatch(
    /gatehouse_http_requests_total\{route="\/api\/v1\/things\/:id",method="GET",status="200"\} \d+/,
  );
  expect(text).toMatch(/gatehouse_http_requests_total\{route="other",method="GET",status="404"\} \d+/);
  expect(text).not.toContain('very-secret');
});

describe('a fixed route', () => {
  it('is made once, and not sent again to whoever has it', async () => {
    const first = await get('/api/v1/manual', null);
    const second = await get('/api/v1/manual', null);
    expect([await first.json(), await second.json()]).toEqual([{ made: 1 }, { made: 1 }]);
    expect(first.headers.get('cache-control')).toBe('public, max-age=300');
    const etag = first.headers.get('etag') ?? '';
    const ask = (tag: string) =>
      fetch(`${app.url}/api/v1/manual`, { headers: { 'If-None-Match': tag, 'Cache-Control': 'max-age=0' } });
    const known = await ask(etag);
    expect([known.status, await known.text(), known.headers.get('etag')]).toEqual([304, '', etag]);
    expect((await ask('"another"')).status).toBe(200);
  });
});

describe('made-up tokens', () => {
  it('are refused before they are looked up; known callers at the same address go on', async () => {
    const looked = { up: 0 };
    const counted = new Proxy<Record<string, Caller>>(callers, {
      get(known, name) {
        looked.up += 1;
        return known[String(name)];
      },
    });
    const own = await start({ routes, callers: counted, limits: { 'api-credential': 10 } });
    try {
      const ask = (token: string) =>
        fetch(`${own.url}/api/v1/things/1`, { headers: { Authorization: `Bearer ${token}` } });
      expect((await ask('reader')).status).toBe(200);
      const answers = await Promise.all(Array.from({ length: 50 }, (_, index) => ask(`made-up-${index}`)));
      const refused = answers.filter(({ status }) => status === 429);
      expect(refused.length).toBeGreaterThan(40);
      expect(refused[0]?.headers.get('retry-after')).toMatch(/^\d+$/);
      expect(looked.up).toBeLessThan(10);
      const known = await Promise.all(Array.from({ length: 20 }, () => ask('reader')));
      expect(new Set(known.map(({ status }) => status))).toEqual(new Set([200]));
    } finally {
      await own.stop();
    }
  });

  it('are counted again once they are no longer good', async () => {
    const known: Record<string, Caller> = { 'Bearer reader': reader };
    const own = await start({ routes, callers: known, limits: { 'api-credential': 2 } });
    const ask = async () =>
      (await fetch(`${own.url}/api/v1/things/1`, { headers: { Authorization: 'Bearer reader' } })).status;
    try {
      expect([await ask(), await ask(), await ask()]).toEqual([200, 200, 200]);
      delete known['Bearer reader'];
      expect([await ask(), await ask(), await ask()]).toEqual([401, 401, 429]);
    } finally {
      await own.stop();
    }
  });
});

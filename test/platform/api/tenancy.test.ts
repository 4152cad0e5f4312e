// Callers that are bound to an organization: where they come to, and what they may name there.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { apiDocument } from '../../../src/platform/api/openapi.ts';
import { type Caller, type Route, route } from '../../../src/platform/api/route.ts';
import { failure } from '../../../src/platform/errors.ts';
import { type Application, start } from '../http/application.ts';

const own = 'org_own';
const other = 'org_other';
const absent = 'org_absent';
const unbound: Caller = {
  kind: 'client',
  id: 'cli_1',
  clientId: 'cli_1',
  permissions: ['accounts:read', 'accounts:create'],
  accountId: null,
  organizationId: null,
  apiKeyId: null,
};
const bound: Caller = { ...unbound, id: 'cli_2', clientId: 'cli_2', organizationId: own };

const ran: string[] = [];
const reply = { 200: z.object({ name: z.string() }) };
const organizationId = z.string().nullish();

const things = route({
  operation: 'getThings',
  method: 'GET',
  path: '/organizations/:organizationId/things',
  permission: 'accounts:read',
  limit: 'admin-read',
  summary: 'Things of an organization.',
  tenancy: 'organization',
  params: z.object({ organizationId: z.string() }),
  query: z.object({ organizationId: z.string().optional() }),
  reply,
  run: ({ params }) => {
    ran.push(params.organizationId);
    if (params.organizationId === absent) throw failure('organization_not_found');
    return { name: `things of ${params.organizationId}` };
  },
});
const made = route({
  operation: 'createThing',
  method: 'POST',
  path: '/things',
  permission: 'accounts:create',
  limit: 'admin-write',
  summary: 'A new thing.',
  tenancy: 'organization',
  body: z.object({ organizationId }),
  reply,
  run: ({ body }) => {
    ran.push(String(body.organizationId));
    return { name: 'made' };
  },
});
const everywhere = (['accounts:read', 'authenticated', 'public'] as const).map((permission) =>
  route({
    operation: `get ${permission}`,
    method: 'GET',
    path: `/everywhere/${permission.replace(':', '-')}`,
    permission,
    limit: 'admin-read',
    summary: 'Of the whole server.',
    reply,
    run: () => {
      ran.push('everywhere');
      return { name: 'everything' };
    },
  }),
);
const routes: Route[] = [things, made, ...everywhere];

const serving: { app?: Application } = {};
beforeAll(async () => {
  serving.app = await start({ routes, callers: { 'Bearer unbound': unbound, 'Bearer bound': bound } });
});
afterAll(() => serving.app?.stop());

async function ask(who: 'unbound' | 'bound', path: string, body?: unknown) {
  ran.length = 0;
  const response = await fetch(`${serving.app?.url}/api/v1${path}`, {
    headers: { Authorization: `Bearer ${who}`, ...(body ? { 'Content-Type': 'application/json' } : {}) },
    ...(body ? { method: 'POST', body: JSON.stringify(body) } : {}),
  });
  // `as`: a problem or the reply above, which the tests look into.
  const answered = (await response.json()) as Record<string, unknown>;
  return { status: response.status, body: answered, headers: response.headers };
}

describe('a caller that is bound to an organization', () => {
  it('comes to what is of its own organization', async () => {
    expect(await ask('bound', `/organizations/${own}/things`)).toMatchObject({
      status: 200,
      body: { name: `things of ${own}` },
    });
    for (const body of [{}, { organizationId: own }]) {
      expect((await ask('bound', '/things', body)).status).toBe(200);
    }
  });

  it.each(['/everywhere/accounts-read', '/everywhere/authenticated'])(
    'does not come to %s, whatever it may do, and is told why',
    async (path) => {
      expect(await ask('bound', path)).toMatchObject({ status: 403, body: { code: 'organization_bound' } });
      expect(ran).toEqual([]);
      expect((await ask('unbound', path)).status).toBe(200);
    },
  );

  it('comes to what is public', async () => {
    expect((await ask('bound', '/everywhere/public')).status).toBe(200);
  });

  it('is answered for another organization as for one that does not exist, and nothing is looked up', async () => {
    const answers = [];
    for (const id of [other, absent, '%', own.toUpperCase()]) {
      const { status, body, headers } = await ask('bound', `/organizations/${encodeURIComponent(id)}/things`);
      const { requestId: _each, ...rest } = body;
      const kept = [...headers.keys()].filter((name) => name !== 'x-request-id').sort();
      answers.push(JSON.stringify([status, rest, kept]));
      expect(ran).toEqual([]);
    }
    expect(new Set(answers).size).toBe(1);
    // And it is the very answer that everybody gets for what does not exist.
    const { body } = await ask('unbound', `/organizations/${absent}/things`);
    expect(JSON.parse(answers[0] ?? '')[1]).toEqual({ ...body, requestId: undefined });
  });

  it('names no other one in a query or a body either, nor the whole server', async () => {
    const query = await ask('bound', `/organizations/${own}/things?organizationId=${other}`);
    expect(query).toMatchObject({ status: 404, body: { code: 'organization_not_found' } });
    expect(await ask('bound', '/things', { organizationId: other })).toMatchObject({
      status: 404,
      body: { code: 'organization_not_found' },
    });
    expect(await ask('bound', '/things', { organizationId: null })).toMatchObject({
      status: 403,
      body: { code: 'organization_bound' },
    });
    expect(ran).toEqual([]);
  });
});

describe('a caller that is bound to none', () => {
  it('comes to every organization', async () => {
    for (const id of [own, other]) {
      expect((await ask('unbound', `/organizations/${id}/things`)).status).toBe(200);
    }
    expect((await ask('unbound', '/things', { organizationId: null })).status).toBe(200);
  });
});

it('is told by the document: where bound callers may come, and what they are answered elsewhere', () => {
  const document = apiDocument(routes, {
    issuer: 'https://id.example',
    version: '1',
    permissions: {},
    subjects: {},
  });
  const operation = (path: string, method = 'get') => document.paths[`/api/v1${path}`]?.[method];
  const codes = (path: string, status: string) =>
    JSON.stringify(operation(path)?.responses[status]).match(/organization_\w+/)?.[0];
  expect(operation('/organizations/{organizationId}/things')?.description).toContain(
    'bound to an organization',
  );
  expect(codes('/organizations/{organizationId}/things', '404')).toBe('organization_not_found');
  expect(codes('/everywhere/accounts-read', '403')).toBe('organization_bound');
  expect(operation('/everywhere/accounts-read')?.description).not.toContain('bound to');
});

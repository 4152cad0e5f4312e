// The same client credentials request, answered directly and by the engine: no difference that anybody could see. What says
// it is written in ASCII goes to the engine (direct/form.ts).
import fc from 'fast-check';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Client } from '../../src/clients/clients.ts';
import { basic, eventsOf } from '../flows/relying-party.ts';
import { useGatehouse } from '../support/gatehouse.ts';
import { createApi, createClient, operator } from '../support/people.ts';
import { giveRole } from '../support/roles.ts';

const gatehouse = useGatehouse();

interface Machine {
  readonly client: Client;
  readonly secret: string;
}

const made: { machines: Record<string, Machine>; audiences: string[] } = { machines: {}, audiences: [] };

beforeAll(async () => {
  const { services } = gatehouse;
  const [one, two, opaque] = [
    await createApi(services),
    await createApi(services),
    await createApi(services, { tokenFormat: 'opaque' }),
  ];
  await services.apis.change(
    two.id,
    { tokenClaims: ['permissions', 'roles', 'org_id'], claims: { area: 'west' }, signingAlgorithm: 'RS256' },
    operator,
  );
  made.audiences = [one.audience, two.audience, opaque.audience];
  const machine = (input: object) => createClient(services, { kind: 'machine', ...input });
  const [all] = [['*']];
  const entitled = (permissions: string[], ...apis: { audience: string }[]) =>
    apis.map(({ audience }) => ({ audience, permissions }));
  made.machines = {
    plain: await machine({ apis: entitled(['notes:read'], one) }),
    posting: await machine({
      apis: entitled(['*'], two),
      authMethod: 'client_secret_post',
      claims: { fleet: 7 },
    }),
    several: await machine({ apis: entitled(['*'], one, two, opaque), accessTokenLifetimeSeconds: 77 }),
    none: await machine({}),
    bound: await machine({ apis: entitled(['*'], one), dpopBound: true }),
    keyed: await machine({ apis: entitled(['notes:read'], two) }),
    web: await createClient(services, { apis: entitled(['*'], one) }),
    gone: await machine({ apis: entitled(all ?? [], one) }),
  };
  await giveRole(services, { kind: 'client', id: made.machines.keyed?.client.id ?? '' }, ['notes:write']);
  await services.clients.change(made.machines.gone?.client.id ?? '', { status: 'disabled' }, operator);
});

interface Request {
  readonly machine: string;
  readonly way: 'basic' | 'post' | 'both' | 'none' | 'wrong' | 'bearer' | 'mismatch' | 'odd';
  readonly fields: readonly (readonly [string, string])[];
}

async function ask({ machine, way, fields }: Request, charset: string) {
  const { client, secret } = made.machines[machine] ?? {
    client: { id: 'cli_unknown' as never },
    secret: 'x',
  };
  const body = new URLSearchParams(fields.map(([name, value]): [string, string] => [name, value]));
  const headers: Record<string, string> = {
    'content-type': `application/x-www-form-urlencoded; charset=${charset}`,
    accept: 'application/json',
  };
  if (way === 'basic' || way === 'both' || way === 'mismatch') Object.assign(headers, basic(client, secret));
  if (way === 'wrong') Object.assign(headers, basic(client, `${secret}x`));
  if (way === 'bearer') headers.authorization = `Bearer ${secret}`;
  if (way === 'odd') headers.authorization = `Basic ${Buffer.from(client.id).toString('base64')}`;
  if (way === 'post' || way === 'both') body.append('client_secret', secret);
  if (way === 'post' || way === 'none') body.append('client_id', client.id);
  if (way === 'mismatch') body.append('client_id', 'somebody-else');
  const answer = await fetch(`${gatehouse.issuer}/token`, { method: 'POST', body: body.toString(), headers });
  return {
    status: answer.status,
    headers: shown(answer.headers),
    body: read((await answer.json()) as Record<string, unknown>),
    by: client.id,
  };
}

const passing = new Set(['date', 'x-request-id', 'ratelimit', 'content-length']);

function shown(headers: Headers): Record<string, string> {
  return Object.fromEntries([...headers].filter(([name]) => !passing.has(name)));
}

function read(body: Record<string, unknown>): Record<string, unknown> {
  const { access_token: token } = body;
  if (typeof token !== 'string') return body;
  if (!token.includes('.')) return { ...body, access_token: token.length };
  const { jti, iat = 0, exp = 0, ...claims } = decodeJwt(token);
  return {
    ...body,
    access_token: { ...decodeProtectedHeader(token), ...claims, life: exp - iat, jti: typeof jti },
  };
}

async function newest(clientId: string) {
  const [event] = await eventsOf(gatehouse.services, { clientId });
  if (event === undefined) return undefined;
  const { id: _, occurredAt: __, requestId: ___, target, details, ...rest } = event;
  return { ...rest, target: target?.kind, details: { ...(details as object), tokenId: undefined } };
}

/** One after the other, so that each leaves its own event. */
async function both(request: Request) {
  const direct = await ask(request, 'utf-8');
  const event = await newest(direct.by);
  const engine = await ask(request, 'us-ascii');
  expect(direct).toEqual(engine);
  expect(event).toEqual(await newest(engine.by));
  return direct;
}

const scopes = [
  '',
  'notes:read',
  'notes:read notes:write',
  'notes:write',
  'notes:read:today',
  'notes:*',
  '*:*',
  'openid notes:read',
  'openid',
  'offline_access',
  'nothing:here',
  'notes:read  notes:write',
  'no"tes',
  'notes:read notes:read',
];

const field = fc.oneof(
  fc.constantFrom(...scopes).map((scope) => ['scope', scope] as const),
  fc
    .nat(5)
    .map(
      (at) => ['resource', made.audiences[at] ?? ['https://nowhere.example.com', 'x', ''][at - 3]] as const,
    ),
  fc.constantFrom(
    ['grant_type', 'client_credentials'] as const,
    ['grant_type', 'refresh_token'] as const,
    ['foo', 'bar'] as const,
    ['authorization_details', '[]'] as const,
    ['client_assertion', 'x'] as const,
    ['organization_id', 'org_x'] as const,
  ),
);

describe('a client credentials request', () => {
  it.each(['plain', 'posting', 'several', 'none', 'bound', 'keyed', 'web', 'gone', 'unknown'])(
    'of the client "%s" is answered like the engine answers it, for every scope',
    async (machine) => {
      for (const scope of scopes) {
        await both({
          machine,
          way: 'basic',
          fields: [
            ['grant_type', 'client_credentials'],
            ['scope', scope],
          ],
        });
      }
    },
  );

  it('for an API that it names is answered like the engine answers it', async () => {
    for (const resource of [...made.audiences, 'https://nowhere.example.com', 'x', '']) {
      const fields = [
        ['grant_type', 'client_credentials'],
        ['scope', 'notes:read'],
        ['resource', resource],
      ] as const;
      await both({ machine: 'several', way: 'post', fields });
    }
  });

  it('of any kind is answered like the engine answers it', { timeout: 60_000 }, async () => {
    const request = fc.record({
      machine: fc.constantFrom('plain', 'posting', 'several', 'none', 'keyed', 'web', 'unknown'),
      way: fc.constantFrom('basic', 'post', 'both', 'none', 'wrong', 'bearer', 'mismatch', 'odd'),
      fields: fc
        .array(field, { maxLength: 4 })
        .map((fields) => [['grant_type', 'client_credentials'], ...fields] as [string, string][]),
    });
    await fc.assert(
      fc.asyncProperty(request, async (one) => {
        await both(one as Request);
      }),
      { numRuns: 120 },
    );
  });

  it('gets from a role what its client has by it, at the APIs that it is registered for', async () => {
    const fields = [
      ['grant_type', 'client_credentials'],
      ['scope', 'notes:read notes:write'],
    ] as const;
    const answer = await both({ machine: 'keyed', way: 'basic', fields });

    expect(answer.body.scope).toBe('notes:read notes:write');
  });
});

// Bad input of machines over HTTP: keys that are none, keys that are over, and values that mean nothing. Each is refused
// with a stable code and a sentence that says what to do, and no answer tells whether a key exists.
import { setTimeout as delay } from 'node:timers/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import { newApiKey } from '../../src/lib/api-key-format.ts';
import { newId, parseId } from '../../src/lib/ids.ts';
import { useGatehouse } from '../support/gatehouse.ts';
import { callsBy, type Machine, machine } from '../support/management.ts';
import { createPerson, operator } from '../support/people.ts';
import { byOperator, createWorld, type World } from './machines.ts';

const gatehouse = useGatehouse();
const made: { caller?: Machine; world?: World } = {};
beforeAll(async () => {
  made.caller = await machine(gatehouse);
  made.world = await createWorld(gatehouse);
});
const world = () => {
  if (made.world === undefined) throw new Error('the world is made before the tests');
  return made.world;
};
const call = callsBy(gatehouse, () => {
  if (made.caller === undefined) throw new Error('the caller is made before the tests');
  return made.caller;
});

/** Strings that open nothing, each for a reason of its own. */
async function uselessKeys(): Promise<Record<string, string>> {
  const { apiKeys } = gatehouse.services;
  const [good, revoked, disabled, rotated, elsewhere] = await Promise.all([
    world().key(),
    world().key(),
    world().key(),
    world().key(),
    world().key({ allowedAddresses: ['203.0.113.0/24'] }),
  ]);
  const expired = await world().key({ expiresAt: new Date(Date.now() + 1_500) });
  await apiKeys.revoke(revoked.key.id, null, byOperator);
  await apiKeys.disable(disabled.key.id, byOperator);
  await apiKeys.rotate(rotated.key.id, { overlapSeconds: 0 }, byOperator);
  await delay(1_600);
  const id = parseId('key', good.key.id) ?? newId('key');
  const last = good.secret.endsWith('A') ? 'B' : 'A';
  return {
    'no such id': newApiKey(newId('key')),
    'a wrong secret': newApiKey(id),
    truncated: good.secret.slice(0, -1),
    'a wrong checksum': `${good.secret.slice(0, -1)}${last}`,
    'of the wrong case': good.secret.toUpperCase(),
    'of another product': good.secret.replace('gth_', 'ghp_'),
    expired: expired.secret,
    disabled: disabled.secret,
    retired: rotated.secret,
    revoked: revoked.secret,
    'from another address': elsewhere.secret,
  };
}

/** Whoever sends this is behind no proxy that is trusted. */
const forged = { 'X-Forwarded-For': '203.0.113.9', 'X-Real-IP': '203.0.113.9', Forwarded: 'for=203.0.113.9' };

const form = 'application/x-www-form-urlencoded';
const doors: Record<string, (key: string) => Promise<Response>> = {
  'the management API': (key) =>
    fetch(`${gatehouse.issuer}/api/v1/me`, { headers: { 'X-API-Key': key, ...forged } }),
  'the management API, as a bearer token': (key) =>
    fetch(`${gatehouse.issuer}/api/v1/me`, { headers: { Authorization: `Bearer ${key}`, ...forged } }),
  'the token endpoint': (key) =>
    fetch(`${gatehouse.issuer}/token`, {
      method: 'POST',
      headers: { 'X-API-Key': key, 'Content-Type': form, ...forged },
      body: 'grant_type=client_credentials',
    }),
  'the profile of a key': (key) =>
    fetch(`${gatehouse.issuer}/api/auth/profile`, { headers: { 'X-API-Key': key, ...forged } }),
};

/** All of an answer but what is of this one request. */
async function told(response: Response): Promise<string> {
  const text = (await response.text()).replace(/"request_?[iI]d":"[^"]*"/, '');
  const headers = [...response.headers].filter(([name]) => !/^(date|x-request-id|ratelimit.*)$/.test(name));
  return JSON.stringify([response.status, headers, text]);
}

describe('a key that opens nothing', () => {
  it.each(Object.keys(doors))('is answered the same at %s, whatever is wrong with it', async (door) => {
    const knock = doors[door] ?? fetch;
    const answers = new Map<string, string[]>();
    for (const [why, key] of Object.entries(await uselessKeys())) {
      const answer = await told(await knock(key));
      answers.set(answer, [...(answers.get(answer) ?? []), why]);
      expect(answer).not.toContain(key);
    }
    expect([...answers.values()]).toHaveLength(1);
    expect(JSON.parse([...answers.keys()][0] ?? '[]')[0]).toBe(401);
  });

  it('is inactive to whoever introspects it, and nothing else is said', async () => {
    const { 'from another address': _one, ...keys } = await uselessKeys();
    for (const [why, key] of Object.entries(keys)) {
      expect([why, await world().introspect(key)]).toEqual([why, { active: false }]);
    }
  });
});

interface Wrong {
  method: string;
  path: string;
  body?: unknown;
  headers?: Record<string, string>;
}
const role = (permissions: string[], parents: string[] = []) => {
  count += 1;
  return { name: `bad-input-${count}`, permissions, ...(parents.length > 0 ? { parents } : {}) };
};
let count = 0;

async function reservation(): Promise<string> {
  const { id } = await createPerson(gatehouse.services);
  const scope = { kind: 'account', id } as const;
  await gatehouse.services.budgets.set({ scope, meter: 'tokens', window: 'day', limit: 100 }, operator);
  const reserved = await call('POST', '/budgets/reservations', {
    body: { scopes: [scope], amounts: { tokens: 5 } },
  });
  return reserved.body.id;
}
const amounts = (tokens: unknown) => async (): Promise<Wrong> => ({
  method: 'POST',
  path: '/budgets/reservations',
  body: { scopes: [{ kind: 'account', id: 'acc_1' }], amounts: { tokens } },
});
const permission = (text: string) => async (): Promise<Wrong> => ({
  method: 'POST',
  path: '/roles',
  body: role([text]),
});

const wrongs: [string, string, () => Promise<Wrong>][] = [
  ['a negative amount', '400 amount_invalid', amounts(-1)],
  ['a huge amount', '400 amount_invalid', amounts(1e30)],
  ['a huge amount in digits', '400 amount_invalid', amounts('99999999999999999999')],
  ['a fractional amount', '400 amount_invalid', amounts(1.5)],
  ['an amount in words', '400 amount_invalid', amounts('many')],
  [
    'a limit in words',
    '400 request_invalid',
    async () => ({
      method: 'PUT',
      path: '/budgets',
      body: { scope: { kind: 'account', id: 'acc_1' }, meter: 'tokens', window: 'day', limit: 'many' },
    }),
  ],
  [
    'settling twice',
    '409 reservation_settled',
    async () => {
      const path = `/budgets/reservations/${await reservation()}/settle`;
      await call('POST', path, { body: { amounts: { tokens: 3 } } });
      return { method: 'POST', path, body: { amounts: { tokens: 3 } } };
    },
  ],
  [
    'an unknown meter',
    '422 meter_unknown',
    async () => ({
      method: 'POST',
      path: '/budgets/reservations',
      body: { scopes: [{ kind: 'account', id: 'acc_1' }], amounts: { bananas: 1 } },
    }),
  ],
  ['a selector with a blank in it', '400 permission_invalid', permission('files:read:a b')],
  ['a selector that ends in a separator', '400 permission_invalid', permission('files:read:files:')],
  ['a selector of separators', '400 permission_invalid', permission('files:read:::')],
  ['a selector with a quote in it', '400 permission_invalid', permission('files:read:"a"')],
  [
    'a circle of roles',
    '409 role_cycle',
    async () => {
      const parent = (await call('POST', '/roles', { body: role(['apis:read']) })).body;
      const child = (await call('POST', '/roles', { body: role(['apis:read'], [parent.id]) })).body;
      return {
        method: 'PATCH',
        path: `/roles/${parent.id}`,
        body: { parents: [child.id] },
        headers: { 'If-Match': '*' },
      };
    },
  ],
  [
    'removing a role that is assigned',
    '409 role_assigned',
    async () => {
      const { id } = (await call('POST', '/roles', { body: role(['apis:read']) })).body;
      const person = await createPerson(gatehouse.services);
      await call('PUT', `/roles/${id}/assignments/account/${person.id}`);
      return { method: 'DELETE', path: `/roles/${id}`, headers: { 'If-Match': '*' } };
    },
  ],
  [
    'a key in the address',
    '400 credential_in_url',
    async () => ({ method: 'GET', path: `/me?api_key=${(await world().key()).secret}` }),
  ],
];

describe('is refused with its code and a sentence:', () => {
  it.each(wrongs)('%s', async (_what, expected, wrong) => {
    const { method, path, ...rest } = await wrong();
    const { status, body } = await call(method, path, rest);
    expect(`${status} ${body.code}`).toBe(expected);
    expect(body.title).toMatch(/^[A-Z].{20,}\.$/);
    expect(body.type).toBe(`urn:gatehouse:error:${body.code}`);
  });
});

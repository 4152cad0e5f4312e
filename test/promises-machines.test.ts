// The promises on keys, permissions and roles of which no part has the whole story: told here over HTTP, and D8 by the bench.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { decodeJwt } from 'jose';
import { describe, expect, it } from 'vitest';
import { asOperator } from '../src/api-keys/api-keys.ts';
import { createKey, tokenForKey } from './flows/machines.ts';
import { post } from './flows/relying-party.ts';
import { useGatehouse } from './support/gatehouse.ts';
import { createApi, createPerson, operator } from './support/people.ts';

const gatehouse = useGatehouse();

describe('the life of a key', () => {
  it('A3 C8 D4: it has a name, permissions, a limit, addresses and an end; over the limit it is 429, revoked it is 401', async () => {
    const { audience } = await createApi(gatehouse.services);
    const { key, secret } = await createKey(gatehouse, {
      name: 'nightly import',
      permissions: ['notes:read'],
      apis: [audience],
      rateLimits: [{ permits: 2, per: 'hour' }],
      allowedAddresses: ['127.0.0.0/8', '::1'],
      expiresAt: new Date(Date.now() + 3_600_000),
    });
    const statuses = [];
    for (let turn = 0; turn < 3; turn += 1) {
      statuses.push((await tokenForKey(gatehouse.issuer, secret)).status);
    }
    expect(statuses).toEqual([200, 200, 429]);

    await gatehouse.services.apiKeys.revoke(key.id, 'the import is over', asOperator(operator));
    expect((await tokenForKey(gatehouse.issuer, secret)).status).toBe(401);
  });

  it('D2 D3 D5: its token says who it is and what it may, and ends with it and with no other key', async () => {
    const { audience } = await createApi(gatehouse.services);
    const owner = {
      kind: 'account' as const,
      id: (await createPerson(gatehouse.services, { admin: true })).id,
    };
    const asker = await createKey(gatehouse, { owner, permissions: ['api-keys:verify'] });
    const [one, other] = [
      await createKey(gatehouse, { owner, permissions: ['notes:read'], apis: [audience] }),
      await createKey(gatehouse, { owner, permissions: ['*:*'], apis: [audience] }),
    ];
    const tokens = [];
    for (const { secret } of [one, other]) {
      tokens.push(String((await tokenForKey(gatehouse.issuer, secret)).body.access_token));
    }
    const [first = '', second = ''] = tokens;
    const active = async (token: string) =>
      (await post(`${gatehouse.issuer}/introspect`, { token }, { 'x-api-key': asker.secret })).body.active;
    expect(decodeJwt(first)).toMatchObject({ sub: one.key.id, client_id: one.key.id, scope: 'notes:read' });
    expect(decodeJwt(second).scope).toBe('notes:read notes:write');
    expect([await active(first), await active(second)]).toEqual([true, true]);

    await gatehouse.services.apiKeys.revoke(one.key.id, null, asOperator(operator));
    expect([await active(first), await active(second)]).toEqual([false, true]);
  });
});

describe('the bench', () => {
  it('D8 measures what authentication with a key costs, beside an empty server and another product', () => {
    const sources = ['checks.ts', 'works.ts', 'scale.ts'].map((name) =>
      readFileSync(join(import.meta.dirname, '..', 'bench', name), 'utf8'),
    );
    const scripts: unknown = JSON.parse(
      readFileSync(join(import.meta.dirname, '..', 'package.json'), 'utf8'),
    ).scripts;

    expect(scripts).toHaveProperty('bench');
    for (const row of ['verify', 'forward-auth', 'better-auth', 'first use']) {
      expect(sources.join('\n')).toContain(row);
    }
  });
});

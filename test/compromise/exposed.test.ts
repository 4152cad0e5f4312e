// A key in the address of a request, wherever in it and however it is written: refused, and the leak is told.
import { describe, expect, it } from 'vitest';
import { asOperator } from '../../src/api-keys/api-keys.ts';
import { useGatehouse } from '../support/gatehouse.ts';
import { createPerson, operator } from '../support/people.ts';

const gatehouse = useGatehouse();

async function newKey() {
  const { services } = gatehouse;
  const owner = { kind: 'account', id: (await createPerson(services, { admin: true })).id } as const;
  const input = { name: 'A key', permissions: ['*:*'], owner };
  const { key, secret } = await services.apiKeys.create(input, asOperator(operator));
  return { id: key.id, secret };
}

const encoded = (text: string) => [...text].map((sign) => `%${sign.charCodeAt(0).toString(16)}`).join('');

describe('a key in the address', () => {
  it.each([
    ['GET', '/api/v1/accounts?api_key=KEY'],
    ['GET', '/api/v1/accounts?search=KEY'],
    ['GET', '/api/v1/api-keys/KEY'],
    ['POST', '/api/v1/api-keys/KEY/revoke'],
    ['POST', '/api/v1/verify?key=KEY'],
    ['POST', '/api/v1/leak-reports?token=KEY'],
    ['POST', '/api/auth/token?api_key=KEY'],
    ['GET', '/api/auth/profile?api_key=KEY'],
    ['POST', '/access/v1/evaluation?key=KEY'],
    ['GET', '/nowhere/KEY'],
    ['GET', '/readyz?x=KEY'],
    ['POST', '/token?client_secret=KEY'],
  ])('is refused at %s %s, plain and encoded, and told without it', async (method, address) => {
    for (const write of [(text: string) => text, encoded, (text: string) => text.replace('g', '%67')]) {
      const { id, secret } = await newKey();
      const answer = await fetch(`${gatehouse.issuer}${address.replace('KEY', write(secret))}`, {
        method,
        headers: { 'x-api-key': secret, accept: 'application/json' },
      });
      expect(answer.status).toBe(400);
      const body = await answer.text();
      expect(body).toContain(address.startsWith('/access') ? 'stood in the address' : 'credential_in_url');
      expect(body).not.toContain(secret.slice(31));
      const { items } = await gatehouse.services.audit.list(
        { type: 'api-key.exposed', targetId: id },
        { limit: 5, cursor: null },
      );
      expect(items).toMatchObject([{ outcome: 'denied', reason: 'credential_in_url' }]);
      expect(JSON.stringify(items)).not.toContain(secret.slice(31));
    }
  });

  it('is no matter where the address only looks a little like it', async () => {
    for (const path of ['/jwks?x=gth_0123', '/jwks?x=%67th_&y=%zz', '/jwks?x=%e2%82%ac']) {
      expect((await fetch(`${gatehouse.issuer}${path}`)).status).toBe(200);
    }
  });
});

// What administrators do about a person over the management API, from the first look to the end; no password among it.
import { beforeAll, describe, expect, it } from 'vitest';
import { createBrowser } from '../support/browser.ts';
import { addAuthenticator } from '../support/factors.ts';
import { useGatehouse } from '../support/gatehouse.ts';
import { callsBy, type Machine, machine } from '../support/management.ts';
import { createPerson, password, signInAt } from '../support/people.ts';

const gatehouse = useGatehouse();
const by = { machine: undefined as Machine | undefined };
const call = callsBy(gatehouse, () => {
  if (by.machine === undefined) throw new Error('it is made before the tests');
  return by.machine;
});

describe('an administrator', () => {
  beforeAll(async () => {
    by.machine = await machine(gatehouse);
  });

  it('finds, signs out, resets, suspends and keeps a person, and never meets a password', async () => {
    const person = await createPerson(gatehouse.services, { email: 'grace.hopper@example.com' });
    const path = `/accounts/${person.id}`;
    const seen: unknown[] = [];
    const act = async (method: string, at: string, body?: unknown) => {
      const reply = await call(method, at, body === undefined ? {} : { body });
      expect(reply.status, `${method} ${at}`).toBeLessThan(300);
      seen.push(reply.body);
      return reply.body;
    };
    const browser = createBrowser(gatehouse.issuer);
    await signInAt(`${gatehouse.issuer}/account`, person, browser);
    await addAuthenticator(gatehouse.services, person);

    expect((await act('GET', '/accounts?search=grace')).items).toMatchObject([{ id: person.id }]);
    expect((await act('GET', `/sessions?accountId=${person.id}`)).items).toHaveLength(1);
    await act('GET', `${path}/factors`);
    await act('POST', '/sessions/end', { accountId: person.id });
    expect((await browser.open('/account')).html).toContain('name="password"');
    await act('DELETE', `${path}/factors`, { reason: 'showed a passport' });
    expect((await gatehouse.services.credentials.factors.list(person.id)).length).toBe(0);
    await act('POST', `${path}/password/require-change`, {});
    expect(await gatehouse.services.credentials.passwords.mustChange(person.id)).toBe('admin');
    await gatehouse.services.deletion.request(person.id);
    expect((await act('GET', path)).deleteAt).not.toBe(null);
    expect((await act('POST', `${path}/keep`)).deleteAt).toBe(null);
    expect((await act('POST', `${path}/suspend`, { reason: 'left' })).status).toBe('suspended');
    expect((await act('POST', `${path}/reinstate`)).status).toBe('active');

    expect(JSON.stringify(seen)).not.toContain(password);
    expect(JSON.stringify(seen)).not.toMatch(/argon2|"hash"/);
    const choosing = await call('PATCH', path, { body: { password: 'one of my own choice' } });
    expect(choosing.status).toBe(400);
  });

  it('keeps no account of an administrator without the right to make them', async () => {
    const admin = await createPerson(gatehouse.services, { admin: true });
    await createPerson(gatehouse.services, { admin: true });
    await gatehouse.services.deletion.request(admin.id);
    const weak = await machine(gatehouse, ['accounts:read', 'accounts:update']);
    const reply = await call('POST', `/accounts/${admin.id}/keep`, { token: weak.token });
    expect(reply.status).toBe(403);
  });
});

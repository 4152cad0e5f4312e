// How long a sign-in serves whom and where: the least that roles, organizations and the client allow.
import { afterEach, describe, expect, it, vi } from 'vitest';
import { asOperator } from '../../src/access/access.ts';
import { leastSeconds } from '../../src/lib/session-life.ts';
import { relyingParty } from '../flows/relying-party.ts';
import { useGatehouse } from '../support/gatehouse.ts';
import { createPerson, operator, signInAt } from '../support/people.ts';

const gatehouse = useGatehouse();
const HOUR = 3600;
const count = { slugs: 0 };

afterEach(() => {
  vi.useRealTimers();
});

async function signedIn() {
  const person = await createPerson(gatehouse.services);
  const app = await relyingParty(gatehouse, { firstParty: true });
  const { browser } = await app.signIn(person);
  const errorAt = async (at = app) => {
    const shown = await browser.open((await at.begin({ prompt: 'none' })).url);
    return new URL(shown.url).searchParams.get('error');
  };
  return { person, app, browser, errorAt };
}

async function inOrganization(accountId: string, life: { idle?: number; absolute?: number }) {
  const { organizations } = gatehouse.services;
  count.slugs += 1;
  const slug = `harbour-${count.slugs}`;
  const { id } = await organizations.create(
    {
      slug,
      name: slug,
      sessionIdleSeconds: life.idle ?? null,
      sessionAbsoluteSeconds: life.absolute ?? null,
    },
    operator,
  );
  await organizations.addMember(id, accountId, operator);
  return id;
}

function pass(seconds: number): void {
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + seconds * 1000 });
}

const rowOf = (accountId: string) =>
  gatehouse.database.db('oidc_sessions').where({ account_id: accountId }).first();

async function secondsLeft(accountId: string): Promise<number> {
  const { rows } = await gatehouse.database.db.raw(
    'select extract(epoch from expires_at - now())::float as left from oidc_sessions where account_id = ?',
    [accountId],
  );
  return rows[0].left;
}

describe('a session', () => {
  it('of a member ends when the organization says so, at apps and on the account pages', async () => {
    const { person, browser, errorAt } = await signedIn();
    await inOrganization(person.id, { absolute: HOUR });
    expect(await errorAt()).toBe(null);
    pass(HOUR + 1);
    expect(await errorAt()).toBe('login_required');
    expect((await browser.open('/account')).html).toContain('name="password"');
  });

  it('begins anew with the sign-in that is asked for, under a new id', async () => {
    const { person, browser, errorAt } = await signedIn();
    await inOrganization(person.id, { absolute: HOUR });
    const before = await rowOf(person.id);
    pass(HOUR + 1);
    await browser.open('/account');
    // Long enough to type a password, and not longer for whoever goes on asking.
    expect(await secondsLeft(person.id)).toBeGreaterThan(300);
    await gatehouse.database.db.raw("update oidc_sessions set expires_at = now() + interval '60 s'");
    await browser.open('/account?again');
    expect(await secondsLeft(person.id)).toBeLessThanOrEqual(60);
    await signInAt(`${gatehouse.issuer}/account`, person, browser);
    expect(await errorAt()).toBe(null);
    const after = await rowOf(person.id);
    expect(after.uid_hash).toEqual(before.uid_hash);
    expect(after.id_hash).not.toEqual(before.id_hash);
  });

  it('of whoever has a role lasts as short as the strictest of their rules, by role and by organization', async () => {
    const { person, errorAt } = await signedIn();
    const { access } = gatehouse.services;
    const role = await access.createRole(
      { name: 'harbour-master', sessionIdleSeconds: 600, sessionAbsoluteSeconds: 2 * HOUR },
      asOperator(operator),
    );
    await access.assign(
      { roleId: role.id, subject: { kind: 'account', id: person.id }, organizationId: null },
      asOperator(operator),
    );
    await inOrganization(person.id, { idle: 900 });
    pass(120);
    expect(await errorAt()).toBe(null);
    expect(await secondsLeft(person.id)).toBeLessThanOrEqual(600);
    expect(await secondsLeft(person.id)).toBeGreaterThan(500);
  });

  it('is too old for one client, and good for all others', async () => {
    const { errorAt } = await signedIn();
    const strict = await relyingParty(gatehouse, { firstParty: true, sessionAbsoluteSeconds: 600 });
    expect(await errorAt(strict)).toBe(null);
    pass(601);
    expect(await errorAt(strict)).toBe('login_required');
    expect(await errorAt()).toBe(null);
  });
});

/** Nobody has used it for so long; the database has no other clock than its own. */
async function leaveAlone(accountId: string, seconds: number): Promise<void> {
  pass(seconds);
  await gatehouse.database.db.raw(
    'update oidc_sessions set seen_at = seen_at - make_interval(secs => ?) where account_id = ?',
    [seconds, accountId],
  );
}

describe('a session that was left alone', () => {
  it('is over for one client until the next sign-in, though it is used at others', async () => {
    const { person, browser, errorAt } = await signedIn();
    const strict = await relyingParty(gatehouse, { firstParty: true, sessionIdleSeconds: 600 });
    await leaveAlone(person.id, 590);
    expect(await errorAt(strict)).toBe(null);
    await leaveAlone(person.id, 610);
    expect(await errorAt(strict)).toBe('login_required');
    expect(await errorAt()).toBe(null);
    expect(await errorAt(strict)).toBe('login_required');

    const { tokens } = await strict.signIn(person, {}, browser);
    expect(tokens.claims()?.auth_time).toBeGreaterThan(Date.now() / 1000 - 60);
    expect(await errorAt(strict)).toBe(null);
    pass(610);
    expect(await errorAt(strict)).toBe(null);
  });
});

describe('a client whose requests do not say how recent a sign-in they want', () => {
  it('is heard in its registration; what the request says goes before', async () => {
    const { errorAt, browser } = await signedIn();
    const careful = await relyingParty(gatehouse, { firstParty: true, defaultMaxAgeSeconds: 300 });
    const asking = async (params: Record<string, string>) => {
      const shown = await browser.open((await careful.begin({ prompt: 'none', ...params })).url);
      return new URL(shown.url).searchParams.get('error');
    };
    expect(await asking({})).toBe(null);
    pass(301);
    expect(await asking({})).toBe('login_required');
    expect(await asking({ max_age: '3600' })).toBe(null);
    expect(await asking({ max_age: '60' })).toBe('login_required');
    expect(await errorAt()).toBe(null);
  });
});

describe('the least of several bounds', () => {
  it.each([
    [[], null],
    [[null, null], null],
    [[null, 900, 600], 600],
  ])('%j is %j', (bounds, least) => {
    expect(leastSeconds(bounds)).toBe(least);
  });
});

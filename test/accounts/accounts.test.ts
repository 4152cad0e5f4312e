// Accounts: claiming identifiers, changing, suspending, removing, listing, and the last administrator.
import { randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { AccountId } from '../../src/lib/ids.ts';
import { createWorld, operator } from '../credentials/world.ts';
import { useDatabase } from '../support/database.ts';

const { postgres, db } = useDatabase();
const world = createWorld(postgres);
const { accounts } = world;

function fresh() {
  const tag = randomUUID().slice(0, 8);
  return { email: `${tag}@example.com`, username: `user-${tag}` };
}

async function eventsOf(id: AccountId) {
  return db('audit_events').where({ account_id: id }).orderBy('sequence').select('type', 'details', 'reason');
}

describe('creating an account', () => {
  it('gives it an id, its fields and one event without personal data', async () => {
    const { email, username } = fresh();
    const account = await accounts.create(
      { email, username, name: '  Ada Lovelace ', locale: 'en' },
      operator,
    );
    expect(account).toMatchObject({
      status: 'active',
      admin: false,
      email,
      emailVerified: false,
      username,
      name: 'Ada Lovelace',
      locale: 'en',
      version: 1,
    });
    expect(await accounts.find(account.id)).toEqual(account);
    const events = await eventsOf(account.id);
    expect(events.map((event) => event.type)).toEqual(['account.created']);
    expect(JSON.stringify(events)).not.toMatch(/Ada|example/);
  });

  it('is found by any spelling of either identifier, and by nothing else', async () => {
    const { email, username } = fresh();
    const { id } = await accounts.create({ email, username }, operator);
    for (const typed of [email.toUpperCase(), `\t${email}`, username.toUpperCase()]) {
      expect((await accounts.findByIdentifier(typed))?.id).toBe(id);
    }
    for (const typed of ['', '%', 'a\0b', '\ud800', `${email}x`, "' or 1=1 --"]) {
      expect(await accounts.findByIdentifier(typed)).toBeUndefined();
    }
  });

  it('refuses an identifier that another account has, in any spelling, and leaves nothing behind', async () => {
    const { email, username } = fresh();
    await accounts.create({ email }, operator);
    await expect(accounts.create({ email: email.toUpperCase(), username }, operator)).rejects.toMatchObject({
      code: 'identifier_taken',
      details: { kind: 'email' },
    });
    expect(await accounts.findByIdentifier(username)).toBeUndefined();
  });

  it('of 20 that claim one user name at once, exactly one gets it', async () => {
    const { username } = fresh();
    const results = await Promise.allSettled(
      Array.from({ length: 20 }, () => accounts.create({ username }, operator)),
    );
    expect(results.filter((result) => result.status === 'fulfilled')).toHaveLength(1);
    const refused = results.filter((result) => result.status === 'rejected');
    for (const result of refused) expect(result.reason).toMatchObject({ code: 'identifier_taken' });
  });

  it.each([
    ['no identifier', {}, 'identifier_invalid'],
    ['an address that is none', { email: 'ada' }, 'identifier_invalid'],
    ['a user name that looks like an address', { username: 'ada@example.com' }, 'identifier_invalid'],
    ['a null byte in the name', { username: 'n1', name: 'a\0' }, 'request_invalid'],
    ['a name of 10,000 characters', { username: 'n2', name: 'a'.repeat(10_000) }, 'request_invalid'],
    ['a picture that is a script', { username: 'n3', picture: 'javascript:alert(1)' }, 'request_invalid'],
    ['a picture without TLS', { username: 'n4', picture: 'http://example.com/a.png' }, 'request_invalid'],
    ['a locale that is none', { username: 'n5', locale: 'not a locale' }, 'request_invalid'],
    ['a time zone that is none', { username: 'n6', zoneinfo: 'Mars/Olympus' }, 'request_invalid'],
  ])('refuses %s', async (_what, input, code) => {
    await expect(accounts.create(input, operator)).rejects.toMatchObject({ code, status: 400 });
  });
});

describe('changing an account', () => {
  it('touches only the fields it names, and counts versions', async () => {
    const { email, username } = fresh();
    const { id } = await accounts.create({ email, username, name: 'Ada', givenName: 'Ada' }, operator);
    const changed = await accounts.change(
      id,
      { name: 'Ada L.', picture: 'https://example.com/a.png' },
      operator,
    );
    expect(changed).toMatchObject({ name: 'Ada L.', givenName: 'Ada', email, username, version: 2 });
    expect((await accounts.change(id, { givenName: null }, operator)).givenName).toBeNull();
    const details = (await eventsOf(id)).map((event) => event.details);
    expect(details).toContainEqual({ fields: ['name', 'picture'] });
    expect(JSON.stringify(details)).not.toContain('Ada L.');
  });

  it('refuses to overwrite what somebody else changed', async () => {
    const { id, version } = await accounts.create(fresh(), operator);
    await accounts.change(id, { name: 'First', version }, operator);
    await expect(accounts.change(id, { name: 'Second', version }, operator)).rejects.toMatchObject({
      code: 'version_conflict',
      details: { version: 2 },
    });
    expect((await accounts.find(id))?.name).toBe('First');
  });

  it('moves an identifier: the old one is free, the new one is unverified', async () => {
    const { email } = fresh();
    const { id } = await accounts.create({ email, emailVerified: true }, operator);
    const next = fresh().email;
    expect(await accounts.change(id, { email: next }, operator)).toMatchObject({
      email: next,
      emailVerified: false,
    });
    expect(await accounts.findByIdentifier(email)).toBeUndefined();
    await accounts.create({ email }, operator);
  });

  it('keeps the verification of an address that changes only its letters', async () => {
    const { email } = fresh();
    const { id } = await accounts.create({ email, emailVerified: true }, operator);
    const upper = email.toUpperCase();
    expect(await accounts.change(id, { email: upper }, operator)).toMatchObject({
      email: upper,
      emailVerified: true,
    });
    expect((await accounts.change(id, { emailVerified: false }, operator)).emailVerified).toBe(false);
  });

  it('refuses an identifier of somebody else and changes nothing at all', async () => {
    const taken = fresh();
    await accounts.create(taken, operator);
    const { id } = await accounts.create({ ...fresh(), name: 'Before' }, operator);
    await expect(
      accounts.change(id, { name: 'After', username: taken.username }, operator),
    ).rejects.toMatchObject({ code: 'identifier_taken' });
    expect((await accounts.find(id))?.name).toBe('Before');
  });

  it('refuses to take away the last identifier', async () => {
    const { id } = await accounts.create({ email: fresh().email }, operator);
    await expect(accounts.change(id, { email: null }, operator)).rejects.toMatchObject({
      code: 'identifier_invalid',
    });
  });

  it.each(['acc_00000000000000000000000000', 'nonsense', 'a\0'])(
    'of %j, which is nobody, says so',
    async (id) => {
      // The type says it was parsed; a caller that did not is answered all the same.
      const nobody = id as AccountId;
      await expect(accounts.change(nobody, { name: 'x' }, operator)).rejects.toMatchObject({
        code: 'account_not_found',
      });
      await expect(accounts.suspend(nobody, null, operator)).rejects.toMatchObject({
        code: 'account_not_found',
      });
      await expect(accounts.remove(nobody, operator)).rejects.toMatchObject({ code: 'account_not_found' });
      expect(await accounts.find(id)).toBeUndefined();
    },
  );
});

describe('ending an account', () => {
  it('suspends and reinstates it, ending what it has open in the same commit', async () => {
    const { id } = await accounts.create(fresh(), operator);
    await accounts.suspend(id, 'left the company', operator);
    expect((await accounts.find(id))?.status).toBe('suspended');
    expect(world.ended).toContain(id);
    await accounts.reinstate(id, operator);
    // Once more, for what slipped in while it was suspended; an account that is active keeps what it has.
    await accounts.reinstate(id, operator);
    expect(world.ended.filter((ended) => ended === id)).toHaveLength(2);
    expect((await accounts.find(id))?.status).toBe('active');
    const events = await eventsOf(id);
    expect(events.map((event) => event.type)).toEqual([
      'account.created',
      'account.suspended',
      'account.reinstated',
    ]);
    expect(events[1]?.reason).toBe('left the company');
  });

  it('does not suspend when what it has open cannot be ended', async () => {
    const broken = createWorld(postgres);
    const { id } = await accounts.create(fresh(), operator);
    const { createAccounts } = await import('../../src/accounts/accounts.ts');
    const failing = createAccounts({
      postgres,
      audit: broken.audit,
      clock: broken.clock,
      changes: { bump: async () => {}, poll: async () => {} },
      endAccountState: async () => {
        throw new Error('no');
      },
    });
    await expect(failing.suspend(id, null, operator)).rejects.toThrow('no');
    await expect(failing.remove(id, operator)).rejects.toThrow('no');
    expect((await accounts.find(id))?.status).toBe('active');
    expect((await eventsOf(id)).map((event) => event.type)).toEqual(['account.created']);
  });

  it('removes every personal field and keeps the ledger', async () => {
    const { email, username } = fresh();
    const { id } = await accounts.create({ email, username, name: 'Somebody Special' }, operator);
    await world.credentials.setPassword(id, 'a lamp above the quiet harbour', operator);
    await accounts.remove(id, operator);
    expect(await accounts.find(id)).toBeUndefined();
    expect(await accounts.findByIdentifier(email)).toBeUndefined();
    expect(await db('passwords').where({ account_id: id })).toEqual([]);
    expect((await eventsOf(id)).map((event) => event.type)).toEqual([
      'account.created',
      'password.set',
      'account.deleted',
    ]);
    expect(world.ended).toContain(id);
    await accounts.create({ email, username }, operator);
  });
});

describe('the last administrator', () => {
  it('cannot be suspended, removed or lose the right, by however many at once', async () => {
    await db('accounts').update({ admin: false });
    const one = await accounts.create({ ...fresh(), admin: true }, operator);
    const refused = { code: 'last_admin', status: 409 };
    await expect(accounts.suspend(one.id, null, operator)).rejects.toMatchObject(refused);
    await expect(accounts.remove(one.id, operator)).rejects.toMatchObject(refused);
    await expect(accounts.change(one.id, { admin: false }, operator)).rejects.toMatchObject(refused);

    const others = await Promise.all(
      [1, 2, 3].map(() => accounts.create({ ...fresh(), admin: true }, operator)),
    );
    const results = await Promise.allSettled([
      accounts.suspend(one.id, null, operator),
      ...others.flatMap(({ id }) => [
        accounts.remove(id, operator),
        accounts.change(id, { admin: false }, operator),
      ]),
    ]);
    expect(results.some((result) => result.status === 'rejected')).toBe(true);
    expect(await db('accounts').where({ admin: true, status: 'active' })).toHaveLength(1);
  });

  it('may be changed in every other way', async () => {
    await db('accounts').update({ admin: false });
    const { id } = await accounts.create({ ...fresh(), admin: true }, operator);
    expect((await accounts.change(id, { name: 'Root' }, operator)).admin).toBe(true);
  });
});

describe('the list', () => {
  it('goes through all accounts once, the newest first, also while others are added', async () => {
    const created: string[] = [];
    for (let n = 0; n < 7; n += 1) created.push((await accounts.create(fresh(), operator)).id);
    const seen: string[] = [];
    let cursor: string | null = null;
    do {
      const page: Awaited<ReturnType<typeof accounts.list>> = await accounts.list({}, { limit: 3, cursor });
      expect(page.items.length).toBeLessThanOrEqual(3);
      seen.push(...page.items.map((account) => account.id));
      cursor = page.nextCursor;
      await accounts.create(fresh(), operator);
    } while (cursor !== null);
    expect(new Set(seen).size).toBe(seen.length);
    expect(seen.filter((id) => created.includes(id))).toEqual(created.reverse());
  });

  it('finds by the beginning of an identifier or name, by id and by status, taking no wildcard', async () => {
    const tag = randomUUID().slice(0, 8);
    const name = `Zoë_${tag} Test`;
    const { id } = await accounts.create({ username: `find-${tag}`, name }, operator);
    await accounts.suspend(id, null, operator);
    const page = { limit: 10, cursor: null };
    const ids = async (filter: Parameters<typeof accounts.list>[0]) =>
      (await accounts.list(filter, page)).items.map((account) => account.id);
    for (const search of [`FIND-${tag}`, `zoë_${tag}`, `Zoë_${tag} t`, id, ` ${id} `]) {
      expect(await ids({ search })).toEqual([id]);
    }
    expect(await ids({ search: `find-${tag}`, status: 'suspended' })).toEqual([id]);
    expect(await ids({ search: `find-${tag}`, status: 'active' })).toEqual([]);
    for (const search of [`%${tag}`, `Zoë%${tag}`, `ind-${tag}`, 'a\0', '\ud800', String.raw`\ `]) {
      expect(await ids({ search })).toEqual([]);
    }
  });

  it.each(['nonsense', 'WyJhIl0', ''])('refuses the cursor %j', async (cursor) => {
    await expect(accounts.list({}, { limit: 3, cursor })).rejects.toMatchObject({ code: 'request_invalid' });
  });

  it('uses an index for every filter', async () => {
    const plans = await postgres.transaction(async (trx) => {
      await trx.raw('set local enable_seqscan = off');
      const queries = [
        `select id from accounts where status = 'active' and id < 'acc_z' order by id desc limit 10`,
        `select id from accounts where lower(name) like 'ada%'`,
        `select account_id from account_identifiers where normalized like 'ada%'`,
        `select id from accounts where admin and status = 'active' order by id for no key update`,
      ];
      const all: string[] = [];
      for (const query of queries) all.push(JSON.stringify((await trx.raw(`explain ${query}`)).rows));
      return all;
    });
    for (const plan of plans) expect(plan).toMatch(/Index|Bitmap/);
    for (const plan of plans) expect(plan).not.toContain('Seq Scan');
  });
});

it('knows whether there is any account', async () => {
  expect(await accounts.hasAny()).toBe(true);
});

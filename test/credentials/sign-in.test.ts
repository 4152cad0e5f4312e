// Sign-in by password: the outcomes, their sameness, the lockout around them and what the ledger says.
import { randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { AccountId } from '../../src/lib/ids.ts';
import { useDatabase } from '../support/database.ts';
import { createWorld, from, operator, PASSWORD, type World } from './world.ts';

const { postgres, db } = useDatabase();

async function person(world: World, password: string | null = PASSWORD) {
  const email = `${randomUUID()}@example.com`;
  const account = await world.accounts.create({ email, username: `u-${randomUUID()}` }, operator);
  if (password !== null) await world.credentials.setPassword(account.id, password, operator);
  return { id: account.id, email, username: account.username ?? '' };
}

function attempt(world: World, identifier: string, password: string, address: string | null = '192.0.2.1') {
  return from(address, () => world.credentials.verify('password', { identifier, password }));
}

async function fail(world: World, identifier: string, times: number, address: string | null = '192.0.2.1') {
  for (let time = 0; time < times; time += 1) await attempt(world, identifier, 'wrong', address);
}

async function eventsOf(id: AccountId): Promise<{ type: string; reason: string | null }[]> {
  return db('audit_events').where({ account_id: id }).orderBy('sequence').select('type', 'reason');
}

describe('a correct password', () => {
  it('signs in by mail address and by user name, in any spelling of them', async () => {
    const world = createWorld(postgres);
    const { id, email, username } = await person(world);
    for (const typed of [email, email.toUpperCase(), ` ${email} `, username, username.toUpperCase()]) {
      const outcome = await attempt(world, typed, PASSWORD);
      expect(outcome).toMatchObject({ kind: 'ok', account: { id }, proof: { method: 'password' } });
    }
    expect((await eventsOf(id)).map((event) => event.type)).toContain('sign-in.succeeded');
  });

  it('counts as typed: case, spaces and every character matter', async () => {
    const world = createWorld(postgres);
    const { email } = await person(world);
    for (const typed of [PASSWORD.toUpperCase(), ` ${PASSWORD}`, PASSWORD.slice(0, -1), `${PASSWORD}\0`]) {
      expect(await attempt(world, email, typed)).toEqual({ kind: 'refused' });
    }
  });

  it('is the same in composed and decomposed letters', async () => {
    const world = createWorld(postgres);
    const { email } = await person(world, 'grün wie die Wälder im Frühling'.normalize('NFC'));
    const typed = 'grün wie die Wälder im Frühling'.normalize('NFD');
    expect(await attempt(world, email, typed)).toMatchObject({ kind: 'ok' });
  });

  it('is checked to its last character when it is long', async () => {
    const world = createWorld(postgres);
    const long = Array.from({ length: 64 }, (_none, index) => String.fromCodePoint(0x1f300 + index * 7)).join(
      '',
    );
    const { email } = await person(world, long);
    expect(await attempt(world, email, `${long.slice(0, -2)}\u{1f4a9}`)).toEqual({ kind: 'refused' });
    expect(await attempt(world, email, long)).toMatchObject({ kind: 'ok' });
  });

  it('that was replaced no longer signs in', async () => {
    const world = createWorld(postgres);
    const { id, email } = await person(world);
    await world.credentials.setPassword(id, 'another lighthouse in the dark', operator);
    expect(await attempt(world, email, PASSWORD)).toEqual({ kind: 'refused' });
  });

  it('does not sign in when it is replaced while it is being checked', async () => {
    const slow = { argon2: { memoryKiB: 65_536, iterations: 4, parallelism: 1 } };
    const world = createWorld(postgres, { settings: slow });
    const { id, email } = await person(world);
    const outcome = attempt(world, email, PASSWORD);
    await new Promise((resolve) => setTimeout(resolve, 60));
    // As setPassword leaves it, without the time that its own hash would take.
    await db('passwords')
      .where({ account_id: id })
      .update({ hash: '$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$aGFzaA' });
    expect(await outcome).toEqual({ kind: 'refused' });
    expect((await eventsOf(id)).map((event) => event.type)).not.toContain('sign-in.succeeded');
  });

  it('does not sign in when the account is suspended while it is being checked', async () => {
    const world = createWorld(postgres, {
      settings: { argon2: { memoryKiB: 65_536, iterations: 4, parallelism: 1 } },
    });
    const { id, email } = await person(world);
    const outcome = attempt(world, email, PASSWORD);
    await new Promise((resolve) => setTimeout(resolve, 60));
    await world.accounts.suspend(id, null, operator);
    expect(await outcome).toEqual({ kind: 'refused' });
  });
});

describe('every refusal', () => {
  it('is the same for a wrong password, no account, no password and a suspended account', async () => {
    const world = createWorld(postgres);
    const wrong = await person(world);
    const none = await person(world, null);
    const suspended = await person(world);
    await world.accounts.suspend(suspended.id, 'left', operator);
    const outcomes = [
      await attempt(world, wrong.email, 'wrong', '192.0.2.2'),
      await attempt(world, none.email, PASSWORD, '192.0.2.2'),
      await attempt(world, suspended.email, PASSWORD, '192.0.2.2'),
      await attempt(world, 'nobody@example.com', PASSWORD, '192.0.2.2'),
      await attempt(world, '', PASSWORD, '192.0.2.2'),
      await attempt(world, 'a\0b\ud800', PASSWORD, '192.0.2.2'),
      await attempt(world, wrong.email, 'x'.repeat(100_000), '192.0.2.2'),
    ];
    for (const outcome of outcomes) expect(outcome).toEqual({ kind: 'refused' });
    expect((await eventsOf(suspended.id)).at(-1)).toEqual({ type: 'sign-in.failed', reason: 'suspended' });
    expect((await eventsOf(wrong.id)).some((event) => event.reason === 'wrong_password')).toBe(true);
  });

  it('takes the same time, whoever is named', { timeout: 60_000 }, async () => {
    const world = createWorld(postgres, {
      settings: { argon2: { memoryKiB: 19_456, iterations: 2, parallelism: 1 } },
      lockoutSettings: { freeAttempts: 100, accountFreeAttempts: 1000, addressFreeAttempts: 10_000 },
    });
    const known = await person(world);
    const none = await person(world, null);
    const suspended = await person(world);
    await world.accounts.suspend(suspended.id, null, operator);
    const subjects = [known.email, none.email, suspended.email, 'nobody@example.com'];
    const times = subjects.map((): number[] => []);
    for (let round = 0; round < 25; round += 1) {
      for (const [index, subject] of subjects.entries()) {
        const started = performance.now();
        await attempt(world, subject, 'a wrong password');
        times[index]?.push(performance.now() - started);
      }
    }
    const medians = times.map((list) => list.sort((a, b) => a - b)[12] ?? 0);
    // Generous, for a busy machine; a refusal without the hash would be two times faster, one without the wait more.
    expect(Math.max(...medians) / Math.min(...medians)).toBeLessThan(1.35);
    // The fixed wait that the writing of a failure hides behind.
    expect(Math.min(...times.flat())).toBeGreaterThan(40);
  });

  it('writes no row for identifiers that nobody has, but counts them', async () => {
    const counted: string[] = [];
    const plain = createWorld(postgres);
    const audit = {
      ...plain.audit,
      refuse: (kind: string, reason: string) => counted.push(`${kind} ${reason}`),
    };
    const world = createWorld(postgres, { audit });
    const before = await db('audit_events').count('* as n').first();
    await fail(world, 'flood@example.com', 7, '192.0.2.77');
    expect(await db('audit_events').count('* as n').first()).toEqual(before);
    expect(counted.filter((line) => line === 'sign_in unknown_identifier')).toHaveLength(5);
    expect(counted.filter((line) => line === 'sign_in locked')).toHaveLength(2);
  });
});

describe('after the free attempts', () => {
  it.each([['an account'], ['nobody']])('the pair waits, whether %s has the identifier', async (who) => {
    const world = createWorld(postgres);
    const identifier = who === 'nobody' ? 'nobody@example.com' : (await person(world)).email;
    await fail(world, identifier, 5);
    expect(await attempt(world, identifier, PASSWORD)).toEqual({ kind: 'locked', retryAfterSeconds: 5 });
    world.clock.pass(6);
    expect((await attempt(world, identifier, 'wrong')).kind).toBe('refused');
    expect(await attempt(world, identifier, 'wrong')).toEqual({ kind: 'locked', retryAfterSeconds: 10 });
  });

  it('the right password does not open what is locked, and does when the time is over', async () => {
    const world = createWorld(postgres);
    const { id, email } = await person(world);
    await fail(world, email, 5);
    expect((await attempt(world, email, PASSWORD)).kind).toBe('locked');
    world.clock.pass(6);
    expect((await attempt(world, email, PASSWORD)).kind).toBe('ok');
    // And a success clears the count.
    await fail(world, email, 4);
    expect((await attempt(world, email, PASSWORD)).kind).toBe('ok');
    const types = (await eventsOf(id)).map((event) => `${event.type} ${event.reason ?? ''}`);
    expect(types.filter((type) => type === 'lockout.started pair')).toHaveLength(1);
  });

  it('the user name is counted for itself, and another address is free', async () => {
    const world = createWorld(postgres);
    const { email, username } = await person(world);
    await fail(world, email, 5);
    expect((await attempt(world, username, PASSWORD)).kind).toBe('ok');
    expect((await attempt(world, email, PASSWORD, '198.51.100.7')).kind).toBe('ok');
  });

  it('addresses of one IPv6 /64 are one address', async () => {
    const world = createWorld(postgres);
    const { email } = await person(world);
    for (let host = 1; host <= 5; host += 1) await attempt(world, email, 'wrong', `2001:db8::${host}`);
    expect((await attempt(world, email, PASSWORD, '2001:db8::ffff')).kind).toBe('locked');
    expect((await attempt(world, email, PASSWORD, '2001:db8:0:1::1')).kind).toBe('ok');
  });

  it('of one account from many addresses, every new address waits', async () => {
    const world = createWorld(postgres);
    const { email } = await person(world);
    for (let host = 1; host <= 20; host += 1) await attempt(world, email, 'wrong', `198.51.100.${host}`);
    expect((await attempt(world, email, PASSWORD, '198.51.100.200')).kind).toBe('locked');
  });

  it('the owner is spared at an address from which they signed in before', async () => {
    const world = createWorld(postgres);
    const { email } = await person(world);
    expect((await attempt(world, email, PASSWORD, '203.0.113.5')).kind).toBe('ok');
    for (let host = 1; host <= 30; host += 1) await attempt(world, email, 'wrong', `198.51.100.${host}`);
    expect((await attempt(world, email, PASSWORD, '198.51.100.200')).kind).toBe('locked');
    expect((await attempt(world, email, 'wrong', '203.0.113.5')).kind).toBe('refused');
    expect((await attempt(world, email, PASSWORD, '203.0.113.5')).kind).toBe('ok');
  });

  it('a known address has no more than its own free attempts', async () => {
    const world = createWorld(postgres);
    const { email } = await person(world);
    await attempt(world, email, PASSWORD, '203.0.113.6');
    await fail(world, email, 5, '203.0.113.6');
    expect((await attempt(world, email, PASSWORD, '203.0.113.6')).kind).toBe('locked');
  });

  it('one address that tries many names waits for all of them, and one success does not clear it', async () => {
    const world = createWorld(postgres);
    const { email } = await person(world);
    for (let name = 0; name < 49; name += 1)
      await attempt(world, `n${name}@example.com`, 'wrong', '203.0.113.9');
    expect((await attempt(world, email, PASSWORD, '203.0.113.9')).kind).toBe('ok');
    expect((await attempt(world, 'another@example.com', 'wrong', '203.0.113.9')).kind).toBe('refused');
    expect((await attempt(world, email, PASSWORD, '203.0.113.9')).kind).toBe('locked');
  });

  it('an administrator can release the identifier', async () => {
    const world = createWorld(postgres);
    const { id, email } = await person(world);
    await fail(world, email, 5);
    expect(await world.lockout.standing(email)).toMatchObject({ failures: 5 });
    expect(await world.lockout.releaseIdentifier(email, id, operator)).toBe(true);
    expect((await attempt(world, email, PASSWORD)).kind).toBe('ok');
    expect((await eventsOf(id)).map((event) => event.type)).toContain('lockout.released');
  });

  it('and the address', async () => {
    const world = createWorld(postgres, { lockoutSettings: { addressFreeAttempts: 2 } });
    const { email } = await person(world);
    await fail(world, 'a@example.com', 2, '203.0.113.12');
    expect((await attempt(world, email, PASSWORD, '203.0.113.12')).kind).toBe('locked');
    expect(await world.lockout.releaseAddress('203.0.113.12', operator)).toBe(true);
    expect((await attempt(world, email, PASSWORD, '203.0.113.12')).kind).toBe('ok');
  });

  it('old failures are forgotten', async () => {
    const world = createWorld(postgres);
    const { email } = await person(world);
    await fail(world, email, 4);
    world.clock.pass(3 * 86_400);
    await fail(world, email, 4);
    expect((await attempt(world, email, PASSWORD)).kind).toBe('ok');
  });
});

describe('the bound on failures in a row', () => {
  const settings = { maximumConsecutiveFailures: 10 };
  const lockoutSettings = { freeAttempts: 1000, accountFreeAttempts: 1000, addressFreeAttempts: 1000 };

  it('disables the password until a new one is set, and looks like a wrong password', async () => {
    const world = createWorld(postgres, { settings, lockoutSettings });
    const { id, email, username } = await person(world);
    expect((await attempt(world, email, PASSWORD, '203.0.113.5')).kind).toBe('ok');
    // By whatever name and from wherever: it is the password that is bounded.
    await fail(world, email, 5, null);
    await fail(world, username, 5, '198.51.100.1');
    expect(await world.credentials.isPasswordDisabled(id)).toBe(true);
    expect(await attempt(world, email, PASSWORD, '203.0.113.5')).toEqual({ kind: 'refused' });
    world.clock.pass(400 * 86_400);
    expect(await attempt(world, email, PASSWORD, '203.0.113.5')).toEqual({ kind: 'refused' });
    await world.lockout.releaseIdentifier(email, id, operator);
    expect(await attempt(world, email, PASSWORD, '203.0.113.5')).toEqual({ kind: 'refused' });
    expect((await eventsOf(id)).filter((event) => event.type === 'password.disabled')).toHaveLength(1);
    const another = 'another lighthouse in the dark';
    await world.credentials.setPassword(id, another, operator);
    expect((await attempt(world, email, another, '203.0.113.5')).kind).toBe('ok');
  });

  it('begins anew with each success', async () => {
    const world = createWorld(postgres, { settings, lockoutSettings });
    const { email } = await person(world);
    for (let round = 0; round < 3; round += 1) {
      await fail(world, email, 9);
      expect((await attempt(world, email, PASSWORD)).kind).toBe('ok');
    }
  });
});

describe('many at once', () => {
  it('of 50 parallel guesses no more than the free attempts are looked at', async () => {
    let hashed = 0;
    let running = 0;
    const world = createWorld(postgres, {
      observeHashing: (state, refused) => {
        if (!refused && state.running > running) hashed += state.running - running;
        running = state.running;
      },
      settings: { hashConcurrency: 50 },
    });
    const { email } = await person(world);
    hashed = 0;
    const outcomes = await Promise.all(Array.from({ length: 50 }, () => attempt(world, email, 'wrong')));
    expect(hashed).toBe(5);
    expect(outcomes.filter((outcome) => outcome.kind === 'refused')).toHaveLength(5);
    expect(outcomes.filter((outcome) => outcome.kind === 'locked')).toHaveLength(45);
  });

  it('of 50 parallel guesses from 50 addresses no more than the account has free are looked at', async () => {
    const world = createWorld(postgres);
    const { email } = await person(world);
    const outcomes = await Promise.all(
      Array.from({ length: 50 }, (_none, host) => attempt(world, email, 'wrong', `198.51.100.${host}`)),
    );
    expect(outcomes.filter((outcome) => outcome.kind === 'refused')).toHaveLength(20);
  });

  it('parallel guesses cannot pass the bound on failures in a row', async () => {
    const world = createWorld(postgres, {
      settings: { maximumConsecutiveFailures: 10 },
      lockoutSettings: { freeAttempts: 1000, accountFreeAttempts: 1000, addressFreeAttempts: 1000 },
    });
    const { id, email } = await person(world);
    await Promise.all(Array.from({ length: 40 }, () => attempt(world, email, 'wrong')));
    const reasons = (await eventsOf(id)).map((event) => event.reason);
    expect(reasons.filter((reason) => reason === 'wrong_password')).toHaveLength(10);
    expect(reasons.filter((reason) => reason === 'no_usable_password')).toHaveLength(30);
  });

  it('names and addresses in any mixture never deadlock', async () => {
    const world = createWorld(postgres, { lockoutSettings: { freeAttempts: 3, accountFreeAttempts: 8 } });
    const people = await Promise.all([person(world), person(world), person(world)]);
    const attempts = Array.from({ length: 60 }, (_none, index) => {
      const who = people[index % 3]?.email ?? '';
      return attempt(world, who, index % 4 === 0 ? PASSWORD : 'wrong', `198.51.100.${index % 5}`);
    });
    for (const outcome of await Promise.all(attempts)) expect(outcome.kind).not.toBe('busy');
  });

  it('a flood is refused at once, costs nobody an attempt, and lets the rest through', async () => {
    const world = createWorld(postgres, {
      settings: {
        hashConcurrency: 1,
        hashQueue: 2,
        argon2: { memoryKiB: 19_456, iterations: 2, parallelism: 1 },
      },
    });
    const { email } = await person(world);
    const outcomes = await Promise.all(
      Array.from({ length: 40 }, (_none, index) => attempt(world, `f${index}@example.com`, 'wrong', null)),
    );
    const kinds = outcomes.map((outcome) => outcome.kind);
    expect(kinds.filter((kind) => kind === 'busy').length).toBeGreaterThan(20);
    expect(kinds.filter((kind) => kind === 'refused').length).toBeGreaterThan(0);
    const busy = kinds.indexOf('busy');
    expect(await world.lockout.standing(`f${busy}@example.com`)).toMatchObject({ failures: 0 });
    expect(await world.lockout.standing(`f${kinds.indexOf('refused')}@example.com`)).toMatchObject({
      failures: 1,
    });
    expect((await attempt(world, email, PASSWORD)).kind).toBe('ok');
  });
});

describe('the cost of hashing', () => {
  it('when it was raised, is raised for a password at its next sign-in', async () => {
    const identifierKey = Buffer.alloc(32, 1);
    const before = createWorld(postgres, { identifierKey });
    const { id, email } = await person(before);
    const argon2 = { memoryKiB: 128, iterations: 2, parallelism: 1 };
    const after = createWorld(postgres, { identifierKey, settings: { argon2 } });
    expect((await attempt(after, email, PASSWORD)).kind).toBe('ok');
    const row = await db('passwords').where({ account_id: id }).first('hash');
    expect(row?.hash).toMatch(/^\$argon2id\$v=19\$m=128,t=2,p=1\$/);
    expect((await attempt(after, email, PASSWORD)).kind).toBe('ok');
    const types = (await eventsOf(id)).map((event) => event.type);
    expect(types.filter((type) => type === 'password.rehashed')).toHaveLength(1);
  });

  it('when it was raised, refuses none of several sign-ins at the same moment', async () => {
    const identifierKey = Buffer.alloc(32, 1);
    const argon2 = { memoryKiB: 128, iterations: 2, parallelism: 1 };
    for (let round = 0; round < 10; round += 1) {
      const { email } = await person(createWorld(postgres, { identifierKey }));
      const after = createWorld(postgres, { identifierKey, settings: { argon2 } });
      const answers = await Promise.all([1, 2, 3].map(() => attempt(after, email, PASSWORD)));
      expect(answers.map(({ kind }) => kind)).toEqual(['ok', 'ok', 'ok']);
    }
  });
});

it('no table holds what was typed, nor the address, in clear', async () => {
  const world = createWorld(postgres);
  await fail(world, 'my-password-by-mistake', 2, '203.0.113.99');
  const rows = await db('sign_in_attempts').select('identifier', 'address');
  const text = rows
    .map((row) => `${row.identifier.toString('latin1')} ${row.address.toString('latin1')}`)
    .join();
  expect(text).not.toMatch(/my-password|203\.0/);
});

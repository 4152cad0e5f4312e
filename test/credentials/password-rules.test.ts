// The rules of one person's password: what came before it, what stands around it, how they sign in, and when it must go.
import { randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { AccountId } from '../../src/lib/ids.ts';
import { useDatabase } from '../support/database.ts';
import { createWorld, operator, PASSWORD, type World } from './world.ts';

const { postgres, db } = useDatabase();

const person = (world: World) => world.accounts.create({ username: `u-${randomUUID()}` }, operator);
const set = (world: World, id: AccountId, password: string) =>
  world.credentials.setPassword(id, password, operator);
const numbered = (number: number) => `umbrella ${number} over a lighthouse`;
const addFactor = (id: AccountId, kind: 'totp' | 'mail') =>
  db('factors').insert({
    id: `fac_${randomUUID()}`,
    account_id: id,
    kind,
    name: 'x',
    created_at: new Date(),
  });

describe('a password that was used before', () => {
  it('is refused, be it the present one or one of those that are remembered', async () => {
    const world = createWorld(postgres, { settings: { history: 2 } });
    const { id } = await person(world);
    for (const number of [1, 2, 3]) await set(world, id, numbered(number));
    for (const number of [1, 2, 3]) {
      await expect(set(world, id, numbered(number))).rejects.toMatchObject({ code: 'password_reused' });
    }
    // Three were replaced then; the first is forgotten.
    await set(world, id, numbered(4));
    await set(world, id, numbered(1));
    expect(await db('password_history').where({ account_id: id })).toHaveLength(2);
    expect(JSON.stringify(await db('password_history').where({ account_id: id }))).not.toContain('umbrella');
  });

  it('is only the present one where none are remembered', async () => {
    const world = createWorld(postgres, { settings: { history: 0 } });
    const { id } = await person(world);
    await set(world, id, numbered(1));
    await expect(set(world, id, numbered(1))).rejects.toMatchObject({ code: 'password_reused' });
    await set(world, id, numbered(2));
    await set(world, id, numbered(1));
    expect(await db('password_history').where({ account_id: id })).toHaveLength(0);
  });

  it('takes one place in the pool at a time, however many are remembered', async () => {
    const world = createWorld(postgres, { settings: { hashConcurrency: 1, hashQueue: 1, history: 24 } });
    const { id } = await person(world);
    for (let number = 0; number < 8; number += 1) await set(world, id, numbered(number));
    expect(world.credentials.hashing()).toEqual({ running: 0, waiting: 0 });
  });

  it('is found in another form of Unicode', async () => {
    const world = createWorld(postgres);
    const { id } = await person(world);
    await set(world, id, 'ﬁne lanterns above the café');
    await expect(set(world, id, 'fine lanterns above the cafe\u0301')).rejects.toMatchObject({
      code: 'password_reused',
    });
  });
});

describe('the least length', () => {
  it('is fifteen alone, and eight beside a second factor, which a code by mail is not', async () => {
    const world = createWorld(postgres);
    const { id } = await person(world);
    const { passwords } = world.credentials;
    await addFactor(id, 'mail');
    await expect(set(world, id, 'lantern9')).rejects.toMatchObject({
      code: 'password_too_short',
      details: { minimumLength: 15 },
    });
    await addFactor(id, 'totp');
    expect(await passwords.limitsFor(id)).toEqual({ minimumLength: 8, maximumLength: 256 });
    await expect(set(world, id, 'lamp9')).rejects.toMatchObject({ details: { minimumLength: 8 } });
    await set(world, id, 'lantern9');
    expect(await passwords.mustChange(id)).toBeUndefined();
    await db('factors').where({ account_id: id }).delete();
    expect(await passwords.mustChange(id)).toBe('short');
    await set(world, id, PASSWORD);
    expect(await passwords.mustChange(id)).toBeUndefined();
  });

  it('is eight also for whoever has to have a second factor and has none yet', async () => {
    const world = createWorld(postgres, { mustHaveFactor: async () => true });
    const { id } = await person(world);
    await set(world, id, 'lantern9');
    expect(await world.credentials.passwords.mustChange(id)).toBeUndefined();
  });

  it('is that of the setting where it is the lower one', async () => {
    const settings = { minimumLength: 10, minimumLengthWithFactor: 12 };
    const world = createWorld(postgres, { settings });
    const { id } = await person(world);
    await addFactor(id, 'totp');
    expect(await world.credentials.passwords.limitsFor(id)).toMatchObject({ minimumLength: 10 });
  });
});

it('no password is made of the names around a person', async () => {
  const world = createWorld(postgres, {
    contextWords: ['gatehouse', 'Moonbeam'],
    wordsAround: async () => ['The Pier Company'],
  });
  const { id } = await person(world);
  for (const password of ['moonbeam-4711-x', 'ThePierCompany99', 'pier!company!!77']) {
    await expect(set(world, id, password)).rejects.toMatchObject({ code: 'password_contextual' });
  }
});

it('a password is not set in place of one that was set after the proof', async () => {
  const world = createWorld(postgres);
  const { id } = await person(world);
  const provedAt = world.clock.now();
  const late = world.credentials.setPassword(id, numbered(1), operator, undefined, { provedAt });
  await expect(late).rejects.toMatchObject({ code: 'version_conflict' });
  await set(world, id, PASSWORD);
  await world.credentials.setPassword(id, numbered(2), operator, undefined, { provedAt: world.clock.now() });
  const stale = world.credentials.setPassword(id, numbered(3), operator, undefined, { provedAt });
  await expect(stale).rejects.toMatchObject({ code: 'version_conflict' });
});

describe('a password that must be changed', () => {
  it('is marked with an event, ends what is open, and is over with a new one', async () => {
    const world = createWorld(postgres);
    const { id } = await person(world);
    const { passwords } = world.credentials;
    expect(await passwords.requireChange(id, 'admin', operator)).toBe(false);
    await set(world, id, PASSWORD);
    expect(await passwords.requireChange(id, 'admin', operator)).toBe(true);
    expect(await passwords.mustChange(id)).toBe('admin');
    expect(world.ended).toEqual([id]);
    const event = await db('audit_events')
      .where({ account_id: id, type: 'password.change-required' })
      .first('reason', 'details');
    expect(event).toMatchObject({ reason: 'admin', details: { sessions: 'ended' } });
    await set(world, id, numbered(1));
    expect(await passwords.mustChange(id)).toBeUndefined();
  });

  it.each([
    ['off', undefined],
    ['breached', 'breached'],
    ['rules', 'breached'],
  ] as const)('is found at the sign-in by lists of breaches, when the check is %s', async (check, reason) => {
    const known = new Set<string>();
    const breaches = [async (password: string) => known.has(password)];
    const world = createWorld(postgres, { breaches, settings: { checkAtSignIn: check } });
    const { id, username } = await person(world);
    await set(world, id, PASSWORD);
    const signIn = () =>
      world.credentials.verify('password', { identifier: username ?? '', password: PASSWORD });
    expect(await signIn()).toMatchObject({ kind: 'ok' });
    expect(await world.credentials.passwords.mustChange(id)).toBeUndefined();
    known.add(PASSWORD);
    expect(await signIn()).toMatchObject({ kind: 'ok' });
    expect(await world.credentials.passwords.mustChange(id)).toBe(reason);
    const events = await db('audit_events')
      .where({ account_id: id, type: 'password.change-required' })
      .select('reason', 'actor_kind');
    expect(events).toEqual(reason === undefined ? [] : [{ reason, actor_kind: 'system' }]);
  });

  it('is found at the sign-in by the rules of today', async () => {
    const before = createWorld(postgres, { settings: { minimumLength: 8 } });
    const { id, username } = await person(before);
    await set(before, id, 'lantern9');
    const world = createWorld(postgres, { settings: { checkAtSignIn: 'rules' } });
    const proof = { identifier: username ?? '', password: 'lantern9' };
    expect(await world.credentials.verify('password', proof)).toMatchObject({ kind: 'ok' });
    expect(await world.credentials.passwords.mustChange(id)).toBe('rules');
  });

  it('is not found by a service that is away: the person signs in, and the ledger says so', async () => {
    const breaches = [() => Promise.reject(new Error('away'))];
    const world = createWorld(postgres, { breaches, settings: { checkAtSignIn: 'breached' } });
    const { id, username } = await person(world);
    await set(world, id, PASSWORD);
    const proof = { identifier: username ?? '', password: PASSWORD };
    expect(await world.credentials.verify('password', proof)).toMatchObject({ kind: 'ok' });
    expect(await world.credentials.passwords.mustChange(id)).toBeUndefined();
    const types = await db('audit_events').where({ account_id: id }).pluck('type');
    expect(types.filter((type) => type === 'password.breach-check-failed')).toHaveLength(2);
  });
});

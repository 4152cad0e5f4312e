// Codes and links that are sent: once, in time, for one purpose and attempt, and not too many.
import { randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { AccountId } from '../../src/lib/ids.ts';
import type { NewVerification } from '../../src/verification/verification.ts';
import { createWorld, from, operator, type World } from '../credentials/world.ts';
import { useDatabase } from '../support/database.ts';

const { postgres, db } = useDatabase();

async function person(world: World): Promise<AccountId> {
  return (await world.accounts.create({ email: `${randomUUID()}@example.com` }, operator)).id;
}

function asked(changes: Partial<NewVerification> = {}): NewVerification {
  return {
    purpose: 'register',
    channel: 'mail',
    to: `${randomUUID()}@example.com`,
    accountId: null,
    binding: randomUUID(),
    template: 'verify-address',
    locale: null,
    ...changes,
  };
}

const lastValues = (world: World) => world.sent.at(-1)?.values ?? {};
const lastCode = (world: World) => String(lastValues(world).code);
const lastToken = (world: World) => new URL(String(lastValues(world).link)).searchParams.get('token') ?? '';

/** Another code than this one. */
const wrong = (code: string) => String((Number(code) + 1) % 100_000_000).padStart(8, '0');

const guess = (world: World, ask: NewVerification, code: string) =>
  postgres.transaction((trx) =>
    world.verification.useCode(trx, { purpose: ask.purpose, binding: ask.binding ?? '', code }),
  );
const follow = (world: World, purpose: NewVerification['purpose'], token: string) =>
  postgres.transaction((trx) => world.verification.useLink(trx, { purpose, token }));

describe('a code', () => {
  it('is right once, and says what it was sent for and to', async () => {
    const world = createWorld(postgres);
    const accountId = await person(world);
    const ask = asked({ code: true, accountId, details: { step: 2 } });
    await world.verification.begin(undefined, ask);
    expect(lastCode(world)).toMatch(/^\d{8}$/);
    expect(lastValues(world).minutes).toBe(10);
    expect(await guess(world, ask, lastCode(world))).toMatchObject({
      kind: 'ok',
      used: { purpose: 'register', to: ask.to, accountId, details: { step: 2 } },
    });
    expect(await guess(world, ask, lastCode(world))).toEqual({ kind: 'expired' });
  });

  it('is right with spaces, dashes and the digits of other scripts, and nothing else is', async () => {
    const world = createWorld(postgres);
    const arabic = (code: string) =>
      code.replaceAll(/\d/g, (digit) => String.fromCodePoint(0x660 + Number(digit)));
    const full = (code: string) =>
      code.replaceAll(/\d/g, (digit) => String.fromCodePoint(0xff10 + Number(digit)));
    for (const typed of [
      arabic,
      full,
      (code: string) => ` ${code.slice(0, 4)} ${code.slice(4)}\n`,
      (code: string) => `\u200e${code.slice(0, 4)}–${code.slice(4)}`,
    ]) {
      const ask = asked({ code: true });
      await world.verification.begin(undefined, ask);
      expect(await guess(world, ask, typed(lastCode(world)))).toMatchObject({ kind: 'ok' });
    }
    const ask = asked({ code: true });
    await world.verification.begin(undefined, ask);
    for (const typed of [
      `${lastCode(world)}0`,
      '',
      `0${'0'.repeat(10_000)}`,
      ' '.repeat(10_000) + lastCode(world),
      '\0',
    ]) {
      expect(await guess(world, ask, typed)).toMatchObject({ kind: 'wrong' });
    }
  });

  it('has five guesses, also when they are made at once', async () => {
    const world = createWorld(postgres);
    const ask = asked({ code: true });
    await world.verification.begin(undefined, ask);
    const code = lastCode(world);
    const guesses = await Promise.all(Array.from({ length: 12 }, () => guess(world, ask, wrong(code))));
    const left = guesses.flatMap((one) => (one.kind === 'wrong' ? [one.left] : []));
    expect(left.sort()).toEqual([0, 1, 2, 3, 4]);
    expect(await guess(world, ask, code)).toEqual({ kind: 'expired' });
  });

  it('is used by one of two at the same time', async () => {
    const world = createWorld(postgres);
    const ask = asked({ code: true });
    await world.verification.begin(undefined, ask);
    const code = lastCode(world);
    const kinds = await Promise.all([1, 2, 3, 4].map(async () => (await guess(world, ask, code)).kind));
    expect(kinds.sort()).toEqual(['expired', 'expired', 'expired', 'ok']);
  });

  it('is over after ten minutes', async () => {
    const world = createWorld(postgres);
    const ask = asked({ code: true });
    await world.verification.begin(undefined, ask);
    world.clock.pass(599);
    expect(await guess(world, ask, wrong(lastCode(world)))).toEqual({ kind: 'wrong', left: 4 });
    world.clock.pass(1);
    expect(await guess(world, ask, lastCode(world))).toEqual({ kind: 'expired' });
  });

  it('belongs to one attempt and one purpose', async () => {
    const world = createWorld(postgres);
    const ask = asked({ code: true });
    await world.verification.begin(undefined, ask);
    const code = lastCode(world);
    expect(await guess(world, { ...ask, binding: randomUUID() }, code)).toEqual({ kind: 'expired' });
    expect(await guess(world, { ...ask, purpose: 'recover' }, code)).toEqual({ kind: 'expired' });
    expect(await guess(world, ask, code)).toMatchObject({ kind: 'ok' });
  });

  it('is over when another one is sent for the same attempt, and does not come back after that one', async () => {
    const world = createWorld(postgres);
    const ask = asked({ code: true });
    await world.verification.begin(undefined, ask);
    const first = lastCode(world);
    await world.verification.begin(undefined, ask);
    const second = lastCode(world);
    expect(await guess(world, ask, first)).toMatchObject({ kind: 'wrong' });
    expect(await guess(world, ask, second)).toMatchObject({ kind: 'ok' });
    expect(await guess(world, ask, first)).toEqual({ kind: 'expired' });
  });

  it('is kept as a hash under a key and bound to its row', async () => {
    const world = createWorld(postgres);
    const ask = asked({ code: true, link: { path: '/verify-address' } });
    await world.verification.begin(undefined, ask);
    const [row] = await db('verifications').where({ recipient: ask.to });
    const dump = JSON.stringify(row, (_, value) =>
      value?.type === 'Buffer' ? Buffer.from(value.data).toString('latin1') : value,
    );
    expect(dump).not.toContain(lastCode(world));
    expect(dump).not.toContain(lastToken(world));
    expect(dump).not.toContain(ask.binding);
    // Another row's hash of the same code is not this one's.
    const other = asked({ code: true });
    await world.verification.begin(undefined, other);
    const code = lastCode(world);
    const [{ code_hash }] = await db('verifications').where({ recipient: other.to });
    await db('verifications').where({ recipient: ask.to }).update({ code_hash });
    expect(await guess(world, ask, code)).toMatchObject({ kind: 'wrong' });
  });
});

describe('a link', () => {
  it('works once, for its purpose, and may be looked at before', async () => {
    const world = createWorld(postgres);
    const accountId = await person(world);
    await world.verification.begin(
      undefined,
      asked({ purpose: 'recover', accountId, binding: null, link: { path: '/recover' } }),
    );
    const token = lastToken(world);
    expect(String(lastValues(world).link)).toBe(`https://id.example.com/recover?token=${token}`);
    expect(Buffer.from(token, 'base64url')).toHaveLength(32);
    expect(await world.verification.peekLink({ purpose: 'recover', token })).toMatchObject({ accountId });
    expect(await world.verification.peekLink({ purpose: 'change-email', token })).toBeUndefined();
    expect(await follow(world, 'change-email', token)).toBeUndefined();
    const both = await Promise.all([follow(world, 'recover', token), follow(world, 'recover', token)]);
    expect(both.filter((used) => used !== undefined)).toHaveLength(1);
    expect(await world.verification.peekLink({ purpose: 'recover', token })).toBeUndefined();
    for (const text of ['', 'x'.repeat(10_000), `${token}x`]) {
      expect(await follow(world, 'recover', text)).toBeUndefined();
    }
  });

  it('ends after half an hour, with a newer one, and with what ends all of an account', async () => {
    const world = createWorld(postgres);
    const accountId = await person(world);
    const begin = async () => {
      await world.verification.begin(
        undefined,
        asked({ purpose: 'recover', accountId, binding: randomUUID(), link: { path: '/recover' } }),
      );
      return lastToken(world);
    };
    const first = await begin();
    const second = await begin();
    expect(await follow(world, 'recover', first)).toBeUndefined();
    await postgres.transaction((trx) =>
      world.verification.end(trx, { accountId, purposes: ['change-email'] }),
    );
    expect(await world.verification.peekLink({ purpose: 'recover', token: second })).toBeDefined();
    await postgres.transaction((trx) => world.verification.end(trx, { accountId }));
    expect(await follow(world, 'recover', second)).toBeUndefined();
    const third = await begin();
    world.clock.pass(1800);
    expect(await follow(world, 'recover', third)).toBeUndefined();
  });
});

describe('the limits', () => {
  it('hold for a recipient, however it is written, and say when they end', async () => {
    const world = createWorld(postgres, { codeSettings: { perRecipient: 2 } });
    const to = `${randomUUID()}@example.com`;
    await world.verification.begin(undefined, asked({ to, code: true }));
    world.clock.pass(600);
    await world.verification.begin(undefined, asked({ to: to.toUpperCase(), code: true }));
    const third = await world.verification.begin(undefined, asked({ to, code: true }));
    expect(third).toEqual({ kind: 'limited', retryAfterSeconds: expect.any(Number) });
    const wait = third.kind === 'limited' ? third.retryAfterSeconds : 0;
    expect(wait).toBeGreaterThan(2990);
    expect(wait).toBeLessThanOrEqual(3001);
    expect(world.sent).toHaveLength(2);
    world.clock.pass(wait);
    expect((await world.verification.begin(undefined, asked({ to, code: true }))).kind).toBe('sent');
  });

  it('hold for an account and for an address, and for all that ask at once', async () => {
    const world = createWorld(postgres, { codeSettings: { perAccount: 3, perAddress: 4 } });
    const accountId = await person(world);
    const begin = (address: string, changes: Partial<NewVerification>) =>
      from(address, () => world.verification.begin(undefined, asked({ code: true, ...changes })));
    const own = await Promise.all(
      Array.from({ length: 8 }, (_, index) => begin(`2001:db8:${index}::1`, { accountId })),
    );
    expect(own.filter(({ kind }) => kind === 'sent')).toHaveLength(3);
    const near = await Promise.all(
      Array.from({ length: 8 }, (_, index) => begin(`2001:db8:ffff::${index + 1}`, {})),
    );
    expect(near.filter(({ kind }) => kind === 'sent')).toHaveLength(4);
  });
});

it('for nobody everything is done but the message', async () => {
  const world = createWorld(postgres);
  const ask = asked({ code: true, send: false });
  expect((await world.verification.begin(undefined, ask)).kind).toBe('sent');
  expect(world.sent).toHaveLength(0);
  expect(await guess(world, ask, '00000000')).toEqual({ kind: 'wrong', left: 4 });
});

it('rows go a day after their end', async () => {
  const world = createWorld(postgres);
  const ask = asked({ code: true });
  await world.verification.begin(undefined, ask);
  const [job] = world.verification.jobs();
  await job?.run();
  expect(await db('verifications').where({ recipient: ask.to })).toHaveLength(1);
  world.clock.pass(86_400 + 601);
  await job?.run();
  expect(await db('verifications').where({ recipient: ask.to })).toHaveLength(0);
});

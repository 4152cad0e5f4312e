// Second factors at the door: right once, wrong a few times, bound to account and sign-in, and never a way around.
import { randomUUID } from 'node:crypto';
import { generateSync } from 'otplib';
import { describe, expect, it } from 'vitest';
import type { Presented } from '../../src/credentials/schema.ts';
import type { AccountId } from '../../src/lib/ids.ts';
import type { Proof } from '../../src/lib/strength.ts';
import { useDatabase } from '../support/database.ts';
import { createWorld, from, operator, type World } from './world.ts';

const { postgres, db } = useDatabase();

const PASSWORD_PROVED: Proof[] = [{ method: 'password', at: 0 }];

async function person(world: World, changes: { admin?: boolean } = {}) {
  const email = `${randomUUID()}@example.com`;
  const account = await world.accounts.create({ email, emailVerified: true, ...changes }, operator);
  return { id: account.id, email };
}

/** An authenticator app in somebody's hand. */
async function withTotp(world: World, id: AccountId) {
  const { enrolment, secret } = await world.credentials.factors.totp.begin(id);
  const seed = secret.replaceAll(' ', '');
  const codeAt = (seconds = 0) =>
    generateSync({ secret: seed, epoch: Math.floor(world.clock.now().getTime() / 1000) + seconds });
  const added = await world.credentials.factors.totp.confirm(
    id,
    { enrolment, code: codeAt(), name: 'Phone' },
    operator,
  );
  // The code that confirmed it is used; the next one is good in the next step.
  world.clock.pass(60);
  return { ...added, seed, codeAt, enrolment };
}

async function withSms(world: World, id: AccountId, to = '+43 660 1234567') {
  const binding = randomUUID();
  await world.credentials.factors.codes.begin(id, { channel: 'sms', to }, binding, null);
  return world.credentials.factors.codes.confirm(
    id,
    { channel: 'sms', binding, code: lastCode(world), name: 'Mobile' },
    operator,
  );
}

async function withMail(world: World, id: AccountId) {
  const binding = randomUUID();
  await world.credentials.factors.codes.begin(id, { channel: 'mail' }, binding, null);
  return world.credentials.factors.codes.confirm(
    id,
    { channel: 'mail', binding, code: lastCode(world), name: 'Mailbox' },
    operator,
  );
}

const lastCode = (world: World) => String(world.sent.at(-1)?.values.code);

function prove<M extends 'totp' | 'recovery-code' | 'mail-code' | 'sms-code'>(
  world: World,
  method: M,
  accountId: AccountId,
  code: string,
  { binding = randomUUID(), proofs = PASSWORD_PROVED, address = '192.0.2.1' } = {},
) {
  const proof: Presented['totp'] = { accountId, code, binding, proofs };
  return from(address, () => world.credentials.verify(method, proof));
}

const otherCode = (code: string) => String((Number(code) + 1) % 10 ** code.length).padStart(code.length, '0');

async function eventsOf(id: AccountId) {
  const rows = await db('audit_events')
    .where({ account_id: id })
    .orderBy('sequence')
    .select('type', 'reason', 'details');
  return rows as { type: string; reason: string | null; details: Record<string, unknown> }[];
}

describe('an authenticator app', () => {
  it('C3: is set up by QR code or key, and its codes are a second factor', async () => {
    const world = createWorld(postgres);
    const { id, email } = await person(world);
    const { uri, secret, svg } = await world.credentials.factors.totp.begin(id);
    expect(uri).toBe(
      `otpauth://totp/Gatehouse:${encodeURIComponent(email)}?secret=${secret.replaceAll(' ', '')}&issuer=Gatehouse`,
    );
    expect(secret).toMatch(/^([A-Z2-7]{4} ){7}[A-Z2-7]{4}$/);
    expect(svg).toMatch(/^<svg [^>]*role="img" aria-label="QR code" viewBox="0 0 \d+ \d+"/);
    expect(svg).not.toMatch(/style=|width="\d+px"|<script/);
    expect(svg.length).toBeLessThan(12_000);

    const app = await withTotp(world, id);
    const outcome = await prove(world, 'totp', id, app.codeAt());
    expect(outcome).toMatchObject({ kind: 'ok', account: { id }, proof: { method: 'totp' } });
    expect((await eventsOf(id)).at(-1)).toMatchObject({
      type: 'sign-in.succeeded',
      details: { method: 'totp' },
    });
    const [factor] = await world.credentials.factors.list(id);
    expect(factor).toMatchObject({
      kind: 'totp',
      name: 'Phone',
      lastUsedAt: expect.any(Date),
      disabledAt: null,
    });
  });

  it('C3: keeps its seed encrypted, under its own row', async () => {
    const world = createWorld(postgres);
    const { id } = await person(world);
    const first = await withTotp(world, id);
    const second = await withTotp(world, id);
    const rows: { id: string; secret: Buffer }[] = await db('factors').where({ account_id: id }).select();
    for (const row of rows) expect(row.secret.toString('latin1')).not.toContain(first.seed);
    expect(JSON.stringify(rows)).not.toContain(first.seed);
    await db('factors')
      .where({ id: first.id })
      .update({ secret: rows.find((row) => row.id === second.id)?.secret });
    await expect(prove(world, 'totp', id, second.codeAt())).rejects.toThrow(/does not open/);
  });

  it('gives no code that works twice, one after the other or at once', async () => {
    const world = createWorld(postgres);
    const { id } = await person(world);
    const app = await withTotp(world, id);
    const code = app.codeAt();
    const outcomes = await Promise.all([1, 2, 3].map(() => prove(world, 'totp', id, code)));
    expect(outcomes.map(({ kind }) => kind).sort()).toEqual(['ok', 'refused', 'refused']);
    expect(await prove(world, 'totp', id, code)).toEqual({ kind: 'refused' });
    // Nor one from before it that is still in its time.
    expect(await prove(world, 'totp', id, app.codeAt(-30))).toEqual({ kind: 'refused' });
    expect(await prove(world, 'totp', id, app.codeAt(30))).toMatchObject({ kind: 'ok' });
  });

  it('does not sign in with the code that set it up', async () => {
    const world = createWorld(postgres);
    const { id } = await person(world);
    const { enrolment, secret } = await world.credentials.factors.totp.begin(id);
    const epoch = Math.floor(world.clock.now().getTime() / 1000);
    const code = generateSync({ secret: secret.replaceAll(' ', ''), epoch });
    await world.credentials.factors.totp.confirm(id, { enrolment, code, name: 'Phone' }, operator);
    expect(await prove(world, 'totp', id, code)).toEqual({ kind: 'refused' });
  });

  it('may be one step off, to the second, and no more', async () => {
    const world = createWorld(postgres);
    for (const [steps, kind] of [
      [-2, 'refused'],
      [-1, 'ok'],
      [0, 'ok'],
      [1, 'ok'],
      [2, 'refused'],
    ] as const) {
      const { id } = await person(world);
      const app = await withTotp(world, id);
      world.clock.pass(60);
      // The first and the last second of a step.
      const now = Math.floor(world.clock.now().getTime() / 1000);
      world.clock.pass(30 - (now % 30) + (steps < 0 ? 29 : 0));
      expect((await prove(world, 'totp', id, app.codeAt(steps * 30))).kind, `${steps}`).toBe(kind);
    }
  });

  it('takes codes as people type them', async () => {
    const world = createWorld(postgres);
    const { id } = await person(world);
    const app = await withTotp(world, id);
    for (const typed of [
      (code: string) => ` ${code.slice(0, 3)} ${code.slice(3)} `,
      (code: string) => code.replaceAll(/\d/g, (digit) => String.fromCodePoint(0x660 + Number(digit))),
      (code: string) => code.replaceAll(/\d/g, (digit) => String.fromCodePoint(0x966 + Number(digit))),
    ]) {
      expect(await prove(world, 'totp', id, typed(app.codeAt()))).toMatchObject({ kind: 'ok' });
      world.clock.pass(60);
    }
    for (const typed of [
      '',
      '12345',
      '1234567',
      'x'.repeat(10_000),
      '0'.repeat(10_000),
      '\0',
      '٠'.repeat(6),
    ]) {
      expect((await prove(world, 'totp', id, typed, { address: `2001:db8:${typed.length}::1` })).kind).toBe(
        'refused',
      );
    }
  });

  it('of another account opens nothing, and several of one account do', async () => {
    const world = createWorld(postgres);
    const [one, other] = [await person(world), await person(world)];
    const own = await withTotp(world, one.id);
    const second = await withTotp(world, one.id);
    const foreign = await withTotp(world, other.id);
    expect(await prove(world, 'totp', one.id, foreign.codeAt())).toEqual({ kind: 'refused' });
    expect(await prove(world, 'totp', one.id, own.codeAt())).toMatchObject({ kind: 'ok' });
    expect(await prove(world, 'totp', one.id, second.codeAt())).toMatchObject({ kind: 'ok' });
  });

  it('is set up only by who began, in ten minutes, with a right code, and once', async () => {
    const world = createWorld(postgres);
    const [one, other] = [await person(world), await person(world)];
    const { totp } = world.credentials.factors;
    const begun = await totp.begin(one.id);
    const code = () =>
      generateSync({
        secret: begun.secret.replaceAll(' ', ''),
        epoch: Math.floor(world.clock.now().getTime() / 1000),
      });
    const confirm = (id: AccountId, changes: { enrolment?: string; code?: string; name?: string }) =>
      totp.confirm(id, { enrolment: begun.enrolment, code: code(), name: 'Phone', ...changes }, operator);
    await expect(confirm(other.id, {})).rejects.toMatchObject({ code: 'enrolment_expired' });
    await expect(confirm(one.id, { enrolment: `${begun.enrolment}A` })).rejects.toMatchObject({
      code: 'enrolment_expired',
    });
    await expect(confirm(one.id, { enrolment: 'x'.repeat(10_000) })).rejects.toMatchObject({
      code: 'enrolment_expired',
    });
    await expect(confirm(one.id, { code: otherCode(code()) })).rejects.toMatchObject({ code: 'code_wrong' });
    await expect(confirm(one.id, { name: 'x'.repeat(10_000) })).rejects.toMatchObject({
      code: 'request_invalid',
    });
    await expect(confirm(one.id, { name: 'Phone\u202e' })).rejects.toMatchObject({ code: 'request_invalid' });
    expect(await db('factors').where({ account_id: one.id })).toHaveLength(0);
    const both = await Promise.allSettled([confirm(one.id, {}), confirm(one.id, { name: '📱' })]);
    expect(both.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    world.clock.pass(600);
    await expect(confirm(one.id, {})).rejects.toMatchObject({ code: 'enrolment_expired' });
  });
});

describe('recovery codes', () => {
  it('C3: come with the first factor, ten of them, and each signs in once', async () => {
    const world = createWorld(postgres);
    const { id } = await person(world);
    const { recoveryCodes } = await withTotp(world, id);
    expect(recoveryCodes).toHaveLength(10);
    expect(new Set(recoveryCodes).size).toBe(10);
    for (const code of recoveryCodes ?? [])
      expect(code).toMatch(/^([0-9A-HJKMNP-TV-Z]{4}-){5}[0-9A-HJKMNP-TV-Z]{4}$/);
    expect((await withTotp(world, id)).recoveryCodes).toBeNull();
    const [first = ''] = recoveryCodes ?? [];
    const outcomes = await Promise.all([1, 2, 3].map(() => prove(world, 'recovery-code', id, first)));
    expect(outcomes.map(({ kind }) => kind).sort()).toEqual(['ok', 'refused', 'refused']);
    expect(await world.credentials.factors.summaryOf(id)).toMatchObject({ recoveryCodesLeft: 9 });
    expect((await eventsOf(id)).find(({ type }) => type === 'recovery-code.used')?.details).toEqual({
      left: 9,
    });
  });

  it('are read as people write them down, and belong to their account', async () => {
    const world = createWorld(postgres);
    const [one, other] = [await person(world), await person(world)];
    const { recoveryCodes } = await withTotp(world, one.id);
    const [first = '', second = '', third = ''] = recoveryCodes ?? [];
    expect(await prove(world, 'recovery-code', other.id, first)).toEqual({ kind: 'refused' });
    const handwritten = first.toLowerCase().replaceAll('0', 'o').replaceAll('1', 'l').replaceAll('-', ' ');
    expect(await prove(world, 'recovery-code', one.id, handwritten)).toMatchObject({ kind: 'ok' });
    expect(await prove(world, 'recovery-code', one.id, second.replaceAll('-', ''))).toMatchObject({
      kind: 'ok',
    });
    for (const typed of ['', '-'.repeat(10_000), third + ' '.repeat(10_000), third.slice(1), `${third}0`]) {
      expect((await prove(world, 'recovery-code', one.id, typed, { address: '2001:db8::1' })).kind).toBe(
        'refused',
      );
    }
  });

  it('are replaced together, kept as hashes, and go with the last factor', async () => {
    const world = createWorld(postgres);
    const { id } = await person(world);
    const { recoveryCodes, ...app } = await withTotp(world, id);
    const sets = await Promise.all(
      [1, 2].map(() => world.credentials.factors.recoveryCodes.renew(id, operator)),
    );
    expect(await world.credentials.factors.recoveryCodes.left(id)).toBe(10);
    expect((await prove(world, 'recovery-code', id, recoveryCodes?.[0] ?? '')).kind).toBe('refused');
    const outcomes = await Promise.all(
      sets.map(async ([code = '']) => (await prove(world, 'recovery-code', id, code)).kind),
    );
    expect(outcomes.sort()).toEqual(['ok', 'refused']);
    const rows = await db('recovery_codes').where({ account_id: id }).select('code_hash');
    expect(rows.every(({ code_hash }) => code_hash.length === 32)).toBe(true);
    await world.credentials.factors.remove(id, app.id, operator);
    expect(await world.credentials.factors.summaryOf(id)).toEqual({
      kinds: [],
      usable: [],
      recoveryCodesLeft: 0,
      verifiedPasskey: false,
    });
  });
});

describe('codes by SMS and mail', () => {
  it('are sent on request, bound to account, way and sign-in, and work once', async () => {
    const world = createWorld(postgres);
    const { id, email } = await person(world);
    const other = await person(world);
    await withSms(world, id);
    await withMail(world, id);
    const binding = randomUUID();
    const { codes } = world.credentials.factors;
    expect(await codes.send(id, 'sms', binding, null)).toMatchObject({ kind: 'sent', to: '•••• 67' });
    expect(world.sent.at(-1)).toMatchObject({
      channel: 'sms',
      to: '+436601234567',
      template: 'sign-in-code',
    });
    const sms = lastCode(world);
    expect(await codes.send(id, 'mail', binding, null)).toMatchObject({
      kind: 'sent',
      to: `${email[0]}•••@example.com`,
    });
    const mail = lastCode(world);
    expect((await prove(world, 'sms-code', id, sms)).kind).toBe('refused');
    expect((await prove(world, 'sms-code', other.id, sms, { binding })).kind).toBe('refused');
    expect((await prove(world, 'mail-code', id, sms, { binding })).kind).toBe('refused');
    expect(await prove(world, 'sms-code', id, sms, { binding })).toMatchObject({
      proof: { method: 'sms-code' },
    });
    expect((await prove(world, 'sms-code', id, sms, { binding })).kind).toBe('refused');
    expect(await prove(world, 'mail-code', id, mail, { binding })).toMatchObject({
      proof: { method: 'mail-code' },
    });
  });

  it('a code by mail is no second factor after a mail, nor for administrators', async () => {
    const world = createWorld(postgres);
    const { id } = await person(world);
    const admin = await person(world, { admin: true });
    const send = async (accountId: AccountId) => {
      const binding = randomUUID();
      await world.credentials.factors.codes.send(accountId, 'mail', binding, null);
      return { binding, code: lastCode(world) };
    };
    await world.credentials.setPassword(id, 'violet umbrella over a lighthouse', operator);
    await withMail(world, id);
    await withMail(world, admin.id);
    const forAdmin = await send(admin.id);
    expect((await prove(world, 'mail-code', admin.id, forAdmin.code, forAdmin)).kind).toBe('refused');
    expect((await eventsOf(admin.id)).at(-1)).toMatchObject({ reason: 'mail_code_not_allowed' });

    const afterMail = await send(id);
    const proofs: Proof[] = [{ method: 'mail-code', at: 0 }];
    expect((await prove(world, 'mail-code', id, afterMail.code, { ...afterMail, proofs })).kind).toBe(
      'refused',
    );

    await db('passwords').where({ account_id: id }).update({ set_by_mail: true });
    const afterReset = await send(id);
    expect((await prove(world, 'mail-code', id, afterReset.code, afterReset)).kind).toBe('refused');
    await db('passwords').where({ account_id: id }).update({ set_by_mail: false });
    expect((await prove(world, 'mail-code', id, afterReset.code, afterReset)).kind).toBe('ok');
  });

  it('are for numbers that can be reached, of countries that are allowed, and where there is a sender', async () => {
    const world = createWorld(postgres, { factorSettings: { smsCountries: ['AT', 'DE'] } });
    const { id } = await person(world);
    const begin = (to: string | undefined) =>
      world.credentials.factors.codes.begin(id, { channel: 'sms', to }, randomUUID(), null);
    for (const to of [undefined, '', '0660 1234567', '+43 1', 'x'.repeat(10_000), '+43 660 1234567;ext=5']) {
      await expect(begin(to)).rejects.toMatchObject({ code: 'phone_number_invalid' });
    }
    await expect(begin('+1 213 373 4253')).rejects.toMatchObject({ code: 'phone_country_not_allowed' });
    await withSms(world, id, '＋49 (0)151 23456789');
    await expect(begin('+4915123456789')).rejects.toMatchObject({ code: 'factor_exists' });
    const silent = createWorld(postgres, { withoutSms: true });
    const { id: silentId } = await person(silent);
    await expect(withSms(silent, silentId)).rejects.toMatchObject({ code: 'channel_unavailable' });
  });

  it('prove the address or number when they are added, in five guesses', async () => {
    const world = createWorld(postgres);
    const { id } = await person(world);
    const { codes } = world.credentials.factors;
    const binding = randomUUID();
    await codes.begin(id, { channel: 'sms', to: '+43 660 1234567' }, binding, null);
    const code = lastCode(world);
    const confirm = (typed: string) =>
      codes.confirm(id, { channel: 'sms', binding, code: typed, name: 'Mobile' }, operator);
    for (const left of [4, 3, 2, 1, 0]) {
      await expect(confirm(otherCode(code))).rejects.toMatchObject({ code: 'code_wrong', details: { left } });
    }
    await expect(confirm(code)).rejects.toMatchObject({ code: 'code_expired' });
    expect(await world.credentials.factors.list(id)).toHaveLength(0);
  });

  it('open a sign-in by themselves where they were sent for that, and say nothing about who is here', async () => {
    const world = createWorld(postgres);
    const { id, email } = await person(world);
    const unproved = await world.accounts.create({ email: `${randomUUID()}@example.com` }, operator);
    const { codes } = world.credentials.factors;
    const binding = randomUUID();
    const known = await codes.sendToSignIn(email, binding, null);
    expect(world.sent).toHaveLength(1);
    const code = lastCode(world);
    const unknown = await codes.sendToSignIn('nobody@example.com', randomUUID(), null);
    const unverified = await codes.sendToSignIn(unproved.email ?? '', randomUUID(), null);
    expect(world.sent).toHaveLength(1);
    const shown = (sent: object) => ({ ...sent, expiresAt: 0 });
    expect(shown(unknown)).toEqual(shown(known));
    expect(shown(unverified)).toEqual(shown(known));
    const signIn = (typed: string, at: string) =>
      world.credentials.verify('mail-code', { accountId: null, code: typed, binding: at, proofs: [] });
    expect((await signIn(code, randomUUID())).kind).toBe('refused');
    expect(await signIn(code, binding)).toMatchObject({
      kind: 'ok',
      account: { id },
      proof: { method: 'mail-code' },
    });
    expect((await signIn(code, binding)).kind).toBe('refused');
  });
});

describe('guessing', () => {
  it('has five wrong codes in one sign-in, however they are tried, and waits then', async () => {
    const world = createWorld(postgres, { lockoutSettings: { freeAttempts: 100 } });
    const { id } = await person(world);
    const app = await withTotp(world, id);
    const binding = randomUUID();
    const wrong = otherCode(app.codeAt());
    const guesses = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        prove(world, 'totp', id, wrong, { binding, address: `2001:db8:${index}::1` }),
      ),
    );
    expect(guesses.filter(({ kind }) => kind === 'refused')).toHaveLength(5);
    const locked = await prove(world, 'totp', id, app.codeAt(), { binding });
    expect(locked).toEqual({ kind: 'locked', retryAfterSeconds: expect.any(Number) });
    expect((await prove(world, 'recovery-code', id, app.recoveryCodes?.[0] ?? '', { binding })).kind).toBe(
      'locked',
    );
    // Another sign-in, with the password again, is another one.
    expect((await prove(world, 'totp', id, app.codeAt())).kind).toBe('ok');
    world.clock.pass(15 * 60);
    expect((await prove(world, 'totp', id, app.codeAt(), { binding })).kind).toBe('ok');
  });

  it('over many sign-ins locks the factors of the account for a while, not its password, and never its owner for good', async () => {
    const world = createWorld(postgres);
    const { id, email } = await person(world);
    await world.credentials.setPassword(id, 'violet umbrella over a lighthouse', operator);
    const app = await withTotp(world, id);
    for (let time = 0; time < 5; time += 1) await prove(world, 'totp', id, otherCode(app.codeAt()));
    expect((await prove(world, 'totp', id, app.codeAt())).kind).toBe('locked');
    const byPassword = await from('192.0.2.1', () =>
      world.credentials.verify('password', {
        identifier: email,
        password: 'violet umbrella over a lighthouse',
      }),
    );
    expect(byPassword.kind).toBe('ok');
    expect((await prove(world, 'totp', id, app.codeAt(), { address: '198.51.100.7' })).kind).toBe('ok');
    expect((await eventsOf(id)).map(({ type }) => type)).toContain('lockout.started');
    world.clock.pass(3600);
    expect((await prove(world, 'totp', id, app.codeAt())).kind).toBe('ok');
  });

  it('is counted under a name that nobody can type', async () => {
    const world = createWorld(postgres);
    const { id } = await person(world);
    const app = await withTotp(world, id);
    for (const identifier of [`factors:${id}`, id]) {
      for (let time = 0; time < 6; time += 1) {
        await from('192.0.2.9', () => world.credentials.verify('password', { identifier, password: 'x' }));
      }
    }
    expect((await prove(world, 'totp', id, app.codeAt(), { address: '192.0.2.9' })).kind).toBe('ok');
  });

  it('a hundred times in a row disables the factor, which is still asked for', async () => {
    const world = createWorld(postgres, {
      lockoutSettings: { freeAttempts: 1000, accountFreeAttempts: 1000, addressFreeAttempts: 1000 },
      factorSettings: { maximumConsecutiveFailures: 7 },
    });
    const { id } = await person(world);
    const app = await withTotp(world, id);
    const fail = async (times: number) => {
      for (let time = 0; time < times; time += 1) await prove(world, 'totp', id, otherCode(app.codeAt()));
    };
    await fail(6);
    expect((await prove(world, 'totp', id, app.codeAt())).kind).toBe('ok');
    world.clock.pass(60);
    await fail(7);
    expect((await prove(world, 'totp', id, app.codeAt())).kind).toBe('refused');
    expect(await world.credentials.factors.summaryOf(id)).toMatchObject({ kinds: ['totp'], usable: [] });
    expect((await eventsOf(id)).filter(({ type }) => type === 'factor.disabled')).toHaveLength(1);
    expect((await prove(world, 'recovery-code', id, app.recoveryCodes?.[0] ?? '')).kind).toBe('ok');
  });

  it('opens nothing for who is suspended meanwhile', async () => {
    const world = createWorld(postgres);
    const { id } = await person(world);
    const app = await withTotp(world, id);
    await world.accounts.suspend(id, null, operator);
    expect((await prove(world, 'totp', id, app.codeAt())).kind).toBe('refused');
    expect((await prove(world, 'recovery-code', id, app.recoveryCodes?.[0] ?? '')).kind).toBe('refused');
    expect(await world.credentials.factors.recoveryCodes.left(id)).toBe(10);
  });
});

describe('the factors of an account', () => {
  it('are renamed and removed by their id within it, which ends remembered devices and codes under way', async () => {
    const world = createWorld(postgres);
    const [one, other] = [await person(world), await person(world)];
    const { factors } = world.credentials;
    const app = await withTotp(world, one.id);
    await withSms(world, one.id);
    const binding = randomUUID();
    await factors.codes.send(one.id, 'sms', binding, null);
    await expect(factors.rename(other.id, app.id, 'Mine', operator)).rejects.toMatchObject({
      code: 'factor_not_found',
    });
    await expect(factors.remove(other.id, app.id, operator)).rejects.toMatchObject({
      code: 'factor_not_found',
    });
    await expect(factors.remove(one.id, 'fac_x', operator)).rejects.toMatchObject({
      code: 'factor_not_found',
    });
    expect(await factors.rename(one.id, app.id, 'Old phone', operator)).toMatchObject({ name: 'Old phone' });
    await factors.remove(one.id, app.id, operator);
    expect(world.forgotten).toEqual([one.id]);
    expect((await prove(world, 'sms-code', one.id, lastCode(world), { binding })).kind).toBe('refused');
    expect(await factors.summaryOf(one.id)).toMatchObject({ kinds: ['sms'], recoveryCodesLeft: 10 });
    expect((await eventsOf(one.id)).map(({ type }) => type)).toEqual(
      expect.arrayContaining(['factor.added', 'factor.renamed', 'factor.removed']),
    );
  });

  it('are reset by an administrator, with everything that is open', async () => {
    const world = createWorld(postgres);
    const { id } = await person(world);
    const { factors } = world.credentials;
    const app = await withTotp(world, id);
    await withMail(world, id);
    await factors.resetAll(id, 'lost phone', operator);
    expect(await factors.summaryOf(id)).toMatchObject({ kinds: [], recoveryCodesLeft: 0 });
    expect(world.ended).toEqual([id]);
    expect(world.forgotten).toEqual([id]);
    expect((await prove(world, 'recovery-code', id, app.recoveryCodes?.[0] ?? '')).kind).toBe('refused');
    const reset = (await eventsOf(id)).find(({ type }) => type === 'factors.reset');
    expect(reset).toMatchObject({ reason: 'lost phone' });
  });

  it('are twenty at most, also when many are added at once', async () => {
    const world = createWorld(postgres, { codeSettings: { perAccount: 100 } });
    const { id } = await person(world);
    const add = async (index: number) => {
      const binding = randomUUID();
      const to = `${index}-${randomUUID()}@example.com`;
      await world.credentials.factors.codes.begin(id, { channel: 'mail', to }, binding, null);
      const code = String(world.sent.find((message) => message.to === to)?.values.code);
      return world.credentials.factors.codes.confirm(
        id,
        { channel: 'mail', binding, code, name: to.slice(0, 20) },
        operator,
      );
    };
    const added = await Promise.allSettled(Array.from({ length: 22 }, (_, index) => add(index)));
    expect(added.filter(({ status }) => status === 'fulfilled')).toHaveLength(20);
    const refused = added.flatMap((one) => (one.status === 'rejected' ? [one.reason.code] : []));
    expect(refused).toEqual(['factor_limit', 'factor_limit']);
    const first = added.filter((one) => one.status === 'fulfilled' && one.value.recoveryCodes !== null);
    expect(first).toHaveLength(1);
  });
});

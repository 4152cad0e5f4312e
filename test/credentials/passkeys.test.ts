// Passkeys against a hostile browser: only the right key, for this site, this person, this sign-in, once.
import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { createPasskeys, relyingPartyOf } from '../../src/credentials/factors/passkeys.ts';
import { createChallenges } from '../../src/credentials/factors/passkeys-challenge.ts';
import { createPasskeySignIn } from '../../src/credentials/factors/passkeys-sign-in.ts';
import type { AccountId } from '../../src/lib/ids.ts';
import { browserIn } from '../../src/lib/people/user-agent.ts';
import type { Proof } from '../../src/lib/strength.ts';
import { createI18n } from '../../src/platform/i18n.ts';
import { answerWith, type Behaviour, type Credential, makePasskey } from '../support/authenticator.ts';
import { useDatabase } from '../support/database.ts';
import { createWorld, from, operator } from './world.ts';

const origin = 'https://id.example.com';
const here = { origin };
const PASSWORD: Proof = { method: 'password', at: 0 };

describe('passkeys', () => {
  const database = useDatabase();
  let people = 0;

  function build() {
    const world = createWorld(database.postgres);
    const challenges = createChallenges({ db: database.db, clock: world.clock, key: randomBytes(32) });
    const deps = {
      ...world,
      postgres: database.postgres,
      oneTimeKey: randomBytes(32),
      challenges,
      relyingParty: relyingPartyOf(`${origin}/auth`, 'Gatehouse'),
    };
    return {
      ...world,
      challenges,
      passkeys: createPasskeys(deps),
      verify: createPasskeySignIn(deps),
      async person() {
        people += 1;
        return world.accounts.create({ email: `passkeys${people}@example.com` }, operator);
      },
    };
  }

  type Built = ReturnType<typeof build>;

  const catalogue = createI18n({ directories: ['views/messages'] });
  const t = catalogue.translator('en');

  async function enrol(
    { passkeys }: Built,
    accountId: AccountId,
    behaviour: Partial<Parameters<typeof makePasskey>[1]> = {},
    name = '',
    t = catalogue.translator('en'),
  ) {
    const options = await passkeys.optionsToRegister(accountId, 'session');
    const { response, credential } = makePasskey(options, { ...here, ...behaviour });
    const by = { kind: 'account', id: accountId } as const;
    return { credential, factor: await passkeys.register(accountId, { response, name, t }, 'session', by) };
  }

  async function answer(
    built: Built,
    credential: Credential,
    { as, binding = 'uid', ...behaviour }: Partial<Behaviour> & { as?: AccountId; binding?: string } = {},
  ) {
    const options = await built.passkeys.optionsToSignIn(as ?? null, binding);
    const response = answerWith(credential, options, { ...here, ...behaviour });
    const proofs = as === undefined ? [] : [PASSWORD];
    return built.verify({ accountId: as ?? null, response, binding, proofs });
  }

  const eventsOf = (accountId: string) =>
    database
      .db('audit_events')
      .where({ account_id: accountId })
      .orderBy('id')
      .select('type', 'reason', 'outcome');

  it.each(['ES256', 'EdDSA', 'RS256'] as const)('signs in alone, by a key of %s', async (algorithm) => {
    const built = build();
    const { id } = await built.person();
    const { credential } = await enrol(built, id, { algorithm });
    expect(await answer(built, credential)).toMatchObject({
      kind: 'ok',
      account: { id },
      proof: { method: 'passkey', userVerified: true },
    });
    const [factor] = await database.db('factors').where({ account_id: id });
    expect(factor.last_used_at).not.toBeNull();
    expect(Number(factor.counter)).toBe(1);
    expect((await eventsOf(id)).map(({ type }) => type)).toEqual([
      'account.created',
      'factor.added',
      'sign-in.succeeded',
    ]);
  });

  it('is a second factor without a PIN, but never the only one', async () => {
    const built = build();
    const { id } = await built.person();
    const { credential } = await enrol(built, id, { userVerified: false });
    expect(await answer(built, credential, { userVerified: false })).toEqual({ kind: 'refused' });
    expect(await answer(built, credential, { userVerified: false, as: id })).toMatchObject({
      kind: 'ok',
      proof: { userVerified: false },
    });
    expect((await eventsOf(id)).map(({ reason }) => reason)).toContain('not_verified');
  });

  it('asks for a PIN where it stands alone, and names the keys of whoever is known', async () => {
    const built = build();
    const { id } = await built.person();
    const { credential } = await enrol(built, id, { transports: ['usb'] });
    expect(await built.passkeys.optionsToSignIn(null, 'uid')).toMatchObject({
      rpId: 'id.example.com',
      userVerification: 'required',
      allowCredentials: [],
    });
    expect(await built.passkeys.optionsToSignIn(id, 'uid')).toMatchObject({
      userVerification: 'preferred',
      allowCredentials: [{ id: credential.id, transports: ['usb'], type: 'public-key' }],
    });
  });

  it.each([
    { what: 'another origin', behaviour: { origin: 'https://id.example.com.evil.example' } },
    { what: 'another port of this host', behaviour: { origin: 'https://id.example.com:8443' } },
    { what: 'another site', behaviour: { rpId: 'evil.example' } },
    { what: 'a frame', behaviour: { crossOrigin: true } },
    { what: 'a challenge of its own', behaviour: { challenge: randomBytes(32).toString('base64url') } },
    { what: 'the making of a passkey', behaviour: { type: 'webauthn.create' } },
    { what: 'nobody being there', behaviour: { userPresent: false } },
    { what: 'a signature that does not fit', behaviour: { tamper: 'signature' as const } },
    { what: 'data that were changed after the signature', behaviour: { tamper: 'data' as const } },
    { what: 'the handle of somebody else', behaviour: { userHandle: 'AAAA' } },
    { what: 'no handle', behaviour: { userHandle: null } },
    { what: 'a key that can be copied all of a sudden', behaviour: { synced: true } },
  ])('refuses $what, and the ledger has it', async ({ behaviour }) => {
    const built = build();
    const { id } = await built.person();
    const { credential } = await enrol(built, id);
    expect(await answer(built, credential, behaviour)).toEqual({ kind: 'refused' });
    expect((await eventsOf(id)).at(-1)).toMatchObject({ type: 'sign-in.failed', reason: 'invalid' });
    expect(await answer(built, credential)).toMatchObject({ kind: 'ok' });
  });

  it('takes each answer once, however many come at the same time', async () => {
    const built = build();
    const { id } = await built.person();
    const { credential } = await enrol(built, id);
    const options = await built.passkeys.optionsToSignIn(null, 'uid');
    // Without a counter, so that only the challenge can tell them apart.
    const response = answerWith(credential, options, { ...here, counter: null });
    const proof = { accountId: null, response, binding: 'uid', proofs: [] };
    const results = await Promise.all([built.verify(proof), built.verify(proof), built.verify(proof)]);
    expect(results.map(({ kind }) => kind).sort()).toEqual(['ok', 'refused', 'refused']);
    expect(await built.verify(proof)).toEqual({ kind: 'refused' });
  });

  it('spends a challenge also on an answer that is refused', async () => {
    const built = build();
    const { id } = await built.person();
    const { credential } = await enrol(built, id);
    const options = await built.passkeys.optionsToSignIn(null, 'uid');
    const tried = (behaviour: Partial<Behaviour>) =>
      built.verify({
        accountId: null,
        response: answerWith(credential, options, { ...here, ...behaviour }),
        binding: 'uid',
        proofs: [],
      });
    expect(await tried({ tamper: 'signature' })).toEqual({ kind: 'refused' });
    expect(await tried({})).toEqual({ kind: 'refused' });
  });

  it('takes no challenge of another sign-in, another person, another purpose or another time', async () => {
    const built = build();
    const [one, other] = [await built.person(), await built.person()];
    const { credential } = await enrol(built, one.id);
    const tried = async (challenge: string, accountId: AccountId | null, binding: string) => {
      const response = answerWith(credential, { challenge }, here);
      const proofs = accountId === null ? [] : [PASSWORD];
      return built.verify({ accountId, response, binding, proofs });
    };
    const made = async (accountId: AccountId | null, binding: string) =>
      (await built.passkeys.optionsToSignIn(accountId, binding)).challenge;

    expect(await tried(await made(null, 'another'), null, 'uid')).toEqual({ kind: 'refused' });
    expect(await tried(await made(other.id, 'uid'), one.id, 'uid')).toEqual({ kind: 'refused' });
    expect(await tried(await made(null, 'uid'), one.id, 'uid')).toEqual({ kind: 'refused' });
    const { challenge } = await built.passkeys.optionsToRegister(one.id, 'uid');
    expect(await tried(challenge, one.id, 'uid')).toEqual({ kind: 'refused' });
    const old = await made(one.id, 'uid');
    built.clock.pass(301);
    expect(await tried(old, one.id, 'uid')).toEqual({ kind: 'refused' });
    // The wait after five failures.
    built.clock.pass(60);
    expect(await tried(await made(one.id, 'uid'), one.id, 'uid')).toMatchObject({ kind: 'ok' });
  });

  it('refuses a counter that goes backwards, and neither copy works from then on', async () => {
    const built = build();
    const { id } = await built.person();
    const { credential } = await enrol(built, id);
    expect(await answer(built, credential, { counter: 7 })).toMatchObject({ kind: 'ok' });
    expect(await answer(built, credential, { counter: 7 })).toEqual({ kind: 'refused' });
    expect(await answer(built, credential, { counter: 99 })).toEqual({ kind: 'refused' });
    expect((await eventsOf(id)).map(({ type }) => type)).toContain('factor.counter-rolled-back');
    expect((await database.db('factors').where({ account_id: id }).first()).disabled_at).not.toBeNull();
    // Not offered any more.
    expect((await built.passkeys.optionsToSignIn(id, 'uid')).allowCredentials).toEqual([]);
  });

  it('leaves a passkey alone whose counter a stranger made up', async () => {
    const built = build();
    const { id } = await built.person();
    const { credential } = await enrol(built, id);
    await answer(built, credential, { counter: 7 });
    expect(await answer(built, credential, { counter: 3, tamper: 'signature' })).toEqual({ kind: 'refused' });
    expect(await answer(built, credential, { counter: 8 })).toMatchObject({ kind: 'ok' });
  });

  it('accepts passkeys that do not count', async () => {
    const built = build();
    const { id } = await built.person();
    const { credential } = await enrol(built, id);
    expect(await answer(built, credential, { counter: null })).toMatchObject({ kind: 'ok' });
    expect(await answer(built, credential, { counter: null })).toMatchObject({ kind: 'ok' });
  });

  it('refuses the passkey of another account as a second factor, and one that nobody has, in the same words', async () => {
    const built = build();
    const [one, other] = [await built.person(), await built.person()];
    const { credential } = await enrol(built, one.id);
    expect(await answer(built, credential, { as: other.id })).toEqual({ kind: 'refused' });
    expect((await eventsOf(other.id)).at(-1)).toMatchObject({ type: 'sign-in.failed' });
    const stranger = { ...credential, id: randomBytes(32).toString('base64url') };
    expect(await answer(built, stranger)).toEqual({ kind: 'refused' });
    expect(
      await built.verify({ accountId: null, response: { id: 'x' }, binding: 'uid', proofs: [] }),
    ).toEqual({
      kind: 'refused',
    });
  });

  it('refuses a suspended account', async () => {
    const built = build();
    const { id } = await built.person();
    const { credential } = await enrol(built, id);
    await built.accounts.suspend(id, null, operator);
    expect(await answer(built, credential)).toEqual({ kind: 'refused' });
    expect((await eventsOf(id)).at(-1)).toMatchObject({ reason: 'suspended' });
  });

  it('counts failures like those of passwords, until further ones wait', async () => {
    const built = build();
    const { id } = await built.person();
    const { credential } = await enrol(built, id);
    await from('192.0.2.7', async () => {
      for (let failure = 0; failure < 5; failure += 1) {
        expect(await answer(built, credential, { tamper: 'signature' })).toEqual({ kind: 'refused' });
      }
      expect(await answer(built, credential)).toMatchObject({ kind: 'locked' });
    });
    expect((await eventsOf(id)).map(({ type }) => type)).toContain('lockout.started');
  });

  it('notes whether a passkey was copied to other devices since', async () => {
    const built = build();
    const { id } = await built.person();
    const { credential, factor } = await enrol(built, id, { synced: true });
    expect(factor.details).toMatchObject({ synced: true, backedUp: false });
    await answer(built, credential, { synced: true, backedUp: true });
    const [{ details }] = await database.db('factors').where({ account_id: id }).select('details');
    expect(details).toMatchObject({ synced: true, backedUp: true });
  });

  describe('making one', () => {
    it('keeps several, named by whoever keeps them, and offers none of them twice', async () => {
      const built = build();
      const { id } = await built.person();
      const aaguid = 'bada5566-a7aa-401f-bd96-45619a55120d';
      const first = await enrol(built, id, { aaguid });
      const second = await enrol(built, id, { aaguid });
      const third = await enrol(built, id, { transports: ['usb', 'nfc'] });
      const fourth = await enrol(built, id, {}, '  Werkstatt 🔧 ');
      expect([first, second, third, fourth].map(({ factor }) => factor.name)).toEqual([
        '1Password',
        '1Password 2',
        'Security key',
        'Werkstatt 🔧',
      ]);
      expect(first.factor.recoveryCodes).toHaveLength(10);
      expect(second.factor.recoveryCodes).toBeNull();
      const options = await built.passkeys.optionsToRegister(id, 'session');
      expect(options.excludeCredentials?.map((one) => one.id)).toEqual(
        [first, second, third, fourth].map(({ credential }) => credential.id),
      );
      expect(options).toMatchObject({
        attestation: 'none',
        rp: { id: 'id.example.com', name: 'Gatehouse' },
        authenticatorSelection: { residentKey: 'preferred', userVerification: 'preferred' },
      });
      expect(options.pubKeyCredParams.map(({ alg }) => alg)).toEqual([-7, -8, -257]);
      // Random, the same each time, and no name of theirs.
      expect(Buffer.from(options.user.id, 'base64url')).toHaveLength(32);
      expect((await built.passkeys.optionsToRegister(id, 'session')).user.id).toBe(options.user.id);
    });

    it('names it in the language of whoever makes it', async () => {
      const built = build();
      const { id } = await built.person();
      const german = catalogue.translator('de');
      const key = await enrol(built, id, { transports: ['usb'] }, '', german);
      const unknown = await enrol(built, id, {}, '', german);
      expect([key.factor.name, unknown.factor.name]).toEqual(['Sicherheitsschlüssel', 'Passkey']);
      const firefox = 'Mozilla/5.0 (Windows NT 10.0; rv:140.0) Gecko/20100101 Firefox/140.0';
      expect(browserIn(german, firefox)).toBe('Firefox unter Windows');
      expect(browserIn(german, 'Firefox/140.0')).toBe('Firefox');
      expect(browserIn(german, 'curl/8')).toBeUndefined();
    });

    it.each([
      { what: 'another origin', behaviour: { origin: 'https://evil.example' } },
      { what: 'another site', behaviour: { rpId: 'evil.example' } },
      { what: 'a frame', behaviour: { crossOrigin: true } },
      { what: 'a challenge of its own', behaviour: { challenge: randomBytes(32).toString('base64url') } },
      { what: 'an answer to a sign-in', behaviour: { type: 'webauthn.get' } },
      { what: 'an attestation that nobody asked for', behaviour: { format: 'tpm' } },
    ])('refuses $what', async ({ behaviour }) => {
      const built = build();
      const { id } = await built.person();
      await expect(enrol(built, id, behaviour)).rejects.toMatchObject({ code: 'passkey_invalid' });
    });

    it('refuses what is no answer at all', async () => {
      const built = build();
      const { id } = await built.person();
      const by = { kind: 'account', id } as const;
      for (const response of [null, 'x', {}, { id: '', rawId: '', type: 'public-key', response: {} }]) {
        await expect(
          built.passkeys.register(id, { response, name: '', t }, 'session', by),
        ).rejects.toMatchObject({ code: 'passkey_invalid' });
      }
    });

    it('takes an answer once, in the session in which it was asked for, by whom it was asked for', async () => {
      const built = build();
      const [one, other] = [await built.person(), await built.person()];
      const by = { kind: 'account', id: one.id } as const;
      const options = await built.passkeys.optionsToRegister(one.id, 'session');
      const { response } = makePasskey(options, here);
      const input = { response, name: '', t };
      const refused = { code: 'passkey_invalid' };
      await expect(built.passkeys.register(one.id, input, 'another', by)).rejects.toMatchObject(refused);
      await expect(built.passkeys.register(other.id, input, 'session', by)).rejects.toMatchObject(refused);
      await built.passkeys.register(one.id, input, 'session', by);
      await expect(built.passkeys.register(one.id, input, 'session', by)).rejects.toMatchObject(refused);
    });

    it('refuses a credential that another account has', async () => {
      const built = build();
      const [one, other] = [await built.person(), await built.person()];
      const { credential } = await enrol(built, one.id);
      const options = await built.passkeys.optionsToRegister(other.id, 'session');
      const { response } = makePasskey(options, { ...here, reuse: credential });
      const by = { kind: 'account', id: other.id } as const;
      await expect(
        built.passkeys.register(other.id, { response, name: '', t }, 'session', by),
      ).rejects.toMatchObject({ code: 'factor_exists' });
    });
  });

  it('forgets challenges that are over', async () => {
    const built = build();
    const { id } = await built.person();
    const { credential } = await enrol(built, id);
    await answer(built, credential);
    // Those of the other tests are over by then, too.
    built.clock.pass(3600);
    for (const job of built.challenges.jobs()) await job.run();
    expect(await database.db('spent_challenges').count({ count: '*' }).first()).toEqual({ count: '0' });
  });
});

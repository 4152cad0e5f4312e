// One more proof: what it is added to, what it begins, and when it counts for nothing.
import type { IncomingMessage } from 'node:http';
import { describe, expect, it } from 'vitest';
import type { Look, Missing } from '../../src/assurance/assurance.ts';
import type { Client } from '../../src/clients/clients.ts';
import { newId } from '../../src/lib/ids.ts';
import type { Proof } from '../../src/lib/strength.ts';
import { afterProof, type FinishingDeps } from '../../src/oidc/sign-in/finishing.ts';
import type { SigningIn } from '../../src/oidc/sign-in/under-way.ts';

const [ada, eve] = [newId('acc'), newId('acc')];
const proof = (method: Proof['method'], at = 1_000_000): Proof => ({ method, at });
const earlier = (more: Partial<SigningIn> = {}): SigningIn => ({
  accountId: ada,
  proofs: [proof('password', 500_000)],
  isAnew: false,
  remember: false,
  ...more,
});

/** Nothing is missing of two proofs. */
function finish(
  given: { accountId?: string; proof: Proof; prompt: string; before?: SigningIn },
  world: { notBefore?: Date; passwordSet?: Date; remembered?: boolean } = {},
) {
  const required = {
    strength: '2sv',
    rememberedDeviceServes: true,
    mailCodeServes: true,
    reasons: [],
  } as const;
  const look: Pick<Look, 'missing' | 'required'> = {
    required: () => required,
    missing: async (proofs): Promise<Missing | undefined> =>
      proofs.length > 1 ? undefined : { prompt: 'second_factor', required, methods: ['totp'] },
  };
  const deps = {
    assurance: { look: async () => look },
    cutoffs: { ofAccount: async () => world.notBefore },
    passwords: { setAt: async () => world.passwordSet },
    devices: { cookie: { read: () => 'x' }, isRemembered: async () => world.remembered === true },
  } as unknown as FinishingDeps;
  const { accountId = ada, ...rest } = given;
  const situation = {
    request: {} as IncomingMessage,
    prompt: rest.prompt,
    params: {},
    client: { requiredAcr: null } as Client,
    before: rest.before,
  };
  return afterProof({ kind: 'proved', accountId, proof: rest.proof }, situation, deps);
}

describe('a proof', () => {
  it('is added to what the same account has proved', async () => {
    const done = await finish({ proof: proof('totp'), prompt: 'second_factor', before: earlier() });
    expect(done).toMatchObject({ kind: 'complete', signingIn: { accountId: ada, isAnew: false } });
    expect(done).toMatchObject({ signingIn: { proofs: [proof('password', 500_000), proof('totp')] } });
  });

  it('of another account is added to nothing', async () => {
    const done = await finish({
      accountId: eve,
      proof: proof('totp'),
      prompt: 'second_factor',
      before: earlier(),
    });
    expect(done).toMatchObject({ kind: 'under_way', signingIn: { accountId: eve, proofs: [proof('totp')] } });
  });

  it('of a password begins anew, wherever it is given', async () => {
    const done = await finish({ proof: proof('password'), prompt: 'second_factor', before: earlier() });
    expect(done).toMatchObject({
      kind: 'under_way',
      signingIn: { isAnew: true, proofs: [proof('password')] },
    });
  });

  it('at the first step begins anew, whatever was proved before', async () => {
    const done = await finish({ proof: proof('totp'), prompt: 'login', before: earlier() });
    expect(done).toMatchObject({ kind: 'under_way', signingIn: { isAnew: true, proofs: [proof('totp')] } });
  });

  it('of the same method twice is one proof, with the time of the first', async () => {
    const mail = earlier({ proofs: [proof('mail-code', 500_000)] });
    const done = await finish({ proof: proof('mail-code'), prompt: 'second_factor', before: mail });
    expect(done).toMatchObject({ kind: 'under_way', signingIn: { proofs: [proof('mail-code', 500_000)] } });
  });

  it('from before a new password is worth nothing, and takes nothing of before with it', async () => {
    const world = { notBefore: new Date(800_000) };
    expect(await finish({ proof: proof('password', 700_000), prompt: 'login' }, world)).toEqual({
      kind: 'worthless',
    });
    const underWay = earlier({ isAnew: true });
    const done = await finish({ proof: proof('totp'), prompt: 'second_factor', before: underWay }, world);
    expect(done).toMatchObject({ kind: 'under_way', signingIn: { proofs: [proof('totp')] } });
  });

  it('by a password that has been replaced since is worth nothing, except in the session that was kept', async () => {
    const world = { passwordSet: new Date(800_000) };
    expect(await finish({ proof: proof('password', 700_000), prompt: 'login' }, world)).toEqual({
      kind: 'worthless',
    });
    const underWay = earlier({ isAnew: true });
    const done = await finish({ proof: proof('totp'), prompt: 'second_factor', before: underWay }, world);
    expect(done).toMatchObject({ kind: 'under_way', signingIn: { proofs: [proof('totp')] } });
    const kept = await finish({ proof: proof('totp'), prompt: 'second_factor', before: earlier() }, world);
    expect(kept).toMatchObject({ kind: 'complete' });
  });

  it('of the second of a new password gets the next one', async () => {
    const world = { notBefore: new Date(1_000_200) };
    const done = await finish(
      { proof: proof('password', 1_000_300), prompt: 'login' },
      { ...world, remembered: true },
    );
    const dated = [proof('password', 1_001_000), proof('remembered-device', 1_001_000)];
    expect(done).toMatchObject({ kind: 'complete', signingIn: { proofs: dated } });
  });

  it('of a password in a browser that was remembered is two', async () => {
    const done = await finish({ proof: proof('password'), prompt: 'login' }, { remembered: true });
    expect(done).toMatchObject({
      kind: 'complete',
      signingIn: { proofs: [proof('password'), proof('remembered-device')] },
    });
  });
});

// Signing keys: first start, rotation on all nodes at once, publication before use, retirement and removal.
import { randomBytes } from 'node:crypto';
import { calculateJwkThumbprint, createLocalJWKSet, jwtVerify, SignJWT } from 'jose';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createVault } from '../../src/platform/secrets/vault.ts';
import { createSigningKeys, type SigningKeys } from '../../src/signing-keys/signing-keys.ts';
import {
  codeOf,
  createNode,
  createTestClock,
  eventsOf,
  operator,
  settings,
  type TestClock,
  type TestNode,
} from '../clients/support.ts';
import { useDatabase } from '../support/database.ts';

const { postgres, db } = useDatabase();
let clock: TestClock;
let node: TestNode;
let keys: SigningKeys;

beforeEach(async () => {
  clock = createTestClock();
  node = createNode(postgres, clock);
  keys = node.signingKeys;
  await keys.start();
});
afterEach(() => db('signing_keys').delete());

const kid = (state: string, algorithm: string, of: SigningKeys = keys) =>
  of.snapshot().find((key) => key.state === state && key.algorithm === algorithm)?.kid;

describe('first start', () => {
  it('makes a current and a next key of each algorithm, current first', () => {
    expect(keys.snapshot().map(({ state, algorithm }) => `${state} ${algorithm}`)).toEqual([
      'current ES256',
      'current RS256',
      'next ES256',
      'next RS256',
    ]);
  });

  it('makes them once when several nodes start together on an empty database', async () => {
    await db('signing_keys').delete();
    const nodes = Array.from({ length: 4 }, () => createNode(postgres, clock));
    await Promise.all(nodes.map((each) => each.signingKeys.start()));
    expect(await db('signing_keys').select('kid')).toHaveLength(4);
    const kids = nodes.map((each) =>
      each.signingKeys
        .snapshot()
        .map((key) => key.kid)
        .join(),
    );
    expect(new Set(kids).size).toBe(1);
  });

  it('names keys by their RFC 7638 thumbprint and publishes no private part', async () => {
    for (const { kid: name, publicJwk, algorithm } of keys.snapshot()) {
      expect(name).toBe(await calculateJwkThumbprint(publicJwk));
      expect(publicJwk).toMatchObject({ kid: name, alg: algorithm, use: 'sig' });
      expect(publicJwk).not.toHaveProperty('d');
    }
  });

  it('keeps private keys sealed and bound to their row', async () => {
    const [first, second] = await db('signing_keys')
      .select('kid', 'private_key')
      .where({ algorithm: 'ES256' });
    const pkcs8 = keys.snapshot()[0]?.privateKey.export({ format: 'der', type: 'pkcs8' });
    expect(first.private_key.includes(pkcs8)).toBe(false);
    await db('signing_keys').where({ kid: first.kid }).update({ private_key: second.private_key });
    await expect(createNode(postgres, clock).signingKeys.start()).rejects.toThrow('does not open');
  });

  it('does not start under another master key', async () => {
    const vault = createVault(randomBytes(32));
    const other = createSigningKeys({ ...node, vault, clock, settings });
    await expect(other.start()).rejects.toThrow('sealed under another master key');
  });
});

describe('rotate', () => {
  it('C6 makes the next key current, retires the current one and publishes a new next, without losing a verifier', async () => {
    const [current, next] = [kid('current', 'ES256'), kid('next', 'ES256')];
    const signer = keys.snapshot()[0];
    if (signer === undefined) throw new Error('no key');
    const token = await new SignJWT({})
      .setProtectedHeader({ alg: 'ES256', kid: signer.kid })
      .sign(signer.privateKey);
    await keys.rotate({}, operator);
    expect(kid('current', 'ES256')).toBe(next);
    expect(kid('retired', 'ES256')).toBe(current);
    expect(kid('next', 'ES256')).not.toBe(next);
    const published = createLocalJWKSet({ keys: keys.snapshot().map((key) => key.publicJwk) });
    await expect(jwtVerify(token, published)).resolves.toBeDefined();
  });

  it('refuses a next key that was published too recently, unless forced', async () => {
    await keys.rotate({}, operator);
    const current = kid('current', 'RS256');
    clock.advance(settings.publishDelaySeconds - 1);
    await expect(keys.rotate({}, operator)).rejects.toMatchObject({
      code: 'signing_key_too_young',
      details: { retryAfterSeconds: 1 },
    });
    expect(kid('current', 'RS256')).toBe(current);
    clock.advance(1);
    await keys.rotate({}, operator);
    expect(kid('current', 'RS256')).not.toBe(current);
    await keys.rotate({ force: true }, operator);
  });

  it('rotates one algorithm alone', async () => {
    const [es256, rs256] = [kid('current', 'ES256'), kid('current', 'RS256')];
    await keys.rotate({ algorithm: 'ES256' }, operator);
    expect(kid('current', 'ES256')).not.toBe(es256);
    expect(kid('current', 'RS256')).toBe(rs256);
  });

  it.each([{ force: false }, { force: true }])(
    'promotes once when many nodes rotate at once, %j',
    async (input) => {
      const nodes = Array.from({ length: 5 }, () => createNode(postgres, clock));
      await Promise.all(nodes.map((each) => each.signingKeys.start()));
      const results = await Promise.all(
        nodes.map((each) => codeOf(each.signingKeys.rotate(input, operator))),
      );
      const retired = await db('signing_keys').select('kid').where({ state: 'retired', algorithm: 'ES256' });
      const rotatedLater = results.filter((code) => code !== 'fulfilled');
      expect(retired).toHaveLength(1);
      expect(rotatedLater.every((code) => code === 'signing_key_too_young')).toBe(true);
    },
  );

  it('is seen by another node without a restart', async () => {
    const other = createNode(postgres, clock);
    await other.signingKeys.start();
    let told = 0;
    other.signingKeys.onChange(() => {
      told += 1;
    });
    await keys.rotate({}, operator);
    await other.changes.poll();
    expect(kid('current', 'ES256', other.signingKeys)).toBe(kid('current', 'ES256'));
    expect(told).toBe(1);
  });

  it('writes who did it, with the change', async () => {
    const next = kid('next', 'ES256') ?? '';
    await keys.rotate({}, operator);
    expect(await eventsOf(db, next)).toEqual([
      { type: 'signing-key.created', actor_kind: 'system' },
      { type: 'signing-key.promoted', actor_kind: 'operator' },
    ]);
  });

  it('keeps the database from holding two current keys of one algorithm', async () => {
    const update = db('signing_keys')
      .where({ state: 'next', algorithm: 'ES256' })
      .update({ state: 'current' });
    await expect(update).rejects.toThrow('signing_keys_one_per_state');
  });
});

describe('withdraw', () => {
  const published = (name: string) => keys.snapshot().some((key) => key.kid === name);

  it('takes a retired key out of the published set at once, and verifiers refuse its tokens', async () => {
    const [signer] = keys.snapshot();
    if (signer === undefined) throw new Error('no key');
    const token = await new SignJWT({})
      .setProtectedHeader({ alg: 'ES256', kid: signer.kid })
      .sign(signer.privateKey);
    await keys.rotate({ force: true }, operator);
    await keys.withdraw({ kid: signer.kid }, operator);
    expect(await db('signing_keys').where({ kid: signer.kid })).toEqual([]);
    const left = createLocalJWKSet({ keys: keys.snapshot().map((key) => key.publicJwk) });
    await expect(jwtVerify(token, left)).rejects.toMatchObject({ code: 'ERR_JWKS_NO_MATCHING_KEY' });
  });

  it('refuses the key that signs, and leaves it as it is', async () => {
    const current = kid('current', 'ES256') ?? '';
    expect(await codeOf(keys.withdraw({ kid: current }, operator))).toBe('signing_key_in_use');
    expect(kid('current', 'ES256')).toBe(current);
    expect(await codeOf(keys.withdraw({ kid: 'unknown' }, operator))).toBe('signing_key_not_found');
  });

  it('withdraws the key that signs when it may rotate, also to a young one, and touches no other algorithm', async () => {
    await keys.rotate({}, operator);
    const [leaked, next, other] = [
      kid('current', 'ES256') ?? '',
      kid('next', 'ES256'),
      kid('current', 'RS256'),
    ];
    await keys.withdraw({ kid: leaked, rotate: true }, operator);
    expect(published(leaked)).toBe(false);
    expect(kid('current', 'ES256')).toBe(next);
    expect(kid('next', 'ES256')).toBeDefined();
    expect(kid('current', 'RS256')).toBe(other);
  });

  it('replaces a next key by a new one, which is as young as it is', async () => {
    const next = kid('next', 'RS256') ?? '';
    await keys.withdraw({ kid: next }, operator);
    expect(published(next)).toBe(false);
    expect(kid('next', 'RS256')).toBeDefined();
    expect(await codeOf(keys.rotate({ algorithm: 'RS256' }, operator))).toBe('signing_key_too_young');
  });

  it('is seen by another node, and written with its reason in the same commit', async () => {
    const other = createNode(postgres, clock);
    await other.signingKeys.start();
    const leaked = kid('current', 'ES256') ?? '';
    await keys.withdraw({ kid: leaked, rotate: true }, operator);
    await other.changes.poll();
    expect(other.signingKeys.snapshot().map((key) => key.kid)).not.toContain(leaked);
    const events = await db('audit_events').where({ target_id: leaked, type: 'signing-key.removed' });
    expect(events).toMatchObject([{ reason: 'withdrawn', actor_kind: 'operator' }]);
  });

  it('stays without effect when its event cannot be written', async () => {
    const audit = {
      record: async () => {
        throw new Error('no ledger');
      },
    };
    const vault = createVault(Buffer.alloc(32, 9));
    const broken = createSigningKeys({ ...node, vault, audit, clock, settings });
    const next = kid('next', 'ES256') ?? '';
    await expect(broken.withdraw({ kid: next }, operator)).rejects.toThrow('no ledger');
    expect(await db('signing_keys').where({ kid: next })).toHaveLength(1);
  });

  it('withdraws once when several nodes do it at once', async () => {
    const leaked = kid('current', 'ES256') ?? '';
    const other = createNode(postgres, clock);
    await other.signingKeys.start();
    const results = await Promise.all(
      [keys, other.signingKeys].map((each) => codeOf(each.withdraw({ kid: leaked, rotate: true }, operator))),
    );
    expect(results.toSorted()).toEqual(['fulfilled', 'signing_key_not_found']);
    expect(await db('signing_keys').where({ algorithm: 'ES256' })).toHaveLength(2);
  });
});

describe('jobs', () => {
  const run = async (name: string) =>
    keys
      .jobs()
      .find((job) => job.name === name)
      ?.run();

  it('rotates a key that has signed for 90 days, and not before', async () => {
    const current = kid('current', 'ES256');
    clock.advance(90 * 86_400 - 1);
    await run('signing-keys-rotate');
    expect(kid('current', 'ES256')).toBe(current);
    clock.advance(1);
    await run('signing-keys-rotate');
    expect(kid('current', 'ES256')).not.toBe(current);
    await run('signing-keys-rotate');
    expect(keys.snapshot().filter(({ state }) => state === 'retired')).toHaveLength(2);
  });

  it('makes a next key that is missing', async () => {
    await db('signing_keys').where({ state: 'next' }).delete();
    await run('signing-keys-rotate');
    expect(kid('next', 'ES256')).toBeDefined();
    expect(kid('next', 'RS256')).toBeDefined();
  });

  it('removes a retired key when no token of its life can be valid any more, and not before', async () => {
    const retired = kid('current', 'ES256') ?? '';
    await keys.rotate({}, operator);
    clock.advance(settings.retainRetiredSeconds - 1);
    await run('signing-keys-remove');
    expect(kid('retired', 'ES256')).toBe(retired);
    clock.advance(1);
    await run('signing-keys-remove');
    expect(kid('retired', 'ES256')).toBeUndefined();
    expect((await eventsOf(db, retired)).at(-1)?.type).toBe('signing-key.removed');
  });
});

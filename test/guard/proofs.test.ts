// DPoP at the guard (RFC 9449 §4.3 and §7): every check of a proof, each broken alone.
import { createHash } from 'node:crypto';
import { calculateJwkThumbprint, type JWK, SignJWT } from 'jose';
import { beforeAll, describe, expect, it } from 'vitest';
import { createMemoryReplays } from '../../src/guard/dpop.ts';
import { createGuard, type GuardSettings } from '../../src/guard/guard.ts';
import { asking, audience, type KeyPair, newKey, useIssuer } from './issuer.ts';

const issuer = useIssuer();
const made: { holder?: KeyPair; token: string } = { token: '' };
const url = 'https://notes.example.com/notes?page=2';

beforeAll(async () => {
  const holder = await newKey('holder');
  made.holder = holder;
  made.token = await issuer().sign({ cnf: { jkt: await calculateJwkThumbprint(holder.jwk) } });
});

const guard = (more: Partial<GuardSettings> = {}) => createGuard({ issuer: issuer().url, audience, ...more });
const holder = () => {
  if (made.holder === undefined) throw new Error('keys are made before the tests');
  return made.holder;
};
const publicJwk = ({ jwk: { kty, crv, x, y } }: KeyPair) => ({ kty, crv, x, y }) as JWK;
const now = () => Math.floor(Date.now() / 1000);

async function proof(
  claims: Record<string, unknown> = {},
  header: Record<string, unknown> = {},
  by = holder(),
) {
  const right = {
    htm: 'GET',
    htu: 'https://notes.example.com/notes',
    iat: now(),
    jti: crypto.randomUUID(),
    ath: createHash('sha256').update(made.token).digest('base64url'),
  };
  return new SignJWT({ ...right, ...claims })
    .setProtectedHeader({ typ: 'dpop+jwt', alg: by.alg, jwk: publicJwk(by), ...header })
    .sign(by.privateKey);
}

async function codeOf(dpop: string | undefined, by = guard(), scheme = 'DPoP', token = made.token) {
  const headers = { authorization: `${scheme} ${token}`, ...(dpop === undefined ? {} : { dpop }) };
  const result = await by.check(asking(headers, { url }));
  return result.ok ? 'ok' : `${result.status} ${result.code}`;
}

describe('a bound token', () => {
  it('comes with the proof of its key', async () => {
    expect(await codeOf(await proof())).toBe('ok');
    expect(await codeOf(await proof(), guard(), 'dpop')).toBe('ok');
  });

  it.each([
    ['for another method', { htm: 'POST' }],
    ['for a method in small letters', { htm: 'get' }],
    ['for another path', { htu: 'https://notes.example.com/others' }],
    ['for another host', { htu: 'https://evil.example.com/notes' }],
    ['for another scheme', { htu: 'http://notes.example.com/notes' }],
    ['for another port', { htu: 'https://notes.example.com:8443/notes' }],
    ['for no address', { htu: '/notes' }],
    ['for another token', { ath: createHash('sha256').update('other').digest('base64url') }],
    ['for no token', { ath: undefined }],
    ['that is old', { iat: now() - 90 }],
    ['from the future', { iat: now() + 90 }],
    ['without a time', { iat: undefined }],
    ['without an id', { jti: undefined }],
    ['with an id that is no text', { jti: 7 }],
  ])('with a proof %s is refused', async (_what, claims) => {
    expect(await codeOf(await proof(claims))).toBe('401 proof_invalid');
  });

  it.each([
    ['of another type', { typ: 'JWT' }],
    ['of no type', { typ: undefined }],
    ['without its key', { jwk: undefined }],
    ['with a key that is no point of its curve', { jwk: { kty: 'EC', crv: 'P-256', x: 'AAAA', y: 'AAAA' } }],
    ['with a key that is none', { jwk: 'x' }],
    ['with a shared secret for a key', { jwk: { kty: 'oct', k: 'c2VjcmV0' } }],
  ])('with a proof %s is refused, and that is no failure', async (_what, header) => {
    expect(await codeOf(await proof({}, header))).toBe('401 proof_invalid');
  });

  it('with a proof that shows a private key, or of another key is refused', async () => {
    const thief = await newKey('thief');
    expect(await codeOf(await proof({}, { jwk: holder().jwk }))).toBe('ok');
    const { exportJWK } = await import('jose');
    expect(await codeOf(await proof({}, { jwk: await exportJWK(holder().privateKey) }))).toBe(
      '401 proof_invalid',
    );
    expect(await codeOf(await proof({}, {}, thief))).toBe('401 proof_invalid');
    expect(await codeOf(await proof({}, { jwk: publicJwk(holder()) }, thief))).toBe('401 proof_invalid');
  });

  it('to a key of an algorithm that is not allowed is refused, with the best of proofs', async () => {
    const weak = await newKey('weak', 'RS256');
    const token = await issuer().sign({ cnf: { jkt: await calculateJwkThumbprint(weak.jwk) } });
    const ath = createHash('sha256').update(token).digest('base64url');
    const dpop = await proof({ ath }, { jwk: weak.jwk }, weak);
    expect(await codeOf(dpop, guard(), 'DPoP', token)).toBe('401 proof_invalid');
    expect(await codeOf(dpop, guard({ proofs: { algorithms: ['RS256'] } }), 'DPoP', token)).toBe('ok');
  });

  it('with no proof, with two, and with nonsense is refused', async () => {
    expect(await codeOf(undefined)).toBe('401 proof_missing');
    expect(await codeOf(`${await proof()}, ${await proof()}`)).toBe('401 proof_missing');
    expect(await codeOf('nonsense')).toBe('401 proof_invalid');
  });

  it('is refused as a bearer token, and one that is not bound is refused as DPoP', async () => {
    expect(await codeOf(await proof(), guard(), 'Bearer')).toBe('401 token_invalid');
    const free = await issuer().sign();
    const ath = createHash('sha256').update(free).digest('base64url');
    expect(await codeOf(await proof({ ath }), guard(), 'DPoP', free)).toBe('401 token_invalid');
  });

  it('that is bound in a way nobody can check here is refused', async () => {
    const certified = await issuer().sign({ cnf: { 'x5t#S256': 'x' } });
    expect(await codeOf(undefined, guard(), 'Bearer', certified)).toBe('401 token_invalid');
  });

  it('with a proof that was used is refused, also at the edges of its time', async () => {
    const by = guard();
    const once = await proof();
    const early = await proof({ iat: now() + 50 });
    expect(await codeOf(once, by)).toBe('ok');
    expect(await codeOf(once, by)).toBe('401 proof_replayed');
    const clock = { ahead: 0 };
    const waiting = guard({ now: () => Date.now() + clock.ahead });
    expect(await codeOf(early, waiting)).toBe('ok');
    clock.ahead = 100_000;
    expect(await codeOf(early, waiting)).toBe('401 proof_replayed');
    clock.ahead = 115_000;
    expect(await codeOf(early, waiting)).toBe('401 proof_invalid');
  });

  it('of many at once with one proof lets one through', async () => {
    const by = guard();
    const dpop = await proof();
    const codes = await Promise.all(Array.from({ length: 10 }, () => codeOf(dpop, by)));
    expect(codes.filter((code) => code === 'ok')).toHaveLength(1);
  });

  it('shares what was used with other nodes where it is told how', async () => {
    const used = new Set<string>();
    const replays = { addOnce: async (key: string) => !used.has(key) && used.add(key).size > 0 };
    const dpop = await proof();
    expect(await codeOf(dpop, guard({ proofs: { replays } }))).toBe('ok');
    expect(await codeOf(dpop, guard({ proofs: { replays } }))).toBe('401 proof_replayed');
    // RFC 9449 §11.1: a hash, whatever the length of the jti.
    expect([...used][0]).toMatch(/^[\w-]{43}$/);
  });

  it('is told the scheme, the algorithms and the error (RFC 9449 §7.1)', async () => {
    const result = await guard().check(asking({ authorization: `DPoP ${made.token}`, dpop: 'x' }, { url }));
    expect(result.ok ? '' : result.headers['WWW-Authenticate']).toMatch(
      /^DPoP algs="ES256 EdDSA Ed25519", error="invalid_dpop_proof", error_description="[^"]+"$/,
    );
  });
});

describe('the memory of used proofs', () => {
  it('forgets what is over, and refuses rather than forgets what is not', () => {
    const clock = { now: 0 };
    const replays = createMemoryReplays(() => clock.now);
    for (let at = 0; at < 200_000; at += 1) replays.addOnce(`${at}`, 60);
    expect(replays.addOnce('more', 60)).toBe(false);
    expect(replays.addOnce('0', 60)).toBe(false);
    clock.now = 61_000;
    expect(replays.addOnce('more', 120)).toBe(true);
    expect(replays.addOnce('more', 120)).toBe(false);
  });
});

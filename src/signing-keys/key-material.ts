// Makes signing keys, and turns their sealed private parts back into keys. No SQL.
import { createPrivateKey, generateKeyPair, type KeyObject } from 'node:crypto';
import { promisify } from 'node:util';
import { calculateJwkThumbprint, type JWK } from 'jose';
import type { SealedPlace } from '../platform/secrets/sealed-columns.ts';
import type { Vault } from '../platform/secrets/vault.ts';
import type { Algorithm } from './store.ts';

export interface NewKey {
  kid: string;
  algorithm: Algorithm;
  publicJwk: JWK;
  sealedPrivateKey: Buffer;
}

// On the thread pool: making an RSA key takes hundreds of milliseconds in which requests go on.
const generate = promisify(generateKeyPair);

// RS256 is what OpenID registration takes by default, with keys of 2048 bits or more (RFC 7518 §3.3). 2048 it is: a
// signature with 3072 bits costs about three times the time of every sign-in, for keys that are replaced every 90 days.
const RSA_BITS = 2048;

export async function makeKey(vault: Vault, algorithm: Algorithm): Promise<NewKey> {
  const { publicKey, privateKey } =
    algorithm === 'ES256'
      ? await generate('ec', { namedCurve: 'P-256' })
      : await generate('rsa', { modulusLength: RSA_BITS });
  // An exported node:crypto key is a JWK; only the typings differ.
  const jwk = publicKey.export({ format: 'jwk' }) as JWK;
  // RFC 7638: the name of a key follows from the key, so that no two keys can have one name.
  const kid = await calculateJwkThumbprint(jwk, 'sha256');
  const sealedPrivateKey = vault.seal(privateKey.export({ format: 'der', type: 'pkcs8' }), rowOf(kid));
  return { kid, algorithm, publicJwk: { ...jwk, kid, alg: algorithm, use: 'sig' }, sealedPrivateKey };
}

/** Throws SealBroken when the master key is another one or the row was changed. */
export function openPrivateKey(vault: Vault, key: { kid: string; sealedPrivateKey: Buffer }): KeyObject {
  const der = vault.open(key.sealedPrivateKey, rowOf(key.kid));
  return createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
}

function rowOf(kid: string): SealedPlace {
  return `signing_keys.private_key:${kid}`;
}

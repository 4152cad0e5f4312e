// Signing keys as the engine takes them. Signing synchronously with node:crypto costs about half of WebCrypto's round trip.
import { createPublicKey, type KeyObject, sign } from 'node:crypto';
import { ExternalSigningKey } from 'oidc-provider';
import type { SigningKey } from '../signing-keys/signing-keys.ts';

const digestOptions = { ES256: { dsaEncoding: 'ieee-p1363' }, RS256: {} } as const;

class EngineSigningKey extends ExternalSigningKey {
  readonly #key: SigningKey;
  readonly #publicKey: KeyObject;

  constructor(key: SigningKey) {
    super();
    this.#key = key;
    this.#publicKey = createPublicKey(key.privateKey);
    // kid and alg are accessors with setters on the base class; the engine reads them through those.
    Object.assign(this, { kid: key.kid, alg: key.algorithm });
  }

  override keyObject(): KeyObject {
    return this.#publicKey;
  }

  override sign(data: Uint8Array): Uint8Array {
    return sign('sha256', data, { key: this.#key.privateKey, ...digestOptions[this.#key.algorithm] });
  }
}

/** Order matters: the engine signs with the first key of an algorithm; the others are published for verifiers. */
export function engineKeys(keys: readonly SigningKey[]): ExternalSigningKey[] {
  return keys.map((key) => new EngineSigningKey(key));
}

// Signing keys as the engine takes them. Signing synchronously with node:crypto costs about half of WebCrypto's round trip.
import { createPublicKey, type KeyObject, sign } from 'node:crypto';
import { ExternalSigningKey } from 'oidc-provider';
import { measureNow } from '../../platform/telemetry/timings.ts';
import type { SigningKey, SigningKeys } from '../../signing-keys/signing-keys.ts';

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
    return signatureOf(this.#key, data);
  }
}

function signatureOf(key: SigningKey, data: Uint8Array): Buffer {
  // A bare KeyObject: with an options object around it, Node 24 copies the key for every signature, at twice the cost.
  const signature = measureNow('signing', () => sign('sha256', data, key.privateKey));
  return key.algorithm === 'ES256' ? concatenated(signature) : signature;
}

/** Signs JWT access tokens without the engine; `payload` is JSON. The header of a key is written once. */
export function createJwtSigner(signingKeys: Pick<SigningKeys, 'snapshot'>) {
  const headers = new WeakMap<SigningKey, string>();

  const headerOf = (key: SigningKey): string => {
    const known = headers.get(key);
    if (known !== undefined) return known;
    const header = JSON.stringify({ alg: key.algorithm, typ: 'at+jwt', kid: key.kid });
    const made = Buffer.from(header).toString('base64url');
    headers.set(key, made);
    return made;
  };

  return (algorithm: SigningKey['algorithm'], payload: string): string => {
    // Current before next before retired: the engine takes the first as well.
    const key = signingKeys.snapshot().find((one) => one.algorithm === algorithm);
    if (key === undefined) throw new Error(`there is no key that signs with ${algorithm}`);
    const signed = `${headerOf(key)}.${Buffer.from(payload).toString('base64url')}`;
    return `${signed}.${signatureOf(key, Buffer.from(signed, 'latin1')).toString('base64url')}`;
  };
}

const P256_BYTES = 32;

/** RFC 7518 §3.4: r and s side by side, each of 32 bytes, from the DER sequence of two integers. */
function concatenated(der: Buffer): Buffer {
  const both = Buffer.alloc(2 * P256_BYTES);
  let at = 2;
  for (const end of [P256_BYTES, 2 * P256_BYTES]) {
    const length = der[at + 1] ?? 0;
    const start = at + 2;
    const skipped = Math.max(0, length - P256_BYTES);
    der.copy(both, end - (length - skipped), start + skipped, start + length);
    at = start + length;
  }
  return both;
}

/** Order matters: the engine signs with the first key of an algorithm; the others are published for verifiers. */
export function engineKeys(keys: readonly SigningKey[]): ExternalSigningKey[] {
  return keys.map((key) => new EngineSigningKey(key));
}

// A passkey authenticator in software, which does as it is told: other origins, old counters and signatures that are wrong.
import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
import type {
  PublicKeyCredentialCreationOptionsJSON,
  PublicKeyCredentialRequestOptionsJSON,
} from '@simplewebauthn/server';

export type Algorithm = 'ES256' | 'EdDSA' | 'RS256';

export interface Behaviour {
  /** Of the page that asks. */
  origin: string;
  /** For which the authenticator answers; that of the options unless something is wrong. */
  rpId?: string;
  challenge?: string;
  type?: string;
  crossOrigin?: boolean;
  userPresent?: boolean;
  userVerified?: boolean;
  /** Whether it may be copied, and whether it was. */
  synced?: boolean;
  backedUp?: boolean;
  /** The next one unless told; null: it has none and says 0. */
  counter?: number | null;
  userHandle?: string | null;
  /** Changes what was signed. */
  tamper?: 'signature' | 'data';
}

export interface Credential {
  readonly id: string;
  readonly key: KeyObject;
  readonly userHandle: string;
  readonly rpId: string;
  readonly algorithm: Algorithm;
  counter: number;
}

/** Makes a passkey: what the browser would post, and the credential itself. */
export function makePasskey(
  options: PublicKeyCredentialCreationOptionsJSON,
  behaviour: Behaviour & {
    algorithm?: Algorithm;
    aaguid?: string;
    transports?: string[];
    format?: string;
    /** Says that it has this id. */
    reuse?: Credential;
  },
): { response: Record<string, unknown>; credential: Credential } {
  const { algorithm = 'ES256' } = behaviour;
  const { key, cose } = newKey(algorithm);
  const id = behaviour.reuse ? Buffer.from(behaviour.reuse.id, 'base64url') : randomBytes(32);
  const counter = behaviour.counter ?? 0;
  const credential: Credential = {
    id: id.toString('base64url'),
    key,
    userHandle: options.user.id,
    rpId: options.rp.id ?? '',
    algorithm,
    counter,
  };
  const aaguid = Buffer.from((behaviour.aaguid ?? '').replaceAll('-', '').padEnd(32, '0'), 'hex');
  const length = Buffer.alloc(2);
  length.writeUInt16BE(id.length);
  const data = Buffer.concat([
    authenticatorData(behaviour, credential.rpId, counter, 0x40),
    aaguid,
    length,
    id,
    cose,
  ]);
  const attestation = cbor(
    new Map<unknown, unknown>([
      ['fmt', behaviour.format ?? 'none'],
      ['attStmt', new Map()],
      ['authData', data],
    ]),
  );
  return {
    credential,
    response: {
      id: credential.id,
      rawId: credential.id,
      type: 'public-key',
      response: {
        clientDataJSON: clientData('webauthn.create', options.challenge, behaviour).toString('base64url'),
        attestationObject: attestation.toString('base64url'),
        transports: behaviour.transports ?? ['internal'],
      },
      clientExtensionResults: {},
    },
  };
}

/** Answers a challenge with it. */
export function answerWith(
  credential: Credential,
  options: Pick<PublicKeyCredentialRequestOptionsJSON, 'challenge'>,
  behaviour: Behaviour,
): Record<string, unknown> {
  const counter = behaviour.counter === null ? 0 : (behaviour.counter ?? credential.counter + 1);
  credential.counter = counter;
  const data = authenticatorData(behaviour, credential.rpId, counter, 0);
  const client = clientData('webauthn.get', options.challenge, behaviour);
  const signature = signatureOf(credential, Buffer.concat([data, sha256(client)]));
  if (behaviour.tamper === 'signature') signature[signature.length - 1] = (signature.at(-1) ?? 0) ^ 1;
  // Says that it asked for a fingerprint, after it has signed that it did not.
  if (behaviour.tamper === 'data') data[32] = (data[32] ?? 0) ^ 0x04;
  const userHandle = behaviour.userHandle === undefined ? credential.userHandle : behaviour.userHandle;
  return {
    id: credential.id,
    rawId: credential.id,
    type: 'public-key',
    response: {
      clientDataJSON: client.toString('base64url'),
      authenticatorData: data.toString('base64url'),
      signature: signature.toString('base64url'),
      ...(userHandle !== null && { userHandle }),
    },
    clientExtensionResults: {},
  };
}

function clientData(type: string, challenge: string, behaviour: Behaviour): Buffer {
  return Buffer.from(
    JSON.stringify({
      type: behaviour.type ?? type,
      challenge: behaviour.challenge ?? challenge,
      origin: behaviour.origin,
      crossOrigin: behaviour.crossOrigin ?? false,
    }),
  );
}

function authenticatorData(behaviour: Behaviour, rpId: string, counter: number, more: number): Buffer {
  const { userPresent = true, userVerified = true, synced = false, backedUp = false } = behaviour;
  const flags =
    (userPresent ? 0x01 : 0) | (userVerified ? 0x04 : 0) | (synced ? 0x08 : 0) | (backedUp ? 0x10 : 0) | more;
  const tail = Buffer.alloc(5);
  tail.writeUInt8(flags, 0);
  tail.writeUInt32BE(counter, 1);
  return Buffer.concat([sha256(Buffer.from(behaviour.rpId ?? rpId)), tail]);
}

function signatureOf({ algorithm, key }: Credential, data: Buffer): Buffer {
  return sign(algorithm === 'EdDSA' ? null : 'sha256', data, key);
}

/** The public key as COSE writes it (RFC 9053 §2, RFC 8230 §4). */
function newKey(algorithm: Algorithm): { key: KeyObject; cose: Buffer } {
  const { privateKey, publicKey } =
    algorithm === 'ES256'
      ? generateKeyPairSync('ec', { namedCurve: 'P-256' })
      : algorithm === 'EdDSA'
        ? generateKeyPairSync('ed25519')
        : generateKeyPairSync('rsa', { modulusLength: 2048 });
  const jwk = publicKey.export({ format: 'jwk' });
  const bytes = (part: string | undefined) => Buffer.from(part ?? '', 'base64url');
  const parts: Record<Algorithm, [number, unknown][]> = {
    ES256: [
      [1, 2],
      [3, -7],
      [-1, 1],
      [-2, bytes(jwk.x)],
      [-3, bytes(jwk.y)],
    ],
    EdDSA: [
      [1, 1],
      [3, -8],
      [-1, 6],
      [-2, bytes(jwk.x)],
    ],
    RS256: [
      [1, 3],
      [3, -257],
      [-1, bytes(jwk.n)],
      [-2, bytes(jwk.e)],
    ],
  };
  return { key: privateKey, cose: cbor(new Map<unknown, unknown>(parts[algorithm])) };
}

const sha256 = (data: Buffer) => createHash('sha256').update(data).digest();

/** As much of CBOR (RFC 8949 §3) as keys and attestations are made of. */
function cbor(value: unknown): Buffer {
  if (typeof value === 'number') return value < 0 ? head(1, -1 - value) : head(0, value);
  if (Buffer.isBuffer(value)) return Buffer.concat([head(2, value.length), value]);
  if (typeof value === 'string')
    return Buffer.concat([head(3, Buffer.byteLength(value)), Buffer.from(value)]);
  if (!(value instanceof Map)) throw new TypeError('this is not written here');
  const entries = [...value].flatMap(([key, one]) => [cbor(key), cbor(one)]);
  return Buffer.concat([head(5, value.size), ...entries]);
}

function head(major: number, count: number): Buffer {
  if (count < 24) return Buffer.from([(major << 5) | count]);
  if (count < 256) return Buffer.from([(major << 5) | 24, count]);
  return Buffer.from([(major << 5) | 25, count >> 8, count & 0xff]);
}

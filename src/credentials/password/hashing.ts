// Password hashes: Argon2id in PHC strings (docs/decisions/0003-argon2-binding.md says by which binding and why).
import { randomBytes } from 'node:crypto';
import { hash } from '@node-rs/argon2';

export interface Argon2Settings {
  memoryKiB: number;
  iterations: number;
  parallelism: number;
}

// `Algorithm.Argon2id` of the binding: its const enum does not exist once types are stripped.
const ARGON2ID = 2;
const SALT_BYTES = 16;
const HASH_BYTES = 32;

/**
 * The form in which a password is measured and hashed. NIST SP 800-63B §3.1.1.2 asks for one normalisation: NFKC, because
 * the same keys give composed or decomposed, full-width or plain letters depending on system and input method. Nothing
 * else is changed: no case folding, no trimming, no truncation (OWASP ASVS 6.2.8).
 */
export function normalizePassword(password: string): string {
  return password.normalize('NFKC');
}

export async function hashPassword(normalized: string, settings: Argon2Settings): Promise<string> {
  return hash(Buffer.from(normalized), {
    algorithm: ARGON2ID,
    memoryCost: settings.memoryKiB,
    timeCost: settings.iterations,
    parallelism: settings.parallelism,
    outputLen: HASH_BYTES,
    salt: randomBytes(SALT_BYTES),
  });
}

/** A hash of no password: to check against it costs what a real check costs, and it never matches. */
export function dummyHash(settings: Argon2Settings): string {
  const { memoryKiB, iterations, parallelism } = settings;
  const part = (bytes: number) => randomBytes(bytes).toString('base64').replaceAll('=', '');
  return `$argon2id$v=19$m=${memoryKiB},t=${iterations},p=${parallelism}$${part(SALT_BYTES)}$${part(HASH_BYTES)}`;
}

/** A lowered setting waits for a new password; what costs so much more was brought along, and is not paid for twice. */
const MUCH_MORE = 4;

/** True for a hash of another system, and when a setting was raised since: it is made again at the next sign-in. */
export function isOutdated(phc: string, settings: Argon2Settings): boolean {
  const cost = settingsOf(phc);
  if (cost === undefined) return true;
  return (
    cost.memoryKiB < settings.memoryKiB ||
    cost.iterations < settings.iterations ||
    cost.parallelism < settings.parallelism ||
    cost.memoryKiB * cost.iterations > settings.memoryKiB * settings.iterations * MUCH_MORE
  );
}

function settingsOf(phc: string): Argon2Settings | undefined {
  const [, algorithm, version, parameters = ''] = phc.split('$');
  if (algorithm !== 'argon2id' || version !== 'v=19') return undefined;
  // Their order differs between the bindings.
  const values = new Map(parameters.split(',').map((pair) => [pair.slice(0, 1), Number(pair.slice(2))]));
  const memoryKiB = values.get('m');
  const iterations = values.get('t');
  const parallelism = values.get('p');
  if (memoryKiB === undefined || iterations === undefined || parallelism === undefined) return undefined;
  return { memoryKiB, iterations, parallelism };
}

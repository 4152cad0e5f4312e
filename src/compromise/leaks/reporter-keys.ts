// The public keys of who reports leaks: pinned in a setting, or fetched from where they publish them and kept for a while.
import { createPublicKey, type KeyObject, verify } from 'node:crypto';
import { z } from 'zod';
import { failure } from '../../platform/errors.ts';
import type { Log } from '../../platform/telemetry/log.ts';

export interface ReporterKeys {
  /** Whether there are any at all. */
  readonly isOn: boolean;
  /** ECDSA over P-256 with SHA-256, of the bytes as they came. Throws leak_report_keys_unavailable. */
  isSigned(body: Buffer, keyId: string, signature: string): Promise<boolean>;
}

export interface ReporterKeySettings {
  keysUrl: string | undefined;
  /** `id=base64 of the SPKI`. */
  keys: readonly string[];
}

type Keys = ReadonlyMap<string, KeyObject>;

const FRESH_MILLISECONDS = 3_600_000;
/** An unknown key id asks again, but made-up ones cannot ask without end. */
const PAUSE_MILLISECONDS = 60_000;
/** And so long while nobody answers: the reporter tries again, and what it sends must not become calls elsewhere. */
const FAILED_PAUSE_MILLISECONDS = 5_000;
const TIMEOUT_MILLISECONDS = 5_000;
const LONGEST_ANSWER = 1_000_000;

/** https://api.github.com/meta/public_keys/secret_scanning */
const Published = z.object({
  public_keys: z.array(z.object({ key_identifier: z.string(), key: z.string() })).max(1000),
});

export function createReporterKeys(deps: {
  settings: ReporterKeySettings;
  log: Log;
  /** Of an address that the operator has set, as the service for breached passwords is. */
  request: typeof fetch;
}): ReporterKeys {
  const { keysUrl, keys } = deps.settings;
  const pinned: Keys = new Map(keys.flatMap((text) => pair(text)));
  let fetched: Keys = new Map();
  let fetchedAt = Number.NEGATIVE_INFINITY;
  let triedAt = Number.NEGATIVE_INFINITY;
  let isDown = false;
  let underWay: Promise<boolean> | undefined;

  async function load(url: string): Promise<boolean> {
    try {
      const answer = await deps.request(url, {
        headers: { accept: 'application/json' },
        redirect: 'error',
        signal: AbortSignal.timeout(TIMEOUT_MILLISECONDS),
      });
      const text = await answer.text();
      if (!answer.ok || text.length > LONGEST_ANSWER) throw new Error(`the answer was ${answer.status}`);
      const { public_keys: list } = Published.parse(JSON.parse(text));
      fetched = new Map(list.flatMap(({ key_identifier: id, key }) => usable(id, key)));
      fetchedAt = performance.now();
      return true;
    } catch (error) {
      deps.log.warn('The public keys for leak reports could not be fetched', { error });
      return false;
    }
  }

  /** What is old is asked for anew, and what is unknown once in a while; what was known stays while nobody answers. */
  async function keyOf(id: string): Promise<KeyObject | undefined> {
    const own = pinned.get(id);
    if (own !== undefined || keysUrl === undefined) return own;
    const now = performance.now();
    const isFresh = now - fetchedAt < FRESH_MILLISECONDS && fetched.has(id);
    const pause = isDown ? FAILED_PAUSE_MILLISECONDS : PAUSE_MILLISECONDS;
    if (!isFresh && (underWay !== undefined || now - triedAt > pause)) {
      underWay ??= load(keysUrl).finally(() => {
        underWay = undefined;
        triedAt = performance.now();
      });
      isDown = !(await underWay);
    }
    const key = fetched.get(id);
    if (key === undefined && isDown) {
      throw failure('leak_report_keys_unavailable', { retryAfterSeconds: 60 });
    }
    return key;
  }

  return {
    isOn: keysUrl !== undefined || pinned.size > 0,
    async isSigned(body, keyId, signature) {
      const key = await keyOf(keyId);
      if (key === undefined || !/^[A-Za-z0-9+/]{60,120}={0,2}$/.test(signature)) return false;
      return verify('sha256', body, key, Buffer.from(signature, 'base64'));
    },
  };
}

function pair(text: string): [string, KeyObject][] {
  const at = text.indexOf('=');
  return usable(
    text.slice(0, at),
    `-----BEGIN PUBLIC KEY-----\n${text.slice(at + 1)}\n-----END PUBLIC KEY-----\n`,
  );
}

/** Only keys of the one kind that reports are signed with. */
function usable(id: string, pem: string): [string, KeyObject][] {
  try {
    const key = createPublicKey(pem);
    return key.asymmetricKeyDetails?.namedCurve === 'prime256v1' ? [[id, key]] : [];
  } catch {
    return [];
  }
}

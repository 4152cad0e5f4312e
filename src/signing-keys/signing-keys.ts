// The keys that sign tokens: made at first start, published before they sign, replaced on schedule or by command.
import type { KeyObject } from 'node:crypto';
import type { JWK } from 'jose';
import type { Audit } from '../audit/audit.ts';
import type { Actor } from '../audit/schema.ts';
import type { Changes } from '../platform/changes.ts';
import type { Clock } from '../platform/clock.ts';
import type { Postgres } from '../platform/database/postgres.ts';
import type { Job } from '../platform/jobs/jobs.ts';
import type { Vault } from '../platform/secrets/vault.ts';
import { rotationJobs } from './jobs.ts';
import { openPrivateKey } from './key-material.ts';
import { createRotation, type RotationSettings } from './rotation.ts';
import { type Algorithm, type KeyState, readKeys, type StoredKey } from './store.ts';

export interface SigningKey {
  readonly kid: string;
  readonly algorithm: Algorithm;
  readonly state: KeyState;
  readonly privateKey: KeyObject;
  /** With kid, alg and use. */
  readonly publicJwk: JWK;
  readonly createdAt: Date;
  readonly activatedAt: Date | null;
  readonly retiredAt: Date | null;
  readonly removeAfter: Date | null;
}

/** A key as it may be shown: without its private part. */
export interface SigningKeyView {
  kid: string;
  algorithm: Algorithm;
  state: KeyState;
  createdAt: Date;
  activatedAt: Date | null;
  retiredAt: Date | null;
  removeAfter: Date | null;
}

export interface SigningKeys {
  /** Makes what is missing of current and next keys, loads the snapshot and keeps it fresh. */
  start(): Promise<void>;
  /** Current first, then next, then retired: everything that verifiers need is in it. */
  snapshot(): readonly SigningKey[];
  /** Told after the snapshot was replaced by one that differs. */
  onChange(listener: (keys: readonly SigningKey[]) => void): void;
  /**
   * next becomes current, current retires, and a new next is published; of both algorithms unless one is named. When
   * another node does the same at the same time, the keys are rotated once. Throws signing_key_too_young unless forced.
   */
  rotate(input: { algorithm?: Algorithm; force?: boolean }, by: Actor): Promise<readonly SigningKey[]>;
  /**
   * For a key that leaked: it leaves the published set at once, and with it every token that it signed. A next key gets a
   * successor. Throws signing_key_not_found; and signing_key_in_use for the one that signs, unless `rotate` is given, which
   * puts the next one in its place first, however young that is.
   */
  withdraw(input: { kid: string; rotate?: boolean }, by: Actor): Promise<readonly SigningKey[]>;
  list(): Promise<SigningKeyView[]>;
  jobs(): Job[];
}

export interface SigningKeysDeps {
  postgres: Postgres;
  vault: Vault;
  audit: Pick<Audit, 'record'>;
  changes: Pick<Changes, 'bump' | 'on' | 'poll'>;
  clock: Clock;
  settings: RotationSettings & { rotateAfterDays: number };
}

export function createSigningKeys(deps: SigningKeysDeps): SigningKeys {
  const { postgres, changes } = deps;
  const rotation = createRotation(deps);
  const listeners: ((keys: readonly SigningKey[]) => void)[] = [];
  let keys: readonly SigningKey[] = [];
  let turns = 0;
  let applied = 0;

  /** Reads may overlap; one that started earlier never replaces what a later one brought. */
  async function reload(): Promise<void> {
    turns += 1;
    const turn = turns;
    const stored = await readKeys(postgres.db);
    if (turn < applied) return;
    applied = turn;
    if (describe(stored) === describe(keys)) return;
    keys = openKeys(deps.vault, stored, keys);
    for (const listener of listeners) listener(keys);
  }

  async function refreshed(): Promise<void> {
    await reload();
    // The other listeners of this node; a failed look is made up by the next one in a second.
    await changes.poll().catch(() => undefined);
  }

  const face: SigningKeys = {
    async start() {
      await rotation.makeMissing();
      changes.on('signing-keys', reload);
      await reload();
    },
    snapshot: () => keys,
    onChange(listener) {
      listeners.push(listener);
    },
    async rotate(input, by) {
      await rotation.rotate(input, by);
      await refreshed();
      return keys;
    },
    async withdraw(input, by) {
      await rotation.withdraw(input, by);
      await refreshed();
      return keys;
    },

    async list() {
      return (await readKeys(postgres.db)).map(viewOf);
    },
    jobs: () =>
      rotationJobs({
        clock: deps.clock,
        rotateAfterDays: deps.settings.rotateAfterDays,
        list: face.list,
        makeMissing: () => rotation.makeMissing().then(refreshed),
        rotate: face.rotate,
        removeExpired: () => rotation.removeExpired().then(refreshed),
      }),
  };
  return face;
}

export function viewOf(key: StoredKey | SigningKey): SigningKeyView {
  const { kid, algorithm, state, createdAt, activatedAt, retiredAt, removeAfter } = key;
  return { kid, algorithm, state, createdAt, activatedAt, retiredAt, removeAfter };
}

function describe(keys: readonly { kid: string; state: KeyState }[]): string {
  return keys.map(({ kid, state }) => `${kid}:${state}`).join(' ');
}

/** A private key that is open already is not opened again. */
function openKeys(vault: Vault, stored: readonly StoredKey[], open: readonly SigningKey[]): SigningKey[] {
  return stored.map((key) => ({
    ...viewOf(key),
    publicJwk: key.publicJwk,
    privateKey: open.find(({ kid }) => kid === key.kid)?.privateKey ?? openPrivateKey(vault, key),
  }));
}

// The master key and its rotation: a new one is made and given to every node, put to use, and the old one set aside when
// nothing is under it any more. Only ids of keys are stored, shown and logged.
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import type { Audit, EventType } from '../audit/audit.ts';
import type { Actor } from '../audit/schema.ts';
import type { Changes } from '../platform/changes.ts';
import type { Clock } from '../platform/clock.ts';
import type { Db, Postgres } from '../platform/database/postgres.ts';
import { failure } from '../platform/errors.ts';
import type { Job } from '../platform/jobs/jobs.ts';
import { makeDue } from '../platform/jobs/store.ts';
import {
  type MasterKeySettings,
  makeFurtherMasterKey,
  masterKeysAtHand,
  setAsideMasterKey,
} from '../platform/secrets/master-key.ts';
import type { Vault } from '../platform/secrets/vault.ts';
import type { Log } from '../platform/telemetry/log.ts';
import { follow } from './follow.ts';
import { masterKeyJobs, REWRAP } from './jobs.ts';
import * as store from './store.ts';

export interface MasterKeyView {
  id: string;
  /** `unknown`: at hand, but never put to use; a key given by setting before it is activated, for instance. */
  state: store.MasterKeyState | 'unknown';
  createdAt: Date | null;
  activatedAt: Date | null;
  /** How many sealed values it wraps. */
  values: number;
  /** Running servers that hold it. */
  nodes: number;
  /** Whether this machine holds it. */
  here: boolean;
}

export interface MasterKeyStatus {
  keys: MasterKeyView[];
  nodes: store.MasterKeyNode[];
  /** Values that are still to be brought under the current key. */
  waiting: number;
}

export interface MasterKey {
  /** Tells the other nodes which master keys this one holds, and follows when another one is put to use. */
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Makes the next key. Throws master_key_waiting when there is one, master_key_by_setting when it cannot be a file. */
  rotate(by: Actor): Promise<{ id: string; file: string }>;
  /**
   * Lets a key wrap new values from now on, and brings the others under it in the background. Throws
   * master_key_not_found, master_key_ambiguous, and master_key_not_everywhere unless forced.
   */
  activate(input: { id?: string | undefined; force?: boolean }, by: Actor): Promise<string>;
  /** Throws master_key_not_found, and master_key_in_use while something needs it. Answers where its file went. */
  retire(id: string, by: Actor): Promise<{ aside: string | undefined }>;
  status(): Promise<MasterKeyStatus>;
  jobs(): Job[];
}

export interface MasterKeyDeps {
  postgres: Postgres;
  vault: Vault;
  audit: Pick<Audit, 'record' | 'append'>;
  changes: Pick<Changes, 'bump' | 'on'>;
  clock: Clock;
  log: Log;
  settings: MasterKeySettings;
}

const REPORT_MILLISECONDS = 15_000;

export function createMasterKey(deps: MasterKeyDeps): MasterKey {
  const { postgres, vault, settings } = deps;
  const { db } = postgres;
  const node = `${hostname()}:${process.pid}:${randomUUID().slice(0, 8)}`;
  let timer: NodeJS.Timeout | undefined;

  let held: readonly string[] = [vault.keyId];
  const report = async () => {
    await follow({ db, vault, log: deps.log });
    try {
      held = vault.keyIds();
    } catch (error) {
      // Told all the same: a node that is not heard of counts as ended, and nobody waits for it to get the next key.
      deps.log.error('a master key beside those at hand cannot be read', { error });
    }
    await store.reportNode(db, { node, host: hostname(), held, uses: vault.keyId });
  };
  const change = <T>(run: (trx: Db) => Promise<T>) =>
    postgres.transaction(async (trx) => {
      await store.lockMasterKeys(trx);
      const result = await run(trx);
      await deps.changes.bump(trx, 'master-key');
      return result;
    });

  return {
    async start() {
      deps.changes.on('master-key', report);
      await report();
      timer = setInterval(() => {
        report().catch((error: unknown) =>
          deps.log.warn('the master keys held could not be told', { error }),
        );
      }, REPORT_MILLISECONDS);
      timer.unref();
    },
    async stop() {
      if (timer === undefined) return;
      clearInterval(timer);
      await store.forgetNode(db, node).catch(() => undefined);
    },

    async rotate(by) {
      if (settings.masterKey !== undefined) throw failure('master_key_by_setting');
      return change(async (trx) => {
        const waiting = (await store.readMasterKeys(trx)).find(({ state }) => state === 'next');
        if (waiting !== undefined) throw failure('master_key_waiting', { id: waiting.id });
        // The file first: a key that is known and not there would be worse than one that is there and not known.
        const { id, file } = await makeFurtherMasterKey(settings.keysDirectory);
        await store.insertNext(trx, id, deps.clock.now());
        await tell(deps, trx, 'master-key.created', id, by);
        return { id, file: file ?? '' };
      });
    },

    async activate(input, by) {
      const id = input.id ?? onlyCandidate(await store.readMasterKeys(db), vault.keyIds());
      if (!vault.keyIds().includes(id)) throw failure('master_key_not_found', { id });
      await change(async (trx) => {
        const known = await store.readMasterKeys(trx);
        if (known.some((key) => key.id === id && key.state === 'current')) return;
        if (input.force !== true) refuseUnlessEverywhere(id, await store.readNodes(trx));
        await store.makeCurrent(trx, id, deps.clock.now());
        await makeDue(trx, REWRAP);
        await tell(deps, trx, 'master-key.activated', id, by);
      });
      vault.use(id);
      return id;
    },

    async retire(id, by) {
      await change(async (trx) => {
        const key = (await store.readMasterKeys(trx)).find((one) => one.id === id);
        if (key === undefined) throw failure('master_key_not_found', { id });
        await refuseWhileUsed(trx, key);
        await store.makeRetired(trx, id, deps.clock.now());
        await tell(deps, trx, 'master-key.retired', id, by);
      });
      const file = masterKeysAtHand(settings).find((key) => key.id === id)?.file;
      return { aside: file && (await setAsideMasterKey(settings.keysDirectory, file)) };
    },

    async status() {
      const [known, nodes, counts] = await Promise.all([
        store.readMasterKeys(db),
        store.readNodes(db),
        store.countValues(db),
      ]);
      return statusOf(known, nodes, counts, vault.keyIds());
    },

    jobs: () => masterKeyJobs({ db, vault, audit: deps.audit, log: deps.log }),
  };
}

function onlyCandidate(known: readonly store.StoredMasterKey[], held: readonly string[]): string {
  const used = new Set(known.filter(({ state }) => state !== 'next').map(({ id }) => id));
  const candidates = held.filter((id) => !used.has(id));
  const [id] = candidates;
  if (id === undefined) throw failure('master_key_not_found');
  if (candidates.length > 1) throw failure('master_key_ambiguous', { keys: candidates.join(', ') });
  return id;
}

function refuseUnlessEverywhere(id: string, nodes: readonly store.MasterKeyNode[]): void {
  const without = nodes.filter(({ held }) => !held.includes(id)).map(({ node }) => node);
  if (without.length > 0) throw failure('master_key_not_everywhere', { nodes: without.join(', ') });
}

async function refuseWhileUsed(trx: Db, key: store.StoredMasterKey): Promise<void> {
  if (key.state === 'current') throw failure('master_key_in_use', { reason: 'it wraps new values' });
  const values = (await store.countValues(trx)).get(key.id) ?? 0;
  if (values > 0) throw failure('master_key_in_use', { values });
  // A node that has not followed yet could still seal a value under it.
  const behind = (await store.readNodes(trx)).filter(({ uses }) => uses === key.id).map(({ node }) => node);
  if (behind.length > 0) throw failure('master_key_in_use', { nodes: behind.join(', ') });
}

function statusOf(
  known: readonly store.StoredMasterKey[],
  nodes: store.MasterKeyNode[],
  counts: ReadonlyMap<string, number>,
  held: readonly string[],
): MasterKeyStatus {
  const ids = new Set([...known.map(({ id }) => id), ...held, ...counts.keys()]);
  const keys = [...ids].map((id) => {
    const key = known.find((one) => one.id === id);
    return {
      id,
      state: key?.state ?? ('unknown' as const),
      createdAt: key?.createdAt ?? null,
      activatedAt: key?.activatedAt ?? null,
      values: counts.get(id) ?? 0,
      nodes: nodes.filter((node) => node.held.includes(id)).length,
      here: held.includes(id),
    };
  });
  const others = keys.filter(({ state }) => state !== 'current');
  return { keys, nodes, waiting: others.reduce((sum, { values }) => sum + values, 0) };
}

async function tell(deps: MasterKeyDeps, trx: Db, type: EventType, id: string, by: Actor): Promise<void> {
  await deps.audit.record(trx, {
    type,
    actor: by,
    outcome: 'success',
    target: { kind: 'master_key', id },
  });
}

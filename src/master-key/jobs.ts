// Scheduled work of the master key: values come under the one in use, and nodes that ended are forgotten.
import type { Audit } from '../audit/audit.ts';
import type { Actor } from '../audit/schema.ts';
import type { Db } from '../platform/database/postgres.ts';
import { inBatches } from '../platform/jobs/batches.ts';
import type { Job } from '../platform/jobs/jobs.ts';
import type { Vault } from '../platform/secrets/vault.ts';
import type { Log } from '../platform/telemetry/log.ts';
import { follow } from './follow.ts';
import { rewrapAll } from './rewrap.ts';
import { deleteOldNodes, readMasterKeys } from './store.ts';

const system: Actor = { kind: 'system', id: null };
export const REWRAP = 'master-key-rewrap';
const REWRAP_SECONDS = 15;
const HOUR_SECONDS = 3600;

interface MasterKeyJobsDeps {
  db: Db;
  vault: Vault;
  audit: Pick<Audit, 'append'>;
  log: Log;
}

export function masterKeyJobs(deps: MasterKeyJobsDeps): Job[] {
  const { db } = deps;
  return [
    {
      name: REWRAP,
      everySeconds: REWRAP_SECONDS,
      run: (signal) => rewrap(deps, signal),
    },
    {
      name: 'master-key-nodes-expiry',
      everySeconds: HOUR_SECONDS,
      run: async (signal) => {
        await inBatches((limit) => deleteOldNodes(db, limit), signal);
      },
    },
  ];
}

/** Looks again as long as an old key is not retired: a node that was slow to follow may have sealed one more value. */
async function rewrap(deps: MasterKeyJobsDeps, signal?: AbortSignal): Promise<void> {
  const { db } = deps;
  const keys = await readMasterKeys(db);
  if (!keys.some(({ state }) => state === 'previous')) return;
  if (!(await follow(deps))) throw new Error('this node does not hold the master key in use');
  const { values, broken, complete } = await rewrapAll(deps, signal);
  if (values > 0) deps.log.info('sealed values were brought under the master key in use', { values });
  if (values > 0 && complete && broken === 0) {
    await deps.audit.append({
      type: 'master-key.rewrapped',
      actor: system,
      outcome: 'success',
      target: { kind: 'master_key', id: deps.vault.keyId },
      details: { values },
    });
  }
  if (broken > 0) throw new Error(`${broken} sealed values do not open and stay under an old master key`);
}

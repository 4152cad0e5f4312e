// Clean-up of what is over: logout notices that were delivered or given up, and cutoffs that nothing can be from before.
import type { Db } from '../platform/database/postgres.ts';
import { inBatches } from '../platform/jobs/batches.ts';
import type { Job } from '../platform/jobs/jobs.ts';
import { deleteFinished } from './logout-store.ts';

const HOUR_SECONDS = 3600;
/** Failed ones longer: somebody may still want to send them again, or to know. */
const DAYS = { delivered: 7, failed: 30 };

export function sessionJobs(deps: {
  db: Db;
  removeOldCutoffs: (signal?: AbortSignal) => Promise<number>;
}): Job[] {
  return [
    {
      name: 'logout-deliveries-expiry',
      everySeconds: HOUR_SECONDS,
      async run(signal) {
        await inBatches((limit) => deleteFinished(deps.db, DAYS, limit), signal);
      },
    },
    {
      name: 'cutoffs-expiry',
      everySeconds: HOUR_SECONDS,
      async run(signal) {
        await deps.removeOldCutoffs(signal);
      },
    },
  ];
}

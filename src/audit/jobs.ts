// Scheduled work of the ledger: partitions for the months to come, and the end of old refusal counts.
import type { Clock } from '../platform/clock.ts';
import type { Db } from '../platform/database/postgres.ts';
import type { Job } from '../platform/jobs/jobs.ts';
import type { Log } from '../platform/telemetry/log.ts';
import { makePartitions } from './partitions.ts';
import { deleteRefusals } from './store.ts';

const MONTHS_AHEAD = 3;
const KEEP_REFUSALS_DAYS = 30;
const DELETE_STEP = 5000;
const DAY = 86_400_000;

export function auditJobs(deps: { db: Db; clock: Clock; log: Log }): Job[] {
  return [
    {
      name: 'audit-partitions',
      everySeconds: 6 * 3600,
      async run() {
        const made = await makePartitions(deps.db, deps.clock.now(), MONTHS_AHEAD);
        if (made.length > 0) deps.log.info('partitions of the ledger were made', { partitions: made });
      },
    },
    {
      // Strangers cause these rows, so their number must have an end.
      name: 'audit-refusals-cleanup',
      everySeconds: 3600,
      async run() {
        const before = new Date(deps.clock.now().getTime() - KEEP_REFUSALS_DAYS * DAY);
        while (await deleteRefusals(deps.db, before, DELETE_STEP));
      },
    },
  ];
}

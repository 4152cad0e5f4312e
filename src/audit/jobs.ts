// Scheduled work of the ledger: partitions for the months to come, and the end of months and refusal counts past their time.
import type { Clock } from '../platform/clock.ts';
import type { Db } from '../platform/database/postgres.ts';
import { inBatches } from '../platform/jobs/batches.ts';
import type { Job } from '../platform/jobs/jobs.ts';
import type { Log } from '../platform/telemetry/log.ts';
import type { Audit } from './audit.ts';
import { detachMonth, dropDetached, makePartitions, monthsEndedBefore } from './partitions.ts';
import { deleteRefusals, deleteStrays } from './store.ts';

export interface AuditJobsDeps {
  db: Db;
  clock: Clock;
  log: Log;
  audit: Pick<Audit, 'append'>;
  /** 0 keeps the ledger for ever. */
  settings: { auditDays: number; refusalDays: number };
}

const MONTHS_AHEAD = 3;
const HOUR_SECONDS = 3600;
const DAY_MILLISECONDS = 86_400_000;

export function auditJobs(deps: AuditJobsDeps): Job[] {
  const { db, clock, log, settings } = deps;
  const daysAgo = (days: number) => new Date(clock.now().getTime() - days * DAY_MILLISECONDS);
  return [
    {
      name: 'audit-partitions',
      everySeconds: 6 * HOUR_SECONDS,
      async run() {
        const { made, left } = await makePartitions(db, clock.now(), MONTHS_AHEAD);
        if (made.length > 0) log.info('partitions of the ledger were made', { partitions: made });
        if (left.length > 0) {
          log.warn('months of the ledger stay in the default partition: they hold too much to be moved', {
            partitions: left,
          });
        }
      },
    },
    {
      name: 'audit-retention',
      everySeconds: 6 * HOUR_SECONDS,
      async run(signal) {
        if (settings.auditDays > 0) await removeMonths(deps, daysAgo(settings.auditDays), signal);
      },
    },
    {
      // Strangers cause these rows, so their number must have an end.
      name: 'audit-refusals-cleanup',
      everySeconds: HOUR_SECONDS,
      async run(signal) {
        const before = daysAgo(settings.refusalDays);
        await inBatches((limit) => deleteRefusals(db, before, limit), signal);
      },
    },
  ];
}

async function removeMonths(deps: AuditJobsDeps, before: Date, signal?: AbortSignal): Promise<void> {
  const { db } = deps;
  for (const { name, attached } of await monthsEndedBefore(db, before)) {
    if (signal?.aborted === true) return;
    if (attached) await detachMonth(db, name);
    await dropDetached(db, name);
    await deps.audit.append({
      type: 'audit.month-removed',
      actor: { kind: 'system', id: null },
      outcome: 'success',
      target: { kind: 'partition', id: name },
    });
  }
  await inBatches((limit) => deleteStrays(db, before, limit), signal);
}

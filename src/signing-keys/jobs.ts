// Scheduled work on the signing keys: replace what is old, make what is missing, remove what nobody needs any more.
import type { Actor } from '../audit/schema.ts';
import type { Clock } from '../platform/clock.ts';
import { AppError } from '../platform/errors.ts';
import type { Job } from '../platform/jobs/jobs.ts';
import type { Algorithm, KeyState } from './store.ts';

const HOUR_SECONDS = 3600;
const DAY_MILLISECONDS = 86_400_000;
const system: Actor = { kind: 'system', id: null };

export function rotationJobs(deps: {
  clock: Clock;
  rotateAfterDays: number;
  list: () => Promise<{ algorithm: Algorithm; state: KeyState; activatedAt: Date | null }[]>;
  rotate: (input: { algorithm: Algorithm }, by: Actor) => Promise<unknown>;
  makeMissing: () => Promise<void>;
  removeExpired: () => Promise<void>;
}): Job[] {
  async function rotateOld(): Promise<void> {
    await deps.makeMissing();
    const before = deps.clock.now().getTime() - deps.rotateAfterDays * DAY_MILLISECONDS;
    for (const key of await deps.list()) {
      if (key.state !== 'current' || key.activatedAt === null || key.activatedAt.getTime() > before) continue;
      await deps.rotate({ algorithm: key.algorithm }, system).catch(ignoreTooYoung);
    }
  }

  return [
    { name: 'signing-keys-rotate', everySeconds: HOUR_SECONDS, run: rotateOld },
    { name: 'signing-keys-remove', everySeconds: HOUR_SECONDS, run: deps.removeExpired },
  ];
}

/** The next run comes in an hour, when verifiers know the key. */
function ignoreTooYoung(error: unknown): void {
  if (error instanceof AppError && error.code === 'signing_key_too_young') return;
  throw error;
}

// The cheap first look of every limit: permits this process has taken ahead, and refusals it already knows of.
import { permitsLeft, type Quota, quotaAlone, type Taken, untilNextPermit } from './gcra.ts';
import type { MemoryCounters } from './memory-store.ts';
import type { LimitStore } from './store.ts';

/** What one request got. */
export interface Decision {
  readonly allowed: boolean;
  readonly remaining: number;
  readonly resetSeconds: number;
  /** The limit that was applied: a part of the set one while this process counts alone. */
  readonly limit: number;
}

export interface Permits {
  take(key: string, quota: Quota): Promise<Decision>;
}

interface Holder {
  /** Taken ahead and not spent. */
  permits: number;
  /** How many there were when they came, and when that was. */
  size: number;
  since: number;
  ahead: number;
  refusedUntil: number;
  asking: boolean;
  readonly waiting: ((decision: Decision) => void)[];
}

/** Permits that were not spent by then are lost: what was reserved long ago must not be spent on top of a full burst. */
const HOLD_MILLISECONDS = 1_000;
const MOST_HOLDERS = 50_000;

export function createPermits(deps: {
  store: LimitStore;
  alone: MemoryCounters;
  failed: (error: unknown) => void;
}): Permits {
  const holders = new Map<string, Holder>();

  const ask = async (key: string, holder: Holder, quota: Quota) => {
    holder.asking = true;
    while (holder.waiting.length > 0) {
      const wanted = Math.max(holder.waiting.length, nextSize(holder, quota));
      const taken = await deps.store.take(key, wanted, quota).catch(deps.failed);
      if (taken === undefined) decideAlone(key, holder, quota, deps.alone);
      else spend(holder, quota, wanted, taken);
    }
    holder.asking = false;
    if (quota.chunk === 1 && holder.refusedUntil === 0) holders.delete(key);
  };

  return {
    take(key, quota) {
      const holder = holders.get(key) ?? newHolder(holders, key);
      if (!holder.asking) {
        const known = decideHere(holder, quota);
        if (known !== undefined) return Promise.resolve(known);
      }
      return new Promise((resolve) => {
        holder.waiting.push(resolve);
        if (!holder.asking) void ask(key, holder, quota);
      });
    },
  };
}

function newHolder(holders: Map<string, Holder>, key: string): Holder {
  for (const [oldest, { asking }] of holders) {
    if (holders.size < MOST_HOLDERS) break;
    if (!asking) holders.delete(oldest);
  }
  const holder = { permits: 0, size: 0, since: 0, ahead: 0, refusedUntil: 0, asking: false, waiting: [] };
  holders.set(key, holder);
  return holder;
}

/** Without asking anybody, or undefined when the shared counter must be asked. */
function decideHere(holder: Holder, quota: Quota): Decision | undefined {
  const now = performance.now();
  if (now < holder.refusedUntil) return refusal(holder.refusedUntil - now, quota);
  if (holder.permits === 0 || now - holder.since > HOLD_MILLISECONDS) return undefined;
  holder.permits -= 1;
  const ahead = Math.max(0, holder.ahead - (now - holder.since) * 1000);
  return permission(ahead, holder.permits, quota);
}

/** As many as the last ones were spent in the time they are good for, growing twofold at most: little is ever lost. */
function nextSize(holder: Holder, { chunk }: Quota): number {
  const spent = holder.size - holder.permits;
  const age = Math.max(1, performance.now() - holder.since);
  return Math.min(chunk, Math.max(1, Math.ceil(spent * Math.min(2, HOLD_MILLISECONDS / age))));
}

function spend(holder: Holder, quota: Quota, wanted: number, { granted, ahead }: Taken): void {
  const served = holder.waiting.splice(0, granted);
  Object.assign(holder, { size: granted, permits: granted - served.length, since: performance.now(), ahead });
  holder.refusedUntil = 0;
  for (const [index, decide] of served.entries()) decide(permission(ahead, granted - index - 1, quota));
  if (granted === wanted) return;
  // Nothing is left anywhere, for nobody, until the next permit has come back.
  const milliseconds = untilNextPermit(ahead, quota) / 1000;
  holder.refusedUntil = holder.since + milliseconds;
  for (const decide of holder.waiting.splice(0)) decide(refusal(milliseconds, quota));
}

/** The shared counters are away: never without a limit, but with a smaller one of this process. */
function decideAlone(key: string, holder: Holder, quota: Quota, alone: MemoryCounters): void {
  const smaller = quotaAlone(quota);
  Object.assign(holder, { size: 0, permits: 0, refusedUntil: 0 });
  for (const decide of holder.waiting.splice(0)) {
    const { granted, ahead } = alone.take(key, 1, smaller);
    if (granted === 1) decide(permission(ahead, 0, smaller));
    else decide(refusal(untilNextPermit(ahead, smaller) / 1000, smaller));
  }
}

function permission(ahead: number, permits: number, quota: Quota): Decision {
  return {
    allowed: true,
    remaining: permitsLeft(ahead, quota) + permits,
    resetSeconds: Math.max(1, Math.ceil(untilNextPermit(ahead, quota) / 1_000_000)),
    limit: quota.limit,
  };
}

function refusal(milliseconds: number, { limit }: Quota): Decision {
  return {
    allowed: false,
    remaining: 0,
    resetSeconds: Math.max(1, Math.ceil(milliseconds / 1000)),
    limit,
  };
}

// One time for every refusal, whatever hash was looked at: raised costs and hashes of other systems leave accounts whose
// passwords are checked faster or slower than others, and than the dummy of those who have none.

/** Kinds of hash that are told apart; more do not come together in one directory. */
const MOST_KINDS = 64;
const WEIGHT = 0.1;

export interface Pace {
  /** How much longer a refusal is to wait, after a hash of this cost took so long. */
  missing(milliseconds: number, cost: string): number;
}

export function createPace(): Pace {
  const typical = new Map<string, number>();
  return {
    missing(milliseconds, cost) {
      const before = typical.get(cost);
      const now = before === undefined ? milliseconds : before + (milliseconds - before) * WEIGHT;
      if (before !== undefined || typical.size < MOST_KINDS) typical.set(cost, now);
      return Math.max(0, Math.max(...typical.values()) - milliseconds);
    },
  };
}

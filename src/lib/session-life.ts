// How long a session may last: the shape shared by whatever may bound it, and the least of several.
import { z } from 'zod';

export interface SessionLife {
  /** Without use; null: no bound. */
  sessionIdleSeconds: number | null;
  /** Since the sign-in; null: no bound. */
  sessionAbsoluteSeconds: number | null;
}

/** A sign-in that is under way may take some minutes: a shorter life could end before it began. */
const SHORTEST_SECONDS = 300;
const YEAR_SECONDS = 31_536_000;

/** A number of seconds, or null for no bound. */
export const sessionSeconds = z.int().min(SHORTEST_SECONDS).max(YEAR_SECONDS).nullable();

/** The least of those that there are; null when there is none. */
export function leastSeconds(bounds: readonly (number | null)[]): number | null {
  const set = bounds.filter((bound) => bound !== null);
  return set.length === 0 ? null : Math.min(...set);
}
